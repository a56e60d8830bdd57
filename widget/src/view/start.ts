import { html, nothing, type TemplateResult } from "lit";
import { t } from "../locales/index";
import type { ChatState, Commands } from "../state";
import { icon } from "./icons";

/** What an empty conversation shows: a greeting and questions to begin with. */
export function renderStart(state: ChatState, commands: Commands): TemplateResult {
  const words = t(state.locale);
  const { greeting, prompts } = state.options?.startScreen ?? {};
  const rows = (prompts ?? []).map(
    ({ label, prompt, icon: picture }) => html`<li>
      <button type="button" class="prompt" @click=${() => commands.send(promptText(prompt))}>
        ${icon(picture)}<span dir="auto">${label}</span>
      </button>
    </li>`,
  );
  return html`<div class="start" tabindex="-1">
    <div class="column">
      <p class="greeting" dir="auto">${greeting ?? words.greeting}</p>
      ${rows.length ? html`<ul class="prompts" aria-label=${words.suggestions}>${rows}</ul>` : nothing}
    </div>
  </div>`;
}

function promptText(prompt: string | { text: string }[]): string {
  return typeof prompt === "string" ? prompt : prompt.map(({ text }) => text).join("");
}
