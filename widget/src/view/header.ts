import { html, nothing, type TemplateResult } from "lit";
import { t } from "../locales/index";
import type { ChatState, Commands } from "../state";
import { iconButton } from "./actions";
import { icon } from "./icons";

/** The bar on top: the conversation's title, the page's own buttons, history and a new chat. */
export function renderHeader(state: ChatState, commands: Commands): TemplateResult | typeof nothing {
  const { header, history, frameTitle } = state.options ?? {};
  if (header?.enabled === false) return nothing;
  const words = t(state.locale);
  const { thread, items } = state.conversation;
  const title = header?.title?.text ?? (thread?.title || frameTitle || words.chat);
  const action = (given: { icon: string; onClick: () => void } | undefined) =>
    given ? iconButton(given.icon, given.icon.replaceAll("-", " "), () => given.onClick()) : nothing;
  const fresh = !thread && !items.length;
  return html`<div class="header">
    ${action(header?.leftAction)}
    ${header?.title?.enabled === false ? html`<span class="title"></span>` : html`<h2 class="title" dir="auto">${title}</h2>`}
    ${
      history?.enabled === false
        ? nothing
        : html`<button class="icon-button" type="button" aria-label=${words.history} title=${words.history} aria-haspopup="dialog" aria-expanded=${state.history.open} @click=${() => commands.showHistory()}>
            ${icon("history")}
          </button>`
    }
    ${fresh ? nothing : iconButton("compose", words.newChat, () => commands.newThread())}
    ${action(header?.rightAction)}
  </div>`;
}
