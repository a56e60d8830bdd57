import type { ChatClient } from "../client/client";
import { ChatError } from "../client/errors";
import type { ThreadSummary } from "../state";
import { summary } from "../thread/reduce";
import type { Screen } from "./screen";

/** The list of earlier conversations, newest first, loaded page by page. */
export class History {
  readonly #screen: Screen;
  readonly #client: () => ChatClient;
  #cursor: string | undefined;
  #loads = 0;

  constructor(screen: Screen, client: () => ChatClient) {
    this.#screen = screen;
    this.#client = client;
  }

  show(): void {
    if (this.#screen.state.history.open) return;
    this.#screen.setHistory({ open: true });
    this.#screen.emit("chatkit.history.open", undefined);
    this.#cursor = undefined;
    void this.#load();
  }

  hide(): void {
    if (!this.#screen.state.history.open) return;
    this.#screen.setHistory({ open: false });
    this.#screen.emit("chatkit.history.close", undefined);
  }

  /** Nothing is known of the threads of another server. */
  clear(): void {
    this.#loads += 1;
    this.hide();
    this.#screen.setHistory({ loading: false, error: null, threads: [], hasMore: false });
  }

  /** The next page, or the first one again after it failed. */
  more(): void {
    const { loading, hasMore, error } = this.#screen.state.history;
    if (!loading && (hasMore || error !== null)) void this.#load();
  }

  async rename(id: string, title: string): Promise<void> {
    await this.#attempt(async () => {
      const { value } = await this.#client().call("threads.update", { thread_id: id, title });
      this.changed(summary(value));
    });
  }

  /** True when the thread is gone. */
  async delete(id: string): Promise<boolean> {
    return this.#attempt(async () => {
      try {
        await this.#client().call("threads.delete", { thread_id: id });
      } catch (thrown) {
        if (ChatError.of(thrown).status !== 404) throw thrown;
      }
      const threads = this.#screen.state.history.threads.filter((thread) => thread.id !== id);
      this.#screen.setHistory({ threads });
    });
  }

  /** A thread has a new title or status: wherever it is shown, it shows that. */
  changed(thread: ThreadSummary): void {
    const { history, conversation } = this.#screen.state;
    if (history.threads.some((each) => each.id === thread.id)) {
      const threads = history.threads.map((each) => (each.id === thread.id ? thread : each));
      this.#screen.setHistory({ threads });
    }
    if (conversation.thread?.id === thread.id && conversation.thread !== thread) {
      this.#screen.setConversation({ thread });
    }
  }

  async #load(): Promise<void> {
    const load = ++this.#loads;
    const after = this.#cursor;
    this.#screen.setHistory({ loading: true, error: null });
    try {
      const { value } = await this.#client().call("threads.list", after ? { after } : {});
      if (load !== this.#loads) return;
      const page = value.data.map(summary);
      const known = new Set(page.map((thread) => thread.id));
      const before = after
        ? this.#screen.state.history.threads.filter((thread) => !known.has(thread.id))
        : [];
      this.#cursor = value.after ?? page.at(-1)?.id;
      this.#screen.setHistory({ loading: false, threads: [...before, ...page], hasMore: value.has_more });
    } catch (thrown) {
      if (load === this.#loads) this.#failed(thrown);
    }
  }

  async #attempt(action: () => Promise<void>): Promise<boolean> {
    try {
      await action();
      this.#screen.setHistory({ error: null });
      return true;
    } catch (thrown) {
      this.#failed(thrown);
      return false;
    }
  }

  #failed(thrown: unknown): void {
    const error = ChatError.of(thrown);
    this.#screen.setHistory({ loading: false, error: error.message });
    this.#screen.fail(error);
  }
}
