import { ChatError, isRecord } from "./errors";
import type { StreamEvent } from "./protocol";
import { readEvents, type SseMessage } from "./sse";

/** Opens the stream: the first time by asking, later by continuing after an event. */
export interface TurnSource {
  open(signal: AbortSignal): Promise<Response>;
  resume(turn: string, after: number, signal: AbortSignal): Promise<Response>;
  stop(turn: string): Promise<void>;
  /** True when `open` may be repeated without asking twice. */
  readonly repeatable: boolean;
  /** An answer of no event at all is a failure. */
  readonly speaks: boolean;
}

export type Connection = "open" | "broken";

/** How long a connection that promises heartbeats may be silent. */
const SILENCE_MS = 45_000;
/** How long a turn that was asked to stop may take to say its last words. */
const STOP_MS = 5_000;
const FIRST_PAUSE_MS = 300;
const LONGEST_PAUSE_MS = 5_000;
/** Without an answer to the very first request the visitor gets the text back after this many tries. */
const OPENING_TRIES = 3;

/**
 * One answer as it comes. Where the server can, a connection that breaks is opened again and the
 * answer goes on where it was; nothing comes twice, nothing is left out.
 */
export class Turn {
  readonly #source: TurnSource;
  readonly #onConnection: (connection: Connection) => void;
  #connection = new AbortController();
  #wake: () => void = () => undefined;
  #stopped = false;
  #left = false;
  #seq: number;
  #events = 0;
  #failed = false;
  readonly #unfinished = new Set<string>();
  id: string | null;

  constructor(
    source: TurnSource,
    known: { id: string; after: number } | null,
    onConnection: (connection: Connection) => void = () => undefined,
  ) {
    this.#source = source;
    this.#onConnection = onConnection;
    this.id = known?.id ?? null;
    this.#seq = known?.after ?? 0;
  }

  /** True once the visitor has stopped this turn. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /**
   * The events, in batches as they arrived together. Ends when the turn has ended or was left;
   * throws a ChatError when the answer cannot be continued.
   */
  async *batches(): AsyncGenerator<StreamEvent[], void, undefined> {
    let tries = 0;
    while (!this.#left) {
      const before = this.#seq;
      try {
        const response = await this.#open();
        this.#onConnection("open");
        for await (const batch of this.#read(response)) {
          tries = 0;
          yield batch;
        }
        if (this.#left || this.#complete()) return;
        throw new ChatError("cut_off", "The answer was cut off.");
      } catch (thrown) {
        const error = ChatError.of(thrown);
        if (this.#left) return;
        tries = this.#seq > before ? 1 : tries + 1;
        if (!this.#canContinue(error, tries)) throw error;
      }
      this.#onConnection("broken");
      await this.#pause(tries);
    }
  }

  /** The network is back: whatever hangs or waits is tried again now. */
  reconnect(): void {
    if (this.id !== null) this.#connection.abort();
    this.#wake();
  }

  /** Ends the answer at the visitor's wish; what was written stays. */
  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.id !== null) await this.#askToStop(this.id);
    // Where closing the connection is not a stop, the turn's name is waited for.
    else if (!this.#source.repeatable || this.#events > 0) this.leave();
  }

  async #askToStop(turn: string): Promise<void> {
    try {
      await this.#source.stop(turn);
      this.#wake();
      setTimeout(() => this.leave(), STOP_MS);
    } catch {
      // The server cannot be asked, or does not know this turn any more: stop reading at least.
      this.leave();
    }
  }

  /** Stops reading; where the server can, the answer goes on without us. */
  leave(): void {
    this.#left = true;
    this.#connection.abort();
    this.#wake();
  }

  async #open(): Promise<Response> {
    this.#connection = new AbortController();
    const { signal } = this.#connection;
    const response =
      this.id === null
        ? await this.#source.open(signal)
        : await this.#source.resume(this.id, this.#seq, signal);
    const named = this.id !== null;
    this.id = response.headers.get("Parlour-Turn") ?? this.id;
    if (this.#stopped && !named) await this.stop();
    return response;
  }

  async *#read(response: Response): AsyncGenerator<StreamEvent[], void, undefined> {
    const type = response.headers.get("Content-Type") ?? "";
    if (!response.body || !type.startsWith("text/event-stream")) {
      throw new ChatError("bad_answer", "The chat server did not answer with a stream of events.");
    }
    const connection = this.#connection;
    let silence: ReturnType<typeof setTimeout> | undefined;
    const heard = () => {
      clearTimeout(silence);
      if (this.id !== null) silence = setTimeout(() => connection.abort(), SILENCE_MS);
    };
    heard();
    try {
      for await (const messages of readEvents(response.body, heard)) {
        const batch = messages.flatMap((message) => this.#take(message));
        if (batch.length > 0) yield batch;
      }
    } catch (cause) {
      throw ChatError.network(cause);
    } finally {
      clearTimeout(silence);
    }
  }

  #take(message: SseMessage): StreamEvent[] {
    const mark = /^(.+):(\d+)$/.exec(message.id ?? "");
    if (mark) {
      const seq = Number(mark[2]);
      if (seq <= this.#seq) return [];
      this.id ??= mark[1] ?? null;
      this.#seq = seq;
    }
    const event = parse(message.data);
    if (!event) return [];
    this.#note(event);
    return [event];
  }

  #note(event: StreamEvent): void {
    this.#events += 1;
    if (event.type === "thread.item.added" && event.item.type === "assistant_message") {
      this.#unfinished.add(event.item.id);
    } else if (event.type === "thread.item.done" || event.type === "thread.item.replaced") {
      this.#unfinished.delete(event.item.id);
    } else if (event.type === "thread.item.removed") {
      this.#unfinished.delete(event.item_id);
    } else if (event.type === "error") {
      this.#failed = true;
    }
  }

  /** The end of the body is the end of the turn, unless it left something half said. */
  #complete(): boolean {
    if (this.#failed || this.#stopped) return true;
    return this.#unfinished.size === 0 && (this.#events > 0 || !this.#source.speaks);
  }

  #canContinue(error: ChatError, tries: number): boolean {
    const { status, code } = error;
    const passing =
      code === "network" || code === "cut_off" || status === 408 || status === 429 || status >= 500;
    if (!passing || (this.#stopped && this.id === null)) return false;
    if (this.id !== null) return true;
    const untaken = code === "network" || code === "shutting_down";
    return this.#source.repeatable && untaken && this.#events === 0 && tries < OPENING_TRIES;
  }

  async #pause(tries: number): Promise<void> {
    const longest = Math.min(FIRST_PAUSE_MS * 2 ** (tries - 1), LONGEST_PAUSE_MS);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, longest * (0.5 + Math.random() / 2));
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
      if (this.#left) this.#wake();
    });
    this.#wake = () => undefined;
  }
}

function parse(data: string): StreamEvent | null {
  try {
    const value: unknown = JSON.parse(data);
    return isRecord(value) && typeof value.type === "string" ? (value as StreamEvent) : null;
  } catch {
    return null;
  }
}
