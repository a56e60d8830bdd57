/** One message of an event stream; `id` is null when this message carried none. */
export interface SseMessage {
  id: string | null;
  event: string;
  data: string;
}

/**
 * Reads `text/event-stream` as it arrives: any line ending, any chunk border, comments ignored.
 * A message that the end of the stream cuts off is dropped, as the standard says.
 */
export class SseParser {
  #rest = "";
  #skipNewline = false;
  #first = true;
  #id: string | null = null;
  #event = "";
  #data: string[] = [];

  push(text: string): SseMessage[] {
    let chunk = text;
    if (this.#first && chunk) {
      this.#first = false;
      if (chunk.startsWith("\uFEFF")) chunk = chunk.slice(1);
    }
    // A CR that ended the last chunk was a line's end by itself; its LF may come now.
    if (this.#skipNewline && chunk) {
      this.#skipNewline = false;
      if (chunk.startsWith("\n")) chunk = chunk.slice(1);
    }
    if (chunk.endsWith("\r")) this.#skipNewline = true;
    const lines = (this.#rest + chunk).split(/\r\n|\r|\n/);
    this.#rest = lines.pop() ?? "";
    const messages: SseMessage[] = [];
    for (const line of lines) {
      if (line !== "") this.#field(line);
      else this.#dispatch(messages);
    }
    return messages;
  }

  #field(line: string): void {
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + (line[colon + 1] === " " ? 2 : 1));
    if (name === "data") this.#data.push(value);
    else if (name === "event") this.#event = value;
    else if (name === "id" && !value.includes("\0")) this.#id = value;
  }

  #dispatch(messages: SseMessage[]): void {
    if (this.#data.length > 0) {
      messages.push({ id: this.#id, event: this.#event || "message", data: this.#data.join("\n") });
    }
    this.#id = null;
    this.#event = "";
    this.#data = [];
  }
}

/** The messages of a response's body; `onBytes` is told whenever anything at all arrived. */
export async function* readEvents(
  body: ReadableStream<Uint8Array>,
  onBytes: () => void = () => undefined,
): AsyncGenerator<SseMessage[], void, undefined> {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const parser = new SseParser();
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      onBytes();
      const messages = parser.push(decoder.decode(value, { stream: true }));
      if (messages.length > 0) yield messages;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
