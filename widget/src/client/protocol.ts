/** The words of the wire, as a client sends and reads them. */
import type {
  Annotation,
  AssistantContent,
  Attachment,
  InferenceOptions,
  Notice,
  ThreadItem,
  ThreadSummary,
  UserContent,
} from "../state";

export type JsonObject = Record<string, unknown>;

export interface Page<T> {
  data: T[];
  has_more: boolean;
  after?: string;
}
/** Only `threads.get_by_id` fills `items`; elsewhere they mean "not included", never "empty". */
export type WireThread = ThreadSummary & { items: Page<ThreadItem> };

export interface UserMessageInput {
  content: UserContent[];
  attachments: string[];
  quoted_text?: string;
  inference_options: InferenceOptions;
}
export interface Action {
  type: string;
  payload?: JsonObject;
}
export interface StructuredAnswer {
  values: string[];
  skipped?: boolean;
}
export type WireAttachment = Attachment & {
  upload_descriptor?: { url: string; method: "POST" | "PUT"; headers: Record<string, string> };
};
interface Paging {
  limit?: number;
  order?: "asc" | "desc";
  after?: string;
}
interface ActionParams {
  thread_id: string;
  item_id?: string;
  action: Action;
}

/** The six requests that are answered with a stream of events, and what they carry. */
export interface StreamingRequests {
  "threads.create": { input: UserMessageInput };
  "threads.add_user_message": { thread_id: string; input: UserMessageInput };
  "threads.add_client_tool_output": { thread_id: string; result: unknown };
  "threads.add_structured_input": {
    thread_id: string;
    item_id: string;
    input: { status: "answered" | "skipped"; answers: Record<string, StructuredAnswer> };
  };
  "threads.retry_after_item": { thread_id: string; item_id: string };
  "threads.custom_action": ActionParams;
}

/** The ten requests that are answered with one JSON value: what they carry, what comes back. */
export interface JsonRequests {
  "threads.get_by_id": { params: { thread_id: string }; result: WireThread };
  "threads.list": { params: Paging; result: Page<WireThread> };
  "items.list": { params: Paging & { thread_id: string }; result: Page<ThreadItem> };
  "items.feedback": {
    params: { thread_id: string; item_ids: string[]; kind: "positive" | "negative" };
    result: JsonObject;
  };
  "attachments.create": {
    params: { name: string; size: number; mime_type: string };
    result: WireAttachment;
  };
  "attachments.delete": { params: { attachment_id: string }; result: JsonObject };
  "threads.update": { params: { thread_id: string; title: string }; result: WireThread };
  "threads.delete": { params: { thread_id: string }; result: JsonObject };
  "input.transcribe": {
    params: { audio_base64: string; mime_type: string };
    result: { text: string };
  };
  "threads.sync_custom_action": { params: ActionParams; result: { updated_item?: ThreadItem } };
}

/** The ten ways an item that is being written changes. */
export type ItemUpdate =
  | { type: "assistant_message.content_part.added"; content_index: number; content: AssistantContent }
  | { type: "assistant_message.content_part.text_delta"; content_index: number; delta: string }
  | {
      type: "assistant_message.content_part.annotation_added";
      content_index: number;
      annotation_index: number;
      annotation: Annotation;
    }
  | { type: "assistant_message.content_part.done"; content_index: number; content: AssistantContent }
  | { type: "widget.streaming_text.value_delta"; component_id: string; delta: string; done: boolean }
  | { type: "widget.component.updated"; component_id: string; component: JsonObject }
  | { type: "widget.root.updated"; widget: JsonObject }
  | { type: "workflow.task.added"; task_index: number; task: JsonObject }
  | { type: "workflow.task.updated"; task_index: number; task: JsonObject }
  | { type: "generated_image.updated"; image: JsonObject; progress?: number };

/** The twelve events of a stream. */
export type StreamEvent =
  | { type: "thread.created" | "thread.updated"; thread: WireThread }
  | { type: "thread.item.added" | "thread.item.done" | "thread.item.replaced"; item: ThreadItem }
  | { type: "thread.item.updated"; item_id: string; update: ItemUpdate }
  | { type: "thread.item.removed"; item_id: string }
  | { type: "stream_options"; stream_options: { allow_cancel: boolean } }
  | { type: "progress_update"; text: string; icon?: string }
  | { type: "client_effect"; name: string; data?: JsonObject }
  | { type: "error"; code: string; message?: string; allow_retry?: boolean }
  | ({ type: "notice" } & Notice);
