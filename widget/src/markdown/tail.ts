/** The end of a text still being written may stop in the middle of its own markup; this is what to show meanwhile. */

/** A line of nothing but markup: a list mark, a rule, half a fence, half a table row. */
const BARE_MARKUP = /^[ \t>]*(?:\d+[.)]?[ \t]*|[-+*=_#|:~`[\]!<][ \t>\-+*=_#|:~`[\]!<]*)?$/;
const TABLE_RULE = /^[ \t]*\|[ \t:|-]+$/;
const LINE_OPENERS = /\n[ \t>]*(?:[-+*]|\d+[.)]|#{1,6}|\|)[ \t]/g;
/** Longer than any sentence; past it, raw markup for a moment costs less than looking for it. */
const LONGEST = 4000;

function insideFence(text: string): boolean {
  let fence: string | null = null;
  for (const [, mark] of text.matchAll(/^[ \t>]*(?:(?:[-+*]|\d+[.)])[ \t]+)?(`{3,}|~{3,})/gm)) {
    if (!fence) fence = mark!;
    else if (mark!.startsWith(fence)) fence = null;
  }
  return fence !== null;
}

/** Text whose last block can be rendered as if it were complete. */
export function completeTail(tail: string): string {
  if (insideFence(tail)) return tail.replace(/\n[ \t]*(?:`+|~+)$/, "");
  const line = tail.lastIndexOf("\n") + 1;
  let text = BARE_MARKUP.test(tail.slice(line)) ? tail.slice(0, line) : tail;
  const block = text.lastIndexOf("\n\n") + 1;
  const [head = "", rule = ""] = text.slice(block).trimStart().split("\n", 2);
  if (head.startsWith("|") && !TABLE_RULE.test(rule)) text = text.slice(0, block);
  let start = text.lastIndexOf("\n\n") + 1;
  for (const opener of text.slice(start).matchAll(LINE_OPENERS)) start = Math.max(start, text.lastIndexOf(opener[0]) + 1);
  if (text.length - start > LONGEST) return text;
  return text.slice(0, start) + completeInline(text.slice(start));
}

interface Scan {
  text: string;
  at: number;
  /** Emphasis marks that wait for their other half. */
  open: string[];
  /** Positions of `[` that wait for theirs. */
  brackets: number[];
}

/** Emphasis, code and links in one paragraph, closed where they are still open. */
function completeInline(text: string): string {
  const scan: Scan = { text, at: 0, open: [], brackets: [] };
  while (scan.at < scan.text.length) {
    const char = scan.text[scan.at]!;
    if (char === "\\") scan.at += 2;
    else if (char === "`") {
      const rest = codeSpan(scan);
      if (rest !== null) return rest + closers(scan);
    } else if (char === "*" || char === "_" || char === "~") emphasis(scan, char);
    else if (char === "[") scan.brackets.push(scan.at++);
    else if (char === "]") {
      const rest = link(scan);
      if (rest !== null) return rest + closers(scan);
    } else scan.at++;
  }
  return withoutOpenBracket(scan) + closers(scan);
}

function closers({ open }: Scan): string {
  return open.reverse().join("");
}

/** Steps over a code span; for an open one, the text with it closed. */
function codeSpan(scan: Scan): string | null {
  const run = /^`+/.exec(scan.text.slice(scan.at))![0];
  const after = scan.at + run.length;
  for (const match of scan.text.slice(after).matchAll(/`+/g)) {
    if (match[0] !== run) continue;
    scan.at = after + match.index + run.length;
    return null;
  }
  const inside = scan.text.slice(after).replace(/`+$/, "");
  return inside.trim() ? scan.text.slice(0, after) + inside + run : scan.text.slice(0, scan.at);
}

function emphasis(scan: Scan, char: string): void {
  const { text, at, open } = scan;
  let end = at;
  while (text[end] === char) end++;
  scan.at = end;
  const before = text[at - 1] ?? " ";
  const after = text[end] ?? " ";
  const inWord = char === "_" && /\w/.test(before) && /\w/.test(after);
  if (inWord) return;
  let left = end - at;
  while (/\S/.test(before) && open.at(-1)?.[0] === char && left >= open.at(-1)!.length) left -= open.pop()!.length;
  if (left === 0) return;
  // Half of a closing pair: the other half is coming, so for now it is not shown.
  if (end === text.length) scan.text = text.slice(0, end - left);
  else if (/\S/.test(after)) open.push(...opened(char, left));
}

function opened(char: string, length: number): string[] {
  if (char === "~") return length === 2 ? ["~~"] : [];
  if (length === 3) return [char + char, char];
  return length < 3 ? [char.repeat(length)] : [];
}

/** Steps over a link; for one whose address is not complete, the text with its label alone. */
function link(scan: Scan): string | null {
  const { text, at } = scan;
  const start = scan.brackets.pop();
  scan.at++;
  if (start === undefined) return null;
  const image = text[start - 1] === "!";
  const label = text.slice(0, image ? start - 1 : start) + (image ? "" : text.slice(start + 1, at));
  if (text[at + 1] === undefined) return label;
  if (text[at + 1] !== "(") return null;
  const end = text.indexOf(")", at);
  if (end < 0) return label;
  scan.at = end + 1;
  return null;
}

function withoutOpenBracket({ text, brackets }: Scan): string {
  const start = brackets[0];
  if (start === undefined || text.length - start > 200) return text;
  if (text[start - 1] === "!") return text.slice(0, start - 1);
  return text.slice(0, start) + text.slice(start + 1);
}
