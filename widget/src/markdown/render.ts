import { html, nothing, type TemplateResult } from "lit";
import { guard } from "lit/directives/guard.js";
import { repeat } from "lit/directives/repeat.js";
import type { Token, Tokens } from "marked";
import type { Catalogue } from "../locales/index";
import type { Block } from "./blocks";
import { splitMarks, takeMarks } from "./citations";
import { decodeEntities } from "./entities";
import { imageAllowed, safeHref } from "./links";
import "../view/copy";

type Rendered = TemplateResult | string | typeof nothing | Rendered[];

/** What a text needs from around it; a new object when anything in it changed. */
export interface Surroundings {
  words: Catalogue;
  /** Hosts that images may come from. */
  imageDomains: readonly string[] | undefined;
  /** The pills for one cited place. */
  cite(place: number): TemplateResult;
  /** True when the page dealt with the link itself. */
  followLink(href: string): boolean;
}

/** A place in the text: what surrounds it, and the level of the heading above it. */
interface Place extends Surroundings {
  above: number;
}

/** The level of the element's own title. */
const OWN_LEVEL = 2;

/** The pieces of a text as templates; pieces that have not changed are not rendered again. */
export function renderBlocks(blocks: readonly Block[], around: Surroundings): TemplateResult {
  let level = OWN_LEVEL;
  return html`${repeat(
    blocks,
    (_, at) => at,
    ({ token }) => {
      const above = level;
      if (token.type === "heading") level = levelOf(token as Tokens.Heading, above);
      return guard([token, around, above], () => renderBlock(token as Tokens.Generic, { ...around, above }));
    },
  )}`;
}

function renderBlock(token: Tokens.Generic, around: Place): Rendered {
  switch (token.type) {
    case "heading":
      return heading(token as Tokens.Heading, around);
    case "paragraph":
      return html`<p>${inline(token.tokens, around)}</p>`;
    case "list":
      return list(token as Tokens.List, around);
    case "code":
      return code(token as Tokens.Code, around);
    case "blockquote":
      return html`<blockquote>${blocks(token.tokens, around)}</blockquote>`;
    case "table":
      return table(token as Tokens.Table, around);
    case "hr":
      return html`<hr />`;
    case "html":
      return html`<p class="raw">${withMarks((token as Tokens.HTML).text.trim(), around)}</p>`;
    case "text":
      return html`<p>${inlineOf(token as Tokens.Text, around)}</p>`;
    default:
      return nothing;
  }
}

function blocks(tokens: Token[] | undefined, around: Place): Rendered {
  return (tokens ?? []).map((token) => renderBlock(token as Tokens.Generic, around));
}

/** Headings never skip a level, whatever a model begins with: people listen their way along them. */
function levelOf({ depth }: Tokens.Heading, above: number): number {
  return Math.min(OWN_LEVEL + depth, above + 1, 6);
}

function heading(token: Tokens.Heading, around: Place): Rendered {
  const content = inline(token.tokens, around);
  const size = `size-${token.depth}`;
  const level = levelOf(token, around.above);
  if (level === 3) return html`<h3 class=${size}>${content}</h3>`;
  if (level === 4) return html`<h4 class=${size}>${content}</h4>`;
  return level === 5 ? html`<h5 class=${size}>${content}</h5>` : html`<h6 class=${size}>${content}</h6>`;
}

function list(token: Tokens.List, around: Place): Rendered {
  const items = token.items.map((item) => html`<li class=${item.task ? "task" : nothing}>${listItem(item, around)}</li>`);
  if (!token.ordered) return html`<ul>${items}</ul>`;
  return html`<ol start=${token.start === "" || token.start === 1 ? nothing : token.start}>${items}</ol>`;
}

function listItem(item: Tokens.ListItem, around: Place): Rendered {
  return item.tokens.map((token) => {
    if (token.type === "text") return inlineOf(token as Tokens.Text, around);
    if (token.type === "checkbox") return checkbox(token as Tokens.Checkbox, around);
    return renderBlock(token, around);
  });
}

function checkbox({ checked }: Tokens.Checkbox, { words }: Surroundings): Rendered {
  return html`<span class="checkbox" role="img" aria-label=${checked ? words.done : words.toDo} ?data-checked=${checked}></span>`;
}

function code(token: Tokens.Code, around: Surroundings): Rendered {
  const language = takeMarks(token.lang ?? "");
  const name = /^\S*/.exec(language.text)![0];
  const { text, places } = takeMarks(token.text);
  return html`<div class="code">
      <div class="code-head"><span>${name}</span><parlour-copy .text=${text} .label=${around.words.copyCode} .done=${around.words.copied}></parlour-copy></div>
      <pre tabindex="0" role="group" aria-label=${name || around.words.code}><code>${text}</code></pre>
    </div>${cites([...language.places, ...places], around, true)}`;
}

function table(token: Tokens.Table, around: Surroundings): Rendered {
  const cell = (cell: Tokens.TableCell) => inline(cell.tokens, around);
  return html`<div class="table" tabindex="0" role="group" aria-label=${around.words.table}>
    <table>
      <thead><tr>${token.header.map((head) => html`<th scope="col" class=${head.align ?? nothing}>${cell(head)}</th>`)}</tr></thead>
      <tbody>${token.rows.map((row) => html`<tr>${row.map((one) => html`<td class=${one.align ?? nothing}>${cell(one)}</td>`)}</tr>`)}</tbody>
    </table>
  </div>`;
}

function inlineOf(token: { text: string; tokens?: Token[] }, around: Surroundings): Rendered {
  return token.tokens ? inline(token.tokens, around) : withMarks(decodeEntities(token.text), around);
}

function inline(tokens: Token[] | undefined, around: Surroundings): Rendered {
  return (tokens ?? []).map((token) => inlineToken(token as Tokens.Generic, around));
}

function inlineToken(token: Tokens.Generic, around: Surroundings): Rendered {
  switch (token.type) {
    case "strong":
      return html`<strong>${inline(token.tokens, around)}</strong>`;
    case "em":
      return html`<em>${inline(token.tokens, around)}</em>`;
    case "del":
      return html`<del>${inline(token.tokens, around)}</del>`;
    case "codespan": {
      const { text, places } = takeMarks((token as Tokens.Codespan).text);
      return html`<code>${text}</code>${cites(places, around)}`;
    }
    case "br":
      return html`<br />`;
    case "link":
      return link(token as Tokens.Link, around);
    case "image":
      return image(token as Tokens.Image, around);
    case "checkbox":
      return checkbox(token as Tokens.Checkbox, around);
    case "escape":
      return withMarks((token as Tokens.Escape).text, around);
    case "html":
      // Tags are text, but models break lines inside table cells this way.
      return /^<br\s*\/?>$/i.test(token.raw) ? html`<br />` : withMarks(token.raw, around);
    default:
      return inlineOf(token as Tokens.Text, around);
  }
}

/** A link, with the marks that fell inside it set behind it: a link cannot hold another. */
function link(token: Tokens.Link, around: Surroundings): Rendered {
  const address = takeMarks(token.href);
  const places: number[] = [];
  const inside = inline(token.tokens, { ...around, cite: (place) => (places.push(place), html``) });
  const found = token.autolink ? address.places : places;
  const href = safeHref(token.autolink ? address.text : decodeEntities(address.text));
  if (!href) return html`${inside}${cites(found, around)}`;
  return html`${anchor(href, inside, token.title, around)}${cites(found, around)}`;
}

function anchor(href: string, inside: Rendered, title: string | null | undefined, around: Surroundings): TemplateResult {
  const click = (event: MouseEvent) => {
    if (around.followLink(href)) event.preventDefault();
  };
  return html`<a href=${href} title=${title ?? nothing} target="_blank" rel="noopener noreferrer" @click=${click}>${inside}</a>`;
}

function image(token: Tokens.Image, around: Surroundings): Rendered {
  const address = takeMarks(token.href);
  const name = takeMarks(decodeEntities(token.text));
  const href = safeHref(decodeEntities(address.text));
  const after = cites([...name.places, ...address.places], around);
  if (href && imageAllowed(href, around.imageDomains)) {
    return html`<img src=${href} alt=${name.text} title=${token.title ?? nothing} loading="lazy" referrerpolicy="no-referrer" />${after}`;
  }
  const label = name.text || around.words.image;
  return html`${href ? anchor(href, label, token.title, around) : label}${after}`;
}

function withMarks(text: string, around: Surroundings): Rendered {
  return splitMarks(text).map((part) => (typeof part === "number" ? around.cite(part) : part));
}

function cites(places: number[], around: Surroundings, ownLine = false): Rendered {
  if (!places.length) return nothing;
  const pills = places.map((place) => around.cite(place));
  return ownLine ? html`<p>${pills}</p>` : pills;
}
