import { describe, expect, it } from "vitest";
import { FakeMachine } from "./fake-machine.js";
import { FakeShare } from "./fake-share.js";
import { boot, load, type Outcome, steps, Wasi } from "./guest.js";

const IMPORTS = [
  "env.memory memory",
  "env.mmio_read function",
  "env.mmio_write function",
  "env.ram_load16 function",
  "env.ram_store16 function",
  "env.stall function",
  "wasi_snapshot_preview1.args_get function",
  "wasi_snapshot_preview1.args_sizes_get function",
  "wasi_snapshot_preview1.fd_write function",
  "wasi_snapshot_preview1.proc_exit function",
];

const share = () =>
  new FakeShare(new Map<string, Buffer | Map<string, Buffer>>([["d", new Map([["f", Buffer.from("text\n")]])]]));

describe.each([
  ["ovmf", ["_start", "memory"]],
  [
    "ovmf.explored",
    [
      "_start",
      "asyncify_get_state",
      "asyncify_start_rewind",
      "asyncify_start_unwind",
      "asyncify_stop_rewind",
      "asyncify_stop_unwind",
      "memory",
    ],
  ],
])("%s.wasm", (name, exported) => {
  const module = load(name);

  it("imports the engine's functions, the memory and four calls of WASI, and nothing else", () => {
    const imports = WebAssembly.Module.imports(module).map((entry) => `${entry.module}.${entry.name} ${entry.kind}`);
    expect(imports.sort()).toEqual(IMPORTS);
  });

  it("exports its start and its memory, and what its pass adds", () => {
    expect(
      WebAssembly.Module.exports(module)
        .map((entry) => entry.name)
        .sort(),
    ).toEqual(exported); // prettier-ignore
  });

  it("runs nothing and writes nothing below 1 MiB when it is instantiated, and takes 2 MiB of RAM or more", () => {
    for (const pages of [32, 33, 1024]) {
      const vm = new FakeMachine({ pages });
      new WebAssembly.Instance(module, imports(vm, {}));
      expect(vm.ram(0, 0x100000).every((byte) => byte === 0xa5)).toBe(true);
      expect([vm.trace, vm.configTrace]).toEqual([[], []]);
    }
  });
});

describe("a boot", () => {
  it("leaves the memory below 1 MiB alone", () => {
    const vm = new FakeMachine({ serve: share().serve });
    expect(boot(vm, ["cat", "d/f"]).code).toBe(0);
    expect(vm.ram(0, 0x100000).every((byte) => byte === 0xa5)).toBe(true);
  });

  it("is the same on the memory that the boot before it left", () => {
    const first = new FakeMachine({ serve: share().serve });
    boot(first, ["ls", "d"]);
    const again = new FakeMachine({ serve: share().serve });
    new Uint8Array(again.memory.buffer).set(first.ram(0, 32 << 16));
    expect(boot(again, ["ls", "d"]).stdout.toString()).toBe("f\n");
    expect(again.trace).toEqual(first.trace);
    expect(again.requests).toEqual(first.requests);
  });

  it("makes the same accesses when every import suspends it (asyncify)", () => {
    for (const args of [[], ["cat", "d/f"], ["ls", "d"], ["cat", "nothing"]]) {
      const plain = new FakeMachine({ serve: share().serve, stalls: 0 });
      const suspended = new FakeMachine({ serve: share().serve, stalls: 0 });
      expect(bootSuspended(suspended, args)).toEqual(boot(plain, args));
      expect(suspended.trace).toEqual(plain.trace);
      expect(suspended.configTrace).toEqual(plain.configTrace);
      expect(suspended.requests).toEqual(plain.requests);
    }
  });
});

function imports(vm: FakeMachine, functions: WebAssembly.ModuleImports): WebAssembly.Imports {
  const none = Object.fromEntries(IMPORTS.map((entry) => [entry.split(/[. ]/)[1]!, () => 0]));
  return { env: { ...none, ...functions, memory: vm.memory }, wasi_snapshot_preview1: { ...none } };
}

/** One boot of the explored build: each of env's functions unwinds the guest, is performed, and rewinds it. */
function bootSuspended(vm: FakeMachine, args: readonly string[]): Outcome {
  // The unwind area lies in the hole of guest RAM below 1 MiB, which is nobody's.
  const AREA = 0xa0000;
  const area = new Uint32Array(vm.memory.buffer, AREA, 2);
  const wasi = new Wasi(vm.memory, args);
  let pending: (() => unknown) | undefined;
  let rewinding = false;
  let result: unknown;
  const functions = Object.fromEntries(
    Object.entries(steps(vm)).map(([name, perform]) => [
      name,
      (...values: number[]) => {
        if (rewinding) {
          rewinding = false;
          guest.asyncify_stop_rewind!();
          return result;
        }
        pending = () => perform(...values);
        area.set([AREA + 8, 0x100000]);
        guest.asyncify_start_unwind!(AREA);
        return undefined;
      },
    ]),
  );
  const guest = new WebAssembly.Instance(load("ovmf.explored"), {
    env: { memory: vm.memory, ...functions },
    wasi_snapshot_preview1: wasi.imports,
  }).exports as Record<string, (...values: number[]) => void>;

  return wasi.run(() => {
    guest._start!();
    while (pending !== undefined) {
      guest.asyncify_stop_unwind!();
      result = pending();
      pending = undefined;
      rewinding = true;
      guest.asyncify_start_rewind!(AREA);
      guest._start!();
    }
  });
}
