import type { ChatKitEvents } from "@openai/chatkit";
import type { ChatState, ThreadState } from "../state";
import { EMPTY } from "../thread/reduce";

type Detail<E> = E extends CustomEvent<infer D> ? D : never;
export type ChatEvents = { [K in keyof ChatKitEvents]: Detail<ChatKitEvents[K]> };
export type Emit = <K extends keyof ChatEvents>(type: K, detail: ChatEvents[K]) => void;

/** What the conversation needs from the place it lives in, so that it needs no DOM. */
export interface Host {
  emit: Emit;
  /** Called after every change with the new state. */
  changed(state: ChatState): void;
  /** Opens an address in a new tab. */
  open(url: string): void;
  /** Goes to an address in this tab where the place allows that; false where it does not. */
  follow(url: string): boolean;
  /** Kept for all tabs and for good; null where storage is forbidden. */
  readonly local: Storage | null;
  /** Kept for this tab; null where storage is forbidden. */
  readonly session: Storage | null;
}

export const BLANK: ChatState = {
  options: null,
  conversation: EMPTY,
  turn: "idle",
  loading: false,
  loadError: null,
  online: true,
  hasOlder: false,
  loadingOlder: false,
  history: { open: false, loading: false, error: null, threads: [], hasMore: false },
  composer: { text: "", quotedText: null },
  scheme: "light",
  locale: "en",
};

/** The one place where the state is kept; every change replaces it and is told to the host. */
export class Screen {
  #state: ChatState = BLANK;
  readonly host: Host;

  constructor(host: Host) {
    this.host = host;
  }

  get state(): ChatState {
    return this.#state;
  }

  set(change: Partial<ChatState>): void {
    this.#state = { ...this.#state, ...change };
    this.host.changed(this.#state);
  }

  setConversation(change: Partial<ThreadState>): void {
    this.set({ conversation: { ...this.#state.conversation, ...change } });
  }

  setHistory(change: Partial<ChatState["history"]>): void {
    this.set({ history: { ...this.#state.history, ...change } });
  }

  emit: Emit = (type, detail) => this.host.emit(type, detail);

  /** Something failed: for monitoring; what the visitor sees is in the state. */
  fail(error: Error): void {
    this.emit("chatkit.error", { error });
  }

  /** A diagnostic event; never any text of the conversation. */
  log(name: string, data?: Record<string, unknown>): void {
    this.emit("chatkit.log", data ? { name, data } : { name });
  }
}
