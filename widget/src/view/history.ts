import { html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { period, t } from "../locales/index";
import type { ChatState, Commands, ThreadSummary } from "../state";
import { adopt } from "../theme/index";
import { iconButton } from "./actions";
import { define } from "./define";
import css from "./history.css?inline";
import { icon } from "./icons";

let sheet: CSSStyleSheet | undefined;

/** The conversations of before: open, rename, delete. */
export class HistoryPanel extends LitElement {
  static override properties = { state: {}, commands: {}, renaming: { state: true }, removing: { state: true } };
  declare state: ChatState;
  declare commands: Commands;
  /** Ids of the row that is being changed. */
  declare renaming: string | null;
  declare removing: string | null;
  #cameFrom: HTMLElement | null = null;

  constructor() {
    super();
    this.renaming = this.removing = null;
  }

  protected override createRenderRoot(): HTMLElement {
    return this;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    if (!sheet) (sheet = new CSSStyleSheet()).replaceSync(css);
    adopt(this, sheet);
    const root = this.getRootNode() as ShadowRoot;
    const focused = root.activeElement ?? document.activeElement;
    // When this chunk arrives late, the button behind has already lost the focus to `inert`.
    const lost = !focused || focused === document.body;
    this.#cameFrom = lost ? root.querySelector<HTMLElement>('[aria-haspopup="dialog"]') : (focused as HTMLElement);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#cameFrom?.focus();
  }

  protected override firstUpdated(): void {
    const first = [".history-list [aria-current]", ".history-list .open", ".history .icon-button"];
    first.map((selector) => this.querySelector<HTMLElement>(selector)).find(Boolean)?.focus();
  }

  protected override updated(changed: PropertyValues<this>): void {
    if (changed.has("renaming") && this.renaming) this.querySelector("input")?.select();
    if (changed.has("removing") && this.removing) this.querySelector<HTMLElement>(".confirm .danger")?.focus();
    const left = changed.get("renaming") ?? changed.get("removing");
    if (left && !this.renaming && !this.removing) this.#row(left)?.focus();
  }

  #row(id: string): HTMLElement | null {
    return this.querySelector<HTMLElement>(`[data-id="${CSS.escape(id)}"] .open`);
  }

  protected override render(): TemplateResult {
    const words = t(this.state.locale);
    return html`<div class="scrim" @click=${() => this.commands.hideHistory()}></div>
      <div class="history" role="dialog" aria-label=${words.history} @keydown=${(event: KeyboardEvent) => this.#key(event)}>
        <div class="header">
          <h2 class="title">${words.history}</h2>
          ${iconButton("compose", words.newChat, () => this.#leave(() => this.commands.newThread()))}
          ${iconButton("close", words.close, () => this.commands.hideHistory())}
        </div>
        <div class="history-list" tabindex="-1">${this.#content()}</div>
      </div>`;
  }

  #leave(to: () => void): void {
    to();
    this.commands.hideHistory();
  }

  #content(): TemplateResult {
    const { history, locale } = this.state;
    const words = t(locale);
    if (history.error !== null && !history.threads.length) {
      return html`<div class="empty" role="alert">
        ${icon("alert")}
        <p>${history.error || words.historyFailed}</p>
        <button type="button" class="button" @click=${() => this.commands.loadMoreHistory()}>${words.tryAgain}</button>
      </div>`;
    }
    if (!history.threads.length) {
      if (history.loading) return html`<div class="skeleton" role="status"><span class="sr">${words.loading}</span><i></i><i></i><i></i></div>`;
      return html`<div class="empty">${icon("history")}<p><strong>${words.historyEmpty}</strong></p><p>${words.historyHint}</p></div>`;
    }
    return html`${this.#groups().map(
      ([title, threads]) => html`<h3>${title}</h3>
        <ul>${repeat(threads, (thread) => thread.id, (thread) => html`<li data-id=${thread.id}>${this.#thread(thread)}</li>`)}</ul>`,
    )}
    ${
      history.hasMore
        ? html`<button type="button" class="button more" ?disabled=${history.loading} @click=${() => this.commands.loadMoreHistory()}>${words.loadMore}</button>`
        : nothing
    }`;
  }

  #groups(): [string, ThreadSummary[]][] {
    const groups = new Map<string, ThreadSummary[]>();
    const now = new Date();
    for (const thread of this.state.history.threads) {
      const title = period(this.state.locale, new Date(thread.created_at), now);
      groups.set(title, [...(groups.get(title) ?? []), thread]);
    }
    return [...groups];
  }

  #thread(thread: ThreadSummary): TemplateResult {
    const words = t(this.state.locale);
    const title = thread.title || words.untitled;
    if (this.renaming === thread.id) return this.#rename(thread, title);
    if (this.removing === thread.id) return this.#confirm(thread);
    const { showRename, showDelete } = this.state.options?.history ?? {};
    const current = thread.id === this.state.conversation.thread?.id;
    const open = () => this.#leave(() => this.commands.openThread(thread.id));
    return html`<button type="button" class="open" aria-current=${current ? "true" : nothing} @click=${open}><span dir="auto">${title}</span></button>
      <span class="row-actions">
        ${showRename === false ? nothing : iconButton("write", words.rename(title), () => (this.renaming = thread.id))}
        ${showDelete === false ? nothing : iconButton("trash", words.remove(title), () => (this.removing = thread.id))}
      </span>`;
  }

  #rename(thread: ThreadSummary, title: string): TemplateResult {
    const words = t(this.state.locale);
    const save = (event: Event) => {
      event.preventDefault();
      const value = this.querySelector("input")?.value.trim();
      if (value && value !== thread.title) this.commands.renameThread(thread.id, value);
      this.renaming = null;
    };
    return html`<form class="rename" @submit=${save}>
      <input type="text" dir="auto" maxlength="200" aria-label=${words.titleField} .value=${title} />
      <button class="icon-button" type="submit" aria-label=${words.save} title=${words.save}>${icon("check")}</button>
      ${iconButton("close", words.cancel, () => (this.renaming = null))}
    </form>`;
  }

  #confirm(thread: ThreadSummary): TemplateResult {
    const words = t(this.state.locale);
    const remove = () => {
      const next = this.#neighbour(thread.id, 1) ?? this.#neighbour(thread.id, -1);
      this.removing = null;
      this.commands.deleteThread(thread.id);
      (next ?? this.querySelector<HTMLElement>(".history .icon-button"))?.focus();
    };
    return html`<div class="confirm" role="group" aria-label=${words.remove(thread.title || words.untitled)}>
      <span>${words.confirmRemove}</span>
      <button type="button" class="button" @click=${() => (this.removing = null)}>${words.cancel}</button>
      <button type="button" class="button danger" @click=${remove}>${words.delete}</button>
    </div>`;
  }

  #neighbour(id: string, step: number): HTMLElement | undefined {
    const rows = [...this.querySelectorAll<HTMLElement>("[data-id]")];
    return rows[rows.findIndex((row) => row.dataset.id === id) + step]?.querySelector<HTMLElement>(".open") ?? undefined;
  }

  #key(event: KeyboardEvent): void {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") {
      event.stopPropagation();
      if (this.renaming || this.removing) this.renaming = this.removing = null;
      else this.commands.hideHistory();
    } else if (step && !(event.target instanceof HTMLInputElement)) {
      const row = (event.target as Element).closest<HTMLElement>("[data-id]");
      const next = row ? this.#neighbour(row.dataset.id!, step) : this.querySelector<HTMLElement>(".open");
      if (next) event.preventDefault();
      next?.focus();
    }
  }
}

define("parlour-history", HistoryPanel);
