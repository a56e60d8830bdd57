import { describe, expect, test, vi } from "vitest";
import { start } from "./fixtures/mounted";

describe("a page's own requests", () => {
  test("a message resolves when it is taken and rejects when it is not", async () => {
    const { mount } = await start();
    const chat = mount();
    await chat.chat.sendMessage({ text: "slow", toolChoice: { id: "t" }, model: "m" });
    expect(chat.state.turn).toBe("streaming");
    expect(chat.chat.busy).toMatch(/stream/);
    expect(chat.state.conversation.items[0]).toMatchObject({
      inference_options: { tool_choice: { id: "t" }, model: "m" },
    });
    chat.chat.stop();
    await chat.idle();
    await expect(chat.chat.sendMessage({ text: "refuse" })).rejects.toMatchObject({ code: "thread_busy" });
    await expect(chat.chat.sendMessage({ text: " " })).rejects.toMatchObject({ code: "empty_message" });
    expect(chat.state.composer.text).toBe("");
  });

  test("tags get the data the server insists on", async () => {
    const { mount, server } = await start();
    const chat = mount();
    await chat.chat.sendMessage({ content: [{ type: "input_tag", id: "e1", text: "@Bob" }], newThread: true });
    expect(server.of("threads.create")[0]?.body.params).toMatchObject({
      input: { content: [{ type: "input_tag", id: "e1", text: "@Bob", data: {} }] },
    });
    await chat.idle();
  });

  test("a custom action goes to the thread, with and without an item", async () => {
    const { mount } = await start();
    const chat = mount();
    await expect(chat.chat.sendAction({ type: "a" })).rejects.toMatchObject({ code: "no_thread" });
    await chat.say("hi");
    await chat.chat.sendAction({ type: "a", payload: { x: 1 } }, "msg_1");
    await chat.idle();
    expect(chat.texts.at(-1)).toContain('action {"type":"a","payload":{"x":1}} on msg_1');
  });

  test("the composer's tool is told, used once, and cleared unless it is persistent", async () => {
    const { mount, server } = await start();
    const tool = { label: "T", icon: "bug" as const };
    const chat = mount({ composer: { tools: [{ id: "once", ...tool }, { id: "stay", ...tool, persistent: true }] } });
    await chat.chat.setComposerValue({ text: "hi", selectedToolId: "once" });
    expect(chat.detail("chatkit.tool.change")).toEqual({ toolId: "once" });
    chat.chat.send("hi");
    expect(chat.detail("chatkit.tool.change")).toEqual({ toolId: null });
    await chat.idle();
    expect(server.of("threads.create")[0]?.body.params).toMatchObject({
      input: { inference_options: { tool_choice: { id: "once" } } },
    });
    await chat.chat.setComposerValue({ selectedToolId: "stay" });
    await chat.say("again");
    expect(chat.state.composer.toolId).toBe("stay");
  });

  test.each(["direct", "two_phase"] as const)("files are uploaded (%s) and sent along", async (type) => {
    const { mount, server, url } = await start();
    const uploadUrl = "/uploads";
    const uploadStrategy = type === "direct" ? { type, uploadUrl } : { type };
    const chat = mount({
      api: { url, domainKey: "k", uploadStrategy },
      composer: { attachments: { enabled: true } },
    });
    await chat.chat.setComposerValue({ files: [new File(["bytes"], "a.txt", { type: "text/plain" })] });
    const id = type === "direct" ? "atc_direct" : "atc_1";
    expect(chat.state.composer.attachments).toMatchObject([{ id, name: "a.txt" }]);
    const upload = server.requests.find((each) => each.path.startsWith("/upload"));
    expect(upload?.method).toBe(type === "direct" ? "POST" : "PUT");
    expect(upload?.body.text).toContain("bytes");
    expect(upload?.headers.authorization === undefined).toBe(type === "two_phase");
    await chat.say("with a file");
    expect(server.of("threads.create")[0]?.body.params).toMatchObject({ input: { attachments: [id] } });
    expect(chat.state.composer.attachments).toEqual([]);
  });

  test("files are refused with a reason when attachments are off", async () => {
    const { mount } = await start();
    const files = [new File(["x"], "x.txt")];
    await expect(mount().chat.setComposerValue({ files })).rejects.toThrow(/attachments/);
  });

  test("deep links become events, other links do not", async () => {
    const { mount } = await start();
    const chat = mount();
    expect(chat.chat.followLink("chatkit-link://Open%20it/?a=1&b=x%20y")).toBe(true);
    expect(chat.detail("chatkit.deeplink")).toEqual({ name: "Open it", data: { a: "1", b: "x y" } });
    expect(chat.chat.followLink("https://example.com")).toBe(false);
  });

  test("feedback that fails is told", async () => {
    const { mount, server } = await start();
    const chat = mount();
    await chat.say("hi");
    chat.chat.feedback("msg_1", "positive");
    await vi.waitFor(() => expect(server.of("items.feedback")).toHaveLength(1));
    server.down = true;
    chat.chat.feedback("msg_1", "negative");
    await chat.until((mounted) => mounted.names().includes("chatkit.error"));
  });
});
