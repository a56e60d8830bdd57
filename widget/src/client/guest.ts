import { ChatError, isRecord } from "./errors";

/** What a guest is kept in; the browser's localStorage is one. */
export interface TokenStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

interface Grant {
  token: string;
  expires_at: string;
}

/** Requests under way, so that two elements on a page never make two guests. */
const underWay = new Map<string, Promise<Grant | null>>();

/**
 * The visitor's guest token for one server: kept, shared by all tabs, renewed when it ends.
 * A server without `/session` (any other ChatKit server) is used without a token.
 */
export class Guest {
  readonly #url: string;
  readonly #key: string;
  readonly #storage: TokenStorage | null;
  #memory: Grant | null = null;
  /** Whether the server is Parlour: undefined until it has been asked. */
  isParlour: boolean | undefined;

  constructor(chatUrl: string, storage: TokenStorage | null) {
    const base = chatUrl.replace(/[?#].*/s, "").replace(/\/chatkit\/?$/, "");
    this.#url = `${base}/session`;
    this.#key = `parlour.guest:${base}`;
    this.#storage = storage;
    // Our own chat route always has this name; any other belongs to some other ChatKit server.
    this.isParlour = base === chatUrl ? false : undefined;
  }

  /** The token to send, or null where the server gives none; `refused` is one that got a 401. */
  async token(refused?: string): Promise<string | null> {
    const kept = this.#load();
    if (kept && kept.token !== refused && Date.parse(kept.expires_at) > Date.now()) {
      this.isParlour = true;
      return kept.token;
    }
    if (this.isParlour === false) return null;
    const grant = await this.#request(kept?.token);
    return grant?.token ?? null;
  }

  async #request(replaced: string | undefined): Promise<Grant | null> {
    const running = underWay.get(this.#key) ?? this.#issue();
    underWay.set(this.#key, running);
    try {
      const grant = await running;
      if (!grant) return null;
      this.isParlour = true;
      // Another tab may have been quicker: its guest already owns what that tab has written.
      const kept = this.#load();
      if (kept && kept.token !== replaced) return kept;
      this.#save(grant);
      return grant;
    } finally {
      underWay.delete(this.#key);
    }
  }

  async #issue(): Promise<Grant | null> {
    const init = { method: "POST", headers: { Accept: "application/json" } };
    const response = await fetch(this.#url, init).catch(() => null);
    // No answer: the network, or a server that lets other sites use its chat route alone. Go without.
    if (!response) return null;
    if (response.ok) {
      const body: unknown = await response.json().catch(() => null);
      if (isGrant(body)) return body;
      this.isParlour = false;
      return null;
    }
    const error = await ChatError.from(response);
    if (error.status >= 500 || error.status === 429) throw error;
    this.isParlour = error.told;
    return null;
  }

  #load(): Grant | null {
    try {
      const text = this.#storage?.getItem(this.#key);
      const value: unknown = text ? JSON.parse(text) : null;
      return isGrant(value) ? value : this.#memory;
    } catch {
      return this.#memory;
    }
  }

  #save(grant: Grant): void {
    this.#memory = grant;
    try {
      this.#storage?.setItem(this.#key, JSON.stringify(grant));
    } catch {
      // Storage is full or forbidden: the guest lasts as long as the page.
    }
  }
}

function isGrant(value: unknown): value is Grant {
  return isRecord(value) && typeof value.token === "string" && typeof value.expires_at === "string";
}
