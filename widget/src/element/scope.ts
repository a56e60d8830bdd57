const claimed = new Set<string>();

/**
 * A name for what an element keeps in this tab: its id, numbered when that is taken. The same page
 * gives the same names after a reload, and two elements never share one.
 */
export function claimScope(id: string): string {
  let scope = id;
  for (let count = 2; claimed.has(scope); count += 1) scope = `${id}.${count}`;
  claimed.add(scope);
  return scope;
}

export function releaseScope(scope: string): void {
  claimed.delete(scope);
}
