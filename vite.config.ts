// The page: `npm run web` serves it from the sources, `npm run build:web` makes dist/web of it.

import { isBuiltin } from "node:module";
import { defineConfig, type Plugin } from "vite";

/** Only a cross-origin isolated page is given a SharedArrayBuffer. */
const isolation = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

/** Vite would put an empty module in the place of one of Node's, to fail when it is used. */
const noNode: Plugin = {
  name: "no-node",
  apply: "build",
  enforce: "pre",
  resolveId(id, importer) {
    if (isBuiltin(id)) throw new Error(`${importer} imports ${id}: there is no Node in a page`);
  },
};

export default defineConfig({
  root: "host/web",
  base: "./",
  plugins: [noNode],
  server: { headers: isolation },
  preview: { headers: isolation },
  // Imported by Workers only, where they are found too late to be prepared without a reload.
  optimizeDeps: { include: ["comlink", "@wasmer/wasi"] },
  build: { outDir: "../../dist/web", emptyOutDir: true, target: "es2022" },
  worker: { format: "es", plugins: () => [noNode] },
});
