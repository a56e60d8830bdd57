import { expect, test, vi } from "vitest";
import { readConfig } from "../src/launcher/config";

test("without attributes the launcher stands on the right and follows the system's theme", () => {
  expect(readConfig({})).toEqual({
    api: null,
    theme: "system",
    position: "right",
    label: "Ask a question",
    greeting: null,
    prompts: [],
    open: false,
    title: null,
  });
});

test("every attribute counts", () => {
  const data = { api: "/a", theme: "dark", position: "left", label: "L", greeting: "G", open: "", title: "T" };
  expect(readConfig(data)).toMatchObject({ ...data, open: true });
  expect(readConfig({ open: "false", theme: "pink", position: "top" })).toMatchObject({
    open: false,
    theme: "system",
    position: "right",
  });
});

test("prompts are JSON or texts between bars", () => {
  expect(readConfig({ prompts: " How? | Why? |" }).prompts).toEqual([
    { label: "How?", prompt: "How?" },
    { label: "Why?", prompt: "Why?" },
  ]);
  expect(readConfig({ prompts: '["A", {"label": "B", "prompt": "Tell me B", "icon": "bug"}, 3]' }).prompts).toEqual([
    { label: "A", prompt: "A" },
    { label: "B", prompt: "Tell me B", icon: "bug" },
  ]);
  const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
  expect(readConfig({ prompts: "[oops" }).prompts).toEqual([]);
  expect(warn).toHaveBeenCalledOnce();
});
