import type { FontObject, ThemeOption } from "@openai/chatkit";
import { palette, type Scheme } from "./palette";

export type { Scheme };

const dressed = new WeakMap<HTMLElement, { theme: unknown; key: string; sheet: CSSStyleSheet }>();
const faces = new Set<string>();

/** Puts the theme on an element with an open shadow root, as one constructed style sheet. */
export function dress(host: HTMLElement, theme: ThemeOption | string | undefined, scheme: Scheme): void {
  const root = host.shadowRoot;
  if (!root) return;
  const before = dressed.get(host);
  if (before?.theme === theme && before?.key.startsWith(scheme)) return;
  const option = typeof theme === "object" ? theme : {};
  const key = scheme + JSON.stringify(option);
  if (before?.key === key && root.adoptedStyleSheets.includes(before.sheet)) return;
  const sheet = before?.sheet ?? new CSSStyleSheet();
  sheet.replaceSync(":host{}");
  const { style } = sheet.cssRules[0] as CSSStyleRule;
  // Set one by one, so that a hostile value can break only its own property.
  for (const [name, value] of Object.entries(palette(scheme, option))) style.setProperty(`--parlour-chat-${name}`, value);
  style.setProperty("color-scheme", scheme);
  if (!root.adoptedStyleSheets.includes(sheet)) root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
  dressed.set(host, { theme, key, sheet });
  option.typography?.fontSources?.forEach(loadFont);
}

/** Adds more CSS to a shadow root, once. */
export function adopt(node: Node, sheet: CSSStyleSheet | undefined): void {
  const root = node.getRootNode();
  if (!sheet || !(root instanceof ShadowRoot) || root.adoptedStyleSheets.includes(sheet)) return;
  root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
}

/** A shadow root cannot declare fonts, so they go to the document. */
function loadFont(font: FontObject): void {
  const key = JSON.stringify(font);
  if (faces.has(key)) return;
  faces.add(key);
  const source = /^\s*(url|local)\(/.test(font.src) ? font.src : `url(${JSON.stringify(font.src)})`;
  try {
    const face = new FontFace(font.family, source, {
      weight: String(font.weight ?? "normal"),
      style: font.style ?? "normal",
      display: font.display ?? "swap",
      unicodeRange: font.unicodeRange ?? "U+0-10FFFF",
    });
    document.fonts.add(face);
  } catch (cause) {
    console.warn(`parlour-chat: theme.typography.fontSources: "${font.family}" cannot be used`, cause);
  }
}
