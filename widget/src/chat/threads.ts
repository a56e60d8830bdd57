import type { ChatClient } from "../client/client";
import { ChatError } from "../client/errors";
import type { ThreadItem, ThreadSummary } from "../state";
import { EMPTY, summary } from "../thread/reduce";
import type { Screen } from "./screen";

/** What loading a thread asks of the rest of the conversation. */
export interface ThreadHooks {
  client(): ChatClient;
  /** The thread is on the screen; `turn` is running on it. */
  loaded(turn: string | null): void;
}

interface Newest {
  items: ThreadItem[];
  hasOlder: boolean;
  cursor: string | undefined;
}
type Loaded = Newest & { thread: ThreadSummary; turn: string | null };

const PAGE = 40;

/** Which thread is on the screen, and how much of it. */
export class Threads {
  readonly #screen: Screen;
  readonly #hooks: ThreadHooks;
  #cursor: string | undefined;
  /** Rises with every change of thread; what was asked for an earlier one is dropped. */
  #generation = 0;

  constructor(screen: Screen, hooks: ThreadHooks) {
    this.#screen = screen;
    this.#hooks = hooks;
  }

  /** An empty screen for a new conversation. */
  clear(): void {
    this.#generation += 1;
    this.#screen.set({
      conversation: EMPTY,
      loading: false,
      loadError: null,
      hasOlder: false,
      loadingOlder: false,
    });
  }

  /**
   * Loads a thread; rejects when that fails. With `quiet` what is on the screen stays until then,
   * no event tells of it, and an answer that has begun meanwhile is left alone.
   */
  async load(id: string, { quiet = false } = {}): Promise<void> {
    if (!quiet) this.clear();
    const generation = ++this.#generation;
    this.#screen.set({ loading: !quiet, loadError: null });
    if (!quiet) this.#screen.emit("chatkit.thread.load.start", { threadId: id });
    const { items } = this.#screen.state.conversation;
    const untouched = () => {
      const { turn, conversation } = this.#screen.state;
      return turn === "idle" && conversation.items === items;
    };
    const isCurrent = () => generation === this.#generation && (!quiet || untouched());
    let turn: string | null = null;
    let shown = false;
    let failure: ChatError | null = null;
    try {
      const loaded = await this.#fetch(id);
      turn = loaded.turn;
      shown = isCurrent();
      if (shown) this.#show(loaded, quiet);
    } catch (thrown) {
      failure = ChatError.of(thrown);
    }
    const current = failure === null ? shown : isCurrent();
    if (current) {
      const loadError = failure && !quiet ? failure.message : null;
      this.#screen.set({ loading: false, loadError });
    }
    if (!quiet) this.#screen.emit("chatkit.thread.load.end", { threadId: id });
    if (!current) return;
    if (failure) throw failure;
    this.#hooks.loaded(turn);
  }

  async #fetch(id: string): Promise<Loaded> {
    const { value, turn } = await this.#hooks.client().call("threads.get_by_id", { thread_id: id });
    return { ...(await this.#newest(id, value.items)), thread: summary(value), turn };
  }

  /** Puts the page before the first item on the screen above it. */
  async older(): Promise<void> {
    const { conversation, hasOlder, loadingOlder } = this.#screen.state;
    const thread_id = conversation.thread?.id;
    if (!thread_id || !hasOlder || loadingOlder) return;
    const generation = this.#generation;
    this.#screen.set({ loadingOlder: true });
    try {
      const after = this.#cursor;
      const params = { thread_id, order: "desc" as const, limit: PAGE, ...(after ? { after } : {}) };
      const { value } = await this.#hooks.client().call("items.list", params);
      if (generation !== this.#generation) return;
      const { items } = this.#screen.state.conversation;
      const known = new Set(items.map((item) => item.id));
      const above = value.data.toReversed().filter((item) => !known.has(item.id));
      this.#cursor = value.after ?? value.data.at(-1)?.id;
      this.#screen.setConversation({ items: [...above, ...items] });
      this.#screen.set({ hasOlder: value.has_more, loadingOlder: false });
    } catch (thrown) {
      if (generation === this.#generation) this.#screen.set({ loadingOlder: false });
      this.#screen.fail(ChatError.of(thrown));
    }
  }

  /** `threads.get_by_id` gives the oldest items; of a long thread the newest are wanted. */
  async #newest(
    thread_id: string,
    first: { data: ThreadItem[]; has_more: boolean },
  ): Promise<Newest> {
    if (!first.has_more) return { items: first.data, hasOlder: false, cursor: undefined };
    const params = { thread_id, order: "desc" as const, limit: PAGE };
    const { value } = await this.#hooks.client().call("items.list", params);
    return {
      items: value.data.toReversed(),
      hasOlder: value.has_more,
      cursor: value.after ?? value.data.at(-1)?.id,
    };
  }

  /** A quiet load keeps older pages that fit on top of the newest one. */
  #show(page: Loaded, quiet: boolean): void {
    const { thread } = page;
    const { items } = this.#screen.state.conversation;
    const joint = quiet && page.hasOlder ? items.findIndex((item) => item.id === page.items[0]?.id) : -1;
    if (joint > 0) {
      this.#screen.setConversation({ thread, items: [...items.slice(0, joint), ...page.items] });
      return;
    }
    this.#cursor = page.cursor;
    this.#screen.setConversation({ thread, items: page.items });
    this.#screen.set({ hasOlder: page.hasOlder });
  }
}
