// The modules of the build as the tab fetches them.

import type { ModuleLoader } from "../threads/platform.js";

export const webModules: ModuleLoader = {
  async loadModule(name) {
    const url = new URL(`../../dist/wasm/${name}.wasm`, import.meta.url);
    const response = await fetch(url);
    if (!response.ok) throw new Error(`${url.pathname}: ${response.status} ${response.statusText}`);
    // Not compileStreaming, which asks for a Content-Type that not every server of files knows.
    return WebAssembly.compile(await response.arrayBuffer());
  },
};
