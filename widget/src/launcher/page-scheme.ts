export type Scheme = "light" | "dark";

/**
 * The colour scheme the page itself wears: what its CSS declares as `color-scheme`, and the
 * system's preference where it declares none or both. So a site's own theme switch is followed.
 */
export function pageScheme(): Scheme {
  const declared = getComputedStyle(document.body).colorScheme.split(" ");
  const [light, dark] = [declared.includes("light"), declared.includes("dark")];
  if (light !== dark) return dark ? "dark" : "light";
  return prefersDark().matches ? "dark" : "light";
}

/** Calls back whenever the page's scheme may have changed. */
export function watchPageScheme(changed: () => void, signal: AbortSignal): void {
  const observer = new MutationObserver(changed);
  for (const element of [document.documentElement, document.body]) {
    observer.observe(element, { attributes: true });
  }
  signal.addEventListener("abort", () => observer.disconnect());
  prefersDark().addEventListener("change", changed, { signal });
}

function prefersDark(): MediaQueryList {
  return window.matchMedia("(prefers-color-scheme: dark)");
}
