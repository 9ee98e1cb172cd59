// A WASI guest on a real thread, run by @wasmer/wasi. Its exits block: an import performs the whole trap before it
// returns, so a register write holds the vCPU until the back-end has answered.

import { init, WASI } from "@wasmer/wasi";
import type { Actor } from "./sync/op.js";
import { fdRead, fdWrite, type GuestConsole } from "./wasi-console.js";
import { type Exits, GuestFault } from "./vcpu.js";

/** Call once a thread, before the first guest. */
export async function prepareWasi(): Promise<void> {
  // In a browser @wasmer/wasi decodes its own binary with Node's Buffer.
  const scope = globalThis as { Buffer?: unknown };
  scope.Buffer ??= { from: (text: string) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)) };
  await init();
}

/**
 * Boots a guest to its end.
 * @param perform runs an exit to its end on this thread
 * @returns the guest's exit code
 * @throws what an exit threw, or a GuestFault for the guest's own trap
 */
export function runWasiGuest(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  exits: Exits,
  perform: (exit: Actor<number>) => number,
  args: readonly string[],
  guestConsole: GuestConsole,
): number {
  const wasi = new WASI({ args: ["firmware", ...args] });
  try {
    const imports = wasi.getImports(module) as Record<string, Record<string, unknown>>;
    const bytes = new Uint8Array(memory.buffer);
    // An error that passes through @wasmer/wasi's own wasm comes out as another one: keep the first.
    let thrown: { error: unknown } | undefined;
    const keep =
      (act: (...args: number[]) => number) =>
      (...values: number[]): number => {
        try {
          return act(...values);
        } catch (error) {
          thrown ??= { error };
          throw error;
        }
      };
    const env = Object.fromEntries(
      Object.entries(exits).map(([name, exit]) => [name, keep((...values) => perform(exit(...values)))]),
    );
    const instance = new WebAssembly.Instance(module, {
      ...imports,
      wasi_snapshot_preview1: {
        ...imports.wasi_snapshot_preview1,
        fd_write: keep(fdWrite(bytes, guestConsole)),
        fd_read: keep(fdRead(bytes, guestConsole)),
      },
      env: { memory, ...env },
    } as WebAssembly.Imports);
    try {
      return wasi.start(instance);
    } catch (error) {
      // @wasmer/wasi's own words for a trap, which go on with a stack.
      throw thrown ? thrown.error : new GuestFault(String(error).split("\n")[0]!);
    }
  } finally {
    wasi.free();
  }
}
