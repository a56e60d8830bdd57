/** `<script src=".../parlour.js" async>`: the chat element and a button that opens it. */
import "./chatkit";
import { startLauncher } from "./launcher/start";

startLauncher(new URL("../parlour.js", import.meta.url).href);
