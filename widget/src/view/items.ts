import { html, nothing, type TemplateResult } from "lit";
import { t } from "../locales/index";
import type { OtherItem, TaskItem, ThreadItem, UserMessageItem } from "../state";
import { type ItemContext, renderAnswer } from "./answer";
import { icon } from "./icons";

/** One item of the conversation, or nothing for those that are not for eyes. */
export function renderItem(item: ThreadItem, context: ItemContext): TemplateResult | typeof nothing {
  switch (item.type) {
    case "user_message":
      return userMessage(item, context.state.locale);
    case "assistant_message":
      return renderAnswer(item, context);
    case "task":
      return item.outcome ? outcome(item.outcome, context) : task(item.task);
    case "workflow":
      return workflow(item);
    case "client_tool_call":
    case "end_of_turn":
      return nothing;
    case "widget":
    case "generated_image":
    case "structured_input":
      return fallback(item, context.state.locale);
    default:
      return nothing;
  }
}

function userMessage(item: UserMessageItem, locale: string): TemplateResult {
  const words = t(locale);
  const content = item.content.map((part) => (part.type === "input_tag" ? html`<span class="tag">${part.text}</span>` : part.text));
  const files = item.attachments.map(
    (file) => html`<li>${icon(file.type === "image" ? "image" : "document")}<span dir="auto">${file.name}</span></li>`,
  );
  return html`<article class="user" aria-label=${words.you}>
    ${item.quoted_text ? html`<blockquote class="quoted" aria-label=${words.quoted} dir="auto"><p>${item.quoted_text}</p></blockquote>` : nothing}
    ${files.length ? html`<ul class="attachments" aria-label=${words.attachment}>${files}</ul>` : nothing}
    ${content.length ? html`<div class="bubble" dir="auto">${content}</div>` : nothing}
  </article>`;
}

function task({ title, content, icon: picture, status_indicator: status }: TaskItem["task"]): TemplateResult | typeof nothing {
  const text = title ?? content;
  if (!text) return nothing;
  const mark = status === "complete" ? "check" : picture;
  return html`<p class="step" ?data-busy=${status === "loading"}>${icon(mark ?? "sparkle")}<span dir="auto">${text}</span></p>`;
}

interface Workflow {
  tasks?: TaskItem["task"][];
  summary?: { title?: string; duration?: number };
}

function workflow(item: OtherItem): TemplateResult {
  const { tasks = [], summary } = (item.workflow ?? {}) as Workflow;
  return html`<div class="steps">
    ${summary?.title ? html`<p class="step">${icon("check")}<span dir="auto">${summary.title}</span></p>` : nothing} ${tasks.map(task)}
  </div>`;
}

function fallback(item: OtherItem, locale: string): TemplateResult {
  const text = typeof item.copy_text === "string" && item.copy_text ? item.copy_text : t(locale).unsupported;
  return html`<p class="fallback" dir="auto">${text}</p>`;
}

/** How a turn ended that did not finish, quietly, with a way on. */
function outcome(kind: NonNullable<TaskItem["outcome"]>, { state, retry }: ItemContext): TemplateResult | typeof nothing {
  const words = t(state.locale);
  // The error row below says it already.
  if (kind === "failed" && state.conversation.error && retry) return nothing;
  return html`<p class="outcome">
    <span>${words[kind]}</span>
    ${retry ? html`<button type="button" class="text-button" @click=${retry}>${icon("reload")}${words.tryAgain}</button>` : nothing}
  </p>`;
}
