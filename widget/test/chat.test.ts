import type { ChatKitOptions } from "@openai/chatkit";
import { afterEach, describe, expect, test, vi } from "vitest";
import { Chat } from "../src/chat/chat";
import { unknownOptions } from "../src/chat/options";
import type { ChatEvents } from "../src/chat/screen";
import type { ThreadItem } from "../src/state";
import { ChatServer, pause } from "./fixtures/chat-server";
import { MemoryStorage } from "./fixtures/memory-storage";

const servers: ChatServer[] = [];
const chats: Chat[] = [];
afterEach(async () => {
  chats.splice(0).forEach((chat) => chat.close());
  await Promise.all(servers.splice(0).map((server) => server.stop()));
});

class Tab {
  readonly local = new MemoryStorage();
  readonly session = new MemoryStorage();
}

class Mounted {
  readonly events: [keyof ChatEvents, unknown][] = [];
  readonly chat: Chat;

  constructor(url: string, options: Partial<ChatKitOptions> | null, tab: Tab, open = true) {
    this.chat = new Chat(
      {
        emit: (type, detail) => this.events.push([type, detail]),
        changed: () => undefined,
        open: () => undefined,
        local: tab.local,
        session: tab.session,
      },
      { chatUrl: url, base: url, scope: "", language: "de-AT", prefersDark: true },
    );
    chats.push(this.chat);
    if (options) this.chat.configure({ api: { url, domainKey: "local" }, ...options });
    if (open) this.chat.open();
  }
  get state() {
    return this.chat.state;
  }
  get texts(): string[] {
    return this.state.conversation.items.map(textOf);
  }
  names(but = "chatkit.log"): string[] {
    return this.events.map(([name]) => name).filter((name) => name !== but);
  }
  detail(name: keyof ChatEvents): unknown {
    return this.events.findLast(([each]) => each === name)?.[1];
  }
  async until(condition: (mounted: Mounted) => boolean): Promise<void> {
    await vi.waitFor(() => expect(condition(this)).toBe(true), { timeout: 4000, interval: 5 });
  }
  idle = () => this.until(({ state }) => state.turn === "idle" && !state.loading);
  async say(text: string): Promise<void> {
    this.chat.setComposer({ text });
    this.chat.send(text);
    await this.idle();
  }
}
const textOf = (item: ThreadItem): string =>
  item.type === "user_message" || item.type === "assistant_message"
    ? item.content.map((part) => part.text).join("")
    : item.type;
const answer = (asked: string, words = 3) =>
  `héllo ${asked} ` + Array.from({ length: words - 1 }, (_, at) => `w${at + 1} `).join("");

async function start(options: { plain?: boolean } = {}) {
  const server = new ChatServer(options);
  servers.push(server);
  const url = await server.start();
  const tab = new Tab();
  const mount = (more: Partial<ChatKitOptions> | null = {}, where = tab, open = true) =>
    new Mounted(url, more, where, open);
  return { server, url, tab, mount };
}

describe("a turn", () => {
  test("clears the composer at once, streams, and says when it began and ended", async () => {
    const { mount } = await start();
    const chat = mount();
    chat.chat.setComposer({ text: "hi", quotedText: "quoted" });
    chat.chat.send("hi");
    expect(chat.state.composer).toMatchObject({ text: "", quotedText: null });
    expect(chat.state.turn).toBe("sending");
    await chat.idle();
    expect(chat.texts).toEqual(["hi", answer("hi")]);
    expect(chat.state.conversation.items[0]).toMatchObject({ quoted_text: "quoted" });
    expect(chat.names()).toEqual([
      "chatkit.response.start",
      "chatkit.thread.change",
      "chatkit.response.end",
    ]);
    await chat.say("again");
    expect(chat.texts).toEqual(["hi", answer("hi"), "again", answer("again")]);
  });

  test("gives the text back when the server does not take it", async () => {
    const { mount } = await start();
    const chat = mount();
    await chat.say("refuse this");
    expect(chat.state.composer.text).toBe("refuse this");
    expect(chat.state.conversation.error).toEqual({
      message: "Sorry: message_too_long.",
      allowRetry: false,
    });
    expect(chat.names()).toEqual(["chatkit.error"]);
  });

  test("gives it back in front of what was written meanwhile", async () => {
    const { mount } = await start();
    const chat = mount();
    chat.chat.setComposer({ text: "refuse this" });
    chat.chat.send("refuse this");
    chat.chat.setComposer({ text: "and this" });
    await chat.idle();
    expect(chat.state.composer.text).toBe("refuse this\nand this");
  });

  test("a start prompt leaves what is being written where it is", async () => {
    const { mount } = await start();
    const chat = mount();
    chat.chat.setComposer({ text: "half a thou" });
    chat.chat.send("prompt");
    expect(chat.state.composer.text).toBe("half a thou");
    await chat.idle();
  });

  test("goes on after a broken connection, and says so meanwhile", async () => {
    const { server, mount } = await start();
    const chat = mount();
    chat.chat.send("slow");
    await chat.until(({ texts }) => texts.join().includes("w3"));
    server.cut();
    await chat.until(({ state }) => state.turn === "reconnecting");
    await chat.idle();
    expect(chat.texts).toEqual(["slow", answer("slow", 40)]);
    expect(chat.names("chatkit.error").filter((name) => name === "chatkit.response.end")).toHaveLength(1);
  });

  test.each([false, true])("stop keeps what was written (plain server: %s)", async (plain) => {
    const { mount } = await start({ plain });
    const chat = mount();
    chat.chat.send("slow");
    await chat.until(({ texts }) => texts.join().includes("w3"));
    chat.chat.stop();
    expect(chat.state.turn).toBe("stopping");
    await chat.idle();
    expect(chat.texts[1]).toMatch(/^héllo slow w1 w2 w3 /);
    expect(chat.state.conversation.error).toBeNull();
    expect(chat.state.conversation.pending.size).toBe(0);
    expect(chat.names().at(-1)).toBe("chatkit.response.end");
  });

  test("stop before the first event gives the text back and ends the turn on the server", async () => {
    const { server, mount } = await start({ plain: true });
    const chat = mount();
    chat.chat.send("slow");
    chat.chat.stop();
    await chat.idle();
    expect(chat.state.composer.text).toBe("slow");
    expect(chat.names()).toEqual([]);
    expect(server.of("threads.create").length).toBeLessThanOrEqual(1);
  });

  test("an error event is shown with its retry, and the partial text stays", async () => {
    const { mount } = await start();
    const chat = mount();
    await chat.say("break");
    expect(chat.state.conversation.error).toEqual({ message: "It broke", allowRetry: true });
    expect(chat.texts[1]).toBe("héllo break w1 ");
    expect(chat.names()).toEqual([
      "chatkit.response.start",
      "chatkit.thread.change",
      "chatkit.error",
      "chatkit.response.end",
    ]);
  });

  test("a plain server's broken answer ends in an error that can be retried", async () => {
    const { server, mount } = await start({ plain: true });
    const chat = mount();
    chat.chat.send("slow");
    await chat.until(({ texts }) => texts.join().includes("w3"));
    server.cut();
    await chat.idle();
    expect(chat.state.conversation.error?.allowRetry).toBe(true);
    expect(chat.names().at(-1)).toBe("chatkit.response.end");
  });

  test("effects are told, not kept; progress goes with the turn", async () => {
    const { mount } = await start();
    const chat = mount();
    await chat.say("effect progress");
    expect(chat.detail("chatkit.effect")).toEqual({ name: "fx", data: { k: 1 } });
    expect(chat.texts).toHaveLength(2);
    expect(chat.state.conversation.progress).toBeNull();
  });

  test("nothing that was said is in the log", async () => {
    const { mount } = await start();
    const chat = mount();
    await chat.say("a secret");
    const log = chat.events.filter(([name]) => name === "chatkit.log");
    expect(log.length).toBeGreaterThan(0);
    expect(JSON.stringify(log)).not.toContain("secret");
  });
});

describe("retry", () => {
  test("removes what came after the question at once and answers again", async () => {
    const { mount } = await start();
    const chat = mount();
    await chat.say("one");
    await chat.say("two");
    const first = chat.state.conversation.items[0];
    chat.chat.retry(first?.id);
    expect(chat.texts).toEqual(["one"]);
    await chat.idle();
    expect(chat.texts).toEqual(["one", answer("retried")]);
  });

  test("puts everything back when it cannot begin", async () => {
    const { server, mount } = await start({ plain: true });
    const chat = mount();
    await chat.say("one");
    server.down = true;
    chat.chat.retry();
    expect(chat.texts).toEqual(["one"]);
    await chat.idle();
    expect(chat.texts).toEqual(["one", answer("one")]);
    expect(chat.state.conversation.error).toEqual({ message: undefined, allowRetry: false });
  });
});

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
    await chat.chat.fetchUpdates();
    expect(chat.texts).toHaveLength(70);
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

describe("options", () => {
  test("replace each other and leave thread and draft alone", async () => {
    const { mount, url } = await start();
    const chat = mount({ theme: "dark", locale: "fr" });
    await chat.say("hi");
    chat.chat.setComposer({ text: "draft" });
    chat.chat.configure({ api: { url, domainKey: "x" } });
    expect(chat.state).toMatchObject({ scheme: "light", locale: "de-AT", composer: { text: "draft" } });
    expect(chat.texts).toHaveLength(2);
  });

  test("another server is another conversation", async () => {
    const { mount } = await start();
    const other = await start();
    const chat = mount();
    await chat.say("hi");
    chat.chat.configure({ api: { url: other.url, domainKey: "x" } });
    expect(chat.texts).toEqual([]);
    await chat.say("there");
    expect(other.server.of("threads.create")).toHaveLength(1);
  });

  test("the scheme follows the system only when told to, the locale falls back to English", async () => {
    const { mount } = await start();
    const system = mount({ theme: "system" as "dark", locale: "tlh" as "de" });
    expect(system.state).toMatchObject({ scheme: "dark", locale: "en" });
    system.chat.surround({ prefersDark: false });
    expect(system.state.scheme).toBe("light");
  });

  test("unknown ones are found by name at any depth, and every documented one is known", () => {
    expect(unknownOptions({ api: { url: "", key: 1 }, theme: { accent: "red" }, foo: 1 })).toEqual([
      "api.key",
      "theme.accent",
      "foo",
    ]);
    expect(unknownOptions({ constructor: 1, composer: { tools: [{ id: "a", name: "x" }] } })).toEqual([
      "constructor",
      "composer.tools.name",
    ]);
    expect(unknownOptions(EVERY_OPTION)).toEqual([]);
  });
});

const fn = () => Promise.reject(new Error("not called"));
const EVERY_OPTION: Required<ChatKitOptions> = {
  api: { url: "/chatkit", domainKey: "k", fetch: fn, uploadStrategy: { type: "direct", uploadUrl: "/u" } },
  locale: "en",
  theme: {
    colorScheme: "dark",
    radius: "pill",
    density: "normal",
    typography: {
      baseSize: 16,
      fontFamily: "a",
      fontFamilyMono: "b",
      fontSources: [{ family: "a", src: "b", weight: 1, style: "normal", display: "swap", unicodeRange: "U" }],
    },
    color: {
      grayscale: { hue: 1, tint: 2, shade: 3 },
      accent: { primary: "red", level: 1 },
      surface: { background: "a", foreground: "b" },
    },
  },
  frameTitle: "Chat",
  initialThread: null,
  onClientTool: fn,
  header: {
    enabled: true,
    title: { enabled: true, text: "T" },
    leftAction: { icon: "menu", onClick: () => undefined },
    rightAction: { icon: "close", onClick: () => undefined },
  },
  history: { enabled: true, showDelete: true, showRename: true },
  startScreen: { greeting: "Hi", prompts: [{ label: "L", prompt: "P", icon: "bug" }] },
  threadItemActions: { feedback: true, retry: true },
  composer: {
    placeholder: "p",
    attachments: { enabled: true, maxSize: { "*": 1 }, maxCount: 1, accept: { "image/png": [".png"] } },
    tools: [
      { id: "a", label: "b", icon: "bug", shortLabel: "c", placeholderOverride: "d", pinned: true, persistent: true },
    ],
    models: [{ id: "a", label: "b", description: "c", disabled: true, default: true }],
    dictation: { enabled: true },
  },
  disclaimer: { text: "T", highContrast: true },
  entities: { onTagSearch: fn, showComposerMenu: true, onClick: () => undefined, onRequestPreview: fn },
  commands: { enabled: true, onSearch: fn, onSelect: fn },
  widgets: { onAction: fn },
  thread: { autoScroll: true },
};
