import type { ChatKitOptions, OpenAIChatKit } from "@openai/chatkit";
import { LitElement, nothing, type TemplateResult } from "lit";
import { Chat } from "../chat/chat";
import type { ComposerParams, MessageParams } from "../chat/composer";
import { unknownOptions } from "../chat/options";
import type { Emit } from "../chat/screen";
import type { Action } from "../client/protocol";
import type { ComposerState } from "../state";
import { focusComposer, renderChat, styles } from "../view/index";
import { claimScope, releaseScope } from "./scope";

/** What the composer holds, in the words of `setComposerValue`. */
export interface ComposerValue {
  text: string;
  reply: string | null;
  content: NonNullable<ComposerState["content"]>;
  attachments: NonNullable<ComposerState["attachments"]>;
  selectedToolId: string | null;
  selectedModelId: string | null;
}

/** Options nobody knows are named once a page, however often they are given. */
const warned = new Set<string>();

/**
 * The chat as a custom element: OpenAI's methods and events, the same options, one open shadow
 * root. Without options it asks the server it came from; attributes are for pages without scripts.
 */
export class ChatElement extends LitElement implements OpenAIChatKit {
  static override styles = styles;
  /** The chat route of the server this class came from. */
  static chatUrl = "/chatkit";

  static override get observedAttributes(): string[] {
    return [...super.observedAttributes, "api-url", "theme", "locale", "frame-title", "placeholder"];
  }

  /** A page that keeps the chat across navigation may go to a link in this tab, and say so. */
  follow: (url: string) => boolean = () => false;

  #chat: Chat | null = null;
  #given: ChatKitOptions | null = null;
  #mount: AbortController | null = null;
  /** On this mount the chat has been opened. */
  #begun = false;
  #scope = "";

  constructor() {
    super();
    // A property that was set before this class was known hides the accessor of the same name.
    if (!Object.hasOwn(this, "options")) return;
    const { options } = this;
    Reflect.deleteProperty(this, "options");
    this.options = options;
  }

  /** The options, for pages that set properties instead of calling methods. */
  get options(): ChatKitOptions | null {
    return this.#given;
  }

  set options(options: ChatKitOptions | null) {
    if (options) this.setOptions(options);
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#mount = new AbortController();
    this.#scope = claimScope(this.id);
    this.#chat ??= this.#create();
    this.#listen(this.#mount.signal);
    if (this.#given || this.hasAttribute("api-url")) this.#begin();
    else this.#beginLater(this.#mount.signal);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#mount?.abort();
    this.#begun = false;
    releaseScope(this.#scope);
    this.#chat?.close();
  }

  override attributeChangedCallback(name: string, old: string | null, value: string | null): void {
    super.attributeChangedCallback(name, old, value);
    if (old !== value && this.#begun && !this.#given) this.#chat?.configure(this.#attributes());
  }

  /** Replaces all options; the thread and the draft stay. */
  setOptions(options: ChatKitOptions): void {
    for (const name of unknownOptions(options)) {
      if (warned.has(name)) continue;
      warned.add(name);
      console.warn(`<${this.localName}>: the option "${name}" is unknown and has no effect.`);
    }
    this.#given = options;
    if (this.#begun) this.#chat?.configure(options);
    else if (this.isConnected && this.#chat) this.#begin();
  }

  async focusComposer(): Promise<void> {
    this.#ready();
    await this.#rendered();
    focusComposer(this);
  }

  async setThreadId(threadId: string | null): Promise<void> {
    await this.#idle().switchThread(threadId);
  }

  async sendCustomAction(action: Action, itemId?: string): Promise<void> {
    await this.#idle().sendAction(action, itemId);
  }

  async sendUserMessage(params: MessageParams): Promise<void> {
    await this.#idle().sendMessage(params);
  }

  async setComposerValue(params: ComposerParams): Promise<void> {
    await this.#ready().setComposerValue(params);
    await this.#rendered();
  }

  /** What the composer holds now; not in OpenAI's element. */
  getComposerValue(): Promise<ComposerValue> {
    const { composer } = (this.#chat ??= this.#create()).state;
    return Promise.resolve({
      text: composer.text,
      reply: composer.quotedText,
      content: composer.content ?? [],
      attachments: composer.attachments ?? [],
      selectedToolId: composer.toolId ?? null,
      selectedModelId: composer.modelId ?? null,
    });
  }

  async showHistory(): Promise<void> {
    this.#ready().showHistory();
    await this.#rendered();
  }

  async hideHistory(): Promise<void> {
    this.#ready().hideHistory();
    await this.#rendered();
  }

  async fetchUpdates(): Promise<void> {
    await this.#idle().fetchUpdates();
  }

  protected override render(): TemplateResult | typeof nothing {
    return this.#chat && this.#begun ? renderChat(this.#chat.state, this.#chat, this) : nothing;
  }

  /** While words stream in, one rendering a frame is enough. */
  protected override async scheduleUpdate(): Promise<void> {
    if (this.#chat?.state.turn === "streaming") await nextFrame();
    await super.scheduleUpdate();
  }

  #create(): Chat {
    const host = {
      emit: this.#emit,
      changed: () => this.requestUpdate(),
      open: openTab,
      follow: (url: string) => this.follow(url),
      local: storage("localStorage"),
      session: storage("sessionStorage"),
    };
    return new Chat(host, {
      chatUrl: (this.constructor as typeof ChatElement).chatUrl,
      base: document.baseURI,
      scope: this.#scope,
      language: navigator.language,
      prefersDark: darkQuery().matches,
    });
  }

  #listen(signal: AbortSignal): void {
    const online = () => this.#chat?.setOnline(navigator.onLine);
    window.addEventListener("online", online, { signal });
    window.addEventListener("offline", online, { signal });
    online();
    const query = darkQuery();
    const scheme = () => this.#chat?.surround({ prefersDark: query.matches });
    query.addEventListener("change", scheme, { signal });
  }

  /** A script further down the page may still give options. */
  #beginLater(signal: AbortSignal): void {
    const begin = () => {
      const timer = setTimeout(() => this.#begin());
      signal.addEventListener("abort", () => clearTimeout(timer));
    };
    if (document.readyState === "complete") begin();
    else window.addEventListener("load", begin, { signal });
  }

  #begin(): void {
    const mount = this.#mount;
    if (this.#begun || !this.#chat || !mount) return;
    this.#begun = true;
    this.#chat.configure(this.#given ?? this.#attributes());
    this.#chat.open();
    this.requestUpdate();
    // React's effects run after the first frame; a listener that is added there must hear this too.
    void this.updateComplete.then(nextFrame).then(nextTask).then(() => {
      if (!mount.signal.aborted) this.#emit("chatkit.ready", undefined);
    });
  }

  #attributes(): ChatKitOptions {
    const text = (name: string) => this.getAttribute(name) ?? undefined;
    const url = text("api-url") ?? (this.constructor as typeof ChatElement).chatUrl;
    const placeholder = text("placeholder");
    return {
      api: { url, domainKey: "" },
      theme: text("theme") as ChatKitOptions["theme"],
      locale: text("locale") as ChatKitOptions["locale"],
      frameTitle: text("frame-title"),
      ...(placeholder === undefined ? {} : { composer: { placeholder } }),
    };
  }

  readonly #emit: Emit = (type, detail) => {
    if (!this.isConnected) return;
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  };

  #ready(): Chat {
    if (!this.isConnected || !this.#chat) throw new Error("The chat is not on a page.");
    this.#begin();
    return this.#chat;
  }

  #idle(): Chat {
    const chat = this.#ready();
    if (chat.busy !== null) throw new Error(`${chat.busy} Try again when it has ended.`);
    return chat;
  }

  /** Everything on the screen is as the state says, inner elements too. */
  async #rendered(): Promise<void> {
    await this.updateComplete;
    const inner = this.renderRoot.querySelector<LitElement>("parlour-composer");
    await inner?.updateComplete;
  }
}

function darkQuery(): MediaQueryList {
  return window.matchMedia("(prefers-color-scheme: dark)");
}

/** A page in the background draws no frames, but its state must not wait for ever. */
function nextFrame(): Promise<void> {
  return new Promise((resolve) => {
    requestAnimationFrame(() => resolve());
    setTimeout(resolve, 100);
  });
}

function nextTask(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

function storage(name: "localStorage" | "sessionStorage"): Storage | null {
  try {
    return window[name];
  } catch {
    return null;
  }
}

function openTab(address: string): void {
  if (!URL.canParse(address, document.baseURI)) return;
  const url = new URL(address, document.baseURI);
  if (/^(https?|mailto):$/.test(url.protocol)) window.open(url, "_blank", "noopener");
}

declare global {
  interface HTMLElementTagNameMap {
    "parlour-chat": ChatElement;
  }
}
