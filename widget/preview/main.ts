/** Development only: `npx vite`, then /preview/?state=answer&scheme=dark&frame=panel|page|mobile. */
import { Stage } from "./stage";
import { states } from "./states";

const query = new URLSearchParams(location.search);
const name = query.get("state") ?? "answer";
const make = states[name];
if (!make) throw new Error(`No such state: ${name}`);
const stage = new Stage();
stage.state = make(query.get("scheme") === "dark" ? "dark" : "light");
document.documentElement.classList.add(query.get("scheme") ?? "light", query.get("frame") ?? "panel", query.has("bare") ? "bare" : "listed");
document.querySelector("main")!.append(stage);
document.querySelector("nav")!.replaceChildren(
  ...Object.keys(states).map((state) => {
    query.set("state", state);
    return Object.assign(document.createElement("a"), { href: `?${query}`, textContent: state });
  }),
);
