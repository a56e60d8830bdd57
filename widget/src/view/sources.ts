import { html, nothing, type TemplateResult } from "lit";
import { number, t } from "../locales/index";
import type { Commands, Source } from "../state";

const SHOWN_AT_ONCE = 4;

/** What a reader may be shown and sent to: only the web's own schemes. */
function webAddress(source: Source): URL | null {
  if (source.type !== "url") return null;
  const base = typeof location === "undefined" ? undefined : location.href;
  if (!URL.canParse(source.url, base)) return null;
  const url = new URL(source.url, base);
  return url.protocol === "https:" || url.protocol === "http:" ? url : null;
}

/** Where the source is, short enough to read: host and path, or only the path on this site. */
function place(source: Source): string {
  if (source.type === "file") return source.filename === source.title ? "" : source.filename;
  if (source.type === "entity") return source.label ?? source.description ?? "";
  const url = webAddress(source);
  if (!url) return "";
  const host = typeof location !== "undefined" && url.host === location.host ? "" : url.host.replace(/^www\./, "");
  let path = url.pathname + url.hash;
  try {
    path = decodeURI(path);
  } catch {
    // A path that is not UTF-8 is shown as it is written.
  }
  return host + (path === "/" && host ? "" : path);
}

interface Link {
  source: Source;
  commands: Commands;
  kind: "cite" | "source";
  label?: string;
  content: unknown;
}

function sourceLink({ source, commands, kind, label, content }: Link): TemplateResult {
  const open = (event: Event) => {
    const { button, metaKey, ctrlKey, shiftKey } = event as MouseEvent;
    if (button || metaKey || ctrlKey || shiftKey) return;
    event.preventDefault();
    commands.openSource(source);
  };
  const url = webAddress(source);
  const title = label ? source.title : nothing;
  if (url) {
    return html`<a class=${kind} href=${url.href} target="_blank" rel="noopener noreferrer" aria-label=${label ?? nothing} title=${title} @click=${open}>${content}</a>`;
  }
  if (source.type === "entity" && !source.interactive) return html`<span class=${kind} title=${title}>${content}</span>`;
  return html`<button type="button" class=${kind} aria-label=${label ?? nothing} title=${title} @click=${open}>${content}</button>`;
}

/** The small numbers in the text where sources are cited. */
export function citations(numbers: readonly number[], sources: readonly Source[], commands: Commands, locale: string): TemplateResult {
  const pills = numbers.map((at) => {
    const source = sources[at - 1];
    const label = source && t(locale).source(at, source.title);
    return source ? sourceLink({ source, commands, kind: "cite", label, content: number(locale, at) }) : nothing;
  });
  return html`<span class="cites">${pills}</span>`;
}

/** The numbered list below an answer; a long one starts folded. */
export function sourceList(sources: readonly Source[], commands: Commands, locale: string): TemplateResult | typeof nothing {
  if (!sources.length) return nothing;
  const rows = sources.map((source, at) => {
    const content = html`<span class="number" aria-hidden="true">${number(locale, at + 1)}</span
      ><span class="source-title" dir="auto">${source.title}</span><span class="place">${place(source)}</span>`;
    return html`<li>${sourceLink({ source, commands, kind: "source", content })}</li>`;
  });
  const many = sources.length > SHOWN_AT_ONCE;
  const words = t(locale);
  return html`<details class="sources" ?open=${!many}>
    <summary>${many ? words.showSources(number(locale, sources.length)) : words.sources}<i class="chevron"></i></summary>
    <ol>${rows}</ol>
  </details>`;
}
