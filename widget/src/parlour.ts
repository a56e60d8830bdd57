/** `<script type="module" src=".../parlour.js">`: the chat element and a button that opens it. */
import { registerChat } from "./element/register";
import { startLauncher } from "./launcher/start";

registerChat(import.meta.url);
startLauncher(import.meta.url);
