import { html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import { live } from "lit/directives/live.js";
import { number, t } from "../locales/index.js";
import type { ChatState, Commands } from "../state.js";
import { define } from "../view/define.js";
import { icon } from "../view/icons.js";

/** The server's own default; the hint appears before it is reached. */
const LONGEST = 4000;
const HINT_FROM = 3600;

/** Where the visitor writes. It never takes the focus by itself. */
export class Composer extends LitElement {
  static override properties = { state: {}, commands: {} };
  declare state: ChatState;
  declare commands: Commands;

  protected override createRenderRoot(): HTMLElement {
    return this;
  }

  get #text(): string {
    return this.state.composer.text;
  }

  get #sendable(): boolean {
    return this.state.turn === "idle" && !this.state.loading && this.#text.trim() !== "" && this.#text.length <= LONGEST;
  }

  protected override updated(changed: PropertyValues<this>): void {
    if (changed.get("state")?.composer.text !== this.#text) this.#fit();
  }

  /** Grows the field with its text where CSS alone cannot. */
  #fit(): void {
    const field = this.querySelector("textarea");
    if (!field || CSS.supports("field-sizing", "content")) return;
    field.style.height = "auto";
    field.style.height = `${field.scrollHeight}px`;
  }

  protected override render(): TemplateResult {
    const { state } = this;
    const words = t(state.locale);
    const status = state.conversation.thread?.status;
    if (status?.type === "closed") return html`<p class="closed">${icon("lock")}<span dir="auto">${status.reason ?? words.closed}</span></p>`;
    const locked = status?.type === "locked";
    const placeholder = locked ? (status.reason ?? words.locked) : (state.options?.composer?.placeholder ?? words.placeholder);
    const over = this.#text.length > LONGEST;
    return html`<form class="composer" ?data-locked=${locked} @submit=${(event: Event) => this.#submit(event)} @click=${(event: Event) => this.#focus(event)}>
      ${this.#quote()}
      <div class="write">
        <textarea
          rows="1"
          dir="auto"
          enterkeyhint="send"
          autocomplete="off"
          aria-label=${words.message}
          aria-invalid=${over ? "true" : nothing}
          placeholder=${placeholder}
          ?disabled=${locked}
          .value=${live(this.#text)}
          @input=${(event: Event) => this.commands.setComposer({ text: (event.target as HTMLTextAreaElement).value })}
          @keydown=${(event: KeyboardEvent) => this.#key(event)}
        ></textarea>
        ${this.#button(locked)}
      </div>
      ${this.#limit()}
    </form>`;
  }

  #quote(): TemplateResult | typeof nothing {
    const { quotedText } = this.state.composer;
    if (!quotedText) return nothing;
    const words = t(this.state.locale);
    const remove = () => this.commands.setComposer({ quotedText: null });
    return html`<div class="quote" role="group" aria-label=${words.quoted}>
      ${icon("quote")}
      <p dir="auto">${quotedText}</p>
      <button class="icon-button" type="button" aria-label=${words.removeQuote} title=${words.removeQuote} @click=${remove}>${icon("close")}</button>
    </div>`;
  }

  /** One place for both: a turn can be stopped from its first moment. */
  #button(locked: boolean): TemplateResult {
    const { state } = this;
    const words = t(state.locale);
    if (state.turn !== "idle" && state.conversation.allowCancel) {
      const stopping = state.turn === "stopping";
      const label = stopping ? words.stopping : words.stop;
      return html`<button class="send stop" type="button" aria-label=${label} title=${label} aria-disabled=${stopping} @click=${() => stopping || this.commands.stop()}>
        <i></i>
      </button>`;
    }
    return html`<button class="send" type="submit" aria-label=${words.send} title=${words.send} ?disabled=${locked || !this.#sendable}>${icon("send")}</button>`;
  }

  #limit(): TemplateResult {
    const { locale } = this.state;
    const used = this.#text.length;
    const over = used > LONGEST;
    const text = over
      ? t(locale).tooLong(number(locale, used - LONGEST))
      : used >= HINT_FROM && t(locale).characters(number(locale, used), number(locale, LONGEST));
    return html`<p class="limit" role="status" ?data-over=${over}>${text || nothing}</p>`;
  }

  #key(event: KeyboardEvent): void {
    // Enter that picks a word in an input method is not for us; Safari says so only by the key code.
    // eslint-disable-next-line @typescript-eslint/no-deprecated
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    this.#submit(event);
  }

  #submit(event: Event): void {
    event.preventDefault();
    if (this.#sendable) this.commands.send(this.#text);
  }

  /** The whole box is the field. */
  #focus(event: Event): void {
    if (!(event.target as Element).closest("button, textarea")) this.querySelector("textarea")?.focus();
  }
}

define("parlour-composer", Composer);
