import type { ChatKitOptions, Entity } from "@openai/chatkit";
import { ChatClient } from "../client/client";
import { ChatError } from "../client/errors";
import type { Action } from "../client/protocol";
import type { ChatState, Commands, ComposerState, Source, ThreadSummary } from "../state";
import { Composer, composerChange, type ComposerParams, messageInput, type MessageParams } from "./composer";
import { History } from "./history";
import { Keepsake } from "./keepsake";
import { endpointOf, localeOf, schemeOf } from "./options";
import { type Host, Screen } from "./screen";
import { Threads } from "./threads";
import { Turns } from "./turns";

/** What a conversation is told of its surroundings. */
export interface Surroundings {
  /** The chat route of the server the element came from, and what relative addresses are relative to. */
  chatUrl: string;
  base: string;
  /** Tells apart two elements that speak with the same server. */
  scope: string;
  /** The browser's language. */
  language: string;
  prefersDark: boolean;
}

/** One chat: owns the state, does what is asked of it, and tells its host what happened. */
export class Chat implements Commands {
  readonly #screen: Screen;
  readonly #turns: Turns;
  readonly #threads: Threads;
  readonly #history: History;
  readonly #composer: Composer;
  #surroundings: Surroundings;
  #client: ChatClient;
  #keepsake: Keepsake;
  #threadId: string | null = null;
  #open = false;
  /** Which thread to show first has been decided. */
  #begun = false;

  constructor(host: Host, surroundings: Surroundings) {
    const client = () => this.#client;
    this.#surroundings = surroundings;
    this.#screen = new Screen(host);
    this.#client = new ChatClient(endpointOf(null, "en", surroundings), host.local);
    this.#keepsake = new Keepsake(host.session, this.#client.endpoint.url, surroundings.scope);
    this.#composer = new Composer(this.#screen, this.#keepsake);
    this.#history = new History(this.#screen, client);
    this.#threads = new Threads(this.#screen, {
      client,
      loaded: (turn) => void (turn ? this.#turns.join(turn) : this.#turns.runPendingTool()),
    });
    this.#turns = new Turns(this.#screen, {
      client,
      threadChanged: (thread, created) => this.#threadChanged(thread, created),
      refresh: () => this.#refresh(),
      recover: () => this.#recover(),
    });
    this.configure(null);
  }

  get state(): ChatState {
    return this.#screen.state;
  }

  /** Why the conversation cannot be changed now, or null when it can. */
  get busy(): string | null {
    if (this.state.loading) return "A thread is loading.";
    return this.state.turn === "idle" ? null : "A response is being streamed.";
  }

  /** New options replace the old ones; the thread and the draft stay, unless the server is another. */
  configure(options: ChatKitOptions | null): void {
    const { prefersDark, language } = this.#surroundings;
    const locale = localeOf(options?.locale, language);
    const endpoint = endpointOf(options, locale, this.#surroundings);
    const moved = endpoint.url !== this.#client.endpoint.url;
    this.#screen.set({ options, locale, scheme: schemeOf(options?.theme, prefersDark) });
    if (!moved) {
      this.#client.endpoint = endpoint;
      return;
    }
    const { local, session } = this.#screen.host;
    this.#turns.leave();
    this.#client = new ChatClient(endpoint, local);
    this.#keepsake = new Keepsake(session, endpoint.url, this.#surroundings.scope);
    this.#composer.keepsake = this.#keepsake;
    this.#history.clear();
    this.#threads.clear();
    this.#threadId = null;
    this.#begun = false;
    if (this.#open) this.open();
  }

  surround(change: Partial<Surroundings>): void {
    this.#surroundings = { ...this.#surroundings, ...change };
    this.configure(this.state.options);
  }

  /** The chat is on a page: shows the thread it is told to, or the one this tab had open. */
  open(): void {
    this.#open = true;
    const asked = this.state.options?.initialThread;
    const again = this.#begun;
    const first = again ? this.#threadId : asked === undefined ? this.#keepsake.thread : asked;
    const reopened = again || asked === undefined;
    this.#begun = true;
    if (first === null) {
      if (!again) this.#composer.switchTo(null);
      return;
    }
    this.#activate(first);
    this.#threads.load(first).catch((error: ChatError) => {
      // A thread this tab remembers may be gone since; that is no news for a visitor.
      if (reopened && error.status === 404) this.newThread();
      else this.#screen.fail(error);
    });
  }

  /** The chat has left its page: nothing is told any more, nothing is read any more. */
  close(): void {
    this.#open = false;
    this.#turns.leave();
  }

  setOnline(online: boolean): void {
    if (online === this.state.online) return;
    this.#screen.set({ online });
    if (!online) return;
    this.#turns.reconnect();
    if (this.state.loadError !== null) this.reloadThread();
  }

  /* ---- what a page may ask for: each promise says how it went ---- */

  async sendMessage(params: MessageParams): Promise<void> {
    const input = messageInput(params, this.state.options);
    if (input.attachments.length === 0 && !input.content.some((part) => part.text.trim())) {
      throw new ChatError("empty_message", "A message needs text, content or attachments.");
    }
    if (params.newThread) this.newThread();
    await this.#turns.ask(input, () => undefined);
  }

  async setComposerValue(params: ComposerParams): Promise<void> {
    this.#composer.set(composerChange(params));
    if (!params.files?.length) return;
    const { uploadFiles } = await import("../client/upload");
    const uploaded = await uploadFiles(this.#client, params.files, this.state.options);
    this.setComposer({ attachments: [...(this.state.composer.attachments ?? []), ...uploaded] });
  }

  async switchThread(id: string | null): Promise<void> {
    if (id === null) return this.newThread();
    this.#leave();
    this.#activate(id);
    try {
      await this.#threads.load(id);
    } catch (thrown) {
      this.#screen.fail(ChatError.of(thrown));
      throw thrown;
    }
  }

  sendAction(action: Action, itemId?: string): Promise<void> {
    return this.#turns.action(action, itemId);
  }

  async fetchUpdates(): Promise<void> {
    if (this.#threadId !== null) await this.#threads.load(this.#threadId, { quiet: true });
  }

  /* ---- what the visitor may ask for: the state says how it goes ---- */

  send(text: string): void {
    const message = this.busy ? null : this.#composer.take(text);
    if (!message) return;
    this.#screen.log("message.send", { newThread: this.#threadId === null });
    this.#turns.ask(message.input, message.giveBack).catch(() => undefined);
  }

  stop(): void {
    void this.#turns.stop();
  }

  retry(itemId?: string): void {
    if (!this.busy) void this.#turns.retry(itemId);
  }

  setComposer(change: Partial<ComposerState>): void {
    this.#composer.set(change);
  }

  newThread(): void {
    this.#leave();
    this.#threads.clear();
    this.#activate(null);
  }

  openThread(id: string): void {
    if (id === this.#threadId && this.state.loadError === null) return this.#history.hide();
    this.switchThread(id).catch(() => undefined);
  }

  reloadThread(): void {
    if (this.#threadId === null || this.state.loading) return;
    this.#threads.load(this.#threadId).catch((error: ChatError) => this.#screen.fail(error));
  }

  loadOlder(): void {
    void this.#threads.older();
  }

  showHistory(): void {
    this.#history.show();
  }

  hideHistory(): void {
    this.#history.hide();
  }

  loadMoreHistory(): void {
    this.#history.more();
  }

  renameThread(id: string, title: string): void {
    if (title.trim() !== "") void this.#history.rename(id, title.trim());
  }

  deleteThread(id: string): void {
    void this.#history.delete(id).then((gone) => {
      if (!gone || id !== this.#threadId) return;
      this.#turns.leave();
      this.#threads.clear();
      this.#activate(null);
    });
  }

  feedback(itemId: string, kind: "positive" | "negative"): void {
    if (this.#threadId === null) return;
    this.#screen.log("feedback", { itemId, kind });
    const params = { thread_id: this.#threadId, item_ids: [itemId], kind };
    this.#client.call("items.feedback", params).catch((thrown: unknown) => {
      this.#screen.fail(ChatError.of(thrown));
    });
  }

  dismissNotice(index: number): void {
    this.#screen.setConversation({ notices: this.state.conversation.notices.toSpliced(index, 1) });
  }

  followLink(href: string): boolean {
    const link = /^chatkit-link:\/*([^?#]*)\??([^#]*)/i.exec(href);
    if (!link) return this.#screen.host.follow(href);
    const name = decode((link[1] ?? "").replace(/\/$/, ""));
    const data = Object.fromEntries(new URLSearchParams(link[2]));
    this.#screen.emit("chatkit.deeplink", Object.keys(data).length > 0 ? { name, data } : { name });
    return true;
  }

  openSource(source: Source): void {
    const { host } = this.#screen;
    if (source.type === "url") {
      if (!host.follow(source.url)) host.open(source.url);
    } else if (source.type === "entity") this.state.options?.entities?.onClick?.(source as Entity);
    else this.#screen.log("source.open", { filename: source.filename });
  }

  /* ---- inside ---- */

  #leave(): void {
    this.#turns.leave();
    this.#history.hide();
  }

  #activate(id: string | null): void {
    if (id === this.#threadId) return;
    this.#threadId = id;
    this.#keepsake.thread = id;
    this.#composer.switchTo(id);
    this.#screen.emit("chatkit.thread.change", { threadId: id });
  }

  #threadChanged(thread: ThreadSummary, created: boolean): void {
    this.#history.changed(thread);
    if (!created || thread.id === this.#threadId) return;
    this.#threadId = thread.id;
    this.#keepsake.thread = thread.id;
    this.#composer.adopt(thread.id);
    this.#screen.emit("chatkit.thread.change", { threadId: thread.id });
  }

  async #refresh(): Promise<void> {
    await this.fetchUpdates().catch((error: ChatError) => this.#screen.fail(error));
  }

  async #recover(): Promise<void> {
    if (this.#threadId !== null) return this.#refresh();
    const { value } = await this.#client.call("threads.list", { limit: 1 });
    const newest = value.data[0];
    if (newest) await this.switchThread(newest.id);
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
