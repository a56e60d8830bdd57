import type { ColorOption, ThemeOption } from "@openai/chatkit";
import { contrast, grey, mix, parseColor, readable, type Rgb, toHex } from "./color";

export type Scheme = "light" | "dark";
/** Custom property (without `--parlour-chat-`) → value. */
export type Tokens = Record<string, string>;

const WHITE: Rgb = [255, 255, 255];
const INK: Rgb = [17, 18, 20];

/** Lightness of each grey; the rest of the palette follows from these. */
const LIGHTNESS = {
  light: { surface: 100, raised: 100, fill: 96.3, hover: 93.2, border: 90.5, strong: 80, faint: 43, muted: 37, text: 9.5 },
  dark: { surface: 9.5, raised: 13, fill: 14.5, hover: 18, border: 19, strong: 29, faint: 62, muted: 68, text: 93 },
};

const STATUS: Record<Scheme, Record<string, Rgb>> = {
  light: { danger: [196, 32, 38], warning: [146, 90, 0], info: [29, 91, 200] },
  dark: { danger: [255, 128, 124], warning: [240, 180, 80], info: [124, 172, 255] },
};

const FONT =
  '-apple-system, "Segoe UI", Inter, Roboto, "Noto Sans", system-ui, "Helvetica Neue", Arial, sans-serif, "Apple Color Emoji", "Segoe UI Emoji", "Noto Color Emoji"';
const MONO = 'ui-monospace, "SF Mono", "Cascadia Code", Menlo, Consolas, "DejaVu Sans Mono", monospace';

const RADII = { pill: [24, 14, 10, 999], round: [18, 12, 8, 10], soft: [10, 8, 6, 6], sharp: [0, 0, 0, 0] } as const;
const DENSITY = { compact: 0.78, normal: 1, spacious: 1.22 };

/** The greys and the colours on them; every text colour reads at 4.5:1 or better. */
function colors(scheme: Scheme, option: ColorOption = {}): Record<string, Rgb> {
  const { hue = 230, tint = 2, shade = 0 } = option.grayscale ?? {};
  const steps = LIGHTNESS[scheme];
  const at = (step: keyof typeof steps) => grey(steps[step] - shade * (step === "text" ? 0.4 : 0.9), hue, tint);
  const surface = parseColor(option.surface?.background ?? "") ?? grey(steps.surface - (scheme === "dark" ? shade : 0), hue, tint);
  const given = parseColor(option.surface?.foreground ?? "");
  // The types call `foreground` the text colour, most themes in use put a second surface there.
  const asText = given && contrast(given, surface) >= 4.5 ? given : null;
  const text = asText ?? readable(at("text"), surface, contrast(WHITE, surface) > contrast(INK, surface) ? WHITE : INK, 7);
  const custom = option.surface ? (share: number) => mix(surface, text, share) : null;
  const accent = parseColor(option.accent?.primary ?? "") ?? text;
  const fill = custom?.(0.05) ?? at("fill");
  const tinted = option.accent ? mix(fill, accent, [0, 0.06, 0.12, 0.2][option.accent.level] ?? 0) : fill;
  const hover = custom?.(0.09) ?? at("hover");
  const raised = asText ? surface : (given ?? custom?.(0.02) ?? at("raised"));
  const worst = [raised, tinted, hover].reduce((a, b) => (contrast(text, a) < contrast(text, b) ? a : b), fill);
  return {
    surface,
    raised,
    fill,
    bubble: tinted,
    hover,
    border: custom?.(0.12) ?? at("border"),
    strong: custom?.(0.26) ?? at("strong"),
    text,
    muted: readable(custom?.(0.68) ?? at("muted"), worst, text),
    faint: readable(custom?.(0.6) ?? at("faint"), worst, text),
    accent,
    "on-accent": contrast(WHITE, accent) >= contrast(INK, accent) ? WHITE : INK,
    link: option.accent ? readable(accent, worst, text) : text,
    focus: readable(option.accent ? accent : STATUS[scheme].info!, surface, text, 3),
    ...statuses(scheme, surface, text),
  };
}

function statuses(scheme: Scheme, surface: Rgb, text: Rgb): Record<string, Rgb> {
  const all: Record<string, Rgb> = {};
  for (const [name, color] of Object.entries(STATUS[scheme])) {
    const fill = mix(surface, color, scheme === "light" ? 0.06 : 0.12);
    all[`${name}-fill`] = fill;
    all[name] = readable(color, fill, text);
  }
  return all;
}

/** Every design token for a theme option. */
export function palette(scheme: Scheme, theme: ThemeOption = {}): Tokens {
  const { baseSize = 15, fontFamily, fontFamilyMono } = theme.typography ?? {};
  const [bubble, card, small, control] = RADII[theme.radius ?? "pill"] ?? RADII.pill;
  const tokens: Tokens = {};
  for (const [name, color] of Object.entries(colors(scheme, theme.color))) tokens[name] = toHex(color);
  return {
    ...tokens,
    shadow: scheme === "light" ? "0 1px 2px #0000000a, 0 4px 16px #0000000d" : "0 1px 2px #0003, 0 4px 20px #0000004d",
    font: fontFamily ? `${fontFamily}, ${FONT}` : FONT,
    mono: fontFamilyMono ? `${fontFamilyMono}, ${MONO}` : MONO,
    size: `${baseSize}px`,
    "radius-bubble": `${bubble}px`,
    "radius-card": `${card}px`,
    "radius-small": `${small}px`,
    "radius-control": `${control}px`,
    space: `${DENSITY[theme.density ?? "normal"] ?? 1}`,
  };
}
