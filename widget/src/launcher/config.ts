import type { StartScreenPrompt } from "@openai/chatkit";
import { isRecord } from "../client/errors";

/** What the data- attributes of the script tag say. */
export interface LauncherConfig {
  api: string | null;
  theme: "light" | "dark" | "system";
  position: "left" | "right";
  label: string;
  greeting: string | null;
  prompts: StartScreenPrompt[];
  open: boolean;
  title: string | null;
}

/** Reads a script tag's data- attributes; what makes no sense counts as not given. */
export function readConfig(data: Readonly<Record<string, string | undefined>>): LauncherConfig {
  const { theme, position } = data;
  return {
    api: data.api || null,
    theme: theme === "light" || theme === "dark" ? theme : "system",
    position: position === "left" ? "left" : "right",
    label: data.label || "Ask a question",
    greeting: data.greeting || null,
    prompts: readPrompts(data.prompts ?? ""),
    open: data.open !== undefined && data.open !== "false",
    title: data.title || null,
  };
}

/** A JSON array of texts or of {label, prompt, icon}, or texts between bars. */
function readPrompts(text: string): StartScreenPrompt[] {
  const given = text.trim();
  const list: unknown[] = given.startsWith("[") ? parseList(given) : given.split("|");
  return list.flatMap((each): StartScreenPrompt[] => {
    if (typeof each === "string") {
      const label = each.trim();
      return label ? [{ label, prompt: label }] : [];
    }
    if (!isRecord(each) || typeof each.label !== "string") return [];
    const { label, prompt, icon } = each as { label: string; prompt: unknown; icon: unknown };
    const text = typeof prompt === "string" ? prompt : label;
    if (typeof icon !== "string") return [{ label, prompt: text }];
    return [{ label, prompt: text, icon: icon as StartScreenPrompt["icon"] }];
  });
}

function parseList(text: string): unknown[] {
  try {
    return JSON.parse(text) as unknown[];
  } catch {
    console.warn("parlour.js: data-prompts is not a JSON array.");
    return [];
  }
}
