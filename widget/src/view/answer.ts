import { html, nothing, type TemplateResult } from "lit";
import { t } from "../locales/index";
import { uniqueSources } from "../markdown/citations";
import type { AssistantContent, AssistantMessageItem, ChatState, Commands } from "../state";
import { citations, sourceList } from "./sources";
import "../markdown/element";
import "./actions";

/** What an item is drawn with. */
export interface ItemContext {
  state: ChatState;
  commands: Commands;
  /** Its text is not whole: still being written, or cut off. */
  open: boolean;
  /** The text of its whole turn, on the item that closes a finished turn with an answer. */
  turnText: string | undefined;
  /** It can be asked again from here: its turn is the last one and has ended. */
  retry: (() => void) | undefined;
}

/** An answer: its text, the sources it cites, and what can be done with it once it is whole. */
export function renderAnswer(item: AssistantMessageItem, context: ItemContext): TemplateResult | typeof nothing {
  const { state, commands, open } = context;
  const sources = uniqueSources(item.content.flatMap((part) => part.annotations));
  if (!item.content.some((part) => part.text)) return nothing;
  const words = t(state.locale);
  const cite = (numbers: readonly number[]) => citations(numbers, sources, commands, state.locale);
  const text = (part: AssistantContent) => html`<parlour-markdown
    class="prose"
    dir="auto"
    .text=${part.text}
    .open=${open}
    .annotations=${part.annotations}
    .sources=${sources}
    .imageDomains=${state.conversation.thread?.allowed_image_domains}
    .words=${words}
    .commands=${commands}
    .cite=${cite}
  ></parlour-markdown>`;
  return html`<article class="assistant" aria-label=${words.assistant}>
    ${item.content.map(text)} ${sourceList(sources, commands, state.locale)} ${actions(item, context)}
  </article>`;
}

function actions(item: AssistantMessageItem, context: ItemContext): TemplateResult | typeof nothing {
  const { state, commands, turnText, retry, open } = context;
  if (turnText === undefined) return nothing;
  const offered = state.options?.threadItemActions;
  return html`<parlour-actions
    class="actions"
    .itemId=${item.id}
    .text=${turnText}
    .feedback=${offered?.feedback === true}
    .retry=${offered?.retry && !open ? retry : undefined}
    .words=${t(state.locale)}
    .commands=${commands}
  ></parlour-actions>`;
}

const SPOKEN_MOST = 5000;

/** Markdown without its marks, to be spoken. */
export function spoken(markdown: string): string {
  return markdown
    .slice(0, SPOKEN_MOST)
    .replace(/```[^\n]*\n?/g, "")
    .replace(/!?\[([^[\]]*)\]\([^()]*\)/g, "$1")
    .replace(/^[ \t]*(?:#{1,6}|>|[-+*]) +/gm, "")
    .replace(/\*\*|__|~~|`/g, "")
    .trim();
}
