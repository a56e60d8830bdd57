/** Loaded with the first answer; everything before it works without. */
import text from "./markdown.css?inline";

export { Blocks } from "./blocks.js";
export { markCitations } from "./citations.js";
export { renderBlocks, type Surroundings } from "./render.js";

export const sheet = new CSSStyleSheet();
sheet.replaceSync(text);
