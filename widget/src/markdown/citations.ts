import type { Annotation, Source } from "../state";

/** Stands for the n-th place in the text where sources are cited; counted as a symbol by Markdown's own rules. */
const marker = (place: number) => `\uFFFC${String.fromCharCode(0xe000 + place)}\uFFFC`;
const MOST_PLACES = 0x1900;
const MARKERS = /\uFFFC([\uE000-\uF8FF])\uFFFC/;

const FENCE = /^[ \t>]*(?:```|~~~)/;
const SYNTAX_ONLY = /^(?:[-=*_|:`~#>+ \t]*|\d+[.)])$/;

function sourceKey(source: Source): string {
  if (source.type === "url") return `url ${source.url}`;
  return source.type === "file" ? `file ${source.filename}` : `entity ${source.id}`;
}

/** The different sources of an answer in the order they were first cited: their place is their number. */
export function uniqueSources(annotations: readonly Annotation[]): Source[] {
  const seen = new Map<string, Source>();
  for (const { source } of annotations) {
    const key = sourceKey(source);
    if (!seen.has(key)) seen.set(key, source);
  }
  return [...seen.values()];
}

/** A position in code points, as the server counts, in UTF-16 units, as strings here do. */
function toUnits(text: string, index: number): number {
  let units = 0;
  for (let points = 0; points < index && units < text.length; points++) units += text.codePointAt(units)! > 0xffff ? 2 : 1;
  return units;
}

/** The nearest place where a mark does not break the Markdown around it. */
function settlePlace(text: string, start: number): number {
  let at = start;
  const closing = /^[*_~`]+(?=$|[\s\p{P}])/u.exec(text.slice(at, at + 8));
  if (closing && at > 0 && /\S/.test(text[at - 1]!)) at += closing[0].length;
  for (;;) {
    while (at > 0 && /\s/.test(text[at - 1]!)) at--;
    const lineStart = text.lastIndexOf("\n", at - 1) + 1;
    const line = text.slice(lineStart, at);
    if (at === 0 || !(SYNTAX_ONLY.test(line.trimStart()) || FENCE.test(line))) break;
    at = lineStart;
  }
  if (at === 0) {
    const first = /\S.*/.exec(text);
    return first ? first.index + first[0].length : 0;
  }
  return text[at - 1] === "|" ? at - 1 : at;
}

/** The text with a mark at every cited place, and the numbers of the sources behind each mark. */
export function markCitations(
  text: string,
  annotations: readonly Annotation[],
  sources: readonly Source[],
): { text: string; places: number[][] } {
  const cited = annotations.filter((annotation) => typeof annotation.index === "number");
  if (!cited.length) return { text, places: [] };
  const plain = text.replaceAll("\uFFFC", "\uFFFD");
  const numbers = new Map(sources.map((source, at) => [sourceKey(source), at + 1]));
  const groups = new Map<number, Set<number>>();
  for (const { index, source } of cited) {
    const at = settlePlace(plain, toUnits(plain, Math.max(0, index!)));
    groups.set(at, (groups.get(at) ?? new Set()).add(numbers.get(sourceKey(source)) ?? 0));
  }
  const ordered = [...groups].sort(([a], [b]) => a - b).slice(0, MOST_PLACES);
  let marked = "";
  let from = 0;
  for (const [place, [at]] of ordered.entries()) {
    marked += plain.slice(from, at) + marker(place);
    from = at;
  }
  return { text: marked + plain.slice(from), places: ordered.map(([, numbers]) => [...numbers]) };
}

/** Text without marks, and the places the marks stood for. */
export function takeMarks(text: string): { text: string; places: number[] } {
  const parts = text.split(MARKERS);
  if (parts.length === 1) return { text, places: [] };
  return {
    text: parts.filter((_, at) => at % 2 === 0).join(""),
    places: parts.filter((_, at) => at % 2 === 1).map((mark) => mark.charCodeAt(0) - 0xe000),
  };
}

/** Text and marks in turn: a string, then the number of a place, and so on. */
export function splitMarks(text: string): (string | number)[] {
  return text.split(MARKERS).map((part, at) => (at % 2 ? part.charCodeAt(0) - 0xe000 : part));
}
