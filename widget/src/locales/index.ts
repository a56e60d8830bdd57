import { type Catalogue, en } from "./en";

export type { Catalogue };

/** The sentences for a locale; English until its own catalogue exists. */
export function t(locale: string): Catalogue {
  void locale;
  return en;
}

/** A number as this locale writes it. */
export function number(locale: string, value: number): string {
  return new Intl.NumberFormat(locale).format(value);
}

/** Whole days between two moments by the local calendar, never negative. */
function daysBetween(earlier: Date, later: Date): number {
  const start = (date: Date) => Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
  return Math.max(0, Math.round((start(later) - start(earlier)) / 86_400_000));
}

/** The heading a conversation of that date stands under in the history. */
export function period(locale: string, date: Date, now: Date): string {
  const days = daysBetween(date, now);
  if (days === 0) return t(locale).today;
  if (days === 1) return t(locale).yesterday;
  if (days <= 7) return t(locale).lastWeek;
  const year = date.getFullYear() === now.getFullYear() ? undefined : "numeric";
  return new Intl.DateTimeFormat(locale, { month: "long", year }).format(date);
}
