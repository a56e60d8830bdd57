import type { ThreadItem } from "../state";

/** A question and everything that answers it; the first may be without a question. */
export interface Turn {
  key: string;
  /** The id of the user message. */
  question: string | undefined;
  items: ThreadItem[];
}

export function turnsOf(items: readonly ThreadItem[]): Turn[] {
  const turns: Turn[] = [];
  for (const item of items) {
    if (item.type === "user_message" || !turns.length) {
      turns.push({ key: item.id, question: item.type === "user_message" ? item.id : undefined, items: [item] });
    } else turns.at(-1)!.items.push(item);
  }
  return turns;
}

/** The id of the turn's last answer with words in it, and the words of all of them. */
export function answerOf(turn: Turn): { id: string | undefined; text: string } {
  const texts: string[] = [];
  let id: string | undefined;
  for (const item of turn.items) {
    if (item.type !== "assistant_message") continue;
    const text = item.content.map((part) => part.text).join("\n\n");
    if (!text) continue;
    texts.push(text);
    id = item.id;
  }
  return { id, text: texts.join("\n\n") };
}
