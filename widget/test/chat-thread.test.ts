import { describe, expect, test, vi } from "vitest";
import { pause } from "./fixtures/chat-server";
import { answer, start } from "./fixtures/mounted";

describe("after a reload", () => {
  test("the thread and the draft are there again", async () => {
    const { mount } = await start();
    const first = mount();
    await first.say("hi");
    first.chat.setComposer({ text: "draft", quotedText: "q" });
    const second = mount();
    expect(second.state.loading).toBe(true);
    await second.idle();
    expect(second.texts).toEqual(["hi", answer("hi")]);
    expect(second.state.composer).toMatchObject({ text: "draft", quotedText: "q" });
    expect(second.names()).toEqual([
      "chatkit.thread.change",
      "chatkit.thread.load.start",
      "chatkit.thread.load.end",
    ]);
  });

  test("an answer that is being given goes on", async () => {
    const { mount } = await start();
    const first = mount();
    first.chat.send("slow");
    await first.until(({ texts }) => texts.join().includes("w3"));
    first.chat.close();
    const second = mount();
    await second.until(({ state }) => state.turn === "streaming");
    await second.idle();
    expect(second.texts).toEqual(["slow", answer("slow", 40)]);
    expect(second.names().slice(-2)).toEqual(["chatkit.response.start", "chatkit.response.end"]);
  });

  test("initialThread wins, null too", async () => {
    const { mount } = await start();
    const first = mount();
    await first.say("hi");
    expect(mount({ initialThread: null }).state.loading).toBe(false);
    const id = first.state.conversation.thread?.id ?? "";
    await first.chat.switchThread(null);
    await first.say("other");
    const named = mount({ initialThread: id });
    await named.idle();
    expect(named.texts[0]).toBe("hi");
  });

  test("a thread that is gone is a new conversation without a complaint", async () => {
    const { mount, tab } = await start();
    const first = mount();
    await first.say("hi");
    tab.local.clear();
    const second = mount();
    await second.idle();
    await second.until(({ state }) => state.loadError === null);
    expect(second.names()).not.toContain("chatkit.error");
    expect(second.detail("chatkit.thread.change")).toEqual({ threadId: null });
  });

  test("a server that is away is said, and loaded from as soon as the network is back", async () => {
    const { server, mount } = await start();
    const first = mount();
    await first.say("hi");
    server.down = true;
    const second = mount();
    await second.idle();
    expect(second.state.loadError).not.toBeNull();
    expect(second.names()).toEqual([
      "chatkit.thread.change",
      "chatkit.thread.load.start",
      "chatkit.thread.load.end",
      "chatkit.error",
    ]);
    server.down = false;
    second.chat.setOnline(false);
    second.chat.setOnline(true);
    await second.until(({ texts }) => texts.length === 2);
  });
});

describe("client tools", () => {
  test("run once, and their result goes on with the answer", async () => {
    const { mount } = await start();
    const onClientTool = vi.fn(() => ({ selected: 1 }));
    const chat = mount({ onClientTool });
    await chat.say("call a tool");
    await chat.until(({ texts }) => texts.length === 3);
    await chat.idle();
    expect(onClientTool).toHaveBeenCalledExactlyOnceWith({ name: "get_selection", params: { a: 1 } });
    expect(chat.texts[2]).toBe(answer('the tool said {"selected":1}'));
    expect(chat.state.conversation.items[1]).toMatchObject({ status: "completed" });
  });

  test("a rejection is sent as an error and told to the page", async () => {
    const { mount } = await start();
    const chat = mount({ onClientTool: () => Promise.reject(new Error("no way")) });
    await chat.say("call a tool");
    await chat.until(({ texts }) => texts.length === 3);
    await chat.idle();
    expect(chat.texts[2]).toBe(answer('the tool said {"error":"no way"}'));
    expect(chat.names()).toContain("chatkit.error");
  });

  test("a call that waits is found after a reload", async () => {
    const { mount } = await start();
    const first = mount({ onClientTool: () => new Promise(() => undefined) });
    await first.say("call a tool");
    first.chat.close();
    const second = mount({ onClientTool: () => ({ late: true }) });
    await second.until(({ texts }) => texts.length === 3);
    await second.idle();
    expect(second.texts[2]).toBe(answer('the tool said {"late":true}'));
  });
});

describe("threads", () => {
  test("a long one shows its newest items and loads older ones upward", async () => {
    const { mount } = await start();
    const first = mount();
    for (let count = 0; count < 35; count += 1) await first.say(`q${count}`);
    const chat = mount();
    await chat.idle();
    expect(chat.texts).toHaveLength(40);
    expect(chat.texts.at(-2)).toBe("q34");
    expect(chat.state.hasOlder).toBe(true);
    chat.chat.loadOlder();
    chat.chat.loadOlder();
    await chat.until(({ state }) => !state.loadingOlder);
    expect(chat.texts).toHaveLength(70);
    expect(chat.texts[0]).toBe("q0");
    expect(chat.state.hasOlder).toBe(false);
    expect(chat.texts).toEqual(first.texts);
    const told = chat.names().length;
    await chat.chat.fetchUpdates();
    expect(chat.texts).toHaveLength(70);
    expect(chat.names()).toHaveLength(told);
  });

  test("the list opens, pages, renames and deletes", async () => {
    const { mount } = await start();
    const chat = mount();
    for (let count = 0; count < 23; count += 1) {
      chat.chat.newThread();
      await chat.say(`t${count}`);
    }
    chat.chat.showHistory();
    await chat.until(({ state }) => state.history.threads.length === 20);
    expect(chat.state.history.hasMore).toBe(true);
    chat.chat.loadMoreHistory();
    await chat.until(({ state }) => state.history.threads.length === 23);
    const [current, other] = chat.state.history.threads;
    chat.chat.renameThread(current?.id ?? "", " Renamed ");
    await chat.until(({ state }) => state.history.threads[0]?.title === "Renamed");
    expect(chat.state.conversation.thread?.title).toBe("Renamed");
    chat.chat.deleteThread(current?.id ?? "");
    await chat.until(({ state }) => state.history.threads.length === 22);
    expect(chat.detail("chatkit.thread.change")).toEqual({ threadId: null });
    expect(chat.state.history.open).toBe(true);
    chat.chat.openThread(other?.id ?? "");
    expect(chat.state.history.open).toBe(false);
    await chat.idle();
    expect(chat.texts[0]).toBe("t21");
    expect(chat.names()).toContain("chatkit.history.close");
  });

  test("leaving a thread in mid-answer lets the answer go on; coming back shows it", async () => {
    const { mount } = await start();
    const chat = mount();
    chat.chat.send("slow");
    await chat.until(({ texts }) => texts.join().includes("w3"));
    const id = chat.state.conversation.thread?.id ?? "";
    chat.chat.newThread();
    expect(chat.state).toMatchObject({ turn: "idle", conversation: { thread: null, items: [] } });
    expect(chat.names().filter((name) => name === "chatkit.response.end")).toHaveLength(1);
    await pause(60);
    expect(chat.texts).toEqual([]);
    chat.chat.openThread(id);
    await chat.until(({ texts }) => texts[1] === answer("slow", 40));
  });

  test("an unknown one rejects, and both load events come", async () => {
    const { mount } = await start();
    const chat = mount();
    await expect(chat.chat.switchThread("thr_unknown")).rejects.toMatchObject({ status: 404 });
    expect(chat.names()).toEqual([
      "chatkit.thread.change",
      "chatkit.thread.load.start",
      "chatkit.thread.load.end",
      "chatkit.error",
    ]);
  });

  test("fetching updates does not disturb an answer that has begun meanwhile", async () => {
    const { mount } = await start();
    const chat = mount();
    await chat.say("one");
    const updates = chat.chat.fetchUpdates();
    chat.chat.send("slow");
    await updates;
    await chat.idle();
    expect(chat.names()).not.toContain("chatkit.thread.load.start");
    expect(chat.texts).toEqual(["one", answer("one"), "slow", answer("slow", 40)]);
  });

  test("every thread has its own draft", async () => {
    const { mount } = await start();
    const chat = mount();
    await chat.say("one");
    const id = chat.state.conversation.thread?.id ?? "";
    chat.chat.setComposer({ text: "of one" });
    chat.chat.newThread();
    expect(chat.state.composer.text).toBe("");
    chat.chat.setComposer({ text: "of the new" });
    chat.chat.openThread(id);
    expect(chat.state.composer.text).toBe("of one");
    await chat.idle();
    chat.chat.newThread();
    expect(chat.state.composer.text).toBe("of the new");
  });
});
