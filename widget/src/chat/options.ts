import type { ChatKitOptions, ColorScheme } from "@openai/chatkit";
import type { Endpoint } from "../client/transport";
import { isRecord } from "../client/errors";

/** Every option there is, by name; `true` takes any value, a nested list names its own keys. */
interface Shape {
  readonly [key: string]: true | Shape;
}
const leaves = (names: string): Shape =>
  Object.fromEntries(names.split(" ").map((name) => [name, true as const]));

const ACTION = leaves("icon onClick");
const SHAPE: Shape = {
  api: {
    ...leaves("url domainKey fetch getClientSecret"),
    uploadStrategy: leaves("type uploadUrl"),
  },
  ...leaves("locale frameTitle initialThread onClientTool"),
  theme: {
    ...leaves("colorScheme radius density"),
    typography: {
      ...leaves("baseSize fontFamily fontFamilyMono"),
      fontSources: leaves("family src weight style display unicodeRange"),
    },
    color: {
      grayscale: leaves("hue tint shade"),
      accent: leaves("primary level"),
      surface: leaves("background foreground"),
    },
  },
  header: { enabled: true, title: leaves("enabled text"), leftAction: ACTION, rightAction: ACTION },
  history: leaves("enabled showDelete showRename"),
  startScreen: { greeting: true, prompts: leaves("label prompt icon") },
  threadItemActions: leaves("feedback retry"),
  composer: {
    placeholder: true,
    attachments: leaves("enabled maxSize maxCount accept"),
    tools: leaves("id label icon shortLabel placeholderOverride pinned persistent"),
    models: leaves("id label description disabled default"),
    dictation: leaves("enabled"),
  },
  disclaimer: leaves("text highContrast"),
  entities: leaves("onTagSearch showComposerMenu onClick onRequestPreview"),
  commands: leaves("enabled onSearch onSelect"),
  widgets: leaves("onAction"),
  thread: leaves("autoScroll"),
};

/** The names, with their path, of options nobody knows. */
export function unknownOptions(options: unknown, shape: Shape = SHAPE, path = ""): string[] {
  if (Array.isArray(options)) {
    return options.flatMap((each) => unknownOptions(each, shape, path));
  }
  if (!isRecord(options)) return [];
  return Object.entries(options).flatMap(([name, value]) => {
    const known = Object.hasOwn(shape, name) ? shape[name] : undefined;
    if (known === undefined) return [path + name];
    return known === true ? [] : unknownOptions(value, known, `${path}${name}.`);
  });
}

/** Where the requests go; without an address of its own the element asks the server it came from. */
export function endpointOf(
  options: ChatKitOptions | null,
  locale: string,
  home: { chatUrl: string; base: string },
): Endpoint {
  const api: Partial<{
    url: string;
    fetch: typeof fetch;
    getClientSecret: Endpoint["getClientSecret"];
  }> = options?.api ?? {};
  const url = URL.canParse(api.url ?? home.chatUrl, home.base)
    ? new URL(api.url ?? home.chatUrl, home.base).href
    : home.chatUrl;
  return { url, locale, fetch: api.fetch, getClientSecret: api.getClientSecret };
}

/** The colour scheme a theme asks for; "system" is our own addition to the official two. */
export function schemeOf(theme: ChatKitOptions["theme"], prefersDark: boolean): ColorScheme {
  const wanted: string | undefined = typeof theme === "string" ? theme : theme?.colorScheme;
  if (wanted === "system") return prefersDark ? "dark" : "light";
  return wanted === "dark" ? "dark" : "light";
}

const LANGUAGES = new Set(
  (
    "am ar bg bn bs ca cs da de el en es et fi fr gu hi hr hu hy id is it ja ka kk kn ko lt lv mk ml " +
    "mn mr ms my nb nl pa pl pt ro ru sk sl so sq sr sv sw ta te th tl tr uk ur vi zh"
  ).split(" "),
);

/** The language of the chat: the option's or the browser's, English when it is not supported. */
export function localeOf(option: string | undefined, browser: string): string {
  const wanted = option ?? browser;
  return LANGUAGES.has(wanted.toLowerCase().split("-")[0] ?? "") ? wanted : "en";
}
