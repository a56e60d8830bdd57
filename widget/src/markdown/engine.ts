/** Loaded with the first answer; everything before it works without. */
import text from "./markdown.css?inline";

export { Blocks } from "./blocks";
export { markCitations } from "./citations";
export { renderBlocks, type Surroundings } from "./render";

export const sheet = new CSSStyleSheet();
sheet.replaceSync(text);
