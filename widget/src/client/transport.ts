import { ChatError } from "./errors";
import { Guest, type TokenStorage } from "./guest";

/** Where the server is and who speaks; everything may change between two requests. */
export interface Endpoint {
  /** The chat route; the guest route and the turns are found beside and below it. */
  url: string;
  fetch?: typeof fetch;
  getClientSecret?: (current: string | null) => Promise<string>;
  locale: string;
}

export interface Outgoing {
  method: string;
  body?: string | FormData;
  headers: Record<string, string>;
  signal?: AbortSignal;
}

const LIMIT_MS = 30_000;

/** Sends requests to the one server it was given, with the right language and identity. */
export class Transport {
  readonly #guest: Guest;
  #secret: string | null = null;
  endpoint: Endpoint;

  constructor(endpoint: Endpoint, storage: TokenStorage | null) {
    this.endpoint = endpoint;
    this.#guest = new Guest(endpoint.url, storage);
  }

  /**
   * Whether our own headers may go along. A foreign server that is not known to be ours may answer
   * only the headers it expects, and a browser would then refuse the whole request.
   */
  get extended(): boolean {
    if (this.endpoint.fetch || this.endpoint.getClientSecret) return true;
    return this.#guest.isParlour === true || sameOrigin(this.endpoint.url);
  }

  /** Whether sending the same request twice is known to be safe. */
  get idempotent(): boolean {
    return this.#guest.isParlour === true;
  }

  set idempotent(known: true) {
    this.#guest.isParlour = known;
  }

  /** A successful response, or a ChatError; asks again once with new credentials after a 401. */
  async send(
    url: string,
    init: Outgoing,
    extra: Record<string, string> = {},
  ): Promise<Response> {
    const used = await this.#credentials();
    let response = await this.#fetch(url, init, extra, used);
    if (response.status === 401 && used) {
      const renewed = await this.#credentials(used);
      if (renewed && renewed !== used) response = await this.#fetch(url, init, extra, renewed);
    }
    if (!response.ok) throw await ChatError.from(response);
    return response;
  }

  /** The JSON answer to a JSON request. */
  async json(body: string): Promise<{ value: unknown; headers: Headers }> {
    const signal = AbortSignal.timeout(LIMIT_MS);
    const headers = { Accept: "application/json" };
    const response = await this.send(this.endpoint.url, { method: "POST", body, headers, signal });
    try {
      return { value: (await response.json()) as unknown, headers: response.headers };
    } catch (cause) {
      if (signal.aborted) throw ChatError.network(cause);
      throw new ChatError("bad_answer", "The chat server did not answer with JSON.", { cause });
    }
  }

  async #fetch(
    url: string,
    init: Outgoing,
    extra: Record<string, string>,
    bearer: string | null,
  ): Promise<Response> {
    const headers: Record<string, string> = {
      ...init.headers,
      "Accept-Language": this.endpoint.locale,
    };
    if (typeof init.body === "string") headers["Content-Type"] = "application/json";
    if (this.extended) Object.assign(headers, extra);
    if (bearer) headers.Authorization = `Bearer ${bearer}`;
    const send = this.endpoint.fetch ?? fetch;
    try {
      return await send(url, { ...init, headers });
    } catch (cause) {
      throw ChatError.network(cause);
    }
  }

  async #credentials(refused?: string): Promise<string | null> {
    const { fetch: own, getClientSecret } = this.endpoint;
    if (getClientSecret) {
      if (!this.#secret || refused) this.#secret = await getClientSecret(this.#secret);
      return this.#secret;
    }
    return own ? null : this.#guest.token(refused);
  }
}

function sameOrigin(url: string): boolean {
  const here = (globalThis as { location?: Location }).location;
  return here !== undefined && new URL(url, here.href).origin === here.origin;
}
