/** A piece of the page a visitor has selected, and where it ends on the screen. */
export interface Selected {
  text: string;
  /** Viewport coordinates of the last line of the selection. */
  end: { right: number; top: number; bottom: number };
}

/** The longest text that is taken along, in characters. */
export const LONGEST = 2000;
const SETTLE_MS = 150;
const FIELDS = "input, textarea, select";
const EXCLUDED = `${FIELDS}, [contenteditable], openai-chatkit, parlour-chat, parlour-launcher`;

/** Tells what is selected, by mouse, finger or keyboard, as soon as the visitor has finished. */
export function watchSelection(tell: (selected: Selected | null) => void, signal: AbortSignal): void {
  let pressed = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const look = () => {
    clearTimeout(timer);
    if (!pressed) tell(readSelection());
  };
  const settle = () => {
    clearTimeout(timer);
    if (document.getSelection()?.isCollapsed ?? true) tell(null);
    else timer = setTimeout(look, SETTLE_MS);
  };
  const press = (down: boolean) => (event: PointerEvent) => {
    pressed = down && event.pointerType === "mouse";
    if (!down) settle();
  };
  const listen = { signal, capture: true, passive: true };
  document.addEventListener("selectionchange", settle, listen);
  document.addEventListener("pointerdown", press(true), listen);
  document.addEventListener("pointerup", press(false), listen);
  document.addEventListener("pointercancel", press(false), listen);
  window.addEventListener("scroll", settle, listen);
  window.addEventListener("resize", settle, listen);
  signal.addEventListener("abort", () => clearTimeout(timer));
}

/** The selection of the page itself: not in a field, not in the chat, not out of sight. */
export function readSelection(): Selected | null {
  const selection = document.getSelection();
  if (!selection || selection.isCollapsed || selection.rangeCount === 0) return null;
  if (document.activeElement?.matches(FIELDS)) return null;
  if (isExcluded(selection.anchorNode) || isExcluded(selection.focusNode)) return null;
  const text = selection.toString().trim();
  const lines = [...selection.getRangeAt(0).getClientRects()].filter((line) => line.width > 0);
  const end = lines.at(-1);
  if (text.length < 2 || !end || end.bottom < 0 || end.top > window.innerHeight) return null;
  const { right, top, bottom } = end;
  return { text: cut(text), end: { right, top, bottom } };
}

function isExcluded(node: Node | null): boolean {
  if (!node) return false;
  if (node.getRootNode() !== document) return true;
  const element = node instanceof Element ? node : node.parentElement;
  return element?.closest(EXCLUDED) != null;
}

/** At most LONGEST characters, never half of one. */
function cut(text: string): string {
  if (text.length <= LONGEST) return text;
  return text.slice(0, LONGEST).replace(/[\uD800-\uDBFF]$/, "");
}
