import { html, LitElement, type TemplateResult } from "lit";
import type { Catalogue } from "../locales/index";
import type { Annotation, Commands, Source } from "../state";
import { adopt } from "../theme/index";
import { define } from "../view/define";
import type * as Engine from "./engine";

let loading: Promise<typeof Engine> | undefined;
let engine: typeof Engine | undefined;

/** Fetches the Markdown engine; a failed fetch is tried again by the next text. */
function load(): Promise<typeof Engine> {
  loading ??= import("./engine").then(
    (loaded) => (engine = loaded),
    (cause: unknown) => {
      loading = undefined;
      throw cause;
    },
  );
  return loading;
}

const NONE: readonly never[] = [];

/** A Markdown text, also one that is still being written; plain text until the engine is there. */
export class MarkdownText extends LitElement {
  static override properties = {
    text: {},
    open: { type: Boolean },
    annotations: {},
    sources: {},
    imageDomains: {},
    words: {},
    commands: {},
    cite: {},
    engine: { state: true },
  };
  declare text: string;
  /** More text is coming. */
  declare open: boolean;
  declare annotations: readonly Annotation[];
  /** The numbered sources that annotations refer to. */
  declare sources: readonly Source[];
  declare imageDomains: readonly string[] | undefined;
  declare words: Catalogue;
  declare commands: Pick<Commands, "followLink">;
  /** Draws the marks for one cited place. */
  declare cite: (numbers: readonly number[]) => TemplateResult;
  declare engine: typeof Engine | undefined;

  #blocks: Engine.Blocks | undefined;
  #surroundings: Engine.Surroundings | undefined;
  #key = "";

  constructor() {
    super();
    this.text = "";
    this.open = false;
    this.annotations = this.sources = NONE;
    this.engine = engine;
  }

  protected override createRenderRoot(): HTMLElement {
    return this;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    if (this.engine) return;
    load().then(
      (loaded) => (this.engine = loaded),
      (cause: unknown) => console.warn("parlour-chat: Markdown stays plain text, its script did not load", cause),
    );
  }

  protected override render(): TemplateResult {
    if (!this.engine) return html`<p class="plain">${this.text}</p>`;
    adopt(this, this.engine.sheet);
    this.#blocks ??= new this.engine.Blocks();
    const { text, places } = this.engine.markCitations(this.text, this.annotations, this.sources);
    return this.engine.renderBlocks(this.#blocks.update(text, this.open), this.#around(places));
  }

  /** The same object until something in it changes, so that finished pieces stay as they are. */
  #around(places: number[][]): Engine.Surroundings {
    const key = JSON.stringify([places, this.imageDomains]);
    if (!this.#surroundings || key !== this.#key || this.#surroundings.words !== this.words) {
      this.#key = key;
      this.#surroundings = {
        words: this.words,
        imageDomains: this.imageDomains,
        cite: (place) => (places[place] ? this.cite(places[place]) : html``),
        followLink: (href) => this.commands.followLink(href),
      };
    }
    return this.#surroundings;
  }
}

define("parlour-markdown", MarkdownText);
