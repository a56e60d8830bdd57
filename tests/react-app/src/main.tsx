import { ChatKit, useChatKit } from "@openai/chatkit-react";
import { useState } from "react";
import { createRoot } from "react-dom/client";
import "./page.css";

/** A page as its author would write it for OpenAI's component; only the script's address is ours. */
function Page() {
  const [theme, setTheme] = useState<"light" | "dark">("light");
  const [events, setEvents] = useState<string[]>([]);
  const tell = (event: string) => setEvents((before) => [...before, event]);
  const { control, sendUserMessage, setThreadId } = useChatKit({
    api: { url: "/chatkit", domainKey: "local-dev" },
    theme,
    startScreen: { greeting: "Hello from React" },
    onReady: () => tell("ready"),
    onThreadChange: ({ threadId }) => tell(`thread ${threadId ? "some" : "none"}`),
    onResponseStart: () => tell("response start"),
    onResponseEnd: () => tell("response end"),
    onError: ({ error }) => tell(`error ${error.message}`),
  });
  return (
    <>
      <h1>A React page</h1>
      <button onClick={() => void sendUserMessage({ text: "Sent by the page." })}>Send</button>
      <button onClick={() => setTheme(theme === "light" ? "dark" : "light")}>Theme</button>
      <button onClick={() => void setThreadId(null)}>New</button>
      <output>{events.join(", ")}</output>
      <ChatKit control={control} className="chat" />
    </>
  );
}

const root = document.getElementById("root");
if (root) createRoot(root).render(<Page />);
