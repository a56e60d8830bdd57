import type { ChatKitEvents, ChatKitOptions, OpenAIChatKit } from "@openai/chatkit";
import { afterEach, beforeAll, beforeEach, describe, expect, inject, test, vi } from "vitest";
import { ChatElement } from "../src/element/chat-element";
import { registerChat } from "../src/element/register";

declare global {
  interface Window {
    gc?: () => void;
  }
}
/** tsc's proof that the class has the official surface. */
const official: new () => OpenAIChatKit = ChatElement;

const url = inject("server");
const EVENTS: (keyof ChatKitEvents)[] = [
  "chatkit.ready",
  "chatkit.error",
  "chatkit.effect",
  "chatkit.deeplink",
  "chatkit.response.start",
  "chatkit.response.end",
  "chatkit.history.open",
  "chatkit.history.close",
  "chatkit.thread.change",
  "chatkit.thread.load.start",
  "chatkit.thread.load.end",
  "chatkit.tool.change",
];
const early = document.createElement("openai-chatkit") as OpenAIChatKit & { options: ChatKitOptions };
let scriptLoaded = 0;

beforeAll(() => {
  early.options = { api: { url, domainKey: "k" }, frameTitle: "Early" };
  window.addEventListener("chatkit-script-loaded", () => (scriptLoaded += 1));
  registerChat(`${url.replace("chatkit", "chatkit.js")}?v=1`);
});
beforeEach(() => {
  localStorage.clear();
  sessionStorage.clear();
});
afterEach(() => {
  document.body.replaceChildren();
  vi.restoreAllMocks();
});

const options = (more: Partial<ChatKitOptions> = {}): ChatKitOptions => ({
  api: { url, domainKey: "k" },
  ...more,
});
function record(element: Element): string[] {
  const names: string[] = [];
  for (const name of EVENTS) element.addEventListener(name, () => names.push(name));
  return names;
}
const once = (element: Element, name: keyof ChatKitEvents): Promise<CustomEvent<unknown>> =>
  new Promise((resolve) => {
    element.addEventListener(name, (event) => resolve(event as CustomEvent<unknown>), { once: true });
  });
async function mount(more: Partial<ChatKitOptions> = {}, tag: "openai-chatkit" | "parlour-chat" = "openai-chatkit") {
  const element = document.createElement(tag) as ChatElement;
  const names = record(element);
  element.setOptions(options(more));
  const ready = once(element, "chatkit.ready");
  document.body.append(element);
  await ready;
  return { element, names, root: element.shadowRoot as ShadowRoot };
}

describe("being put on a page", () => {
  test("both tags are known, and old starter apps are told", () => {
    expect(customElements.get("openai-chatkit")).toBeDefined();
    expect(customElements.get("parlour-chat")).toBeDefined();
    expect(customElements.get("openai-chatkit")).not.toBe(customElements.get("parlour-chat"));
    expect(scriptLoaded).toBe(1);
    expect(official).toBe(ChatElement);
  });

  test("options set before the class was known count", async () => {
    const ready = once(early, "chatkit.ready");
    document.body.append(early);
    await ready;
    expect(early.shadowRoot?.querySelector("[role=region]")?.getAttribute("aria-label")).toBe("Early");
    expect(early.options.frameTitle).toBe("Early");
  });

  test("ready comes once for each mount, with options before or after", async () => {
    const { element, names } = await mount();
    element.setOptions(options({ frameTitle: "Other" }));
    await element.updateComplete;
    expect(names).toEqual(["chatkit.ready"]);
    element.remove();
    const again = once(element, "chatkit.ready");
    document.body.append(element);
    await again;
    expect(names).toEqual(["chatkit.ready", "chatkit.ready"]);

    const late = document.createElement("openai-chatkit") as ChatElement;
    document.body.append(late);
    const ready = once(late, "chatkit.ready");
    late.setOptions(options({ frameTitle: "Late" }));
    await ready;
    expect(late.shadowRoot?.querySelector("[role=region]")?.getAttribute("aria-label")).toBe("Late");
  });

  test("without options it asks the server its script came from; attributes are options", async () => {
    const element = document.createElement("parlour-chat");
    element.setAttribute("theme", "dark");
    element.setAttribute("frame-title", "Help");
    element.setAttribute("placeholder", "Write here");
    const ready = once(element, "chatkit.ready");
    document.body.append(element);
    await ready;
    const root = element.shadowRoot as ShadowRoot;
    await vi.waitFor(() => expect(root.querySelector("textarea")?.placeholder).toBe("Write here"));
    expect(root.querySelector("[role=region]")?.getAttribute("aria-label")).toBe("Help");
    expect(root.querySelector("[data-scheme=dark]")).not.toBeNull();
    element.setAttribute("theme", "light");
    await vi.waitFor(() => expect(root.querySelector("[data-scheme=light]")).not.toBeNull());
    await element.sendUserMessage({ text: "hi" });
    await once(element, "chatkit.response.end");
    await vi.waitFor(() => expect(root.textContent).toContain("hi"));
  });

  test("an unknown option is named once and the element lives", async () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    const odd = { theme: { colour: "red" } } as unknown as Partial<ChatKitOptions>;
    const { element } = await mount(odd);
    element.setOptions(options(odd));
    expect(warn.mock.calls.filter(([text]) => String(text).includes("theme.colour"))).toHaveLength(1);
    expect(element.shadowRoot?.querySelector("textarea")).not.toBeNull();
  });

  test("there is no inline style or script, and the focus stays where it was", async () => {
    const input = document.createElement("input");
    document.body.append(input);
    input.focus();
    const { root } = await mount();
    expect(root.querySelectorAll("style, script, link, [style], iframe")).toHaveLength(0);
    expect(document.activeElement).toBe(input);
  });
});

describe("a turn", () => {
  test("is told from beginning to end and shown", async () => {
    const { element, names, root } = await mount();
    const changed = once(element, "chatkit.thread.change");
    await element.sendUserMessage({ text: "effect now" });
    expect((await changed).detail).toEqual({ threadId: expect.stringMatching(/^thr_/) as string });
    await once(element, "chatkit.response.end");
    expect(names).toEqual([
      "chatkit.ready",
      "chatkit.response.start",
      "chatkit.thread.change",
      "chatkit.effect",
      "chatkit.response.end",
    ]);
    await vi.waitFor(() => expect(root.textContent).toContain("héllo effect now w1 w2"));
  });

  test("methods reject with a reason while it streams, and work again after it", async () => {
    const { element } = await mount();
    await element.sendUserMessage({ text: "slow" });
    await expect(element.sendUserMessage({ text: "no" })).rejects.toThrow(/stream/);
    await expect(element.setThreadId(null)).rejects.toThrow(/stream/);
    await expect(element.fetchUpdates()).rejects.toThrow(/stream/);
    await expect(element.sendCustomAction({ type: "a" })).rejects.toThrow(/stream/);
    await element.setComposerValue({ text: "next" });
    await once(element, "chatkit.response.end");
    await element.fetchUpdates();
    await element.setThreadId(null);
  });

  test("is over for the page when the element is removed, and goes on when it comes back", async () => {
    const { element, names, root } = await mount();
    await element.sendUserMessage({ text: "slow" });
    element.remove();
    const before = names.length;
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(names).toHaveLength(before);
    await expect(element.sendUserMessage({ text: "x" })).rejects.toThrow(/not on a page/);
    document.body.append(element);
    await once(element, "chatkit.response.end");
    await vi.waitFor(() => expect(root.textContent).toContain("w38 w39"));
  });

  test("an error is an Error", async () => {
    const { element } = await mount();
    const failed = once(element, "chatkit.error");
    await expect(element.sendUserMessage({ text: "refuse" })).rejects.toThrow(/message_too_long/);
    expect((await failed).detail).toEqual({ error: expect.any(Error) as Error });
  });
});

describe("methods", () => {
  test("the composer can be filled, read and focused", async () => {
    const { element, root } = await mount();
    const changed = once(element, "chatkit.tool.change");
    await element.setComposerValue({ text: "draft", reply: "quoted", selectedToolId: "t" });
    expect((await changed).detail).toEqual({ toolId: "t" });
    expect(await element.getComposerValue()).toMatchObject({
      text: "draft",
      reply: "quoted",
      selectedToolId: "t",
    });
    expect(root.querySelector("textarea")?.value).toBe("draft");
    await element.focusComposer();
    expect(root.activeElement).toBe(root.querySelector("textarea"));
    await expect(element.setComposerValue({ files: [new File(["x"], "x.txt")] })).rejects.toThrow(/attachments/);
  });

  test("history opens and closes, once each", async () => {
    const { element, names, root } = await mount();
    await element.showHistory();
    await element.showHistory();
    await vi.waitFor(() => expect(root.querySelector("parlour-history")).not.toBeNull());
    await element.hideHistory();
    await element.hideHistory();
    expect(names).toEqual(["chatkit.ready", "chatkit.history.open", "chatkit.history.close"]);
  });

  test("a thread can be left, opened again, and not be there", async () => {
    const { element, names } = await mount();
    const changed = once(element, "chatkit.thread.change");
    await element.sendUserMessage({ text: "hi" });
    await once(element, "chatkit.response.end");
    const { threadId } = (await changed).detail as { threadId: string };
    names.length = 0;
    await element.setThreadId(null);
    await element.setThreadId(threadId);
    await expect(element.setThreadId("thr_no")).rejects.toMatchObject({ status: 404 });
    expect(names).toEqual([
      "chatkit.thread.change",
      "chatkit.thread.change",
      "chatkit.thread.load.start",
      "chatkit.thread.load.end",
      "chatkit.thread.change",
      "chatkit.thread.load.start",
      "chatkit.thread.load.end",
      "chatkit.error",
    ]);
  });

  test("options replace each other; thread and draft stay", async () => {
    const { element, root } = await mount({ theme: "dark", composer: { placeholder: "P" } });
    await element.sendUserMessage({ text: "hi" });
    await once(element, "chatkit.response.end");
    await element.setComposerValue({ text: "draft" });
    element.setOptions(options());
    await element.updateComplete;
    await vi.waitFor(() => expect(root.querySelector("textarea")?.placeholder).not.toBe("P"));
    expect(root.querySelector("[data-scheme=light]")).not.toBeNull();
    expect(root.querySelector("textarea")?.value).toBe("draft");
    expect(root.textContent).toContain("héllo hi");
  });
});

describe("many of them", () => {
  test("two on a page have their own threads and drafts, and find them again", async () => {
    const [a, b] = [await mount(), await mount()];
    await a.element.sendUserMessage({ text: "for a" });
    await once(a.element, "chatkit.response.end");
    await b.element.setComposerValue({ text: "draft of b" });
    expect(b.root.textContent).not.toContain("for a");
    document.body.replaceChildren();
    const [again, other] = [await mount(), await mount()];
    await vi.waitFor(() => expect(again.root.textContent).toContain("héllo for a"));
    expect(again.root.querySelector("textarea")?.value).toBe("");
    expect(other.root.querySelector("textarea")?.value).toBe("draft of b");
  });

  test("a listener with a signal is removed", async () => {
    const { element } = await mount();
    const heard = vi.fn();
    const controller = new AbortController();
    element.addEventListener("chatkit.history.open", heard, { signal: controller.signal });
    controller.abort();
    await element.showHistory();
    expect(heard).not.toHaveBeenCalled();
  });

  test("a hundred mounts leave nothing behind", async () => {
    const added = vi.spyOn(window, "addEventListener");
    const gone: WeakRef<Element>[] = [];
    for (let count = 0; count < 100; count += 1) {
      const { element } = await mount();
      gone.push(new WeakRef(element));
      element.remove();
    }
    expect(added.mock.calls.length).toBeLessThanOrEqual(400);
    added.mockRestore();
    for (let round = 0; round < 10; round += 1) {
      window.gc?.();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(gone.filter((each) => each.deref() !== undefined).length).toBeLessThanOrEqual(2);
  });
});
