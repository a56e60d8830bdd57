export type Rgb = readonly [red: number, green: number, blue: number];

let canvas: CanvasRenderingContext2D | null | undefined;

/** Any CSS colour as sRGB bytes, or null when the browser does not know it. */
export function parseColor(css: string): Rgb | null {
  const hex = /^#([0-9a-f]{6})$/i.exec(css.trim())?.[1];
  if (hex) return [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)) as unknown as Rgb;
  if (!globalThis.CSS?.supports("color", css)) return null;
  canvas ??= Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", {
    willReadFrequently: true,
  });
  if (!canvas) return null;
  canvas.fillStyle = "#fff";
  canvas.fillRect(0, 0, 1, 1);
  canvas.fillStyle = css;
  canvas.fillRect(0, 0, 1, 1);
  const [red = 0, green = 0, blue = 0] = canvas.getImageData(0, 0, 1, 1).data;
  return [red, green, blue];
}

export function toHex(color: Rgb): string {
  return `#${color.map((part) => part.toString(16).padStart(2, "0")).join("")}`;
}

/** `share` of b in a, 0 to 1. */
export function mix(a: Rgb, b: Rgb, share: number): Rgb {
  const part = (at: 0 | 1 | 2) => Math.round(a[at] + (b[at] - a[at]) * share);
  return [part(0), part(1), part(2)];
}

function luminance(color: Rgb): number {
  const [red, green, blue] = color.map((part) => {
    const value = part / 255;
    return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  }) as unknown as Rgb;
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** WCAG contrast ratio, 1 to 21. */
export function contrast(a: Rgb, b: Rgb): number {
  const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

/** The colour, moved towards `towards` until it can be read on `on`. */
export function readable(color: Rgb, on: Rgb, towards: Rgb, ratio = 4.5): Rgb {
  for (let share = 0; share <= 1; share += 0.05) {
    const moved = mix(color, towards, share);
    if (contrast(moved, on) >= ratio) return moved;
  }
  return towards;
}

/** A grey of the given lightness (0-100), tinted by a hue. */
export function grey(lightness: number, hue: number, tint: number): Rgb {
  const light = Math.min(100, Math.max(0, lightness)) / 100;
  // Tint must not push near-white and near-black out of range, so it fades towards both ends.
  const chroma = (tint / 9) * 0.22 * Math.min(light, 1 - light);
  const part = (shift: number) => {
    const at = (shift + hue / 30) % 12;
    return Math.round(255 * (light - chroma * Math.max(-1, Math.min(at - 3, 9 - at, 1))));
  };
  return [part(0), part(8), part(4)];
}
