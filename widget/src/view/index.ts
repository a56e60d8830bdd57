import { type CSSResult, html, nothing, type TemplateResult, unsafeCSS } from "lit";
import composerCss from "../composer/composer.css?inline";
import { t } from "../locales/index";
import type { ChatState, Commands } from "../state";
import { dress } from "../theme/index";
import { renderHeader } from "./header";
import { renderStart } from "./start";
import { markdown, renderConnection, renderError, renderLoadError, renderLoading, renderNotices, running } from "./status";
import css from "./view.css?inline";
import "../composer/composer";
import "./log";

/** The style sheets of the shadow root; each is constructed when it is first adopted. */
export const styles: CSSResult[] = [unsafeCSS(css), unsafeCSS(composerCss)];

/** The whole chat, for the open shadow root of `host`. */
export function renderChat(state: ChatState, commands: Commands, host: HTMLElement): TemplateResult {
  dress(host, state.options?.theme, state.scheme);
  const words = t(state.locale);
  const name = state.options?.frameTitle ?? words.chat;
  return html`<div class="chat" role="region" aria-label=${name} lang=${words.lang} dir=${words.dir} data-scheme=${state.scheme}>
    <div class="main" ?inert=${state.history.open}>
      ${renderHeader(state, commands)} ${renderConnection(state)}
      <div class="body">${body(state, commands)}</div>
      <div class="foot"><div class="column">
        <parlour-composer .state=${state} .commands=${commands}></parlour-composer>
        ${disclaimer(state, commands)}
      </div></div>
    </div>
    ${state.history.open ? history(state, commands) : nothing}
  </div>`;
}

/** Puts the cursor into the composer of a rendered chat. */
export function focusComposer(host: HTMLElement): void {
  host.shadowRoot?.querySelector<HTMLTextAreaElement>("parlour-composer textarea")?.focus();
}

function body(state: ChatState, commands: Commands): TemplateResult {
  const { conversation } = state;
  if (state.loading && !conversation.items.length) return renderLoading(state);
  if (state.loadError !== null) return renderLoadError(state, commands);
  if (!conversation.items.length && !conversation.thread && !running(state)) {
    const said = conversation.error || conversation.notices.length;
    return html`${renderStart(state, commands)}
    ${said ? html`<div class="column said">${renderNotices(state, commands)} ${renderError(state, commands)}</div>` : nothing}`;
  }
  return html`<parlour-log .state=${state} .commands=${commands}></parlour-log>`;
}

function disclaimer(state: ChatState, commands: Commands): TemplateResult | typeof nothing {
  const given = state.options?.disclaimer;
  if (!given) return nothing;
  return html`<div class="disclaimer" ?data-strong=${given.highContrast === true} dir="auto">${markdown(given.text, state, commands)}</div>`;
}

function history(state: ChatState, commands: Commands): TemplateResult {
  void import("./history");
  return html`<parlour-history .state=${state} .commands=${commands}></parlour-history>`;
}
