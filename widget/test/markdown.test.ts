import { describe, expect, it } from "vitest";
import { Blocks } from "../src/markdown/blocks";
import { markCitations, takeMarks, uniqueSources } from "../src/markdown/citations";
import { decodeEntities } from "../src/markdown/entities";
import { imageAllowed, safeHref } from "../src/markdown/links";
import { completeTail } from "../src/markdown/tail";
import type { Annotation, Source } from "../src/state";

const page = (name: string): Source => ({ type: "url", title: name, url: `https://docs.example/${name}` });
const note = (source: Source, index?: number): Annotation => ({ type: "annotation", source, index });

/** The text with each mark written as [numbers]. */
function marked(text: string, annotations: Annotation[]): string {
  const sources = uniqueSources(annotations);
  const { text: result, places } = markCitations(text, annotations, sources);
  return result.replace(/\uFFFC(.)\uFFFC/gu, (_, mark: string) => `[${places[mark.charCodeAt(0) - 0xe000]!.join(",")}]`);
}

describe("citations", () => {
  it("stand where their index says, grouped when it is the same", () => {
    expect(marked("One. Two.", [note(page("a"), 4), note(page("b"), 9), note(page("a"), 9)])).toBe("One.[1] Two.[2,1]");
  });

  it("number a source once, in the order of first mention", () => {
    expect(uniqueSources([note(page("a"), 1), note(page("b")), note(page("a"), 5)]).map(({ title }) => title)).toEqual(["a", "b"]);
  });

  it("count characters as the server does, not UTF-16 units", () => {
    expect(marked("😀😀 yes. no", [note(page("a"), 7)])).toBe("😀😀 yes.[1] no");
  });

  it.each([
    ["a line break", "One.\n\nTwo.", 6, "One.[1]\n\nTwo."],
    ["the end of emphasis", "**One** two", 5, "**One**[1] two"],
    ["a list mark", "One.\n- two", 7, "One.[1]\n- two"],
    ["a numbered list mark", "One.\n1. two", 7, "One.[1]\n1. two"],
    ["a heading mark", "One.\n\n## Two", 9, "One.[1]\n\n## Two"],
    ["a closing fence", "```\ncode\n```\n", 12, "```\ncode[1]\n```\n"],
    ["a table row", "| a |\n|---|\n| b |", 17, "| a |\n|---|\n| b [1]|"],
    ["a table's rule", "| a |\n|---|\n| b |", 11, "| a [1]|\n|---|\n| b |"],
    ["the very beginning", "# One\n\ntwo", 0, "# One[1]\n\ntwo"],
    ["an index past the end", "One.", 99, "One.[1]"],
    ["an empty text", "", 3, "[1]"],
  ])("do not break the markup at %s", (_, text, index, expected) => {
    expect(marked(text, [note(page("a"), index)])).toBe(expected);
  });

  it("cannot be forged by the text", () => {
    const { text } = markCitations("x\uFFFC\uE000\uFFFC y", [note(page("a"), 1)], [page("a")]);
    expect(takeMarks(text).places).toEqual([0]);
  });
});

describe("a text still being written", () => {
  it.each([
    ["**bo", "**bo**"],
    ["a **bold** and *it", "a **bold** and *it*"],
    ["***both", "***both***"],
    ["**bold*", "**bold**"],
    ["~~gon", "~~gon~~"],
    ["use `harb", "use `harb`"],
    ["use `", "use "],
    ["see [the page](https://exa", "see the page"],
    ["see [the pa", "see the pa"],
    ["see [the page]", "see the page"],
    ["an ![image](https://exa", "an "],
    ["an ![ima", "an "],
    ["text\n-", "text\n"],
    ["text\n--", "text\n"],
    ["- one\n- ", "- one\n"],
    ["1. one\n2.", "1. one\n"],
    ["text\n\n#", "text\n"],
    ["| a | b", ""],
    ["| a | b |\n|--", ""],
    ["text\n\n---\n", "text\n\n---"],
    ["| a | b |\n|---|---|\n| 1", "| a | b |\n|---|---|\n| 1"],
    ["```js\nconst a = 1;\n``", "```js\nconst a = 1;"],
    ["2 * 3 * 4", "2 * 3 * 4"],
    ["snake_case_name", "snake_case_name"],
    ["- a *b*\n- **c", "- a *b*\n- **c**"],
    ["a \\*b", "a \\*b"],
    ["done [x](https://e.com) and **b", "done [x](https://e.com) and **b**"],
  ])("%j is shown as %j", (text, shown) => {
    expect(completeTail(text).trimEnd()).toBe(shown.trimEnd());
  });
});

describe("blocks", () => {
  const TEXT = "# Title\n\nFirst **bold** words.\n\n- one\n- two\n\n```js\nlet a\n\nlet b\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n> quote\n\nLast.";

  it("end the same however the text came", () => {
    const whole = new Blocks().update(TEXT, false);
    for (const step of [1, 3, 7, 20]) {
      const blocks = new Blocks();
      for (let at = 0; at < TEXT.length; at += step) blocks.update(TEXT.slice(0, at), true);
      expect(blocks.update(TEXT, false)).toEqual(whole);
    }
  });

  it("are never made again once another has begun", () => {
    const blocks = new Blocks();
    const first = blocks.update("# Title\n\nFirst.\n\nSec", true);
    const later = blocks.update("# Title\n\nFirst.\n\nSecond.\n\nThird", true);
    expect(later[0]).toBe(first[0]);
    expect(later[2]).toBe(first[2]);
    expect(blocks.update("# Title\n\nFirst.\n\nSecond.\n\nThird.", false)[0]).toBe(first[0]);
  });

  it("change from where a mark was put into them later", () => {
    const blocks = new Blocks();
    const before = blocks.update("One.\n\nTwo.\n\nThree.\n\nFour", true);
    const after = blocks.update("One.\n\nTwo.\n\nThree.X\n\nFour", true);
    expect(after[0]).toBe(before[0]);
    expect(after.map(({ token }) => token.raw).join("")).toBe("One.\n\nTwo.\n\nThree.X\n\nFour");
  });

  it("know a link's address that is defined below it, once the text is whole", () => {
    const blocks = new Blocks();
    blocks.update("See [docs].\n\nMore.\n\n[docs]: https://e.com\n\nEnd", true);
    const [first] = blocks.update("See [docs].\n\nMore.\n\n[docs]: https://e.com\n\nEnd.", false);
    expect(JSON.stringify(first)).toContain("https://e.com");
  });

  const deep = Array.from({ length: 310 }, (_, at) => `${" ".repeat(at * 2)}- a`).join("\n");
  it.each([
    ["open brackets", "[".repeat(100_000)],
    ["open links", "[a](".repeat(25_000)],
    ["open images", "![".repeat(50_000)],
    ["deep quotes", "> ".repeat(50_000)],
    ["deep quotes without spaces", ">".repeat(100_000)],
    ["deep lists", deep],
    ["emphasis in words", "_a__b".repeat(20_000)],
    ["open emphasis", "**a *b ".repeat(15_000)],
    ["backticks", " `".repeat(50_000)],
    ["tags", "<a ".repeat(33_000)],
    ["a long word", "a".repeat(100_000)],
    ["addresses", "http://".repeat(14_000)],
    ["newlines", "\n".repeat(100_000)],
    ["spaces", `a\n${" ".repeat(100_000)}b`],
    ["rules", "| a |\n|" + "-".repeat(100_000)],
    ["line marks", "- ".repeat(50_000)],
    ["tables", "| a ".repeat(30_000)],
  ])("are quick with hostile %s", (_, text) => {
    const started = performance.now();
    const blocks = new Blocks();
    blocks.update(text, true);
    blocks.update(`${text} more`, true);
    blocks.update(`${text} more.`, false);
    expect(performance.now() - started).toBeLessThan(3000);
  });
});

describe("links", () => {
  it.each(["https://e.com/a", "http://e.com", "mailto:a@e.com", "tel:+491", "chatkit-link://open?x=1", "/docs", "#part", "docs/a:b", "?q=a:b"])("%s is followed", (href) => {
    expect(safeHref(href)).toBe(href);
  });

  it.each([
    "javascript:alert(1)", "JaVaScRiPt:alert(1)", " javascript:alert(1)", "java\tscript:alert(1)", "java\nscript:alert(1)", "\u0001javascript:alert(1)",
    "java\u200bscript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "blob:https://e.com/1", "",
  ])("%j is not", (href) => {
    expect(safeHref(href)).toBeNull();
  });

  it("to images are limited to the thread's hosts", () => {
    expect(imageAllowed("https://img.e.com/a.png", ["e.com"])).toBe(true);
    expect(imageAllowed("https://e.com/a.png", ["*.e.com"])).toBe(true);
    expect(imageAllowed("https://evil-e.com/a.png", ["e.com"])).toBe(false);
    expect(imageAllowed("https://e.com.evil.org/a.png", ["e.com"])).toBe(false);
    expect(imageAllowed("data:image/png;base64,AAAA", ["e.com"])).toBe(false);
    expect(imageAllowed("https://e.com/a.png", undefined)).toBe(false);
  });
});

it("character references are the characters they mean", () => {
  expect(decodeEntities("a &amp; b &lt;i&gt; &#8364; &#x20AC; &unknown; &constructor;")).toBe("a & b <i> € € &unknown; &constructor;");
});
