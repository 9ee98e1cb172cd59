// The same guest under a scheduler: built with asyncify, so that each exit suspends it and hands its steps to the
// engine. @wasmer/wasi's start() cannot be suspended, so the few WASI calls that our guests make are served here; they
// never suspend.

import type { Actor } from "./sync/op.js";
import { fdRead, fdWrite, type GuestConsole } from "./wasi-console.js";
import { type Exits, GuestFault } from "./vcpu.js";

/** Where asyncify keeps the guest's stack while it is suspended: in the hole between the two RAM regions. */
const UNWIND = 0xb0000;
const UNWIND_BYTES = 0x4000;

class ProcExit extends Error {
  constructor(readonly code: number) {
    super(`proc_exit(${code})`);
  }
}

interface Asyncified {
  _start(): void;
  asyncify_start_unwind(data: number): void;
  asyncify_stop_unwind(): void;
  asyncify_start_rewind(data: number): void;
  asyncify_stop_rewind(): void;
}

/** All that a suspended guest is beside its RAM. */
export interface Suspended {
  /** Where its stack in RAM ends: what follows in the hole is dead. */
  readonly stackEnd: number;
  /** Of its mutable globals, those that its module exports. */
  readonly globals: readonly unknown[];
}

/**
 * Boots a guest to its end, as an actor.
 * @param onSuspend told each time that it is suspended
 * @returns its exit code
 * @throws what an exit threw, or a GuestFault for the guest's own trap
 */
export function* runExploredGuest(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  exits: Exits,
  args: readonly string[],
  guestConsole: GuestConsole,
  onSuspend?: (suspended: Suspended) => void,
): Actor<number> {
  const bytes = new Uint8Array(memory.buffer);
  const view = new DataView(memory.buffer);
  let pending: Actor<number> | undefined;
  let answer: number | undefined;
  const suspending =
    (exit: (...values: number[]) => Actor<number>) =>
    (...values: number[]): number => {
      if (answer !== undefined) {
        const result = answer;
        answer = undefined;
        guest.asyncify_stop_rewind();
        return result;
      }
      pending = exit(...values);
      view.setUint32(UNWIND, UNWIND + 8, true);
      view.setUint32(UNWIND + 4, UNWIND + UNWIND_BYTES, true);
      guest.asyncify_start_unwind(UNWIND);
      return 0;
    };
  const env = Object.fromEntries(Object.entries(exits).map(([name, exit]) => [name, suspending(exit)]));
  const instance = new WebAssembly.Instance(module, {
    env: { memory, ...env },
    wasi_snapshot_preview1: {
      ...argumentCalls(bytes, ["firmware", ...args]),
      fd_write: fdWrite(bytes, guestConsole),
      fd_read: fdRead(bytes, guestConsole),
      proc_exit(code: number): never {
        throw new ProcExit(code);
      },
    },
  });
  const guest = instance.exports as unknown as Asyncified;
  const globals = Object.values(instance.exports).filter((each) => each instanceof WebAssembly.Global);
  try {
    guest._start();
    while (pending) {
      guest.asyncify_stop_unwind();
      onSuspend?.({ stackEnd: view.getUint32(UNWIND, true), globals: globals.map(({ value }) => value) });
      const exit: Actor<number> = pending;
      pending = undefined;
      answer = yield* exit;
      guest.asyncify_start_rewind(UNWIND);
      guest._start();
    }
    return 0;
  } catch (error) {
    if (error instanceof ProcExit) return error.code;
    throw error instanceof WebAssembly.RuntimeError ? new GuestFault(String(error)) : error;
  }
}

const SUCCESS = 0;
const EFAULT = 21;

/** args_sizes_get and args_get, or EFAULT where the guest's pointers leave its memory. */
function argumentCalls(bytes: Uint8Array, args: readonly string[]) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const encoded = args.map((arg) => new TextEncoder().encode(`${arg}\0`));
  const size = encoded.reduce((sum, arg) => sum + arg.length, 0);
  const inside = (pointer: number, length: number): boolean => (pointer >>> 0) + length <= bytes.length;
  return {
    args_sizes_get(countAt: number, sizeAt: number): number {
      if (!inside(countAt, 4) || !inside(sizeAt, 4)) return EFAULT;
      view.setUint32(countAt >>> 0, encoded.length, true);
      view.setUint32(sizeAt >>> 0, size, true);
      return SUCCESS;
    },
    args_get(pointers: number, buffer: number): number {
      if (!inside(pointers, 4 * encoded.length) || !inside(buffer, size)) return EFAULT;
      let at = buffer >>> 0;
      encoded.forEach((arg, i) => {
        view.setUint32((pointers >>> 0) + 4 * i, at, true);
        bytes.set(arg, at);
        at += arg.length;
      });
      return SUCCESS;
    },
  };
}
