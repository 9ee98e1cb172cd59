// Runs a guest program on a fake machine: the imports that it may have and no more, with WASI as plain as it gets.

import { readFileSync } from "node:fs";

/** What an engine performs for a guest. */
export interface Machine {
  readonly memory: WebAssembly.Memory;
  mmioRead(lo: number, hi: number, width: number): number;
  mmioWrite(lo: number, hi: number, width: number, value: number): void;
  stall(micros: number, ptr: number, seen: number): void;
  ramLoad16(ptr: number): number;
  ramStore16(ptr: number, value: number): void;
  /** For guests that sleep and take interrupts. */
  sleep?(micros: number): void;
  wfi?(): number;
}

export interface Outcome {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
  readonly stderrBytes: Buffer;
}

/** Thrown by a machine that answers no more: the guest is stuck where it is. */
export class Stuck extends Error {}

class Exit extends Error {
  constructor(readonly code: number) {
    super(`exit ${code}`);
  }
}

type Arguments = readonly (string | Buffer)[];

export function load(name: string): WebAssembly.Module {
  return new WebAssembly.Module(readFileSync(new URL(`../../dist/wasm/${name}.wasm`, import.meta.url)));
}

const modules = new Map<string, WebAssembly.Module>();

/** One boot of a guest: a new instance with this command line behind the program's name, and this standard input. */
export function boot(machine: Machine, args: Arguments = [], guest = "ovmf", stdin = Buffer.alloc(0)): Outcome {
  const module = modules.get(guest) ?? load(guest);
  modules.set(guest, module);
  const wasi = new Wasi(machine.memory, args, stdin);
  const instance = new WebAssembly.Instance(module, {
    env: { memory: machine.memory, ...steps(machine) },
    wasi_snapshot_preview1: wasi.imports,
  });
  return wasi.run(instance.exports._start as () => void);
}

/** env's functions, apart from memory. */
export function steps(machine: Machine): Record<string, (...args: number[]) => unknown> {
  return {
    mmio_read: (lo, hi, width) => machine.mmioRead(lo! >>> 0, hi! >>> 0, width!),
    mmio_write: (lo, hi, width, value) => machine.mmioWrite(lo! >>> 0, hi! >>> 0, width!, value! >>> 0),
    stall: (micros, ptr, seen) => machine.stall(micros!, ptr!, seen!),
    ram_load16: (ptr) => machine.ramLoad16(ptr!),
    ram_store16: (ptr, value) => machine.ramStore16(ptr!, value!),
    sleep: (micros) => machine.sleep!(micros! >>> 0),
    wfi: () => machine.wfi!(),
  };
}

export class Wasi {
  readonly #out: Buffer[][] = [[], [], []];
  readonly #args: readonly Buffer[];
  #stdin: Buffer;

  constructor(
    readonly memory: WebAssembly.Memory,
    args: Arguments,
    stdin = Buffer.alloc(0),
  ) {
    this.#stdin = stdin;
    this.#args = ["ovmf", ...args].map((arg) => Buffer.concat([Buffer.from(arg), Buffer.of(0)]));
  }

  readonly imports = {
    args_sizes_get: (count: number, bytes: number): number => {
      this.#view.setUint32(count, this.#args.length, true);
      this.#view.setUint32(bytes, Buffer.concat(this.#args).length, true);
      return 0;
    },
    args_get: (pointers: number, bytes: number): number => {
      let at = bytes;
      for (const [i, arg] of this.#args.entries()) {
        this.#view.setUint32(pointers + 4 * i, at, true);
        new Uint8Array(this.memory.buffer).set(arg, at);
        at += arg.length;
      }
      return 0;
    },
    fd_write: (fd: number, vectors: number, count: number, written: number): number => {
      let total = 0;
      for (let i = 0; i < count; i++) {
        const at = this.#view.getUint32(vectors + 8 * i, true);
        const length = this.#view.getUint32(vectors + 8 * i + 4, true);
        this.#out[fd]!.push(Buffer.from(new Uint8Array(this.memory.buffer).slice(at, at + length)));
        total += length;
      }
      this.#view.setUint32(written, total, true);
      return 0;
    },
    fd_read: (_fd: number, vectors: number, count: number, read: number): number => {
      let total = 0;
      for (let i = 0; i < count; i++) {
        const at = this.#view.getUint32(vectors + 8 * i, true);
        const taken = this.#stdin.subarray(0, this.#view.getUint32(vectors + 8 * i + 4, true));
        new Uint8Array(this.memory.buffer).set(taken, at);
        this.#stdin = this.#stdin.subarray(taken.length);
        total += taken.length;
      }
      this.#view.setUint32(read, total, true);
      return 0;
    },
    proc_exit: (code: number): never => {
      throw new Exit(code);
    },
  };

  get #view(): DataView {
    return new DataView(this.memory.buffer);
  }

  run(start: () => void): Outcome {
    let code = 0;
    try {
      start();
    } catch (error) {
      if (!(error instanceof Exit)) throw error;
      code = error.code;
    }
    const stderrBytes = Buffer.concat(this.#out[2]!);
    return { code, stdout: Buffer.concat(this.#out[1]!), stderr: stderrBytes.toString(), stderrBytes };
  }
}
