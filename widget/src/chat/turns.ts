import type { ChatClient } from "../client/client";
import { ChatError } from "../client/errors";
import type { Action, StreamEvent, StreamingRequests, UserMessageInput } from "../client/protocol";
import type { Connection, Turn } from "../client/turn";
import type { ClientToolCallItem, ThreadItem, ThreadSummary, UserMessageItem } from "../state";
import { EMPTY, reduce, settle, summary } from "../thread/reduce";
import type { Screen } from "./screen";

/** What a turn asks of the rest of the conversation. */
export interface TurnHooks {
  client(): ChatClient;
  /** The first message of a new conversation was accepted, or the thread has changed. */
  threadChanged(thread: ThreadSummary, created: boolean): void;
  /** What is on the screen may differ from what is stored: load it again. */
  refresh(): Promise<void>;
  /** The question arrived but its answer was never seen: open the thread it went to. */
  recover(): Promise<void>;
}

/** How a turn went: `accepted` once the server has taken what was sent. */
interface Ending {
  accepted: boolean;
  failure: ChatError | null;
}

/** The one answer that is being given on the screen, from the question to its end. */
export class Turns {
  readonly #screen: Screen;
  readonly #hooks: TurnHooks;
  #current: Turn | null = null;
  #responding = false;
  /** Results of client tools by item, so that a tool never runs twice even if its result got lost. */
  readonly #toolResults = new Map<string, Promise<unknown>>();

  constructor(screen: Screen, hooks: TurnHooks) {
    this.#screen = screen;
    this.#hooks = hooks;
  }

  /**
   * Sends a question; resolves when the server has taken it, rejects (after `giveBack`) when not.
   * It is on the screen at once, and gives way to the server's own item when that comes.
   */
  ask(input: UserMessageInput, giveBack: () => void): Promise<void> {
    const { conversation } = this.#screen.state;
    const thread_id = conversation.thread?.id;
    const asked = provisional(input, thread_id ?? "");
    this.#screen.setConversation({ notices: [], items: [...conversation.items, asked] });
    return this.#accepted(async (accepted) => {
      const isQuestion = (event: StreamEvent) =>
        event.type === "thread.item.done" && event.item.type === "user_message";
      const turn = thread_id
        ? this.#stream("threads.add_user_message", { thread_id, input })
        : this.#stream("threads.create", { input });
      const taken = (): void => {
        this.#drop(asked);
        accepted();
      };
      const ending = await this.#follow(turn, isQuestion, taken);
      if (ending.accepted) return;
      this.#drop(asked);
      if (ending.failure?.code === "duplicate_request") return this.#hooks.recover();
      giveBack();
      throw ending.failure ?? new ChatError("stopped", "The message was not sent.");
    });
  }

  /** Answers a user message again; what came after it is put back when that cannot even begin. */
  async retry(itemId?: string): Promise<void> {
    const { conversation } = this.#screen.state;
    const at = conversation.items.findLastIndex(
      (item) => item.type === "user_message" && (itemId === undefined || item.id === itemId),
    );
    const question = conversation.items[at];
    if (!question || !conversation.thread) return;
    const { items } = conversation;
    this.#screen.setConversation({ items: items.slice(0, at + 1), notices: [] });
    const params = { thread_id: conversation.thread.id, item_id: question.id };
    const turn = this.#stream("threads.retry_after_item", params);
    const { accepted, failure } = await this.#follow(turn, () => true);
    if (this.#screen.state.conversation.thread?.id !== params.thread_id) return;
    if (!accepted) this.#screen.setConversation({ items });
    // An answer that did not replace the old one leaves the old one in the thread.
    else if (failure || turn.stopped) await this.#hooks.refresh();
  }

  /** Sends an action of a widget or of the page; resolves when the server has taken it. */
  action(action: Action, itemId?: string): Promise<void> {
    const thread_id = this.#screen.state.conversation.thread?.id;
    if (!thread_id) return Promise.reject(new ChatError("no_thread", "There is no conversation yet."));
    return this.#accepted(async (accepted) => {
      const params = { thread_id, action, ...(itemId ? { item_id: itemId } : {}) };
      const ending = await this.#follow(
        this.#stream("threads.custom_action", params),
        () => true,
        accepted,
      );
      if (ending.failure && !ending.accepted) throw ending.failure;
    });
  }

  /** Continues an answer that was running when the thread was loaded. */
  async join(id: string): Promise<void> {
    const turn = this.#hooks.client().join(id, this.#connection);
    await this.#follow(turn, () => true);
  }

  async stop(): Promise<void> {
    if (!this.#current) return;
    this.#screen.set({ turn: "stopping" });
    await this.#current.stop();
  }

  /** Looks away from the running answer: where the server can, it goes on without us. */
  leave(): void {
    const turn = this.#current;
    this.#current = null;
    turn?.leave();
    this.#ended();
  }

  reconnect(): void {
    this.#current?.reconnect();
  }

  /** Runs the tool the server waits for, once, and sends what it gave. */
  async runPendingTool(): Promise<void> {
    const { conversation, options } = this.#screen.state;
    const call = conversation.items.findLast((item) => item.type === "client_tool_call");
    const thread_id = conversation.thread?.id;
    if (!thread_id || call?.type !== "client_tool_call" || call.status !== "pending") return;
    const running = this.#toolResults.get(call.id) ?? this.#runTool(call, options?.onClientTool);
    this.#toolResults.set(call.id, running);
    const result = await running;
    // The visitor may have gone elsewhere meanwhile; the call is found again when they come back.
    const now = this.#screen.state;
    if (now.conversation.thread?.id !== thread_id || now.turn !== "idle" || now.loading) return;
    const turn = this.#stream("threads.add_client_tool_output", { thread_id, result });
    await this.#follow(turn, () => true, () => this.#completeCall(call, result));
  }

  async #runTool(
    call: ClientToolCallItem,
    handler: NonNullable<Screen["state"]["options"]>["onClientTool"],
  ): Promise<unknown> {
    this.#screen.log("tool.call", { name: call.name, itemId: call.id });
    try {
      if (!handler) throw new Error(`This page has no handler for the client tool ${call.name}.`);
      return await handler({ name: call.name, params: call.arguments });
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error(String(thrown));
      this.#screen.fail(error);
      return { error: error.message };
    }
  }

  #completeCall(call: ClientToolCallItem, output: unknown): void {
    const items = this.#screen.state.conversation.items.map(
      (item): ThreadItem => (item.id === call.id ? { ...call, status: "completed", output } : item),
    );
    this.#screen.setConversation({ items });
  }

  #drop(item: ThreadItem): void {
    const { items } = this.#screen.state.conversation;
    if (items.includes(item)) this.#screen.setConversation({ items: items.filter((each) => each !== item) });
  }

  #stream<T extends keyof StreamingRequests>(type: T, params: StreamingRequests[T]): Turn {
    return this.#hooks.client().stream(type, params, this.#connection);
  }

  readonly #connection = (connection: Connection): void => {
    const { turn } = this.#screen.state;
    if (connection === "broken" && (turn === "streaming" || turn === "sending")) {
      this.#screen.set({ turn: "reconnecting" });
      this.#screen.log("turn.reconnect");
    } else if (connection === "open" && turn === "reconnecting") {
      this.#screen.set({ turn: "streaming" });
    }
  };

  /** Settles as soon as it is known whether the server took what was sent, not at the end. */
  #accepted(run: (accepted: () => void) => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      run(resolve).then(resolve, reject);
    });
  }

  async #follow(
    turn: Turn,
    isAcceptance: (event: StreamEvent) => boolean,
    onAccepted: () => void = () => undefined,
  ): Promise<Ending> {
    this.#current = turn;
    this.#screen.set({ turn: "sending" });
    this.#screen.setConversation({ error: null, allowCancel: EMPTY.allowCancel });
    const ending: Ending = { accepted: false, failure: null };
    try {
      for await (const batch of turn.batches()) {
        if (this.#current !== turn) return { accepted: true, failure: null };
        this.#started();
        const accepted = !ending.accepted && batch.some(isAcceptance);
        if (accepted) {
          ending.accepted = true;
          onAccepted();
        }
        ending.failure = this.#apply(batch) ?? ending.failure;
      }
    } catch (thrown) {
      ending.failure = ChatError.of(thrown);
      if (this.#current === turn) this.#failed(ending);
    }
    if (this.#current !== turn) return { accepted: true, failure: null };
    this.#current = null;
    this.#ended();
    const outcome = ending.failure ? "failed" : turn.stopped ? "stopped" : "finished";
    this.#screen.log("turn.end", { outcome });
    if (ending.failure?.code === "turn_not_found") await this.#hooks.refresh();
    else if (outcome === "finished") void this.runPendingTool();
    return ending;
  }

  /** Puts a batch on the screen in one go; gives back the error it told, if it did. */
  #apply(batch: StreamEvent[]): ChatError | null {
    let { conversation } = this.#screen.state;
    let failure: ChatError | null = null;
    for (const event of batch) {
      const before = conversation;
      conversation = reduce(conversation, event);
      if (event.type === "client_effect") {
        this.#screen.emit("chatkit.effect", { name: event.name, data: event.data });
      } else if (event.type === "error") {
        failure = new ChatError(event.code, event.message ?? "The answer failed.", { told: true });
        this.#screen.fail(failure);
      } else if (event.type === "thread.created" || event.type === "thread.updated") {
        this.#screen.set({ conversation });
        this.#hooks.threadChanged(summary(event.thread), before.thread?.id !== event.thread.id);
      }
    }
    this.#screen.set({ conversation });
    return failure;
  }

  #failed({ failure, accepted }: Ending): void {
    if (!failure || failure.code === "turn_not_found" || failure.code === "duplicate_request") return;
    const message = failure.told ? failure.message : undefined;
    this.#screen.setConversation({ error: { code: failure.code, message, allowRetry: accepted } });
    this.#screen.fail(failure);
  }

  #started(): void {
    if (this.#screen.state.turn === "sending") this.#screen.set({ turn: "streaming" });
    if (this.#responding) return;
    this.#responding = true;
    this.#screen.emit("chatkit.response.start", undefined);
  }

  #ended(): void {
    const { turn, conversation } = this.#screen.state;
    if (turn !== "idle") this.#screen.set({ turn: "idle", conversation: settle(conversation) });
    if (!this.#responding) return;
    this.#responding = false;
    this.#screen.emit("chatkit.response.end", undefined);
  }
}

/** A question as it looks before the server has given it an id. */
function provisional(input: UserMessageInput, thread_id: string): UserMessageItem {
  return {
    id: `local_${crypto.getRandomValues(new Uint32Array(1)).join("")}`,
    thread_id,
    created_at: new Date().toISOString(),
    type: "user_message",
    content: input.content,
    attachments: [],
    quoted_text: input.quoted_text,
  };
}
