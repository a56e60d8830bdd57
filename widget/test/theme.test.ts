import { describe, expect, it } from "vitest";
import { contrast, parseColor, type Rgb } from "../src/theme/color";
import { palette, type Scheme } from "../src/theme/palette";

const AA = 4.5;
/** Text colour → the surfaces it stands on. */
const PAIRS: [string, string[]][] = [
  ["text", ["surface", "raised", "fill", "bubble", "hover"]],
  ["muted", ["surface", "raised", "fill", "bubble", "hover"]],
  ["faint", ["surface", "raised", "fill", "hover"]],
  ["link", ["surface", "fill", "bubble"]],
  ["on-accent", ["accent"]],
  ["danger", ["surface", "danger-fill"]],
  ["warning", ["surface", "warning-fill"]],
  ["info", ["surface", "info-fill"]],
  ["text", ["danger-fill", "warning-fill", "info-fill"]],
];

function expectReadable(scheme: Scheme, theme?: Parameters<typeof palette>[1]): void {
  const tokens = palette(scheme, theme);
  const color = (name: string): Rgb => parseColor(tokens[name]!)!;
  for (const [text, surfaces] of PAIRS) {
    for (const surface of surfaces) expect(contrast(color(text), color(surface)), `${text} on ${surface}`).toBeGreaterThanOrEqual(AA);
  }
  expect(contrast(color("focus"), color("surface")), "focus ring").toBeGreaterThanOrEqual(3);
}

describe("the palette", () => {
  it.each(["light", "dark"] as const)("reads at AA by default, %s", (scheme) => expectReadable(scheme));

  it("reads at AA whatever greys and accent are chosen", () => {
    for (const scheme of ["light", "dark"] as const) {
      for (const shade of [-4, 0, 4] as const) {
        for (const primary of ["#ffd400", "#b4451f", "#4f46e5", "#101010", "#fafafa", "#00ff88"]) {
          expectReadable(scheme, { color: { grayscale: { hue: 35, tint: 9, shade }, accent: { primary, level: 3 } } });
        }
      }
    }
  });

  it("reads at AA on surfaces of the site's own", () => {
    for (const [background, foreground] of [["#0f172a", "#1e293b"], ["#fdf6e3", "#ffffff"], ["#ffffff", "#222222"]] as const) {
      expectReadable("light", { color: { surface: { background, foreground } } });
    }
  });
});

describe("the other tokens", () => {
  it("follow radius, density and typography", () => {
    const tokens = palette("light", { radius: "sharp", density: "compact", typography: { baseSize: 18, fontFamily: "Georgia" } });
    expect(tokens["radius-card"]).toBe("0px");
    expect(Number(tokens.space)).toBeLessThan(1);
    expect(tokens.size).toBe("18px");
    expect(tokens.font).toMatch(/^Georgia, /);
  });

  it("fall back where an option is not one of ours", () => {
    expect(palette("dark", { radius: "huge" as "pill", color: { accent: { primary: "no colour", level: 1 } } })["radius-card"]).toBe(palette("dark")["radius-card"]);
  });
});
