import { html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import { guard } from "lit/directives/guard.js";
import { repeat } from "lit/directives/repeat.js";
import { t } from "../locales/index";
import type { ChatState, Commands, ThreadItem } from "../state";
import { spoken } from "./answer";
import { define } from "./define";
import { icon } from "./icons";
import { renderItem } from "./items";
import { Scroll } from "./scroll";
import { renderActivity, renderError, renderNotices, running } from "./status";
import { answerOf, type Turn, turnsOf } from "./turns";

/** The conversation: its turns, where the reader is in them, and what is said aloud when an answer is there. */
export class MessageLog extends LitElement {
  static override properties = { state: {}, commands: {}, away: { state: true }, announcement: { state: true } };
  declare state: ChatState;
  declare commands: Commands;
  /** The newest words are out of sight. */
  declare away: boolean;
  declare announcement: string;

  #scroll = new Scroll(this, (away) => (this.away = away));
  /** The question that was asked while this log was on the screen. */
  #fresh: string | undefined;
  /** The question that had its answer before the running turn began. */
  #answered: string | undefined;
  #askedOlder: string | undefined;

  constructor() {
    super();
    this.away = false;
    this.announcement = "";
  }

  protected override createRenderRoot(): HTMLElement {
    return this;
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    const before = changed.get("state");
    if (!changed.has("state")) return;
    const { state } = this;
    const { items } = state.conversation;
    const question = items.findLast((item) => item.type === "user_message")?.id;
    // While a new question is on its way, the last one here is still the one before.
    if (before && !running(before)) this.#answered = items.at(-1)?.type === "user_message" ? undefined : question;
    if (running(state) && question !== this.#answered) this.#fresh = question;
    this.#announce(before, state);
  }

  protected override updated(changed: PropertyValues<this>): void {
    if (!changed.has("state")) return;
    const { conversation, options } = this.state;
    this.#scroll.follow({
      first: conversation.items[0]?.id,
      thread: conversation.thread?.id,
      question: this.#fresh,
      asked: running(this.state),
      stick: options?.thread?.autoScroll === true,
    });
    // What fits the screen cannot be scrolled to its top; asked once, so that a failure is not a loop.
    if (!this.#scroll.scrollable && this.#askedOlder !== conversation.items[0]?.id) {
      this.#askedOlder = conversation.items[0]?.id;
      this.#loadOlder();
    }
  }

  #loadOlder(): void {
    if (this.#scroll.atTop && this.state.hasOlder && !this.state.loadingOlder) this.commands.loadOlder();
  }

  /** An answer is read out once, when it is whole; its words as they come would talk over each other. */
  #announce(before: ChatState | undefined, state: ChatState): void {
    if (!before || running(before) === running(state)) return;
    const words = t(state.locale);
    if (running(state)) {
      this.announcement = words.thinking;
      return;
    }
    const last = turnsOf(state.conversation.items).at(-1);
    const text = last ? answerOf(last).text : "";
    this.announcement = text ? words.answerReady(spoken(text)) : "";
  }

  protected override render(): TemplateResult {
    const { state } = this;
    const words = t(state.locale);
    const turns = turnsOf(state.conversation.items);
    const last = turns.at(-1);
    return html`<div class="scroller" role="log" aria-live="off" aria-label=${words.messages} tabindex="0" @scroll=${() => this.#loadOlder()}>
        <div class="column">
          ${state.loadingOlder ? html`<p class="older"><i class="spinner"></i>${words.loadingOlder}</p>` : nothing}
          ${repeat(turns, (turn) => turn.key, (turn) => this.#turn(turn, turn === last))}
          ${last ? nothing : this.#ending()}
        </div>
      </div>
      ${
        this.away
          ? html`<button type="button" class="jump" aria-label=${words.jumpToLatest} title=${words.jumpToLatest} @click=${() => this.#scroll.toLatest()}>${icon("down")}</button>`
          : nothing
      }
      <div class="sr" role="status">${this.announcement}</div>`;
  }

  #turn(turn: Turn, last: boolean): TemplateResult {
    const { state, commands } = this;
    const over = !last || !running(state) || (turn.question !== undefined && turn.question === this.#answered);
    const answer = over ? answerOf(turn) : undefined;
    const { question } = turn;
    const { options, locale, conversation } = state;
    const active = (conversation.thread?.status.type ?? "active") === "active";
    const retry = last && over && active ? () => commands.retry(question) : undefined;
    const cut = turn.items.some((item) => item.type === "task" && item.outcome);
    const item = (item: ThreadItem) => {
      const open = conversation.pending.has(item.id) || (cut && answer?.id === item.id);
      const turnText = answer?.id === item.id ? answer.text : undefined;
      const context = { state, commands, open, turnText, retry };
      // Items are replaced, never changed: one that is the same object looks the same.
      return guard([item, open, turnText, retry !== undefined, options, locale, commands, conversation.error, conversation.thread?.allowed_image_domains], () =>
        renderItem(item, context),
      );
    };
    const fresh = last && turn.question !== undefined && turn.question === this.#fresh;
    return html`<section class="turn" ?data-fresh=${fresh} data-question=${question ?? nothing}>
      ${repeat(turn.items, (one) => one.id, item)} ${last ? this.#ending() : nothing}
    </section>`;
  }

  #ending(): TemplateResult {
    const { state, commands } = this;
    const waiting = state.turn === "sending" && state.conversation.items.at(-1)?.type !== "user_message";
    return html`${waiting ? nothing : renderActivity(state)} ${renderNotices(state, commands)} ${renderError(state, commands)}
      <div class="end"></div>`;
  }
}

define("parlour-log", MessageLog);
