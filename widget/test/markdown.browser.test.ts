import { html, render } from "lit";
import { afterEach, describe, expect, it, vi } from "vitest";
import { en } from "../src/locales/en";
import { uniqueSources } from "../src/markdown/citations";
import type { MarkdownText } from "../src/markdown/element";
import "../src/markdown/element";
import type { Annotation } from "../src/state";

interface Given {
  open?: boolean;
  annotations?: Annotation[];
  imageDomains?: string[];
  followLink?: (href: string) => boolean;
}

/** Renders the text in a shadow root, as the chat does, and waits for the engine. */
async function show(text: string, given: Given = {}, host = document.createElement("div")): Promise<MarkdownText> {
  const root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
  if (!host.isConnected) document.body.append(host);
  const annotations = given.annotations ?? [];
  const commands = { followLink: given.followLink ?? (() => false) };
  const template = html`<parlour-markdown
    .text=${text}
    .open=${given.open ?? false}
    .annotations=${annotations}
    .sources=${uniqueSources(annotations)}
    .imageDomains=${given.imageDomains}
    .words=${en}
    .commands=${commands}
    .cite=${(numbers: readonly number[]) => html`<sup>${numbers.join(",")}</sup>`}
  ></parlour-markdown>`;
  render(template, root);
  const element = root.querySelector<MarkdownText>("parlour-markdown")!;
  await vi.waitFor(() => expect(element.engine).toBeDefined());
  await element.updateComplete;
  return element;
}

/** The markup without Lit's comments and what does not matter here. */
const markup = (element: Element) =>
  element.innerHTML.replace(/<!--.*?-->/g, "").replace(/ (target|rel|class)="(?!table|code|raw)[^"]*"/g, "").replace(/\s*\n\s*/g, "").trim();

afterEach(() => document.body.replaceChildren());

describe("Markdown", () => {
  it.each([
    ["# A\n\n## B\n\n### C\n\n#### D", "<h3>A</h3><h4>B</h4><h5>C</h5><h6>D</h6>"],
    ["### A\n\n# B\n\n### C\n\n> # D", "<h3>A</h3><h3>B</h3><h4>C</h4><blockquote><h3>D</h3></blockquote>"],
    ["a **b** *c* ~~d~~ `e`  \nf", "<p>a <strong>b</strong> <em>c</em> <del>d</del> <code>e</code><br>f</p>"],
    ["- a\n- b\n  1. c", "<ul><li>a</li><li>b<ol><li>c</li></ol></li></ul>"],
    ["3. a\n4. b", '<ol start="3"><li>a</li><li>b</li></ol>'],
    ["> a\n> b", "<blockquote><p>a\nb</p></blockquote>".replace("\n", "")],
    ["a\n\n---\n\nb", "<p>a</p><hr><p>b</p>"],
    ["[a](https://e.com \"t\") https://f.com", '<p><a href="https://e.com" title="t">a</a> <a href="https://f.com">https://f.com</a></p>'],
    ["a &amp; &lt;b&gt;", "<p>a &amp; &lt;b&gt;</p>"],
    ["a<br>b", "<p>a<br>b</p>"],
  ])("%j", async (source, expected) => {
    expect(markup(await show(source))).toBe(expected);
  });

  it("tables scroll in their own box and keep their alignment", async () => {
    const element = await show("| a | b |\n|:-:|--:|\n| 1 | 2 |");
    expect(element.querySelector(".table")!.getAttribute("tabindex")).toBe("0");
    expect(element.querySelector("td.center")!.textContent).toBe("1");
    expect(element.querySelector("td.right")!.textContent).toBe("2");
  });

  it("task lists say what is done", async () => {
    const element = await show("- [x] one\n- [ ] two");
    expect([...element.querySelectorAll(".checkbox")].map((box) => box.getAttribute("aria-label"))).toEqual(["Done", "To do"]);
  });

  it("code keeps its characters, names its language and can be copied", async () => {
    const element = await show('```js\nif (a < b && "c") {}\n```');
    expect(element.querySelector("pre")!.textContent).toBe('if (a < b && "c") {}');
    expect(element.querySelector(".code-head span")!.textContent).toBe("js");
    await vi.waitFor(() => expect(element.querySelector(".code-head button")!.getAttribute("aria-label")).toBe("Copy code"));
  });
});

describe("hostile Markdown", () => {
  it.each([
    "<script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 1'>",
    "text <svg onload=window.hacked=1> text",
    "[a](javascript:window.hacked=1)",
    "[a](java&#115;cript:window.hacked=1)",
    "[a](&#106;avascript&colon;window.hacked=1)",
    "<javascript:window.hacked=1>",
    "[a](data:text/html;base64,PHNjcmlwdD4=)",
    "[a]: javascript:window.hacked=1\n\n[a]",
    "![a](javascript:window.hacked=1)",
    "![a](x\"onerror=\"window.hacked=1)",
    "<a href='javascript:window.hacked=1'>a</a>",
    "<iframe srcdoc='<script>top.hacked=1</script>'></iframe>",
    "```html\n<script>window.hacked=1</script>\n```",
  ])("is only text: %j", async (source) => {
    const element = await show(source, { imageDomains: ["e.com"] });
    for (const link of element.querySelectorAll("a")) link.click();
    expect(element.querySelector("script, img, svg:not(.icon), iframe, [onerror], [onload]")).toBeNull();
    expect([...element.querySelectorAll("a")].filter(({ protocol }) => !/^https?:$/.test(protocol))).toEqual([]);
    expect((window as unknown as { hacked?: number }).hacked).toBeUndefined();
  });

  it("shows a tag as it was written", async () => {
    expect((await show("a <b>c</b> <script>x</script>")).textContent.trim()).toBe("a <b>c</b> <script>x</script>");
  });

  it("draws deep nesting without falling over", async () => {
    const started = performance.now();
    await show("> ".repeat(5000) + "a");
    await show("**a *b ".repeat(3000));
    await show("[".repeat(100_000));
    expect(performance.now() - started).toBeLessThan(5000);
  });
});

describe("images", () => {
  it("come only from where the thread allows, and are links otherwise", async () => {
    const allowed = await show("![a cat](https://img.e.com/cat.png)", { imageDomains: ["e.com"] });
    expect(allowed.querySelector("img")!.alt).toBe("a cat");
    const other = await show("![a cat](https://evil.com/cat.png)", { imageDomains: ["e.com"] });
    expect(other.querySelector("img")).toBeNull();
    expect(other.querySelector("a")!.textContent).toBe("a cat");
  });
});

describe("links", () => {
  it("are offered to the page first, and open a new tab otherwise", async () => {
    const followLink = vi.fn(() => true);
    const element = await show("[go](chatkit-link://open?id=1)", { followLink });
    const link = element.querySelector("a")!;
    const event = new MouseEvent("click", { cancelable: true, bubbles: true });
    link.dispatchEvent(event);
    expect(followLink).toHaveBeenCalledWith("chatkit-link://open?id=1");
    expect(event.defaultPrevented).toBe(true);
    expect([link.target, link.rel]).toEqual(["_blank", "noopener noreferrer"]);
  });
});

describe("citations", () => {
  const note = (name: string, index: number): Annotation => ({ type: "annotation", index, source: { type: "url", title: name, url: `https://e.com/${name}` } });

  it.each([
    ["**Note.** more", 9, "<p><strong>Note.</strong><sup>1</sup> more</p>"],
    ["See https://e.com/a, ok", 19, '<p>See <a href="https://e.com/a">https://e.com/a</a><sup>1</sup>, ok</p>'],
    ["See [the page](https://e.com) ok", 8, '<p>See <a href="https://e.com">the page</a><sup>1</sup> ok</p>'],
    ["- one\n- two", 5, "<ul><li>one<sup>1</sup></li><li>two</li></ul>"],
    ["One.\n\nTwo.", 4, "<p>One.<sup>1</sup></p><p>Two.</p>"],
    ["Use `code` now", 8, "<p>Use <code>code</code><sup>1</sup> now</p>"],
  ])("stand in the right place: %j at %i", async (text, index, expected) => {
    expect(markup(await show(text, { annotations: [note("a", index)] }))).toBe(expected);
  });

  it("of a code block stand below it", async () => {
    const element = await show("```\nlet a\n```\n\nAfter.", { annotations: [note("a", 13)] });
    expect(element.querySelector("pre")!.textContent).toBe("let a");
    expect(element.querySelector(".code + p sup")!.textContent).toBe("1");
  });
});

describe("a text that grows", () => {
  it("keeps the elements of what is finished", async () => {
    const host = document.createElement("div");
    const element = await show("# Title\n\nFirst.\n\nSec", { open: true }, host);
    const [title, first] = element.querySelectorAll("h3, p");
    const changes: MutationRecord[] = [];
    const observer = new MutationObserver((records) => changes.push(...records));
    for (const finished of [title!, first!]) observer.observe(finished, { childList: true, characterData: true, subtree: true });
    await show("# Title\n\nFirst.\n\nSecond with **bo", { open: true }, host);
    await show("# Title\n\nFirst.\n\nSecond with **bold**.\n\nThird", { open: true }, host);
    await show("# Title\n\nFirst.\n\nSecond with **bold**.\n\nThird.", {}, host);
    expect(element.querySelector("h3")).toBe(title);
    expect(element.querySelector("p")).toBe(first);
    expect([...changes, ...observer.takeRecords()]).toEqual([]);
    expect(element.textContent).toContain("Second with bold.");
  });
});
