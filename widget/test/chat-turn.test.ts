import { describe, expect, test } from "vitest";
import { pause } from "./fixtures/chat-server";
import { answer, start } from "./fixtures/mounted";

describe("a turn", () => {
  test("clears the composer at once, streams, and says when it began and ended", async () => {
    const { mount } = await start();
    const chat = mount();
    chat.chat.setComposer({ text: "hi", quotedText: "quoted" });
    chat.chat.send("hi");
    expect(chat.state.composer).toMatchObject({ text: "", quotedText: null });
    expect(chat.state.turn).toBe("sending");
    expect(chat.texts).toEqual(["hi"]);
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
    expect(chat.texts).toEqual([]);
    expect(chat.state.conversation.error).toEqual({
      code: "message_too_long",
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

  test("a server that is about to end is asked again, with the same key", async () => {
    const { server, mount } = await start();
    const chat = mount();
    server.leaving = 2;
    await chat.say("hi");
    expect(chat.texts).toEqual(["hi", answer("hi")]);
    expect(chat.state.conversation.error).toBeNull();
    const keys = server.of("threads.create").map(({ headers }) => headers["idempotency-key"]);
    expect(keys).toHaveLength(3);
    expect(new Set(keys).size).toBe(1);
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

  test("a question whose answer was lost altogether is found in its thread", async () => {
    const { server, mount } = await start();
    const chat = mount();
    await chat.say("first");
    chat.chat.newThread();
    server.loseAnswers = 1;
    chat.chat.send("second");
    await chat.until(() => server.of("threads.create").length === 2);
    await pause(50);
    server.forgetTurns();
    await chat.until(({ texts }) => texts.length === 2);
    await chat.idle();
    expect(chat.texts).toEqual(["second", answer("second")]);
    expect(chat.state.conversation.error).toBeNull();
    expect(chat.state.composer.text).toBe("");
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
    expect(chat.state.conversation.error).toEqual({ code: "network", message: undefined, allowRetry: false });
  });
});
