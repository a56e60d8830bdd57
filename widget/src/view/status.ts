import { html, nothing, type TemplateResult } from "lit";
import { t } from "../locales/index";
import type { AssistantMessageItem, ChatState, Commands, Notice } from "../state";
import { iconButton } from "./actions";
import { icon } from "./icons";

export function running(state: ChatState): boolean {
  return state.turn !== "idle";
}

/** Lines across the top while the connection is not what it should be. */
export function renderConnection(state: ChatState): TemplateResult {
  const words = t(state.locale);
  const text = !state.online ? words.offline : state.turn === "reconnecting" ? words.reconnecting : null;
  return html`<div class="connection" role="status">${text ? html`<p ?data-busy=${state.online}><i class="spinner"></i>${text}</p>` : nothing}</div>`;
}

/** What is going on before and between words. */
export function renderActivity(state: ChatState): TemplateResult | typeof nothing {
  if (!running(state)) return nothing;
  const { progress, items, pending } = state.conversation;
  if (progress) return html`<p class="step progress" data-busy>${icon(progress.icon)}<span dir="auto">${progress.text}</span></p>`;
  const writing = items.some((item) => pending.has(item.id) && item.type === "assistant_message" && hasText(item));
  return writing ? nothing : html`<p class="thinking"><span class="sr">${t(state.locale).thinking}</span><i></i><i></i><i></i></p>`;
}

function hasText(item: AssistantMessageItem): boolean {
  return item.content.some((part) => part.text);
}

export function renderNotices(state: ChatState, commands: Commands): TemplateResult[] {
  const words = t(state.locale);
  const pictures: Record<Notice["level"], string> = { info: "info", warning: "alert", danger: "alert" };
  return state.conversation.notices.map(
    ({ level, title, message }, at) => html`<div class="notice ${level}" role=${level === "danger" ? "alert" : "status"}>
      ${icon(pictures[level])}
      <div class="notice-text" dir="auto">
        ${title ? html`<strong>${title}</strong>` : nothing}
        ${markdown(message, state, commands)}
      </div>
      ${iconButton("close", words.dismiss, () => commands.dismissNotice(at))}
    </div>`,
  );
}

/** Short Markdown from the site; plain text does not cost the engine. */
export function markdown(text: string, state: ChatState, commands: Commands): TemplateResult {
  if (!/[*_`[<#\n]|:\/\/|www\./.test(text)) return html`<p>${text}</p>`;
  return html`<parlour-markdown class="prose" .text=${text} .words=${t(state.locale)} .commands=${commands}></parlour-markdown>`;
}

export function renderError(state: ChatState, commands: Commands): TemplateResult | typeof nothing {
  const { error } = state.conversation;
  if (!error) return nothing;
  const words = t(state.locale);
  return html`<div class="notice danger" role="alert">
    ${icon("alert")}
    <div class="notice-text" dir="auto"><p>${error.message || (error.code === "network" ? words.unreachable : words.failure)}</p></div>
    ${error.allowRetry ? html`<button type="button" class="text-button" @click=${() => commands.retry()}>${icon("reload")}${words.tryAgain}</button>` : nothing}
  </div>`;
}

export function renderLoading(state: ChatState): TemplateResult {
  return html`<div class="skeleton" role="status">
    <div class="column"><span class="sr">${t(state.locale).loading}</span><i class="question"></i><i></i><i></i><i class="short"></i></div>
  </div>`;
}

export function renderLoadError(state: ChatState, commands: Commands): TemplateResult {
  const words = t(state.locale);
  return html`<div class="empty" role="alert">
    ${icon("alert")}
    <p>${state.loadError || words.loadFailed}</p>
    <button type="button" class="button" @click=${() => commands.reloadThread()}>${words.tryAgain}</button>
  </div>`;
}
