import { describe, expect, it } from "vitest";
import { FakeLinuxMachine } from "./fake-linux-machine.js";
import { FakeMachine } from "./fake-machine.js";
import { FakeShare } from "./fake-share.js";
import { boot, load, type Machine, type Outcome, steps, Wasi } from "./guest.js";

const WASI = ["args_get", "args_sizes_get", "fd_write", "proc_exit"];
const ACCESSES = ["mmio_read", "mmio_write", "ram_load16", "ram_store16"];
const ASYNCIFY = ["get_state", "start_rewind", "start_unwind", "stop_rewind", "stop_unwind"];

/** What each guest asks of its machine: EDK2 polls and takes no interrupt, Linux sleeps and polls nothing. */
const GUESTS: Readonly<Record<string, { readonly env: readonly string[]; readonly wasi: readonly string[] }>> = {
  ovmf: { env: [...ACCESSES, "stall"], wasi: WASI },
  linux: { env: [...ACCESSES, "sleep", "wfi"], wasi: WASI },
  "linux-probe": { env: [...ACCESSES, "sleep", "wfi"], wasi: WASI },
  shell: { env: [...ACCESSES, "sleep", "wfi"], wasi: [...WASI, "fd_read"] },
  bench: { env: [...ACCESSES, "sleep", "wfi"], wasi: WASI },
};

const share = () =>
  new FakeShare(new Map<string, Buffer | Map<string, Buffer>>([["d", new Map([["f", Buffer.from("text\n")]])]]));

describe.each(Object.keys(GUESTS).flatMap((guest) => [[guest, guest] as const, [`${guest}.explored`, guest] as const]))(
  "%s.wasm",
  (name, guest) => {
    const module = load(name);
    const { env, wasi } = GUESTS[guest]!;

    it("imports the memory, its exits and the calls of WASI that it needs, and nothing else", () => {
      const imports = WebAssembly.Module.imports(module).map((entry) => `${entry.module}.${entry.name} ${entry.kind}`);
      expect(imports.sort()).toEqual(
        [
          "env.memory memory",
          ...env.map((exit) => `env.${exit} function`),
          ...wasi.map((call) => `wasi_snapshot_preview1.${call} function`),
        ].sort(),
      );
    });

    it("exports its start and its memory, and what its passes add: of an explored guest also its globals", () => {
      const added = name === guest ? [] : ASYNCIFY.map((each) => `asyncify_${each}`);
      const exported = WebAssembly.Module.exports(module);
      const named = exported.filter(({ kind }) => kind !== "global").map((entry) => entry.name);
      expect(named.sort()).toEqual(["_start", ...added, "memory"]);
      expect(exported.some(({ kind }) => kind === "global")).toBe(name !== guest);
    });

    it("runs nothing and writes nothing below 1 MiB when it is instantiated, and takes 2 MiB of RAM or more", () => {
      for (const pages of [32, 33, 1024]) {
        const vm = new FakeMachine({ pages });
        const none = (names: readonly string[]) => Object.fromEntries(names.map((each) => [each, () => 0]));
        new WebAssembly.Instance(module, {
          env: { ...none(env), memory: vm.memory },
          wasi_snapshot_preview1: none(wasi),
        });
        expect(vm.ram(0, 0x100000).every((byte) => byte === 0xa5)).toBe(true);
        expect([vm.trace, vm.configTrace]).toEqual([[], []]);
      }
    });
  },
);

describe("a boot", () => {
  it("leaves the memory below 1 MiB alone", () => {
    const vm = new FakeMachine({ serve: share().serve });
    expect(boot(vm, ["cat", "d/f"]).code).toBe(0);
    expect(vm.ram(0, 0x100000).every((byte) => byte === 0xa5)).toBe(true);
    const linux = new FakeLinuxMachine({ serve: share().serve });
    expect(boot(linux, ["reads", "2", "d/f"], "linux").code).toBe(0);
    expect(linux.ram(0, 0x100000).every((byte) => byte === 0xa5)).toBe(true);
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
    for (const [guest, args] of [
      ["linux", []],
      ["linux", ["reads", "3", "d/f"]],
      ["linux-probe", []],
      ["shell", ["cat", "d/f"]],
    ] as const) {
      const plain = new FakeLinuxMachine({ serve: share().serve });
      const suspended = new FakeLinuxMachine({ serve: share().serve });
      expect(bootSuspended(suspended, args, guest)).toEqual(boot(plain, args, guest));
      expect([suspended.trace, suspended.requests]).toEqual([plain.trace, plain.requests]);
    }
  });
});

/** One boot of the explored build: each of env's functions unwinds the guest, is performed, and rewinds it. */
function bootSuspended(vm: Machine, args: readonly string[], name = "ovmf"): Outcome {
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
  const guest = new WebAssembly.Instance(load(`${name}.explored`), {
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
