import type { ComposerState } from "../state";

type Draft = Pick<ComposerState, "text" | "quotedText">;

/** What survives a reload of this tab: which thread was open, and what was being written in each. */
export class Keepsake {
  readonly #storage: Storage | null;
  readonly #prefix: string;

  /** `scope` tells apart two elements that speak with the same server. */
  constructor(storage: Storage | null, url: string, scope: string) {
    this.#storage = storage;
    this.#prefix = `parlour:${url}#${scope}`;
  }

  get thread(): string | null {
    return this.#read(`${this.#prefix}:thread`);
  }

  set thread(id: string | null) {
    this.#write(`${this.#prefix}:thread`, id);
  }

  draft(thread: string | null): Draft {
    try {
      const kept = JSON.parse(this.#read(this.#draftKey(thread)) ?? "{}") as Partial<Draft>;
      return { text: kept.text ?? "", quotedText: kept.quotedText ?? null };
    } catch {
      return { text: "", quotedText: null };
    }
  }

  setDraft(thread: string | null, { text, quotedText }: Draft): void {
    const empty = text === "" && quotedText === null;
    this.#write(this.#draftKey(thread), empty ? null : JSON.stringify({ text, quotedText }));
  }

  #draftKey(thread: string | null): string {
    return `${this.#prefix}:draft:${thread ?? "new"}`;
  }

  #read(key: string): string | null {
    try {
      return this.#storage?.getItem(key) ?? null;
    } catch {
      return null;
    }
  }

  #write(key: string, value: string | null): void {
    try {
      if (value === null) this.#storage?.removeItem(key);
      else this.#storage?.setItem(key, value);
    } catch {
      // Storage is full or forbidden: a reload then starts afresh.
    }
  }
}
