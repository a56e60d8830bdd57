import { ChatError } from "./errors";
import type { JsonRequests, StreamEvent, StreamingRequests } from "./protocol";
import type { TokenStorage } from "./guest";
import { type Endpoint, Transport } from "./transport";
import { type Connection, Turn } from "./turn";

export type { StreamEvent };

/** A JSON answer, and the turn that is running on its thread, if the server says so. */
export interface Answer<T> {
  value: T;
  turn: string | null;
}

/** Speaks the ChatKit protocol with one server; knows nothing of the page. */
export class ChatClient {
  readonly #transport: Transport;

  constructor(endpoint: Endpoint, storage: TokenStorage | null = null) {
    this.#transport = new Transport(endpoint, storage);
  }

  get endpoint(): Endpoint {
    return this.#transport.endpoint;
  }

  /** Used from the next request on; a different `url` needs a new client. */
  set endpoint(endpoint: Endpoint) {
    this.#transport.endpoint = endpoint;
  }

  async call<T extends keyof JsonRequests>(
    type: T,
    params: JsonRequests[T]["params"],
  ): Promise<Answer<JsonRequests[T]["result"]>> {
    const { value, headers } = await this.#transport.json(JSON.stringify({ type, params }));
    return { value: value as JsonRequests[T]["result"], turn: headers.get("Parlour-Turn") };
  }

  /** Sends a form beside the protocol; only our own server is told who we are. */
  async post(address: string, body: FormData): Promise<unknown> {
    const url = new URL(address, this.endpoint.url);
    const response =
      url.origin === new URL(this.endpoint.url).origin
        ? await this.#transport.send(url.href, { method: "POST", body, headers: {} })
        : await (this.endpoint.fetch ?? fetch)(url, { method: "POST", body });
    if (!response.ok) throw await ChatError.from(response);
    return response.json();
  }

  /** One action of the visitor: the same `Idempotency-Key` however often it has to be sent. */
  stream<T extends keyof StreamingRequests>(
    type: T,
    params: StreamingRequests[T],
    onConnection?: (connection: Connection) => void,
  ): Turn {
    const transport = this.#transport;
    const body = JSON.stringify({ type, params });
    const extra = { "Parlour-Resume": "1", "Idempotency-Key": randomKey() };
    return new Turn(
      {
        open: async (signal) => {
          const init = { method: "POST", body, headers: { Accept: "text/event-stream" }, signal };
          const response = await transport.send(transport.endpoint.url, init, extra);
          if (response.headers.has("Parlour-Turn")) transport.idempotent = true;
          return response;
        },
        ...this.#running(),
        get repeatable() {
          return transport.idempotent;
        },
        speaks: type !== "threads.custom_action",
      },
      null,
      onConnection,
    );
  }

  /** Joins a turn that is running, from its first event on. */
  join(turn: string, onConnection?: (connection: Connection) => void): Turn {
    const nothing = () => Promise.reject(new Error("a joined turn is never opened"));
    const source = { open: nothing, ...this.#running(), repeatable: false, speaks: false };
    return new Turn(source, { id: turn, after: 0 }, onConnection);
  }

  #running() {
    const transport = this.#transport;
    const path = (turn: string) =>
      `${transport.endpoint.url.replace(/\/?([?#].*)?$/s, "")}/turns/${encodeURIComponent(turn)}`;
    return {
      resume: (turn: string, after: number, signal: AbortSignal) => {
        const init = { method: "GET", headers: { Accept: "text/event-stream" }, signal };
        return transport.send(`${path(turn)}?after=${after}`, init);
      },
      stop: async (turn: string) => {
        const signal = AbortSignal.timeout(10_000);
        await transport.send(`${path(turn)}/stop`, { method: "POST", headers: {}, signal });
      },
    };
  }
}

/** `crypto.randomUUID` exists on secure pages only; a chat on plain http needs a key too. */
function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
