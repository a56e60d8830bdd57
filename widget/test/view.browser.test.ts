import axe from "axe-core";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Stage } from "../preview/stage";
import { answer, ask, states } from "../preview/states";
import type { ChatState, ThreadItem } from "../src/state";

async function stage(name: string, change: (state: ChatState) => ChatState = (state) => state, scheme: ChatState["scheme"] = "light"): Promise<Stage> {
  const element = new Stage();
  element.style.cssText = "display: block; width: 400px; height: 640px";
  element.state = change(states[name]!(scheme));
  document.body.append(element);
  await settled(element);
  return element;
}

/** Waits for the lazily loaded parts too. */
async function settled(element: Stage): Promise<void> {
  await element.updateComplete;
  await vi.waitFor(() => {
    expect(element.shadowRoot!.querySelector("parlour-markdown > .plain")).toBeNull();
    expect(element.shadowRoot!.querySelector("parlour-history:empty")).toBeNull();
  });
  await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
}

async function show(element: Stage, change: Partial<ChatState>): Promise<void> {
  element.state = { ...element.state, ...change };
  await settled(element);
}

async function violations(element: Stage, options: axe.RunOptions): Promise<unknown[]> {
  // A part that is fading in would be measured half-way.
  for (const animation of element.shadowRoot!.getAnimations()) if (animation.effect?.getComputedTiming().iterations === 1) animation.finish();
  const result = await axe.run(element, { rules: { region: { enabled: false } }, ...options });
  return result.violations.map(({ id, nodes }) => [id, nodes.map((node) => node.html + node.failureSummary)]);
}

const find = (element: Stage, selector: string) => element.shadowRoot!.querySelector<HTMLElement>(selector);
const button = (element: Stage, label: string) =>
  [...element.shadowRoot!.querySelectorAll<HTMLElement>("button, summary")].find((one) => (one.getAttribute("aria-label") ?? one.textContent.trim()) === label);
const press = (target: Element, key: string) => target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, composed: true, cancelable: true }));

afterEach(() => document.body.replaceChildren());

describe("every state", () => {
  it.each(Object.keys(states))("has no axe violation: %s", async (name) => {
    const element = await stage(name);
    expect(await violations(element, {})).toEqual([]);
  });

  it.each(Object.keys(states))("can be read in the dark: %s", async (name) => {
    const element = await stage(name, undefined, "dark");
    expect(await violations(element, { runOnly: ["color-contrast"] })).toEqual([]);
  });

  it.each(Object.keys(states))("needs no sideways scrolling at 320 pixels: %s", async (name) => {
    const element = await stage(name);
    element.style.width = "320px";
    await settled(element);
    const wide = [...element.shadowRoot!.querySelectorAll<HTMLElement>(".chat, .main, .scroller, .start, .history-list")].filter((part) => part.scrollWidth > part.clientWidth);
    expect(wide.map(({ className }) => className)).toEqual([]);
  });

  it("writes no style attribute that a strict CSP would refuse", async () => {
    const element = await stage("rich");
    expect(find(element, "[style]")).toBeNull();
  });
});

describe("the conversation", () => {
  it("shows what a visitor wrote as it was written", async () => {
    const element = await stage("quoted");
    expect(find(element, ".bubble")!.textContent).toContain("What does this mean for *us*?\nWe have 2 TB");
    expect(find(element, ".tag")!.textContent).toBe("@Ada");
    expect(find(element, ".quoted")!.textContent).toContain("one minute per 10 GB");
    expect(find(element, ".attachments")!.textContent).toContain("size-report-2026.pdf");
  });

  it("leaves out what is not for eyes, and shows a line for what it cannot draw", async () => {
    const element = await stage("items");
    expect([...element.shadowRoot!.querySelectorAll(".fallback")].map((line) => line.textContent)).toEqual([
      "Order 1234: on its way, arrives on Friday",
      "This part cannot be shown here.",
    ]);
  });

  it("opens a source from its number and from the list", async () => {
    const element = await stage("answer");
    const [first] = element.shadowRoot!.querySelectorAll<HTMLElement>(".cite");
    expect(first!.getAttribute("aria-label")).toBe("Source 1: Backups");
    first!.click();
    find(element, ".source")!.click();
    expect(element.calls.map(([command]) => command)).toEqual(["openSource", "openSource"]);
  });

  it("folds more than four sources", async () => {
    const few = await stage("answer");
    expect(find(few, ".sources")!.hasAttribute("open")).toBe(true);
    const many = await stage("rich");
    expect(find(many, ".sources")!.hasAttribute("open")).toBe(false);
    expect(find(many, ".sources summary")!.textContent.trim()).toBe("6 sources");
  });

  it("never leads a source to a script", async () => {
    const source = { type: "url", title: "Bad", url: "javascript:alert(1)" } as const;
    const items = [ask("q", "?"), answer("a", "Text.", [{ type: "annotation", source, index: 5 }])];
    const element = await stage("answer", (state) => ({ ...state, conversation: { ...state.conversation, items } }));
    expect(find(element, ".cite")!.tagName).toBe("BUTTON");
    expect(find(element, "[href^='javascript']")).toBeNull();
  });

  it("offers rating and another answer only when asked to", async () => {
    const plain = await stage("answer", (state) => ({ ...state, options: { ...state.options!, threadItemActions: {} } }));
    expect(button(plain, "Copy")).toBeDefined();
    expect(button(plain, "Good answer")).toBeUndefined();
    expect(button(plain, "Answer again")).toBeUndefined();
    const element = await stage("answer");
    button(element, "Good answer")!.click();
    button(element, "Answer again")!.click();
    expect(element.calls).toEqual([["feedback", "msg_a1", "positive"], ["retry", "msg_q1"]]);
    await settled(element);
    expect(button(element, "Good answer")!.getAttribute("aria-pressed")).toBe("true");
  });

  it("says how a turn ended that did not finish, and offers to try again", async () => {
    for (const [name, text] of [["stopped", "You stopped this answer."], ["interrupted", "This answer was interrupted."]] as const) {
      const element = await stage(name);
      expect(find(element, ".outcome")!.textContent).toContain(text);
      button(element, "Try again")!.click();
      expect(element.calls).toEqual([["retry", "msg_q1"]]);
      element.remove();
    }
  });

  it("offers to try again after an error only when that can help", async () => {
    expect(button(await stage("error"), "Try again")).toBeDefined();
    const final = await stage("error-final");
    expect(button(final, "Try again")).toBeUndefined();
    expect(find(final, ".notice.danger")!.textContent).toContain("Something went wrong.");
  });

  it("reads an answer out once, when it is whole", async () => {
    const element = await stage("thinking");
    const said: string[] = [];
    const region = find(element, "parlour-log > [role=status]")!;
    new MutationObserver(() => said.push(region.textContent)).observe(region, { childList: true, characterData: true, subtree: true });
    const { conversation } = element.state;
    const write = (text: string): Partial<ChatState> => ({
      turn: "streaming",
      conversation: { ...conversation, items: [...conversation.items, answer("a", text)], pending: new Set(["a"]) },
    });
    for (const text of ["Back", "Backups run", "Backups run **nightly**."]) await show(element, write(text));
    await show(element, { turn: "idle", conversation: { ...element.state.conversation, pending: new Set() } });
    expect(said.filter(Boolean)).toEqual(["Answer: Backups run nightly."]);
  });
});

describe("where the reader is", () => {
  const asked = (items: ThreadItem[]) => [...items, ask("new", "And then?")];

  it("a new question goes to the top and its answer does not chase", async () => {
    const element = await stage("long");
    const scroller = find(element, ".scroller")!;
    const { conversation } = element.state;
    const items = asked(conversation.items);
    await show(element, { turn: "sending", conversation: { ...conversation, items } });
    const top = () => find(element, "[data-question=new]")!.getBoundingClientRect().top - scroller.getBoundingClientRect().top;
    await vi.waitFor(() => expect(top()).toBeLessThan(24), 3000);
    await show(element, { turn: "streaming", conversation: { ...conversation, items: [...items, answer("n", "word\n\n".repeat(200))], pending: new Set(["n"]) } });
    expect(top()).toBeLessThan(24);
    await vi.waitFor(() => expect(button(element, "Jump to latest")).toBeDefined());
    button(element, "Jump to latest")!.click();
    await vi.waitFor(() => expect(button(element, "Jump to latest")).toBeUndefined(), 3000);
  });

  it("with autoScroll the answer is followed, until the reader scrolls up", async () => {
    const element = await stage("long", (state) => ({ ...state, options: { ...state.options!, thread: { autoScroll: true } } }));
    const scroller = find(element, ".scroller")!;
    const { conversation } = element.state;
    const write = (count: number): Partial<ChatState> => ({
      turn: "streaming",
      conversation: { ...conversation, items: [...asked(conversation.items), answer("n", "word\n\n".repeat(count))], pending: new Set(["n"]) },
    });
    const below = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight;
    await show(element, write(50));
    await show(element, write(100));
    await vi.waitFor(() => expect(below()).toBeLessThan(8));
    scroller.scrollTop -= 400;
    await settled(element);
    await show(element, write(150));
    expect(below()).toBeGreaterThan(400);
  });

  it("earlier messages come in above without moving what is read", async () => {
    const element = await stage("long", (state) => ({ ...state, hasOlder: true }));
    const scroller = find(element, ".scroller")!;
    scroller.scrollTop = 40;
    await vi.waitFor(() => expect(element.calls).toContainEqual(["loadOlder"]));
    await show(element, { loadingOlder: true });
    const first = find(element, "[data-question=q0]")!;
    const before = first.getBoundingClientRect().top;
    const older = Array.from({ length: 10 }, (_, at) => [ask(`o${at}`, "Before"), answer(`p${at}`, "Yes.\n\n- a\n- b")]).flat();
    const { conversation } = element.state;
    await show(element, { loadingOlder: false, hasOlder: false, conversation: { ...conversation, items: [...older, ...conversation.items] } });
    expect(Math.abs(find(element, "[data-question=q0]")!.getBoundingClientRect().top - before)).toBeLessThan(40);
  });
});

describe("header and start", () => {
  it("follow the options", async () => {
    const click = vi.fn();
    const element = await stage("answer", (state) => ({
      ...state,
      options: { ...state.options!, header: { title: { text: "Help" }, rightAction: { icon: "close", onClick: click } }, history: { enabled: false } },
    }));
    expect(find(element, "h2")!.textContent).toBe("Help");
    expect(button(element, "Chat history")).toBeUndefined();
    button(element, "close")!.click();
    expect(click).toHaveBeenCalledOnce();
    await show(element, { options: { ...element.state.options!, header: { enabled: false } } });
    expect(find(element, ".header")).toBeNull();
  });

  it("a prompt is sent, whatever it is made of", async () => {
    const prompts = [{ label: "Two parts", prompt: [{ type: "input_text" as const, text: "Hello " }, { type: "input_tag" as const, id: "t", text: "@Ada" }] }];
    const element = await stage("start", (state) => ({ ...state, options: { ...state.options!, startScreen: { prompts } } }));
    find(element, ".prompt")!.click();
    expect(element.calls).toEqual([["send", "Hello @Ada"]]);
  });
});

describe("history", () => {
  it("is walked with the arrows, closed with Escape, and gives the focus back", async () => {
    const element = await stage("history", (state) => ({ ...state, history: { ...state.history, open: false } }));
    const opener = button(element, "Chat history")!;
    opener.focus();
    opener.click();
    await settled(element);
    const root = element.shadowRoot!;
    await vi.waitFor(() => expect(root.activeElement?.getAttribute("aria-current")).toBe("true"));
    press(root.activeElement!, "ArrowDown");
    expect(root.activeElement!.textContent).toContain("Which plan fits");
    press(root.activeElement!, "ArrowUp");
    expect(root.activeElement!.textContent).toContain("Backups and restores");
    press(root.activeElement!, "Escape");
    await settled(element);
    expect(find(element, "parlour-history")).toBeNull();
    expect(root.activeElement).toBe(opener);
  });

  it("groups by day and opens, renames and deletes", async () => {
    const element = await stage("history");
    expect([...element.shadowRoot!.querySelectorAll("h3")].slice(0, 3).map((title) => title.textContent)).toEqual(["Today", "Yesterday", "Previous 7 days"]);
    button(element, "Rename “Read replicas”")!.click();
    await settled(element);
    const field = find(element, ".rename input") as HTMLInputElement;
    field.value = "Replicas";
    (find(element, ".rename") as HTMLFormElement).requestSubmit();
    await settled(element);
    button(element, "Delete “First steps”")!.click();
    await settled(element);
    expect(element.calls).toEqual([["renameThread", "thr_4", "Replicas"]]);
    button(element, "Delete")!.click();
    find(element, "[data-id=thr_3] .open")!.click();
    expect(element.calls.slice(1)).toEqual([["deleteThread", "thr_7"], ["openThread", "thr_3"], ["hideHistory"]]);
  });

  it("Escape leaves a rename before it leaves the panel", async () => {
    const element = await stage("history");
    button(element, "Rename “Read replicas”")!.click();
    await settled(element);
    press(find(element, ".rename input")!, "Escape");
    await settled(element);
    expect(find(element, ".rename")).toBeNull();
    expect(find(element, "parlour-history")).not.toBeNull();
  });

  it("says so when there is none", async () => {
    expect(find(await stage("history-empty"), ".empty")!.textContent).toContain("No conversations yet");
  });
});
