import { LitElement, type TemplateResult } from "lit";
import type { ChatState, Commands } from "../src/state";
import { renderChat, styles } from "../src/view/index";

const COMMANDS = [
  "send", "stop", "retry", "setComposer", "newThread", "openThread", "reloadThread", "loadOlder", "showHistory", "hideHistory",
  "loadMoreHistory", "renameThread", "deleteThread", "feedback", "dismissNotice", "followLink", "openSource",
] satisfies (keyof Commands)[];

/** The view on a stage: shows one state, notes every command, and does the few that need no server. */
export class Stage extends LitElement {
  static override styles = styles;
  static override properties = { state: { attribute: false } };
  declare state: ChatState;
  readonly calls: [command: string, ...args: unknown[]][] = [];

  readonly commands = Object.fromEntries(
    COMMANDS.map((command) => [command, (...args: unknown[]) => this.#called(command, args)]),
  ) as unknown as Commands;

  #called(command: string, args: unknown[]): boolean {
    this.calls.push([command, ...args]);
    const { state } = this;
    if (command === "setComposer") this.state = { ...state, composer: { ...state.composer, ...(args[0] as object) } };
    if (command === "showHistory" || command === "hideHistory") {
      this.state = { ...state, history: { ...state.history, open: command === "showHistory" } };
    }
    return false;
  }

  protected override render(): TemplateResult {
    return renderChat(this.state, this.commands, this);
  }
}
customElements.define("preview-chat", Stage);
