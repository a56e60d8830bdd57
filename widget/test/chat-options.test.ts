import type { ChatKitOptions } from "@openai/chatkit";
import { describe, expect, test } from "vitest";
import { unknownOptions } from "../src/chat/options";
import { start } from "./fixtures/mounted";

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
