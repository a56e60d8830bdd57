import { ChatElement } from "./chat-element";

/** Makes the tags known to the page, once, for the server whose script this is. */
export function registerChat(scriptUrl: string): void {
  const chatUrl = new URL("chatkit", scriptUrl.replace(/[?#].*/s, "")).href;
  for (const tag of ["openai-chatkit", "parlour-chat"]) {
    if (customElements.get(tag)) continue;
    customElements.define(
      tag,
      class extends ChatElement {
        static override chatUrl = chatUrl;
      },
    );
  }
  // Old starter apps for OpenAI's component wait for this.
  window.dispatchEvent(new CustomEvent("chatkit-script-loaded"));
}
