import { html, LitElement, type TemplateResult } from "lit";
import { define } from "./define";
import { icon } from "./icons";

const SHOWN_FOR = 2000;

/** A button that copies a text and says so for two seconds. */
export class CopyButton extends LitElement {
  static override properties = { text: {}, label: {}, done: {}, copied: { state: true } };
  declare text: string;
  declare label: string;
  declare done: string;
  declare copied: boolean;

  constructor() {
    super();
    this.copied = false;
  }

  protected override createRenderRoot(): HTMLElement {
    return this;
  }

  protected override render(): TemplateResult {
    const label = this.copied ? this.done : this.label;
    return html`<button class="icon-button" type="button" aria-label=${label} title=${label} @click=${() => void this.#copy()}>
      ${icon(this.copied ? "check" : "copy")}
    </button>`;
  }

  async #copy(): Promise<void> {
    await writeClipboard(this.text);
    this.querySelector("button")?.focus();
    this.copied = true;
    setTimeout(() => (this.copied = false), SHOWN_FOR);
  }
}

/** The clipboard's own interface exists only on https; pages inside a network may be on http. */
async function writeClipboard(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

define("parlour-copy", CopyButton);
