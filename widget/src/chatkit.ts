/** `<script src=".../chatkit.js" async>`: the chat element, under both of its names. */
import { registerChat } from "./element/register";

// Built, this file lies in a folder beside chatkit.js.
registerChat(new URL("../chatkit.js", import.meta.url).href);
