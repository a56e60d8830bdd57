import type { ChatKitOptions } from "@openai/chatkit";
import { html, LitElement, nothing, type TemplateResult } from "lit";
import type { ChatElement } from "../element/chat-element";
import type { LauncherConfig } from "./config";
import { pageScheme, type Scheme, watchPageScheme } from "./page-scheme";
import { type Selected, watchSelection } from "./selection";
import { launcherStyles } from "./styles";

const KEPT = "parlour.launcher";
const NARROW = "(max-width: 480px)";

/** A floating button, the panel it opens, and "Ask about this" beside selected text. */
export class Launcher extends LitElement {
  static override styles = launcherStyles;
  static override properties = { config: {} };
  declare config: LauncherConfig;
  /** The chat route; chosen by the script unless the page names another. */
  chatUrl = "";

  #open = false;
  #selected: Selected | null = null;
  /** The finger is on the ask button: the selection may vanish before the click comes. */
  #asking = false;
  #chat: ChatElement | null = null;
  #focusBefore: HTMLElement | null = null;
  #mount = new AbortController();

  /** The chat; made when it is first needed, so that a page nobody asks costs no request. */
  get chat(): ChatElement {
    if (this.#chat) return this.#chat;
    const chat = document.createElement("parlour-chat");
    chat.id = "parlour-launcher-chat";
    chat.setOptions(this.#options());
    chat.follow = (url) => this.#follow(url);
    this.#chat = chat;
    this.requestUpdate();
    return chat;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#mount = new AbortController();
    this.#wear();
    this.dataset.position = this.config.position;
    const { signal } = this.#mount;
    watchPageScheme(() => this.#wear(), signal);
    watchSelection((selected) => this.#select(selected), signal);
    this.addEventListener("keydown", (event) => this.#key(event), { signal });
    const kept = recall();
    // A panel that covers the whole screen would hide the page the visitor has just gone to.
    const wide = !window.matchMedia(NARROW).matches;
    if (wide && (kept ?? this.config.open)) this.#show(true);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#mount.abort();
  }

  /** Opens the panel for the visitor, who wants to write next. */
  open(): void {
    if (!this.#open) {
      this.#focusBefore = document.activeElement instanceof HTMLElement ? document.activeElement : null;
      this.#show(true);
      keep(true);
    }
    void this.updateComplete.then(() => this.chat.focusComposer()).catch(() => undefined);
  }

  /** Closes the panel; the focus goes back to where it came from. */
  close(): void {
    if (!this.#open) return;
    const inside = this.matches(":focus-within");
    this.#show(false);
    keep(false);
    if (!inside) return;
    const before = this.#focusBefore;
    const usable = before?.isConnected && before !== document.body && before !== this;
    void this.updateComplete.then(() => (usable ? before : this.#button)?.focus());
  }

  toggle(): void {
    if (this.#open) this.close();
    else this.open();
  }

  /** Opens the panel with a text to ask about. */
  ask(text: string): void {
    this.#select(null);
    this.open();
    void this.updateComplete.then(() => this.chat.setComposerValue({ reply: text }));
  }

  protected override render(): TemplateResult {
    const { label, title } = this.config;
    return html`
      <div class="panel" id="panel" role="dialog" aria-label=${title ?? label} ?inert=${!this.#open}>
        ${this.#chat ?? nothing}
      </div>
      <button
        class="launch"
        type="button"
        aria-label=${this.#open ? "Close the chat" : label}
        title=${this.#open ? "Close the chat" : label}
        aria-expanded=${this.#open}
        aria-controls="panel"
        @click=${() => this.toggle()}
      >
        ${bubble} ${cross}
      </button>
      <button
        class="ask"
        type="button"
        ?hidden=${!this.#selected}
        @mousedown=${(event: Event) => event.preventDefault()}
        @pointerdown=${() => (this.#asking = true)}
        @pointercancel=${() => (this.#asking = false)}
        @click=${() => this.#askSelected()}
      >
        ${spark} Ask about this
      </button>
    `;
  }

  protected override updated(): void {
    this.toggleAttribute("open", this.#open);
    if (this.#selected) this.#place(this.#selected);
  }

  get #button(): HTMLElement | null {
    return this.renderRoot.querySelector(".launch");
  }

  get #scheme(): Scheme {
    const { theme } = this.config;
    return theme === "system" ? pageScheme() : theme;
  }

  #wear(): void {
    const scheme = this.#scheme;
    if (this.dataset.theme === scheme) return;
    this.dataset.theme = scheme;
    this.#chat?.setOptions(this.#options());
  }

  #show(open: boolean): void {
    this.#open = open;
    if (open) void this.chat;
    this.requestUpdate();
  }

  #options(): ChatKitOptions {
    const { api, title, greeting, prompts, label } = this.config;
    return {
      api: { url: api ?? this.chatUrl, domainKey: "" },
      theme: this.#scheme,
      frameTitle: title ?? undefined,
      header: {
        ...(title ? { title: { text: title } } : {}),
        rightAction: { icon: "close", onClick: () => this.close() },
      },
      composer: { placeholder: label },
      startScreen: { ...(greeting ? { greeting } : {}), prompts },
      threadItemActions: { feedback: true, retry: true },
    };
  }

  /** Links within the site open in this tab: panel and conversation are there again on the next page. */
  #follow(url: string): boolean {
    if (!URL.canParse(url, document.baseURI)) return false;
    const target = new URL(url, document.baseURI);
    if (target.origin !== location.origin) return false;
    if (window.matchMedia(NARROW).matches) this.close();
    location.assign(target);
    return true;
  }

  #key(event: KeyboardEvent): void {
    if (event.key !== "Escape" || event.defaultPrevented || event.isComposing || !this.#open) return;
    event.preventDefault();
    this.close();
  }

  #select(selected: Selected | null): void {
    if (!selected && this.#asking) return;
    if (selected === this.#selected) return;
    this.#selected = selected;
    this.requestUpdate();
  }

  #askSelected(): void {
    this.#asking = false;
    const { text } = this.#selected ?? {};
    if (text) this.ask(text);
  }

  /** Below the end of the selection, or above it where there is no room; never off the screen. */
  #place({ end }: Selected): void {
    const button = this.renderRoot.querySelector<HTMLElement>(".ask");
    if (!button) return;
    const { offsetWidth: width, offsetHeight: height } = button;
    const below = end.bottom + 8;
    const top = below + height + 8 > window.innerHeight ? end.top - height - 8 : below;
    // Beside the open panel, never on it.
    const panel = this.#open ? this.renderRoot.querySelector(".panel")?.getBoundingClientRect() : null;
    const beside = panel && top + height > panel.top && top < panel.bottom ? panel : null;
    const right = this.config.position === "right";
    const most = (beside && right ? beside.left : window.innerWidth) - width - 8;
    const least = (beside && !right ? beside.right : 0) + 8;
    const left = Math.max(least, Math.min(end.right - width / 2, most));
    button.style.setProperty("left", `${left}px`);
    button.style.setProperty("top", `${Math.max(8, top)}px`);
  }
}

function recall(): boolean | null {
  try {
    const kept = sessionStorage.getItem(KEPT);
    return kept === null ? null : kept === "open";
  } catch {
    return null;
  }
}

function keep(open: boolean): void {
  try {
    sessionStorage.setItem(KEPT, open ? "open" : "closed");
  } catch {
    // Storage is forbidden: the panel starts closed on the next page.
  }
}

const bubble = html`<svg class="bubble" viewBox="0 0 24 24" aria-hidden="true">
  <path d="M12 3.75c-4.97 0-9 3.36-9 7.5 0 2.2 1.13 4.17 2.93 5.54.1 1.2-.37 2.3-1.03 3.12-.2.26 0 .64.32.6 1.9-.2 3.4-.95 4.42-1.94.76.12 1.55.18 2.36.18 4.97 0 9-3.36 9-7.5s-4.03-7.5-9-7.5Z" />
</svg>`;
const cross = html`<svg class="cross" viewBox="0 0 24 24" aria-hidden="true">
  <path d="m6 9 6 6 6-6" />
</svg>`;
const spark = html`<svg viewBox="0 0 24 24" aria-hidden="true">
  <path d="M12 4c.5 4.5 3.5 7.5 8 8-4.5.5-7.5 3.5-8 8-.5-4.5-3.5-7.5-8-8 4.5-.5 7.5-3.5 8-8Z" />
</svg>`;

declare global {
  interface HTMLElementTagNameMap {
    "parlour-launcher": Launcher;
  }
}
