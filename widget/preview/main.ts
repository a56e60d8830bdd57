/** Development only: `npx vite`, then /preview/?state=answer&scheme=dark&frame=panel|page|mobile. */
import { LitElement, type TemplateResult } from "lit";
import type { ChatState, Commands } from "../src/state.js";
import { renderChat, styles } from "../src/view/index.js";
import { states } from "./states.js";

const query = new URLSearchParams(location.search);
const name = query.get("state") ?? "answer";

const COMMANDS = [
  "send", "stop", "retry", "setComposer", "newThread", "openThread", "reloadThread", "loadOlder", "showHistory", "hideHistory",
  "loadMoreHistory", "renameThread", "deleteThread", "feedback", "dismissNotice", "followLink", "openSource",
] satisfies (keyof Commands)[];

class Preview extends LitElement {
  static override styles = styles;
  static override properties = { state: { attribute: false } };
  declare state: ChatState;
  readonly calls: [string, unknown[]][] = [];

  readonly commands = Object.fromEntries(
    COMMANDS.map((command) => [command, (...args: unknown[]) => this.#called(command, args)]),
  ) as unknown as Commands;

  #called(command: string, args: unknown[]): boolean {
    this.calls.push([command, args]);
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
customElements.define("preview-chat", Preview);

const make = states[name];
if (!make) throw new Error(`No such state: ${name}`);
const element = document.createElement("preview-chat") as Preview;
element.state = make(query.get("scheme") === "dark" ? "dark" : "light");
document.documentElement.classList.add(query.get("scheme") ?? "light", query.get("frame") ?? "panel", query.has("bare") ? "bare" : "listed");
document.querySelector("main")!.append(element);
document.querySelector("nav")!.replaceChildren(
  ...Object.keys(states).map((state) => {
    query.set("state", state);
    return Object.assign(document.createElement("a"), { href: `?${query}`, textContent: state });
  }),
);
