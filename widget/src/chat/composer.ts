import type { ChatKitOptions, OpenAIChatKit } from "@openai/chatkit";
import type { UserMessageInput } from "../client/protocol";
import type { ComposerState, UserContent } from "../state";
import type { Keepsake } from "./keepsake";
import type { Screen } from "./screen";

export type MessageParams = Parameters<OpenAIChatKit["sendUserMessage"]>[0];
export type ComposerParams = Parameters<OpenAIChatKit["setComposerValue"]>[0];

const EMPTY_COMPOSER: ComposerState = { text: "", quotedText: null };

/** What is being written and has not been sent; kept as a draft of its thread. */
export class Composer {
  readonly #screen: Screen;
  keepsake: Keepsake;
  #thread: string | null = null;

  constructor(screen: Screen, keepsake: Keepsake) {
    this.#screen = screen;
    this.keepsake = keepsake;
  }

  set(change: Partial<ComposerState>): void {
    const before = this.#screen.state.composer;
    const rewritten = change.text !== undefined && change.text !== before.text && !change.content;
    const composer = { ...before, ...(rewritten ? { content: undefined } : {}), ...change };
    this.keepsake.setDraft(this.#thread, composer);
    this.#screen.set({ composer });
    const toolId = composer.toolId ?? null;
    if (toolId !== (before.toolId ?? null)) this.#screen.emit("chatkit.tool.change", { toolId });
  }

  /** The draft of another thread takes the place of this one, which is kept. */
  switchTo(thread: string | null): void {
    this.#thread = thread;
    this.#screen.set({ composer: { ...this.#screen.state.composer, ...this.keepsake.draft(thread) } });
  }

  /** The new conversation has become a thread: what is being written belongs to it now. */
  adopt(thread: string): void {
    this.keepsake.setDraft(this.#thread, EMPTY_COMPOSER);
    this.#thread = thread;
    this.keepsake.setDraft(thread, this.#screen.state.composer);
  }

  /**
   * The message to send, or null when there is none. The composer is left as after sending; a text
   * that was not the composer's (a start prompt) leaves what is being written where it is.
   */
  take(text: string): { input: UserMessageInput; giveBack: () => void } | null {
    const taken = this.#screen.state.composer;
    const { quotedText, attachments = [], toolId, modelId } = taken;
    if (text.trim() === "" && attachments.length === 0) return null;
    const own = text.trim() === taken.text.trim();
    const input = messageInput(
      {
        content: own && taken.content ? taken.content : [{ type: "input_text", text: text.trim() }],
        reply: quotedText ?? undefined,
        attachments: attachments.map((each) => ({ preview_url: "", ...each })),
        toolChoice: toolId ? { id: toolId } : undefined,
        model: modelId ?? undefined,
      },
      this.#screen.state.options,
    );
    const tools = this.#screen.state.options?.composer?.tools;
    const keepTool = tools?.some((tool) => tool.id === toolId && tool.persistent);
    this.set({
      text: own ? "" : taken.text,
      content: own ? undefined : taken.content,
      quotedText: null,
      attachments: [],
      toolId: keepTool ? toolId : null,
    });
    return { input, giveBack: () => this.#giveBack(own ? taken : { ...taken, text }) };
  }

  #giveBack(taken: ComposerState): void {
    const { text, quotedText } = this.#screen.state.composer;
    const joined = text === "" || text === taken.text ? taken.text : `${taken.text}\n${text}`;
    this.set({
      ...taken,
      text: joined,
      content: joined === taken.text ? taken.content : undefined,
      quotedText: quotedText ?? taken.quotedText,
    });
  }
}

/** A message as the protocol wants it; the server insists on fields the page may leave out. */
export function messageInput(params: MessageParams, options: ChatKitOptions | null): UserMessageInput {
  const content = params.content ?? [{ type: "input_text", text: params.text ?? "" }];
  const model = params.model ?? options?.composer?.models?.find((each) => each.default)?.id;
  return {
    content: content.map(
      (part): UserContent => (part.type === "input_tag" ? { ...part, data: part.data ?? {} } : part),
    ),
    attachments: (params.attachments ?? []).map((attachment) => attachment.id),
    ...(params.reply ? { quoted_text: params.reply } : {}),
    inference_options: {
      ...(params.toolChoice ? { tool_choice: params.toolChoice } : {}),
      ...(model ? { model } : {}),
    },
  };
}

/** What `setComposerValue` changes; what it does not name stays as it is. */
export function composerChange(params: ComposerParams): Partial<ComposerState> {
  const change: Partial<ComposerState> = {};
  if (params.text !== undefined) change.text = params.text;
  if (params.content) {
    change.content = params.content;
    change.text = params.content.map((part) => part.text).join("");
  }
  if (params.reply !== undefined) change.quotedText = params.reply || null;
  if (params.attachments) change.attachments = params.attachments;
  if (params.selectedToolId !== undefined) change.toolId = params.selectedToolId;
  if (params.selectedModelId !== undefined) change.modelId = params.selectedModelId;
  return change;
}
