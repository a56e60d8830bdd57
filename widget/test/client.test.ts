import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { ChatClient } from "../src/client/client";
import { ChatError } from "../src/client/errors";
import type { StreamEvent, UserMessageInput } from "../src/client/protocol";
import { type SseMessage, SseParser } from "../src/client/sse";
import type { Turn } from "../src/client/turn";
import { EMPTY, reduce } from "../src/thread/reduce";
import { ChatServer, pause } from "./fixtures/chat-server";
import { MemoryStorage } from "./fixtures/memory-storage";

const servers: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()));
});

async function start(options: { plain?: boolean } = {}) {
  const server = new ChatServer(options);
  servers.push(server);
  const url = await server.start();
  return { server, client: new ChatClient({ url, locale: "de" }, new MemoryStorage()) };
}
const input = (text: string): UserMessageInput => ({
  content: [{ type: "input_text", text }],
  attachments: [],
  inference_options: {},
});
async function all(turn: Turn, each: (event: StreamEvent, count: number) => void = () => undefined) {
  const events: StreamEvent[] = [];
  for await (const batch of turn.batches()) {
    for (const event of batch) each(event, events.push(event));
  }
  return events;
}
function answerText(events: StreamEvent[]): string {
  const item = events.reduce(reduce, EMPTY).items.findLast((each) => each.type === "assistant_message");
  return item?.type === "assistant_message" ? (item.content[0]?.text ?? "") : "";
}
const words = (count: number) => Array.from({ length: count - 1 }, (_, at) => `w${at + 1} `).join("");

describe("the event stream parser", () => {
  const feed = (chunks: string[]): SseMessage[] => {
    const parser = new SseParser();
    return chunks.flatMap((chunk) => parser.push(chunk));
  };
  const stream = "\uFEFF: hi\r\nevent: a\r\nid: t:1\r\ndata: one\r\ndata:two\r\n\r\ndata\r\rid: t:2\ndata:  x\n\n: beat\n\ndata: lost";
  const messages = [
    { id: "t:1", event: "a", data: "one\ntwo" },
    { id: null, event: "message", data: "" },
    { id: "t:2", event: "message", data: " x" },
  ];

  test("reads every line ending, comments, fields without values, and drops what was cut off", () => {
    expect(feed([stream])).toEqual(messages);
  });

  test.each([1, 2, 3, 5, 7])("does so in chunks of %i characters", (size) => {
    const chunks = stream.match(new RegExp(`[^]{1,${size}}`, "g")) ?? [];
    expect(feed(chunks)).toEqual(messages);
  });
});

describe("with our own server", () => {
  test("streams an answer whose characters were cut in two", async () => {
    const { client } = await start();
    const events = await all(client.stream("threads.create", { input: input("grüße 🙂") }));
    expect(events[0]?.type).toBe("thread.created");
    expect(answerText(events)).toBe("héllo grüße 🙂 " + words(3));
  });

  test("sends language, guest token, resume and a key for each action", async () => {
    const { client, server } = await start();
    await all(client.stream("threads.create", { input: input("one") }));
    await all(client.stream("threads.create", { input: input("two") }));
    const [first, second] = server.of("threads.create");
    expect(first?.headers["accept-language"]).toBe("de");
    expect(first?.headers["parlour-resume"]).toBe("1");
    expect(first?.headers.authorization).toMatch(/^Bearer tok_/);
    expect(second?.headers.authorization).toBe(first?.headers.authorization);
    expect(first?.headers["idempotency-key"]).not.toBe(second?.headers["idempotency-key"]);
    expect(server.requests.filter((each) => each.path === "/session")).toHaveLength(1);
  });

  test("goes on where it was when the connection breaks, again and again", async () => {
    const { client, server } = await start();
    const connections: string[] = [];
    const turn = client.stream("threads.create", { input: input("slow") }, (is) => connections.push(is));
    const events = await all(turn, (_event, count) => {
      if (count === 6 || count === 20) server.cut();
    });
    expect(answerText(events)).toBe("héllo slow " + words(40));
    expect(connections.filter((each) => each === "broken").length).toBeGreaterThanOrEqual(2);
    expect(server.of("threads.create")).toHaveLength(1);
  });

  test("waits for a server that is away, and reconnects at once when told the network is back", async () => {
    const { client, server } = await start();
    const turn = client.stream("threads.create", { input: input("slow") });
    const events = await all(turn, (_event, count) => {
      if (count !== 6) return;
      server.down = true;
      server.cut();
      setTimeout(() => {
        server.down = false;
        turn.reconnect();
      }, 400);
    });
    expect(answerText(events)).toBe("héllo slow " + words(40));
  });

  test("an answer that got lost on its way is asked for again without a second turn", async () => {
    const { client, server } = await start();
    await client.call("threads.list", {});
    server.loseAnswers = 1;
    const events = await all(client.stream("threads.create", { input: input("hi") }));
    expect(answerText(events)).toBe("héllo hi " + words(3));
    const posts = server.of("threads.create");
    expect(posts).toHaveLength(2);
    expect(posts[0]?.headers["idempotency-key"]).toBe(posts[1]?.headers["idempotency-key"]);
    expect((await client.call("threads.list", {})).value.data).toHaveLength(1);
  });

  test("a turn can be joined from its beginning", async () => {
    const { client } = await start();
    const first = client.stream("threads.create", { input: input("slow") });
    const batch = await first.batches().next();
    first.leave();
    const created = batch.value?.[0];
    if (created?.type !== "thread.created") throw new Error("no thread");
    const loaded = await client.call("threads.get_by_id", { thread_id: created.thread.id });
    const events = await all(client.join(loaded.turn ?? ""));
    expect(answerText(events)).toBe("héllo slow " + words(40));
  });

  test("stop ends the turn on the server and keeps what was written", async () => {
    const { client } = await start();
    const turn = client.stream("threads.create", { input: input("slow") });
    const events = await all(turn, (_event, count) => {
      if (count === 8) void turn.stop();
    });
    const text = answerText(events);
    expect(text).toMatch(/^héllo slow w1 /);
    expect(text.length).toBeLessThan(words(40).length);
    expect(events.at(-1)?.type).toBe("thread.item.done");
  });

  test("a turn the server has forgotten is a defined error", async () => {
    const { client } = await start();
    await expect(all(client.join("trn_unknown"))).rejects.toMatchObject({
      code: "turn_not_found",
      status: 404,
    });
  });

  test("a refused token is replaced once", async () => {
    const { client, server } = await start();
    await client.call("threads.list", {});
    server.forgetTokens();
    await client.call("threads.list", {});
    expect(server.requests.filter((each) => each.path === "/session")).toHaveLength(2);
  });

  test("two clients that start together share one guest, and a later one too", async () => {
    const { client, server } = await start();
    const storage = new MemoryStorage();
    const [a, b] = [new ChatClient(client.endpoint, storage), new ChatClient(client.endpoint, storage)];
    await Promise.all([a.call("threads.list", {}), b.call("threads.list", {})]);
    await new ChatClient(client.endpoint, storage).call("threads.list", {});
    const tokens = new Set(server.of("threads.list").map((each) => each.headers.authorization));
    expect(tokens.size).toBe(1);
  });

  test("storage that is forbidden costs nothing but memory", async () => {
    const { client, server } = await start();
    const refuse = () => {
      throw new Error("forbidden");
    };
    const forbidden = { getItem: refuse, setItem: refuse, removeItem: refuse };
    const other = new ChatClient(client.endpoint, forbidden);
    await other.call("threads.list", {});
    await other.call("threads.list", {});
    expect(server.requests.filter((each) => each.path === "/session")).toHaveLength(1);
  });

  test("a JSON error keeps code, message and hint", async () => {
    const { client } = await start();
    const failure = client.call("threads.get_by_id", { thread_id: "thr_no" });
    await expect(failure).rejects.toBeInstanceOf(ChatError);
    await expect(failure).rejects.toMatchObject({
      code: "thread_not_found",
      status: 404,
      hint: "Do something else.",
      told: true,
    });
  });
});

describe("with a plain ChatKit server", () => {
  test("streams without ids, headers or a guest", async () => {
    const { client, server } = await start({ plain: true });
    const events = await all(client.stream("threads.create", { input: input("hi") }));
    expect(answerText(events)).toBe("héllo hi " + words(3));
    const post = server.of("threads.create")[0];
    expect(post?.headers.authorization).toBeUndefined();
    expect(post?.headers["parlour-resume"]).toBeUndefined();
  });

  test("stop closes the connection", async () => {
    const { client } = await start({ plain: true });
    const turn = client.stream("threads.create", { input: input("slow") });
    const events = await all(turn, (_event, count) => {
      if (count === 8) void turn.stop();
    });
    expect(answerText(events)).toMatch(/^héllo slow w1 /);
  });

  test("a broken answer is an error, never a second question", async () => {
    const { client, server } = await start({ plain: true });
    const turn = client.stream("threads.create", { input: input("slow") });
    const reading = all(turn, (_event, count) => {
      if (count === 8) server.cut();
    });
    await expect(reading).rejects.toMatchObject({ code: "network" });
    expect(server.of("threads.create")).toHaveLength(1);
  });

  test("a lost answer is an error, never a second question", async () => {
    const { client, server } = await start({ plain: true });
    server.loseAnswers = 1;
    const reading = all(client.stream("threads.create", { input: input("hi") }));
    await expect(reading).rejects.toMatchObject({ code: "network" });
    await pause(50);
    expect(server.of("threads.create")).toHaveLength(1);
  });

  test.each([
    ["an empty answer", ""],
    ["an answer cut in the middle", 'data: {"type":"thread.item.added","item":{"id":"m","type":"assistant_message","content":[]}}\n\n'],
  ])("%s is told as cut off", async (_name, body) => {
    const raw = createServer((_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" }).end(body);
    });
    await new Promise<void>((resolve) => raw.listen(0, "127.0.0.1", resolve));
    servers.push({ stop: async () => void (await new Promise((done) => raw.close(done))) });
    const url = `http://127.0.0.1:${(raw.address() as AddressInfo).port}/api/chat`;
    const client = new ChatClient({ url, locale: "en" });
    const reading = all(client.stream("threads.create", { input: input("hi") }));
    await expect(reading).rejects.toMatchObject({ code: "cut_off" });
  });
});

describe("whose credentials", () => {
  test("with the page's own fetch there is no guest, and init.headers is a plain object", async () => {
    const { client, server } = await start();
    const seen: RequestInit[] = [];
    const own: typeof fetch = (url, init) => {
      seen.push(init ?? {});
      return fetch(url, { ...init, headers: { ...(init?.headers as object), "x-mine": "1" } });
    };
    const mine = new ChatClient({ ...client.endpoint, fetch: own }, new MemoryStorage());
    await all(mine.stream("threads.create", { input: input("hi") }));
    const post = server.of("threads.create")[0];
    expect(post?.headers["x-mine"]).toBe("1");
    expect(post?.headers.authorization).toBeUndefined();
    expect(seen[0]?.headers).toMatchObject({ "Accept-Language": "de", "Parlour-Resume": "1" });
    expect(server.requests.some((each) => each.path === "/session")).toBe(false);
  });

  test("a client secret is the bearer, and is renewed after a 401", async () => {
    const { client, server } = await start();
    const given: (string | null)[] = [];
    const getClientSecret = (current: string | null) => {
      given.push(current);
      return Promise.resolve(current === null ? "stale" : "secret_2");
    };
    const hosted = new ChatClient({ ...client.endpoint, getClientSecret });
    await hosted.call("threads.list", {});
    await hosted.call("threads.list", {});
    expect(given).toEqual([null, "stale"]);
    expect(server.of("threads.list").at(-1)?.headers.authorization).toBe("Bearer secret_2");
  });
});
