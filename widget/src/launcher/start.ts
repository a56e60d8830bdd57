import { readConfig } from "./config";
import { Launcher } from "./launcher";

/** What a page may call: `window.Parlour`. */
export interface ParlourApi {
  open(): void;
  close(): void;
  toggle(): void;
  /** Opens the panel with a text to ask about. */
  ask(text: string): void;
  /** The chat element inside the panel. */
  readonly element: HTMLElement;
}

declare global {
  interface Window {
    Parlour?: ParlourApi;
  }
}

/** Puts the launcher on the page, once, as the script tag with this address says. */
export function startLauncher(scriptUrl: string): void {
  if (window.Parlour) return;
  if (!customElements.get("parlour-launcher")) customElements.define("parlour-launcher", Launcher);
  const tag = [...document.scripts].find((script) => withoutQuery(script.src) === scriptUrl);
  const launcher = document.createElement("parlour-launcher");
  launcher.config = readConfig(tag?.dataset ?? {});
  launcher.chatUrl = new URL("chatkit", scriptUrl).href;
  window.Parlour = {
    open: () => launcher.open(),
    close: () => launcher.close(),
    toggle: () => launcher.toggle(),
    ask: (text) => launcher.ask(text),
    get element() {
      return launcher.chat;
    },
  };
  const attach = () => document.body.append(launcher);
  if (document.body) attach();
  else document.addEventListener("DOMContentLoaded", attach, { once: true });
  window.dispatchEvent(new CustomEvent("parlour-ready"));
}

function withoutQuery(address: string): string {
  return address.replace(/[?#].*/s, "");
}
