import { html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import { live } from "lit/directives/live.js";
import { number, t } from "../locales/index";
import type { ChatState, Commands } from "../state";
import { define } from "../view/define";
import { icon } from "../view/icons";

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
    const { turn, loading, composer } = this.state;
    const something = this.#text.trim() !== "" || Boolean(composer.attachments?.length);
    return turn === "idle" && !loading && something && this.#text.length <= LONGEST;
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
      ${this.#quote()} ${this.#attachments()}
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

  #attachments(): TemplateResult | typeof nothing {
    const { attachments } = this.state.composer;
    if (!attachments?.length) return nothing;
    const words = t(this.state.locale);
    const remove = (id: string) => this.commands.setComposer({ attachments: attachments.filter((file) => file.id !== id) });
    return html`<ul class="attached" aria-label=${words.attachment}>
      ${attachments.map(
        ({ id, name, type }) => html`<li class="quote">
          ${icon(type === "image" ? "image" : "document")}
          <p dir="auto">${name}</p>
          <button class="icon-button" type="button" aria-label=${words.removeFile(name)} title=${words.removeFile(name)} @click=${() => remove(id)}>${icon("close")}</button>
        </li>`,
      )}
    </ul>`;
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
      ? t(locale).tooLong(used - LONGEST, number(locale, used - LONGEST))
      : used >= HINT_FROM && t(locale).characters(number(locale, used), number(locale, LONGEST));
    return html`<p class="limit" role="status" ?data-over=${over}>${text || nothing}</p>`;
  }

  #key(event: KeyboardEvent): void {
    // Enter that picks a word in an input method is not for us; Safari says so only by the key code.
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
