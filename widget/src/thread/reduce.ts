/** What the protocol's events do to a conversation: pure, and new objects only where something changed. */
import type { StreamEvent } from "../client/protocol";
import type { ThreadItem, ThreadState, ThreadSummary } from "../state";
import { applyUpdate } from "./updates";

export const EMPTY: ThreadState = {
  thread: null,
  items: [],
  pending: new Set(),
  progress: null,
  notices: [],
  error: null,
  allowCancel: true,
};

/** The state after one event; the very same object when the event changes nothing. */
export function reduce(state: ThreadState, event: StreamEvent): ThreadState {
  switch (event.type) {
    case "thread.created":
    case "thread.updated":
      return { ...state, thread: summary(event.thread) };
    case "thread.item.added":
      return { ...put(state, event.item), pending: withId(state.pending, event.item.id) };
    case "thread.item.done":
      return { ...put(state, event.item), pending: withoutId(state.pending, event.item.id) };
    case "thread.item.replaced":
      return put(state, event.item);
    case "thread.item.updated":
      return update(state, event);
    case "thread.item.removed":
      return {
        ...state,
        items: state.items.filter((item) => item.id !== event.item_id),
        pending: withoutId(state.pending, event.item_id),
      };
    case "stream_options":
      return { ...state, allowCancel: event.stream_options.allow_cancel };
    case "progress_update":
      return { ...state, progress: { text: event.text, icon: event.icon } };
    case "error":
      return { ...state, error: { message: event.message, allowRetry: event.allow_retry ?? false } };
    case "notice": {
      const { level, message, title } = event;
      return { ...state, notices: [...state.notices, { level, message, title }] };
    }
    default:
      return state;
  }
}

/** The state when no event of this turn will come any more. */
export function settle(state: ThreadState): ThreadState {
  if (state.pending.size === 0 && state.progress === null) return state;
  return { ...state, pending: EMPTY.pending, progress: null };
}

/** A thread as lists and headers show it: whatever items came along are not part of it. */
export function summary(thread: ThreadSummary): ThreadSummary {
  const { id, created_at, title, status, allowed_image_domains } = thread;
  return { id, created_at, title, status, allowed_image_domains };
}

function put(state: ThreadState, item: ThreadItem): ThreadState {
  const at = position(state.items, item.id);
  const items = at < 0 ? [...state.items, item] : state.items.with(at, item);
  // Progress tells what goes on before there is something to see.
  const progress = item.type === "user_message" ? state.progress : null;
  return { ...state, items, progress };
}

function update(
  state: ThreadState,
  event: Extract<StreamEvent, { type: "thread.item.updated" }>,
): ThreadState {
  const at = position(state.items, event.item_id);
  const before = state.items[at];
  if (before === undefined) return state;
  const after = applyUpdate(before, event.update);
  return after === before ? state : { ...state, items: state.items.with(at, after), progress: null };
}

/** From the end: what changes is nearly always the last item. */
function position(items: ThreadItem[], id: string): number {
  for (let at = items.length - 1; at >= 0; at -= 1) if (items[at]?.id === id) return at;
  return -1;
}

function withId(ids: ReadonlySet<string>, id: string): ReadonlySet<string> {
  return ids.has(id) ? ids : new Set([...ids, id]);
}

function withoutId(ids: ReadonlySet<string>, id: string): ReadonlySet<string> {
  if (!ids.has(id)) return ids;
  const rest = new Set(ids);
  rest.delete(id);
  return rest;
}
