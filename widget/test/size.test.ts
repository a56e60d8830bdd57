import { gzipSync } from "node:zlib";
import { join } from "node:path";
import { Script } from "node:vm";
import { build, type Rolldown } from "vite";
import { beforeAll, describe, expect, test } from "vitest";

/** What a page downloads before the first message, all in all, gzipped. */
const BUDGET = 45 * 1024;

let chunks: Map<string, Rolldown.OutputChunk>;
let scripts: Map<string, string>;

beforeAll(async () => {
  // Vitest says "test" here, which would pick the development builds of the libraries.
  process.env.NODE_ENV = "production";
  const result = await build({
    root: join(import.meta.dirname, ".."),
    logLevel: "silent",
    build: { write: false },
  });
  const { output } = (Array.isArray(result) ? result[0] : result) as Rolldown.RolldownOutput;
  chunks = new Map(
    output.flatMap((file) => (file.type === "chunk" ? [[file.fileName, file] as const] : [])),
  );
  scripts = new Map(
    output.flatMap((file) => (file.type === "asset" ? [[file.fileName, String(file.source)] as const] : [])),
  );
}, 60_000);

/** The file that a page's script loads first. */
function firstOf(script: string): string {
  return [...chunks.keys()].find((name) => scripts.get(script)?.includes(name)) ?? "";
}

function withImports(name: string, seen = new Set<string>()): Set<string> {
  if (seen.has(name)) return seen;
  seen.add(name);
  chunks.get(name)?.imports.forEach((each) => withImports(each, seen));
  return seen;
}

describe.each(["chatkit.js", "parlour.js"])("%s", (entry) => {
  test("is small with everything it needs at once", () => {
    const files = [...withImports(firstOf(entry))];
    const size = (name: string) => gzipSync(chunks.get(name)?.code ?? "", { level: 9 }).length;
    const total = files.reduce((sum, name) => sum + size(name), 0);
    // The number is what this test is for.
    // eslint-disable-next-line no-console
    console.info(`${entry}: ${(total / 1024).toFixed(1)} KB gzip in ${files.length} files, of 45`);
    expect(total).toBeLessThanOrEqual(BUDGET);
  });
});

test("a page's script needs no type, like OpenAI's", () => {
  expect([...scripts.keys()].sort()).toEqual(["chatkit.js", "parlour.js"]);
  for (const source of scripts.values()) expect(() => new Script(source)).not.toThrow();
});

test("Markdown, history and uploads come later, the launcher only with its own script", () => {
  const first = [...withImports(firstOf("chatkit.js"))].map((name) => chunks.get(name)?.moduleIds ?? []).flat();
  for (const later of ["marked", "view/history", "client/upload", "launcher"]) {
    expect(first.filter((id) => id.includes(later))).toEqual([]);
  }
});

test("chunks are found beside the script wherever it lies, and only there", () => {
  for (const { code, fileName } of chunks.values()) {
    const addresses = [...code.matchAll(/(?:from|import)\s*\(?\s*["'`]([^"'`]+)["'`]/g)].map((hit) => hit[1]);
    expect(addresses.filter((each) => !each?.startsWith("./") && !each?.startsWith("../"))).toEqual([]);
    expect(fileName).toMatch(/^assets\/[\w-]+-[\w-]{8}\.js$/);
    expect(code).not.toMatch(/\beval\(|new Function\(/);
  }
});
