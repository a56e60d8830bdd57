/** `<script type="module" src=".../chatkit.js">`: the chat element, under both of its names. */
import { registerChat } from "./element/register";

registerChat(import.meta.url);
