/** The ten item updates, each giving a new item and leaving the old one as it was. */
import { isRecord } from "../client/errors";
import type { ItemUpdate, JsonObject } from "../client/protocol";
import type { AssistantContent, AssistantMessageItem, ThreadItem } from "../state";

/** The item after an update; the same object when the update is unknown or meant for another kind. */
export function applyUpdate(item: ThreadItem, update: ItemUpdate): ThreadItem {
  if (!update.type.startsWith(`${item.type}.`)) return item;
  switch (item.type) {
    case "assistant_message":
      return assistantMessage(item, update);
    case "widget":
      return { ...item, widget: widget(item.widget, update) };
    case "workflow":
      return { ...item, workflow: workflow(item.workflow, update) };
    case "generated_image":
      return update.type === "generated_image.updated" ? { ...item, image: update.image } : item;
    default:
      return item;
  }
}

function assistantMessage(item: AssistantMessageItem, update: ItemUpdate): AssistantMessageItem {
  switch (update.type) {
    case "assistant_message.content_part.added":
      return withPart(item, update.content_index, () => update.content);
    case "assistant_message.content_part.text_delta":
      return withPart(item, update.content_index, (part) => ({
        ...part,
        text: (part.text ?? "") + update.delta,
      }));
    case "assistant_message.content_part.annotation_added":
      return withPart(item, update.content_index, (part) => ({
        ...part,
        annotations: (part.annotations ?? []).toSpliced(
          update.annotation_index,
          0,
          update.annotation,
        ),
      }));
    case "assistant_message.content_part.done":
      // The official SDK always sends an empty list here, whatever it announced before.
      return withPart(item, update.content_index, (part) => ({
        ...update.content,
        annotations: update.content.annotations?.length
          ? update.content.annotations
          : (part.annotations ?? []),
      }));
    default:
      return item;
  }
}

/** Parts that were not announced yet are there, empty. */
function withPart(
  item: AssistantMessageItem,
  index: number,
  change: (part: AssistantContent) => AssistantContent,
): AssistantMessageItem {
  const content = [...(item.content ?? [])];
  while (content.length <= index) content.push({ type: "output_text", text: "", annotations: [] });
  const part = content[index];
  if (part) content[index] = change(part);
  return { ...item, content };
}

function widget(root: unknown, update: ItemUpdate): unknown {
  switch (update.type) {
    case "widget.root.updated":
      return update.widget;
    case "widget.component.updated":
      return withComponent(root, update.component_id, () => update.component);
    case "widget.streaming_text.value_delta":
      return withComponent(root, update.component_id, (component) => {
        const before = typeof component.value === "string" ? component.value : "";
        const changed: JsonObject = { ...component, value: before + update.delta };
        if (update.done && changed.streaming) changed.streaming = false;
        return changed;
      });
    default:
      return root;
  }
}

/** Replaces the first component with this id; everything beside its path stays the same object. */
function withComponent(
  node: unknown,
  id: string,
  change: (component: JsonObject) => JsonObject,
): unknown {
  if (!isRecord(node)) return node;
  if (node.id === id) return change(node);
  const { children } = node;
  if (!Array.isArray(children)) {
    const changed = withComponent(children, id, change);
    return changed === children ? node : { ...node, children: changed };
  }
  for (const [at, child] of (children as unknown[]).entries()) {
    const changed = withComponent(child, id, change);
    if (changed !== child) return { ...node, children: (children as unknown[]).with(at, changed) };
  }
  return node;
}

function workflow(before: unknown, update: ItemUpdate): unknown {
  if (!isRecord(before)) return before;
  const tasks: unknown[] = Array.isArray(before.tasks) ? before.tasks : [];
  switch (update.type) {
    case "workflow.task.added":
      return { ...before, tasks: tasks.toSpliced(update.task_index, 0, update.task) };
    case "workflow.task.updated":
      return { ...before, tasks: tasks.toSpliced(update.task_index, 1, update.task) };
    default:
      return before;
  }
}
