import { html, LitElement, nothing, type TemplateResult } from "lit";
import type { Catalogue } from "../locales/index";
import type { Commands } from "../state";
import { define } from "./define";
import { icon } from "./icons";
import "./copy";

type Kind = "positive" | "negative";

/** What can be done with a finished answer: copy it, rate it, ask for another. */
export class AnswerActions extends LitElement {
  static override properties = {
    itemId: {},
    text: {},
    feedback: { type: Boolean },
    retry: {},
    words: {},
    commands: {},
    given: { state: true },
  };
  declare itemId: string;
  declare text: string;
  declare feedback: boolean;
  /** Asks again; absent when that is not offered. */
  declare retry: (() => void) | undefined;
  declare words: Catalogue;
  declare commands: Commands;
  declare given: Kind | undefined;

  protected override createRenderRoot(): HTMLElement {
    return this;
  }

  protected override render(): TemplateResult {
    const { words } = this;
    return html`<parlour-copy .text=${this.text} .label=${words.copy} .done=${words.copied}></parlour-copy>
      ${this.feedback ? [this.#thumb("positive", "thumb-up", words.goodAnswer), this.#thumb("negative", "thumb-down", words.badAnswer)] : nothing}
      ${this.retry ? iconButton("reload", words.answerAgain, this.retry) : nothing}`;
  }

  #thumb(kind: Kind, picture: string, label: string): TemplateResult {
    const give = () => {
      this.given = kind;
      this.commands.feedback(this.itemId, kind);
    };
    return html`<button class="icon-button" type="button" aria-label=${label} title=${label} aria-pressed=${this.given === kind ? "true" : "false"} @click=${give}>
      ${icon(picture)}
    </button>`;
  }
}

/** A button that is only a picture, with its name for everybody who cannot see or guess it. */
export function iconButton(picture: string, label: string, click: (event: Event) => void): TemplateResult {
  return html`<button class="icon-button" type="button" aria-label=${label} title=${label} @click=${click}>${icon(picture)}</button>`;
}

define("parlour-actions", AnswerActions);
