import type { ChatKitOptions } from "@openai/chatkit";
import type { Annotation, AssistantMessageItem, ChatState, ThreadItem, ThreadState, UserMessageItem } from "../src/state";

type Scheme = ChatState["scheme"];
type Change = Omit<Partial<ChatState>, "conversation"> & { conversation?: Partial<ThreadState> };

const NOW = new Date();
const daysAgo = (days: number) => new Date(NOW.getTime() - days * 86_400_000).toISOString();
const thread = { id: "thr_1", created_at: daysAgo(0), title: "Backups and restores", status: { type: "active" } as const };

export const options: ChatKitOptions = {
  api: { url: "/chatkit", domainKey: "local" },
  startScreen: {
    greeting: "How can we help?",
    prompts: [
      { label: "What is Harbour?", prompt: "What is Harbour?", icon: "circle-question" },
      { label: "Install it on a server", prompt: "How do I install it on a server?", icon: "bolt" },
      { label: "How are backups made?", prompt: "How are backups made?", icon: "book-open" },
      { label: "Compare the plans", prompt: "Compare the plans", icon: "chart" },
    ],
  },
  threadItemActions: { feedback: true, retry: true },
  composer: { placeholder: "Ask about Harbour…" },
  disclaimer: { text: "Answers quote this site. Check what matters." },
};

const base = { thread_id: "thr_1", created_at: daysAgo(0) };
export const ask = (id: string, text: string, more: Partial<UserMessageItem> = {}): UserMessageItem => ({
  ...base, id, type: "user_message", content: [{ type: "input_text", text }], attachments: [], ...more,
});
export const answer = (id: string, text: string, annotations: Annotation[] = []): AssistantMessageItem => ({
  ...base, id, type: "assistant_message", content: [{ type: "output_text", text, annotations }],
});
const cite = (text: string, after: string, title: string, url: string): Annotation => ({
  type: "annotation", index: text.indexOf(after) + after.length, source: { type: "url", title, url },
});

const BACKUPS = `Harbour makes a **full backup every night** and keeps a write-ahead log in between, so you can restore to any second of the last 14 days.

To restore into a new database:

1. List the snapshots with \`harbour backup list\`.
2. Choose a moment and a name for the copy.
3. Start the restore:

\`\`\`bash
harbour restore --at "2026-11-19 14:30" --into shop_copy
\`\`\`

The original stays as it is until you switch over. Larger databases take longer; plan about **one minute per 10 GB**.`;

const backupNotes = [
  cite(BACKUPS, "last 14 days.", "Backups", "https://docs.harbour.example/operate/backups#schedule"),
  cite(BACKUPS, "switch over.", "Restore to a point in time", "https://docs.harbour.example/operate/restore"),
  cite(BACKUPS, "10 GB**.", "Restore to a point in time", "https://docs.harbour.example/operate/restore"),
  cite(BACKUPS, "10 GB**.", "Sizing guide", "https://docs.harbour.example/plan/sizing#restores"),
];

const RICH = `# Choosing a plan

All plans include **encryption at rest**, *daily* backups and ~~limited~~ unlimited databases. See [the price list](https://harbour.example/prices) or https://harbour.example for details.

## Side by side

| Plan | Storage | Support | Price |
|:-----|--------:|:--------|------:|
| Starter | 10 GB | Community forum | €0 |
| Team | 250 GB | Mail, within one working day | €49 |
| Business | 2 TB | Phone, around the clock | €390 |

### What to check first

- [x] Your largest table fits
- [ ] Somebody owns the backups
  - who restores them once a month
  - and writes down how long it took

> A backup that was never restored is a hope, not a backup.

Use \`harbour plan --explain\` to see what would change:

\`\`\`json
{ "plan": "team", "storage_gb": 250, "since": "2026-11-01", "note": "a line that is long enough to scroll sideways in a narrow panel" }
\`\`\`

---

A tag such as <script>alert(1)</script> is only text, and [this](javascript:alert(1)) is no link.`;

const many: Annotation[] = ["Quick start", "Configuration reference", "Backups", "Restore to a point in time", "Sizing guide", "Release notes 4.2"].map(
  (title, at) => ({ type: "annotation", index: 60 + at * 45, source: { type: "url", title, url: `https://docs.harbour.example/${title.toLowerCase().replaceAll(" ", "-")}` } }),
);

const asked = ask("msg_q1", "How do backups work, and how do I restore one?");
const threads = [
  ["Backups and restores", 0], ["Which plan fits a shop with 40,000 orders a month?", 0], ["Moving from PostgreSQL 12", 1],
  ["Read replicas", 3], ["Error: too many connections", 5], ["Invoices and VAT", 40], ["First steps", 75],
].map(([title, days], at) => ({ id: `thr_${at + 1}`, title: title as string, created_at: daysAgo(days as number), status: { type: "active" } as const }));

function state(change: Change): (scheme: Scheme) => ChatState {
  return (scheme) => ({
    options, turn: "idle", loading: false, loadError: null, online: true, hasOlder: false, loadingOlder: false,
    history: { open: false, loading: false, error: null, threads: [], hasMore: false },
    composer: { text: "", quotedText: null }, locale: "en", ...change, scheme,
    conversation: {
      thread, items: [], pending: new Set<string>(), progress: null, notices: [], error: null, allowCancel: true, ...change.conversation,
    },
  });
}

const history = (change: Partial<ChatState["history"]>): Change => ({
  conversation: { items: [asked, answer("msg_a1", BACKUPS, backupNotes)] },
  history: { open: true, loading: false, error: null, threads, hasMore: true, ...change },
});
const with_ = (items: ThreadItem[], more: Change = {}): Change => ({ ...more, conversation: { items, ...more.conversation } });
const mark = (outcome: "stopped" | "failed" | "interrupted"): ThreadItem => ({ ...base, id: `tsk_${outcome}`, type: "task", task: { type: "custom" }, outcome });
const themed = (theme: ChatKitOptions["theme"]): Change => with_([asked, answer("msg_a1", BACKUPS, backupNotes)], { options: { ...options, theme } });
const long: ThreadItem[] = Array.from({ length: 12 }, (_, at) => [ask(`q${at}`, `Question number ${at + 1}`), answer(`a${at}`, BACKUPS)]).flat();

export const states: Record<string, (scheme: Scheme) => ChatState> = {
  start: state({ conversation: { thread: null } }),
  "start-bare": state({ conversation: { thread: null }, options: { api: options.api } }),
  answer: state(with_([asked, answer("msg_a1", BACKUPS, backupNotes)])),
  rich: state(with_([ask("q", "Which plan should I take?"), answer("a", RICH, many)])),
  thinking: state(with_([asked], { turn: "sending" })),
  progress: state(with_([asked], { turn: "streaming", conversation: { progress: { text: "Searching the documentation", icon: "search" } } })),
  streaming: state(
    with_([asked, answer("msg_a1", BACKUPS.slice(0, 210))], { turn: "streaming", conversation: { pending: new Set(["msg_a1"]) } }),
  ),
  stopping: state(with_([asked, answer("msg_a1", BACKUPS.slice(0, 210))], { turn: "stopping", conversation: { pending: new Set(["msg_a1"]) } })),
  reconnecting: state(with_([asked, answer("msg_a1", BACKUPS.slice(0, 210))], { turn: "reconnecting", conversation: { pending: new Set(["msg_a1"]) } })),
  stopped: state(with_([asked, answer("msg_a1", BACKUPS.slice(0, 210)), mark("stopped")])),
  interrupted: state(with_([asked, answer("msg_a1", BACKUPS.slice(0, 210)), mark("interrupted")])),
  error: state(with_([asked], { conversation: { error: { message: "The model did not answer in time.", allowRetry: true } } })),
  "error-final": state(with_([asked], { conversation: { error: { allowRetry: false } } })),
  notices: state(
    with_([asked, answer("msg_a1", "Backups run every night.")], {
      conversation: {
        notices: [
          { level: "info", message: "Answers come from **version 4.2** of the documentation." },
          { level: "warning", title: "The model is not available", message: "This answer quotes the site instead." },
          { level: "danger", message: "Your plan ends [in two days](https://harbour.example/plan)." },
        ],
      },
    }),
  ),
  offline: state(with_([asked, answer("msg_a1", BACKUPS, backupNotes)], { online: false })),
  quote: state({
    conversation: { thread: null },
    composer: { text: "What does this mean for larger databases?", quotedText: "Larger databases take longer; plan about one minute per 10 GB, and twice that when the copy goes to another region. The original stays as it is." },
  }),
  quoted: state(
    with_([
      ask("q", "What does this mean for *us*?\nWe have 2 TB.", {
        quoted_text: "Larger databases take longer; plan about one minute per 10 GB.",
        attachments: [{ id: "atc_1", name: "size-report-2026.pdf", mime_type: "application/pdf", type: "file" }],
        content: [{ type: "input_text", text: "What does this mean for *us*?\nWe have 2 TB, says " }, { type: "input_tag", id: "t", text: "@Ada" }],
      }),
      answer("a", "For 2 TB, plan **about three and a half hours** for a restore."),
    ]),
  ),
  attached: state({
    conversation: { thread: null },
    composer: {
      text: "", quotedText: null,
      attachments: [{ id: "atc_1", name: "size-report-2026.pdf", mime_type: "application/pdf", type: "file" }, { id: "atc_2", name: "screen.png", mime_type: "image/png", type: "image" }],
    },
  }),
  multiline: state({ conversation: { thread: null }, composer: { text: "First line\nsecond line\n\nand a third that is quite a bit longer than the field is wide, so it wraps.", quotedText: null } }),
  limit: state({ conversation: { thread: null }, composer: { text: "word ".repeat(790), quotedText: null } }),
  over: state({ conversation: { thread: null }, composer: { text: "word ".repeat(850), quotedText: null } }),
  locked: state(with_([asked, answer("a", "Done.")], { conversation: { thread: { ...thread, status: { type: "locked", reason: "A colleague is looking at this." } } } })),
  closed: state(with_([asked, answer("a", "Done.")], { conversation: { thread: { ...thread, status: { type: "closed", reason: "This request is solved." } } } })),
  items: state(
    with_([
      asked,
      { ...base, id: "wf", type: "workflow", workflow: { tasks: [{ type: "custom", title: "Read the question", status_indicator: "complete" }, { type: "web_search", title: "Searched 3 pages", icon: "search" }, { type: "custom", title: "Comparing", status_indicator: "loading", icon: "chart" }] } },
      { ...base, id: "tk", type: "task", task: { type: "file", title: "Read backup.md", icon: "document" } },
      { ...base, id: "wi", type: "widget", copy_text: "Order 1234: on its way, arrives on Friday" },
      { ...base, id: "im", type: "generated_image" },
      { ...base, id: "tc", type: "client_tool_call", status: "pending", call_id: "c", name: "n", arguments: {} },
      answer("a", "That is all."),
    ]),
  ),
  loading: state({ loading: true }),
  "load-error": state({ loadError: "The server cannot be reached." }),
  history: state(history({})),
  "history-empty": state(history({ threads: [], hasMore: false })),
  "history-loading": state(history({ threads: [], loading: true })),
  "history-error": state(history({ threads: [], error: "The history could not be loaded." })),
  older: state(with_(long, { hasOlder: true, loadingOlder: true })),
  long: state(with_(long)),
  arabic: state(with_([ask("q", "كيف تعمل النسخ الاحتياطية؟"), answer("a", "يتم إنشاء **نسخة احتياطية كاملة** كل ليلة.\n\n- الأولى\n- الثانية")], { locale: "ar" })),
  "theme-warm": state(themed({ radius: "soft", density: "compact", typography: { baseSize: 14 }, color: { grayscale: { hue: 35, tint: 6 }, accent: { primary: "#b4451f", level: 2 } } })),
  "theme-brand": state(themed({ radius: "round", density: "spacious", typography: { baseSize: 17 }, color: { accent: { primary: "#4f46e5", level: 1 } } })),
  "theme-surface": state(themed({ radius: "sharp", color: { surface: { background: "#0f172a", foreground: "#1e293b" }, accent: { primary: "#38bdf8", level: 1 } } })),
};
