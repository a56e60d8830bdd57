import { userEvent } from "vitest/browser";
import { afterEach, describe, expect, it } from "vitest";
import { Stage } from "../preview/stage";
import { states } from "../preview/states";
import type { ChatState } from "../src/state";
import { focusComposer } from "../src/view/index";

async function stage(name: string, change: Partial<ChatState> = {}): Promise<Stage> {
  const element = new Stage();
  element.style.cssText = "display: block; width: 400px; height: 640px";
  element.state = { ...states[name]!("light"), ...change };
  document.body.append(element);
  await settled(element);
  return element;
}

async function settled(element: Stage): Promise<void> {
  await element.updateComplete;
  await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
}

const field = (element: Stage) => element.shadowRoot!.querySelector("textarea")!;
const send = (element: Stage) => element.shadowRoot!.querySelector<HTMLButtonElement>(".send")!;
const sent = (element: Stage) => element.calls.filter(([command]) => command === "send");

afterEach(() => document.body.replaceChildren());

describe("the composer", () => {
  it("sends with Enter and breaks the line with Shift+Enter", async () => {
    const element = await stage("start");
    focusComposer(element);
    await userEvent.keyboard("one{Shift>}{Enter}{/Shift}two{Enter}");
    expect(sent(element)).toEqual([["send", "one\ntwo"]]);
  });

  it.each([{ isComposing: true }, { keyCode: 229 }])("leaves Enter to an input method: %o", async (composing) => {
    const element = await stage("start", { composer: { text: "にほん", quotedText: null } });
    field(element).dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true, ...composing }));
    expect(sent(element)).toEqual([]);
  });

  it("sends nothing that is empty or too long", async () => {
    for (const text of ["", "  \n", "x".repeat(4001)]) {
      const element = await stage("start", { composer: { text, quotedText: null } });
      expect(send(element).disabled).toBe(true);
      field(element).dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true }));
      expect(sent(element)).toEqual([]);
      element.remove();
    }
  });

  it("counts near the limit and says by how much it is passed", async () => {
    const hint = (element: Stage) => element.shadowRoot!.querySelector(".limit")!.textContent.trim();
    expect(hint(await stage("start", { composer: { text: "short", quotedText: null } }))).toBe("");
    expect(hint(await stage("limit"))).toBe("3,950 of 4,000 characters");
    expect(hint(await stage("over"))).toBe("250 characters too long");
  });

  it("stops from the first moment of a turn, unless the server forbids it", async () => {
    const element = await stage("thinking");
    expect(send(element).getAttribute("aria-label")).toBe("Stop answering");
    send(element).click();
    expect(element.calls).toEqual([["stop"]]);
    const { conversation } = element.state;
    element.state = { ...element.state, conversation: { ...conversation, allowCancel: false } };
    await settled(element);
    expect(send(element).getAttribute("aria-label")).toBe("Send message");
    expect(send(element).disabled).toBe(true);
  });

  it("asks only once to stop", async () => {
    const element = await stage("stopping");
    send(element).click();
    expect(element.calls).toEqual([]);
  });

  it("keeps what is being written while an answer comes", async () => {
    const element = await stage("streaming");
    focusComposer(element);
    await userEvent.keyboard("next{Enter}");
    expect(field(element).value).toBe("next");
    expect(sent(element)).toEqual([]);
  });

  it("shows the quoted text and lets go of it", async () => {
    const element = await stage("quote");
    expect(element.shadowRoot!.querySelector(".quote")!.textContent).toContain("Larger databases take longer");
    element.shadowRoot!.querySelector<HTMLElement>(".quote button")!.click();
    expect(element.calls).toEqual([["setComposer", { quotedText: null }]]);
  });

  it("lets go of one attachment", async () => {
    const element = await stage("attached");
    expect(send(element).disabled).toBe(false);
    element.shadowRoot!.querySelector<HTMLElement>(".attached button")!.click();
    await settled(element);
    expect(element.state.composer.attachments!.map(({ name }) => name)).toEqual(["screen.png"]);
  });

  it("grows with its text and no further than eight lines or so", async () => {
    const one = await stage("start");
    const eight = await stage("over");
    expect(field(one).clientHeight).toBeLessThan(30);
    expect(field(eight).clientHeight).toBeGreaterThan(150);
    expect(field(eight).clientHeight).toBeLessThan(220);
  });

  it("says why nothing can be written in a locked thread, and gives way to a banner in a closed one", async () => {
    const locked = await stage("locked");
    expect(field(locked).disabled).toBe(true);
    expect(field(locked).placeholder).toBe("A colleague is looking at this.");
    const closed = await stage("closed");
    expect(closed.shadowRoot!.querySelector("textarea")).toBeNull();
    expect(closed.shadowRoot!.querySelector(".closed")!.textContent).toContain("This request is solved.");
  });

  it("never takes the focus by itself", async () => {
    const outside = document.createElement("input");
    document.body.append(outside);
    outside.focus();
    const element = await stage("start");
    element.state = states.streaming!("light");
    await settled(element);
    element.state = states.answer!("light");
    await settled(element);
    expect(document.activeElement).toBe(outside);
  });
});
