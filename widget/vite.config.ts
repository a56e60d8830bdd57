import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { playwright } from "@vitest/browser-playwright";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

const OUT = join(import.meta.dirname, "../src/parlour/http/static");

/** Lays a .gz and a .br beside every file, so that the server never compresses. */
function precompress(): Plugin {
  return {
    name: "precompress",
    apply: "build",
    writeBundle() {
      for (const entry of readdirSync(OUT, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile() || !entry.name.endsWith(".js")) continue;
        const path = join(entry.parentPath, entry.name);
        const bytes = readFileSync(path);
        writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }));
        const params = { [constants.BROTLI_PARAM_QUALITY]: 11 };
        writeFileSync(`${path}.br`, brotliCompressSync(bytes, { params }));
      }
    },
  };
}

/**
 * Lays `<name>.js` before every hashed entry. It is a classic script and a module at once, because
 * pages made for OpenAI's component have `<script async>`, where `import` statements do not exist.
 * A classic script of another origin does not even know where it lies: its tag does.
 */
function stableNames(): Plugin {
  return {
    name: "stable-names",
    apply: "build",
    generateBundle(_, bundle) {
      for (const file of Object.values(bundle)) {
        if (file.type !== "chunk" || !file.isEntry) continue;
        const path = `"./${file.fileName}"`;
        const source = `{const tag=document.currentScript;import(tag?new URL(${path},tag.src):${path})}\n`;
        this.emitFile({ type: "asset", fileName: `${file.name}.js`, source });
      }
    },
  };
}

const chromium = playwright({
  launchOptions: {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--js-flags=--expose-gc",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  },
});

const LIT = ["class-map", "guard", "keyed", "live", "ref", "repeat"]
  .map((name) => `lit/directives/${name}.js`)
  .concat("lit");

export default defineConfig({
  base: "./",
  plugins: [stableNames(), precompress()],
  build: {
    outDir: OUT,
    emptyOutDir: true,
    target: "es2022",
    modulePreload: false,
    rolldownOptions: {
      input: {
        chatkit: join(import.meta.dirname, "src/chatkit.ts"),
        parlour: join(import.meta.dirname, "src/parlour.ts"),
      },
      preserveEntrySignatures: false,
      output: {
        entryFileNames: "assets/[name]-[hash].js",
        chunkFileNames: "assets/[name]-[hash].js",
      },
    },
  },
  test: {
    projects: [
      {
        extends: true,
        test: {
          name: "node",
          environment: "node",
          include: ["test/**/*.test.ts"],
          exclude: ["test/**/*.browser.test.ts"],
        },
      },
      {
        extends: true,
        // Found only in mid-run these would reload the page and start its tests again.
        optimizeDeps: { include: [...LIT, "marked", "axe-core"] },
        test: {
          name: "chromium",
          include: ["test/**/*.browser.test.ts"],
          globalSetup: ["test/fixtures/serve.ts"],
          browser: {
            enabled: true,
            provider: chromium,
            headless: true,
            screenshotFailures: false,
            instances: [{ browser: "chromium" }],
          },
        },
      },
    ],
  },
});
