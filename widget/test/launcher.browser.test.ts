import { afterEach, beforeAll, beforeEach, describe, expect, inject, test, vi } from "vitest";
import { page, userEvent } from "vitest/browser";
import { registerChat } from "../src/element/register";
import type { ChatElement } from "../src/element/chat-element";
import { startLauncher } from "../src/launcher/start";
import { LONGEST } from "../src/launcher/selection";

const script = inject("server").replace("chatkit", "parlour.js");

beforeAll(() => registerChat(script));
beforeEach(async () => {
  localStorage.clear();
  sessionStorage.clear();
  await page.viewport(1000, 800);
});
afterEach(() => {
  document.getSelection()?.removeAllRanges();
  document.body.replaceChildren();
  document.head.querySelectorAll("script[data-test], style[data-test]").forEach((each) => each.remove());
  delete window.Parlour;
});

function start(data: Record<string, string> = {}) {
  const tag = document.createElement("script");
  // A type nobody runs: only the attributes matter here.
  Object.assign(tag.dataset, { ...data, test: "" });
  tag.type = "text/plain";
  tag.src = script;
  document.head.append(tag);
  startLauncher(script);
  const launcher = document.querySelector("parlour-launcher");
  if (!launcher?.shadowRoot || !window.Parlour) throw new Error("no launcher");
  const root = launcher.shadowRoot;
  return {
    launcher,
    root,
    api: window.Parlour,
    chat: () => root.querySelector<ChatElement>("parlour-chat"),
    button: () => root.querySelector<HTMLButtonElement>(".launch") as HTMLButtonElement,
    ask: () => root.querySelector<HTMLButtonElement>(".ask") as HTMLButtonElement,
    focused: () => root.activeElement?.shadowRoot?.activeElement?.localName ?? null,
  };
}
type Started = ReturnType<typeof start>;
const isOpen = ({ launcher, button }: Started) =>
  launcher.hasAttribute("open") && button().getAttribute("aria-expanded") === "true";
const write = (html: string) => {
  const main = document.createElement("main");
  main.innerHTML = html;
  document.body.prepend(main);
  return main;
};
function select(node: Node): void {
  document.getSelection()?.selectAllChildren(node);
}

describe("the button", () => {
  test("opens the panel, focuses the composer, and Escape gives the focus back", async () => {
    const started = start({ label: "Ask us" });
    await started.launcher.updateComplete;
    expect(started.chat()).toBeNull();
    expect(started.button().getAttribute("aria-label")).toBe("Ask us");
    await userEvent.click(started.button());
    await vi.waitFor(() => expect(started.focused()).toBe("textarea"));
    expect(isOpen(started)).toBe(true);
    await userEvent.keyboard("{Escape}");
    await vi.waitFor(() => expect(started.root.activeElement).toBe(started.button()));
    expect(isOpen(started)).toBe(false);
    expect(started.root.querySelector(".panel")?.hasAttribute("inert")).toBe(true);
  });

  test("is 56 px round at the chosen corner, whatever the page's CSS says", async () => {
    const style = document.createElement("style");
    style.dataset.test = "";
    style.textContent = "* { display: block !important; position: static; margin: 90px; } button { width: 1px }";
    document.head.append(style);
    const started = start({ position: "left" });
    await started.launcher.updateComplete;
    const box = started.button().getBoundingClientRect();
    expect([box.width, box.height, box.left]).toEqual([56, 56, 20]);
    expect(Math.round(innerHeight - box.bottom)).toBe(20);
  });

  test("the panel is 400 by 640, and the whole screen on a phone", async () => {
    const started = start();
    started.api.open();
    await started.launcher.updateComplete;
    const panel = started.root.querySelector<HTMLElement>(".panel") as HTMLElement;
    expect([panel.offsetWidth, panel.offsetHeight]).toEqual([400, 640]);
    await page.viewport(375, 700);
    expect([panel.offsetWidth, panel.offsetHeight]).toEqual([375, 700]);
    expect(getComputedStyle(started.button()).visibility).toBe("hidden");
    const close = await vi.waitFor(() => {
      const found = started.chat()?.shadowRoot?.querySelector<HTMLElement>("[aria-label=close i]");
      if (!found) throw new Error("no way to close it");
      return found;
    });
    close.click();
    await vi.waitFor(() => expect(isOpen(started)).toBe(false));
  });

  test("an open panel is open on the next page, without taking the focus", async () => {
    start().api.open();
    document.body.replaceChildren();
    delete window.Parlour;
    const field = document.createElement("input");
    document.body.append(field);
    field.focus();
    const next = start();
    await vi.waitFor(() => expect(isOpen(next)).toBe(true));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(document.activeElement).toBe(field);
  });

  test("data-open opens it until the visitor closes it, and never over a phone's whole screen", async () => {
    const first = start({ open: "" });
    await vi.waitFor(() => expect(isOpen(first)).toBe(true));
    first.api.close();
    document.body.replaceChildren();
    delete window.Parlour;
    const second = start({ open: "" });
    await second.launcher.updateComplete;
    expect(isOpen(second)).toBe(false);
    sessionStorage.clear();
    document.body.replaceChildren();
    delete window.Parlour;
    await page.viewport(375, 700);
    const phone = start({ open: "" });
    await phone.launcher.updateComplete;
    expect(isOpen(phone)).toBe(false);
  });

  test("greeting, prompts and title reach the chat; the page can reach it too", async () => {
    const started = start({ greeting: "Hello there", prompts: "How?|Why?", title: "Help" });
    expect(started.api.element).toBe(started.api.element);
    started.api.toggle();
    await vi.waitFor(() => expect(started.chat()?.shadowRoot?.textContent).toContain("Hello there"));
    expect(started.chat()?.shadowRoot?.textContent).toContain("Why?");
    expect(started.root.querySelector(".panel")?.getAttribute("aria-label")).toBe("Help");
    started.api.toggle();
    await vi.waitFor(() => expect(isOpen(started)).toBe(false));
  });

  test("wears what the page wears, also when the page changes its mind", async () => {
    const started = start();
    const scheme = () => [started.launcher.dataset.theme, started.chat()?.options?.theme];
    started.api.open();
    document.documentElement.style.colorScheme = "dark";
    await vi.waitFor(() => expect(scheme()).toEqual(["dark", "dark"]));
    document.documentElement.style.colorScheme = "only light";
    await vi.waitFor(() => expect(scheme()).toEqual(["light", "light"]));
    document.documentElement.removeAttribute("style");
  });

  test("the page is told when window.Parlour is there", () => {
    let there: unknown;
    window.addEventListener("parlour-ready", () => (there = window.Parlour), { once: true });
    const { api } = start();
    expect(there).toBe(api);
  });

  test("two script tags make one launcher", () => {
    start();
    startLauncher(script);
    expect(document.querySelectorAll("parlour-launcher")).toHaveLength(1);
  });
});

describe("asking about selected text", () => {
  test("puts the text into the composer and the cursor beside it", async () => {
    const main = write("<p>Threads are kept in SQLite.</p>");
    const started = start();
    select(main);
    await vi.waitFor(() => expect(started.ask().hidden).toBe(false));
    const text = main.querySelector("p")?.getBoundingClientRect();
    expect(started.ask().getBoundingClientRect().top).toBeGreaterThan((text?.top ?? 0) + 5);
    await userEvent.click(started.ask());
    await vi.waitFor(() => expect(started.focused()).toBe("textarea"));
    expect(await started.chat()?.getComposerValue()).toMatchObject({ reply: "Threads are kept in SQLite." });
    expect(started.ask().hidden).toBe(true);
  });

  test("the button never lies on the open panel", async () => {
    const main = write("<p>A short line at the right end.</p>");
    Object.assign(main.style, { position: "fixed", bottom: "300px", right: "60px" });
    const started = start();
    started.api.open();
    await vi.waitFor(() => expect(started.focused()).toBe("textarea"));
    select(main);
    await vi.waitFor(() => expect(started.ask().hidden).toBe(false));
    const panel = started.root.querySelector(".panel")?.getBoundingClientRect();
    expect(started.ask().getBoundingClientRect().right).toBeLessThan(panel?.left ?? 0);
  });

  test("takes 2,000 characters at most, and goes when the selection goes", async () => {
    const main = write(`<p>${"long ".repeat(1000)}</p>`);
    const started = start();
    await started.launcher.updateComplete;
    window.scrollTo(0, 0);
    const range = document.createRange();
    range.selectNodeContents(main);
    document.getSelection()?.addRange(range);
    await vi.waitFor(() => expect(started.ask().hidden).toBe(false));
    started.ask().click();
    await vi.waitFor(async () => {
      const value = await started.chat()?.getComposerValue();
      expect(value?.reply).toHaveLength(LONGEST);
    });
    select(main);
    await vi.waitFor(() => expect(started.ask().hidden).toBe(false));
    document.getSelection()?.removeAllRanges();
    await vi.waitFor(() => expect(started.ask().hidden).toBe(true));
  });

  test.each([
    ["a field", "<textarea>text in a field</textarea>", "textarea"],
    ["an editable part", "<div contenteditable>text to edit</div>", "div"],
  ])("is not offered in %s", async (_name, html, selector) => {
    const main = write(html);
    const started = start();
    await started.launcher.updateComplete;
    const element = main.querySelector<HTMLElement>(selector) as HTMLElement;
    element.focus();
    if (element instanceof HTMLTextAreaElement) element.select();
    else select(element);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(started.ask().hidden).toBe(true);
  });

  test("works with the keyboard alone", async () => {
    write("<p>Selected with shift and arrows.</p>");
    const started = start();
    await started.launcher.updateComplete;
    await userEvent.keyboard("{Control>}a{/Control}");
    await vi.waitFor(() => expect(started.ask().hidden).toBe(false));
    started.ask().focus();
    await userEvent.keyboard("{Enter}");
    await vi.waitFor(() => expect(started.focused()).toBe("textarea"));
    expect((await started.chat()?.getComposerValue())?.reply).toContain("shift and arrows");
  });
});
