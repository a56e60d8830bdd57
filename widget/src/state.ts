/**
 * What the screen is a function of. The controller (no DOM) owns a ChatState and replaces it on every
 * change; the view renders it and calls Commands. Neither knows the other's insides.
 */
import type { ChatKitOptions } from "@openai/chatkit";

/* ---- the wire's items, as far as the screen needs them; unknown types stay opaque ---- */

export interface UrlSource { type: "url"; title: string; url: string; description?: string; timestamp?: string; group?: string; attribution?: string }
export interface FileSource { type: "file"; title: string; filename: string; description?: string; timestamp?: string; group?: string }
export interface EntitySource { type: "entity"; id: string; title: string; icon?: string; label?: string; inline_label?: string; interactive?: boolean; description?: string; timestamp?: string; group?: string; data?: Record<string, unknown> }
export type Source = UrlSource | FileSource | EntitySource;
export interface Annotation { type: "annotation"; source: Source; index?: number }
export interface AssistantContent { type: "output_text"; text: string; annotations: Annotation[] }

interface ItemBase { id: string; thread_id: string; created_at: string }
export interface Attachment { id: string; name: string; mime_type: string; type: "file" | "image"; preview_url?: string }
export type UserContent =
  | { type: "input_text"; text: string }
  | { type: "input_tag"; id: string; text: string; data?: Record<string, unknown>; group?: string; interactive?: boolean };
export interface InferenceOptions { tool_choice?: { id: string }; model?: string }
export interface UserMessageItem extends ItemBase { type: "user_message"; content: UserContent[]; attachments: Attachment[]; quoted_text?: string; inference_options?: InferenceOptions }
export interface AssistantMessageItem extends ItemBase { type: "assistant_message"; content: AssistantContent[] }
export interface TaskItem extends ItemBase {
  type: "task";
  task: { type: string; title?: string; icon?: string; content?: string; status_indicator?: "none" | "loading" | "complete" };
  /** Parlour's own mark at the end of a turn that did not finish. */
  outcome?: "stopped" | "failed" | "interrupted";
}
export interface ClientToolCallItem extends ItemBase { type: "client_tool_call"; status: "pending" | "completed"; call_id: string; name: string; arguments: Record<string, unknown>; output?: unknown }
export interface OtherItem extends ItemBase { type: "widget" | "generated_image" | "structured_input" | "workflow" | "end_of_turn"; [field: string]: unknown }
export type ThreadItem = UserMessageItem | AssistantMessageItem | TaskItem | ClientToolCallItem | OtherItem;

export type ThreadStatus = { type: "active" } | { type: "locked"; reason?: string } | { type: "closed"; reason?: string };
export interface ThreadSummary { id: string; created_at: string; title?: string; status: ThreadStatus; allowed_image_domains?: string[] }

/* ---- one conversation; produced by the pure reducer in thread/ from the protocol's events ---- */

export interface Notice { level: "info" | "warning" | "danger"; message: string; title?: string }
export interface ThreadState {
  /** null until the first message of a new conversation has been accepted. */
  thread: ThreadSummary | null;
  items: ThreadItem[];
  /** ids of items that are being written. */
  pending: ReadonlySet<string>;
  progress: { text: string; icon?: string } | null;
  notices: Notice[];
  error: { code?: string; message?: string; allowRetry: boolean } | null;
  allowCancel: boolean;
}

/* ---- everything else on the screen ---- */

export type TurnPhase =
  | "idle"
  | "sending"      // the question is on its way
  | "streaming"    // events are coming
  | "reconnecting" // the connection dropped; the same answer will continue
  | "stopping";

export interface ComposerState {
  text: string;
  quotedText: string | null;
  /** What the text was made of, as long as the visitor has not changed it. */
  content?: UserContent[];
  /** Uploaded already. */
  attachments?: Attachment[];
  toolId?: string | null;
  modelId?: string | null;
}

export interface ChatState {
  options: ChatKitOptions | null;
  conversation: ThreadState;
  turn: TurnPhase;
  /** A thread is being loaded. */
  loading: boolean;
  /** Loading failed: what to show, and it can be tried again. */
  loadError: string | null;
  online: boolean;
  /** Older items exist above the first one shown. */
  hasOlder: boolean;
  loadingOlder: boolean;
  history: {
    open: boolean;
    loading: boolean;
    error: string | null;
    threads: ThreadSummary[];
    hasMore: boolean;
  };
  composer: ComposerState;
  /** "light" or "dark", resolved from the theme option. */
  scheme: "light" | "dark";
  locale: string;
}

/** What the view may ask for; each returns at once, the state says how it goes. */
export interface Commands {
  send(text: string): void;
  stop(): void;
  /** Answers again: the given user message, or the last one. */
  retry(itemId?: string): void;
  setComposer(change: Partial<ChatState["composer"]>): void;
  newThread(): void;
  openThread(id: string): void;
  reloadThread(): void;
  loadOlder(): void;
  showHistory(): void;
  hideHistory(): void;
  loadMoreHistory(): void;
  renameThread(id: string, title: string): void;
  deleteThread(id: string): void;
  feedback(itemId: string, kind: "positive" | "negative"): void;
  dismissNotice(index: number): void;
  /** A link in the chat was clicked; true when it was dealt with (a deep link, an entity). */
  followLink(href: string): boolean;
  openSource(source: Source): void;
}
