import { html, svg, type SVGTemplateResult, type TemplateResult } from "lit";

/** Strokes on a 24 by 24 grid. */
const PATHS: Record<string, string> = {
  compose: "M19 13v5.2A1.8 1.8 0 0 1 17.2 20H5.8A1.8 1.8 0 0 1 4 18.2V6.8A1.8 1.8 0 0 1 5.8 5H11M18.4 3.6a1.9 1.9 0 0 1 2 2L12.5 13.5 9 15l1.5-3.5z",
  history: "M4 12a8 8 0 1 0 2.6-5.9L4 8.5M4 4v4.5h4.5M12 8v4.3l2.8 1.7",
  close: "M6 6l12 12M18 6L6 18",
  send: "M12 19V5M6 11l6-6 6 6",
  down: "M12 5v14M6 13l6 6 6-6",
  chevron: "M6 9.5l6 6 6-6",
  "chevron-left": "M14.5 6l-6 6 6 6",
  "chevron-right": "M9.5 6l6 6-6 6",
  copy: "M9 9h9.5a1.5 1.5 0 0 1 1.5 1.5V19a1.5 1.5 0 0 1-1.5 1.5H10A1.5 1.5 0 0 1 8.5 19V9zM15.5 9V5A1.5 1.5 0 0 0 14 3.5H5.5A1.5 1.5 0 0 0 4 5v8.5A1.5 1.5 0 0 0 5.5 15h3",
  check: "M5 12.5l4.5 4.5L19 7",
  reload: "M20 12a8 8 0 1 1-2.4-5.7L20 8.5M20 4v4.5h-4.5",
  "thumb-up": "M7 11v9H4.5v-9zM7 11l4-7.5c1.5 0 2.4 1 2.2 2.5L12.7 9.5h5a2 2 0 0 1 2 2.4l-1.2 6.3a2.2 2.2 0 0 1-2.2 1.8H7",
  "thumb-down": "M17 13V4h2.5v9zM17 13l-4 7.5c-1.5 0-2.4-1-2.2-2.5l.5-3.5h-5a2 2 0 0 1-2-2.4l1.2-6.3A2.2 2.2 0 0 1 7.7 4H17",
  write: "M4 20l1-4L16.5 4.5a2.1 2.1 0 0 1 3 3L8 19z",
  trash: "M4.5 6.5h15M9.5 6V4h5v2M6.5 6.5l.8 13.5h9.4l.8-13.5M10.2 10.5v5.5M13.8 10.5v5.5",
  quote: "M10 7H5.5v5.5H10V7zm0 5.5c0 2.5-1 4-3.5 4.8M18.5 7H14v5.5h4.5V7zm0 5.5c0 2.5-1 4-3.5 4.8",
  info: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 11v5M12 7.7v.1",
  alert: "M12 4l9 16H3zM12 10v4.5M12 17.2v.1",
  lock: "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3",
  "external-link": "M9 5H5v14h14v-4M13 5h6v6M19 5l-9 9",
  sparkle: "M12 3.5c.8 5 3.5 7.7 8.5 8.5-5 .8-7.7 3.5-8.5 8.5-.8-5-3.5-7.7-8.5-8.5 5-.8 7.7-3.5 8.5-8.5z",
  search: "M10.8 17.5a6.7 6.7 0 1 0 0-13.4 6.7 6.7 0 0 0 0 13.4zM15.7 15.7L20.5 20.5",
  "book-open": "M12 6.5C10 5 7.5 4.5 3.5 4.5v13.8c4 0 6.5.5 8.5 2 2-1.5 4.5-2 8.5-2V4.5c-4 0-6.5.5-8.5 2zM12 6.5v13.8",
  "circle-question": "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM9.5 9.5a2.5 2.5 0 1 1 3.6 2.3c-.7.3-1.1.900-1.1 1.7v.3M12 16.6v.1",
  settings: "M4 7.5h9M19 7.5h1M4 16.5h1M11 16.5h9M16 10a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM8 19a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z",
  home: "M4 11l8-7 8 7v9h-5.5v-5.5h-5V20H4z",
  document: "M6 3.5h8l4.5 4.5v12.5H6zM13.5 3.5V8.5h5M9 13h6M9 16.5h4",
  lightbulb: "M9 17c0-2-3-3.5-3-7.2a6 6 0 0 1 12 0C18 13.5 15 15 15 17zM9.5 20.5h5",
  bolt: "M13 3L5 13.5h6L10.5 21 19 10.5h-6z",
  globe: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM3 12h18M12 3c-5.3 5.5-5.3 12.5 0 18 5.3-5.5 5.3-12.5 0-18z",
  mail: "M3.5 5.5h17v13h-17zM3.5 7l8.5 6 8.5-6",
  user: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.5 20.5c.8-4 3.5-5.8 7.5-5.8s6.7 1.8 7.5 5.8",
  calendar: "M4 5.5h16V20H4zM4 10h16M8 3v4M16 3v4",
  clock: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 7v5.3l3.3 2",
  code: "M8 7l-5 5 5 5M16 7l5 5-5 5",
  image: "M4 4.5h16v15H4zM4 16.5l4.5-4.5 4 4 2.5-2.5 5 4.5M15 9.5a.8.8 0 1 0 0-.1",
  chart: "M4 20h16M6.5 16v-4M12 16V5M17.5 16V9",
  star: "M12 3.5l2.6 5.5 6 .8-4.4 4.2 1.1 6-5.3-2.9-5.3 2.9 1.1-6L3.4 9.8l6-.8z",
  plus: "M12 5v14M5 12h14",
  menu: "M4 7h16M4 12h16M4 17h16",
  sidebar: "M3.5 5h17v14h-17zM9 5v14",
  expand: "M14 4h6v6M20 4l-6.5 6.5M10 20H4v-6M4 20l6.5-6.5",
  collapse: "M20 10h-6V4M14 10l6.5-6.5M4 14h6v6M10 14l-6.5 6.5",
  dots: "M5 12h.1M12 12h.1M19 12h.1",
  "dots-vertical": "M12 5v.1M12 12v.1M12 19v.1",
  moon: "M19.5 14.5A8 8 0 1 1 9.5 4.5a6.5 6.5 0 0 0 10 10z",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4",
  phone: "M8 3.5H5A1.5 1.5 0 0 0 3.5 5C4 13.5 10.5 20 19 20.5a1.5 1.5 0 0 0 1.5-1.5v-3l-4.5-1.8-1.9 2.3a13 13 0 0 1-6.1-6.1L10 8z",
  cube: "M12 3l8 4.5v9L12 21l-8-4.5v-9zM4 7.5l8 4.5 8-4.5M12 12v9",
  "map-pin": "M12 21c-4-4.3-6.5-7.7-6.5-11a6.5 6.5 0 0 1 13 0c0 3.3-2.5 6.7-6.5 11zM12 12.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z",
};

/** First part of a ChatKit icon name → one of ours, for families that differ only in detail. */
const FAMILIES: Record<string, string> = {
  sidebar: "sidebar", open: "sidebar", expand: "expand", collapse: "collapse", home: "home", back: "chevron-left",
  double: "chevron-left", star: "star", dots: "dots", menu: "menu", hamburger: "menu", history: "history",
  light: "sun", dark: "moon", sparkle: "sparkle", write: "write", notebook: "write", square: "document",
  page: "document", document: "document", book: "book-open", check: "check", settings: "settings", lifesaver: "circle-question",
  profile: "user", user: "user", name: "user", agent: "sparkle", images: "image", maps: "map-pin", desktop: "globe",
  compass: "globe", analytics: "chart", chart: "chart", mobile: "phone", chat: "compose", share: "external-link",
};
const EXACT: Record<string, string> = {
  "double-chevron-right": "chevron-right", "dots-vertical-circle": "dots-vertical", "square-image": "image", "square-code": "code",
};

/** A ChatKit icon name (or one of ours) as an inline picture that assistive technology skips. */
export function icon(name: string | undefined): TemplateResult {
  const plain = (name ?? "").replace(/^(lucide|vendor):/, "");
  const path = PATHS[plain] ?? PATHS[EXACT[plain] ?? ""] ?? PATHS[FAMILIES[plain.split("-")[0] ?? ""] ?? ""] ?? PATHS.sparkle!;
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true">${stroke(path)}</svg>`;
}

function stroke(path: string): SVGTemplateResult {
  return svg`<path d=${path}></path>`;
}
