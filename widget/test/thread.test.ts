import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { StreamEvent } from "../src/client/protocol";
import type { ThreadItem, ThreadState } from "../src/state";
import { EMPTY, reduce, settle } from "../src/thread/reduce";

const FOLDER = join(import.meta.dirname, "../../spec/transcripts");
const files = readdirSync(FOLDER).filter((name) => name.endsWith(".jsonl"));

interface Line {
  name?: string;
  about?: string;
  event?: StreamEvent;
  items?: ThreadItem[];
}
function transcript(file: string): { events: StreamEvent[]; items: ThreadItem[] } {
  const lines = readFileSync(join(FOLDER, file), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);
  const last = lines.at(-1)?.items;
  if (!last) throw new Error(`${file} does not end with its items`);
  return { events: lines.flatMap((line) => line.event ?? []), items: last };
}
const replay = (events: StreamEvent[], from = EMPTY): ThreadState => events.reduce(reduce, from);

test("there are transcripts to replay", () => {
  expect(files.length).toBeGreaterThan(0);
});

describe.each(files)("%s", (file) => {
  const { events, items } = transcript(file);

  test("ends with the items it says", () => {
    expect(replay(events).items).toEqual(items);
  });

  test("can be replayed over what is already there", () => {
    const once = replay(events);
    if (events.some((event) => event.type === "thread.item.removed")) return;
    expect(replay(events, once).items.map((item) => item.id)).toEqual(items.map((item) => item.id));
  });

  test("never changes an earlier state", () => {
    let state = EMPTY;
    const history: [ThreadState, string][] = [];
    for (const event of events) {
      history.push([state, JSON.stringify(state.items)]);
      state = reduce(state, event);
    }
    for (const [before, text] of history) expect(JSON.stringify(before.items)).toBe(text);
  });
});

const message = (id: string, text = ""): ThreadItem => ({
  id,
  thread_id: "thr_1",
  created_at: "2026-01-01T00:00:00Z",
  type: "assistant_message",
  content: [{ type: "output_text", text, annotations: [] }],
});
const delta = (item_id: string, text: string): StreamEvent => ({
  type: "thread.item.updated",
  item_id,
  update: {
    type: "assistant_message.content_part.text_delta",
    content_index: 0,
    delta: text,
  },
});

test("a delta leaves every other item the same object", () => {
  const before = replay([
    { type: "thread.item.added", item: message("a") },
    { type: "thread.item.added", item: message("b") },
  ]);
  const after = reduce(before, delta("b", "x"));
  expect(after.items[0]).toBe(before.items[0]);
  expect(after.items[1]).not.toBe(before.items[1]);
});

test("an unknown event gives back the very same state", () => {
  expect(reduce(EMPTY, { type: "of.tomorrow" } as unknown as StreamEvent)).toBe(EMPTY);
});

test("a thread event does not clear the items", () => {
  const state = replay([
    { type: "thread.item.done", item: message("a") },
    {
      type: "thread.updated",
      thread: {
        id: "thr_1",
        created_at: "",
        status: { type: "active" },
        title: "T",
        items: { data: [], has_more: false },
      },
    },
  ]);
  expect(state.items).toHaveLength(1);
  expect(state.thread?.title).toBe("T");
});

test("progress goes when there is something to see, and when the turn is over", () => {
  const searching = reduce(EMPTY, { type: "progress_update", text: "Searching", icon: "search" });
  expect(searching.progress).toEqual({ text: "Searching", icon: "search" });
  expect(reduce(searching, { type: "thread.item.added", item: message("a") }).progress).toBeNull();
  expect(settle(searching).progress).toBeNull();
});

test("what is being written is pending until it is done or the turn is over", () => {
  const added = reduce(EMPTY, { type: "thread.item.added", item: message("a") });
  expect([...added.pending]).toEqual(["a"]);
  expect(reduce(added, { type: "thread.item.done", item: message("a") }).pending.size).toBe(0);
  expect(settle(added).pending.size).toBe(0);
});

test("ten thousand deltas into a long thread take well under a second", () => {
  let state = replay(
    Array.from({ length: 500 }, (_, at) => ({
      type: "thread.item.done" as const,
      item: message(`m${at}`),
    })),
  );
  const start = performance.now();
  for (let count = 0; count < 10_000; count += 1) state = reduce(state, delta("m499", "word "));
  expect(performance.now() - start).toBeLessThan(1000);
});
