import { Lexer, type Links, type Token, type TokensList } from "marked";
import { completeTail } from "./tail";

const DEEPEST = 16;
const LONGEST_INLINE = 8_000;
const LONGEST = 120_000;

/** Markdown from anybody: what is too deep or too long to be honest stays plain text. */
class BoundedLexer extends Lexer {
  #depth = 0;

  override blockTokens(src: string, tokens: Token[] = [], lastParagraphClipped?: boolean): TokensList {
    const lexed = this.#within(src, tokens, () => super.blockTokens(src, tokens, lastParagraphClipped));
    return lexed as TokensList;
  }

  override inlineTokens(src: string, tokens: Token[] = []): Token[] {
    if (src.length > LONGEST_INLINE) return plain(src, tokens);
    return this.#within(src, tokens, () => super.inlineTokens(src, tokens));
  }

  #within(src: string, tokens: Token[], lex: () => Token[]): Token[] {
    if (this.#depth >= DEEPEST) return plain(src, tokens);
    this.#depth++;
    try {
      return lex();
    } finally {
      this.#depth--;
    }
  }
}

function plain(src: string, tokens: Token[]): Token[] {
  tokens.push({ type: "text", raw: src, text: src });
  return tokens;
}

/** One top-level piece of a text; the same object for as long as its source stays the same. */
export interface Block {
  token: Token;
}

/** Markdown that grows: finished pieces are lexed once, only the last one again. */
export class Blocks {
  #finished: Block[] = [];
  #finishedText = "";
  #links: Links = Object.create(null) as Links;
  #shown: Block[] = [];
  #source: string | null = null;
  #open = false;

  /** The pieces of the text; `open` means that more is coming. */
  update(text: string, open: boolean): readonly Block[] {
    const source = text.replace(/\r\n?/g, "\n");
    if (source === this.#source && open === this.#open) return this.#shown;
    this.#source = source;
    this.#open = open;
    // A definition may stand below what refers to it: once complete, it counts for the whole text.
    if (!open && Object.keys(this.#links).length) this.#keep(0);
    if (!source.startsWith(this.#finishedText)) this.#keepCommon(source);
    let rest = source.slice(this.#finishedText.length);
    let tokens = this.#lex(rest);
    if (open) {
      rest = rest.slice(this.#finish(tokens, rest));
      tokens = this.#lex(completeTail(rest));
    }
    this.#shown = [...this.#finished, ...tokens.map((token) => ({ token }))];
    return this.#shown;
  }

  #lex(text: string): Token[] {
    if (text.length > LONGEST) return plain(text, []);
    const lexer = new BoundedLexer({ gfm: true });
    lexer.tokens.links = this.#links;
    try {
      return lexer.lex(text);
    } catch {
      return [{ type: "text", raw: text, text }];
    }
  }

  /** Moves every piece but the last to the finished ones; the length of their text. */
  #finish(tokens: Token[], text: string): number {
    let last = tokens.length - 1;
    while (last >= 0 && (tokens[last]!.type === "space" || tokens[last]!.type === "def")) last--;
    let at = 0;
    for (const token of tokens.slice(0, Math.max(0, last))) {
      if (!text.startsWith(token.raw, at)) break;
      this.#finished.push({ token });
      at += token.raw.length;
    }
    this.#finishedText += text.slice(0, at);
    return at;
  }

  /** Keeps the finished pieces up to where the text became another one. */
  #keepCommon(source: string): void {
    let at = 0;
    let same = 0;
    for (const { token } of this.#finished) {
      if (!source.startsWith(token.raw, at)) break;
      at += token.raw.length;
      same++;
    }
    this.#keep(Math.max(0, same - 1));
  }

  #keep(count: number): void {
    this.#finished.length = count;
    this.#finishedText = this.#finished.map(({ token }) => token.raw).join("");
  }
}
