import { describe, expect, it } from "vitest";
import { nodePlatform } from "../../host/threads/spawn.js";
import { runExploredGuest } from "../../vm/guest-explored.js";
import { prepareWasi, runWasiGuest } from "../../vm/guest-wasi.js";
import { Machine } from "../../vm/machine.js";
import { GuestMemory } from "../../vm/memory.js";
import { type Actor, Op } from "../../vm/sync/op.js";
import { SyncMemory } from "../../vm/sync/words.js";
import { type Exits, GuestFault } from "../../vm/vcpu.js";
import { run } from "./run.js";

/** A machine without a device; every exit is logged, and is one op, so that the explored guest is suspended at each. */
class Bench {
  readonly memory = GuestMemory.allocate(2 * 1024 * 1024);
  readonly machine = new Machine(SyncMemory.create(), this.memory);
  readonly exits: string[] = [];
  output = "";
  readonly console = {
    stdout: (bytes: Uint8Array): void => this.#print(bytes),
    stderr: (bytes: Uint8Array): void => this.#print(bytes),
  };

  logged(): Exits {
    const log = this.exits;
    const wrap = ([name, exit]: [string, (...args: number[]) => Actor<number>]) => [
      name,
      function* (...args: number[]): Actor<number> {
        log.push(`${name} ${args.map((arg) => arg >>> 0).join()}`);
        yield* new Op("exit", { reads: [], writes: [] }, () => 0);
        return yield* exit(...args);
      },
    ];
    return Object.fromEntries(Object.entries(this.machine.exits).map(wrap)) as Exits;
  }

  explored(module: WebAssembly.Module, ...args: string[]): number {
    return run(runExploredGuest(module, this.memory, this.logged(), args, this.console));
  }

  #print(bytes: Uint8Array): void {
    this.output += new TextDecoder().decode(bytes);
  }
}

const { loadModule } = nodePlatform;
const OVMF = await loadModule("ovmf.explored");

describe("the guest under a scheduler", () => {
  it.each([
    [[], 1],
    [["no-command"], 2],
    [["cat", "ä/\u{1f600}"], 1],
  ])("does exit by exit what it does on a thread, with arguments %j", async (args, exitCode) => {
    await prepareWasi();
    const threads = new Bench();
    const code = runWasiGuest(await loadModule("ovmf"), threads.memory, threads.logged(), run, args, threads.console);
    const explored = new Bench();
    expect(explored.explored(OVMF, ...args)).toBe(code);
    expect([explored.output, explored.exits]).toEqual([threads.output, threads.exits]);
    expect(code).toBe(exitCode);
    expect(explored.output).not.toBe("");
  });

  it("boots again and again in one memory, whatever lies there: nothing of a boot survives in the module", () => {
    const bench = new Bench();
    bench.explored(OVMF);
    const { output, exits } = { output: bench.output, exits: [...bench.exits] };
    expect(exits.length).toBeGreaterThan(0);
    for (const junk of [0, 0xff, 0xa5]) {
      new Uint8Array(bench.memory.buffer).fill(junk);
      bench.output = "";
      bench.exits.length = 0;
      bench.explored(OVMF);
      expect([bench.output, bench.exits]).toEqual([output, exits]);
    }
  });

  it("two of them, suspended in turn, do not disturb one another", () => {
    const alone = new Bench();
    alone.explored(OVMF);
    const pair = [new Bench(), new Bench()];
    const actors = pair.map((bench) => runExploredGuest(OVMF, bench.memory, bench.logged(), [], bench.console));
    const steps = actors.map((actor) => actor.next());
    while (steps.some(({ done }) => !done)) {
      for (const [i, step] of steps.entries()) {
        if (!step.done) steps[i] = actors[i]!.next(step.value.attempt());
      }
    }
    for (const bench of pair) expect([bench.output, bench.exits]).toEqual([alone.output, alone.exits]);
  });
});

const text = (name: string): number[] => [name.length, ...Buffer.from(name)];
const section = (id: number, bytes: number[]): number[] => [id, bytes.length, ...bytes];
const WASI = text("wasi_snapshot_preview1");
const TOP = [0x41, 0x7e]; // i32.const -2

// (module (import "wasi_snapshot_preview1" CALL (func $call (param i32 i32) (result i32)))
//   (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
//   (import "env" "memory" (memory 1 65536 shared)) (func (export "_start") BODY))
const moduleOf = (call: string, body: number[]): WebAssembly.Module =>
  new WebAssembly.Module(
    new Uint8Array([
      ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00], // magic, version
      // types: () -> (), (i32) -> (), (i32, i32) -> (i32)
      ...section(1, [3, 0x60, 0, 0, 0x60, 1, 0x7f, 0, 0x60, 2, 0x7f, 0x7f, 1, 0x7f]),
      ...section(2, [
        ...[3, ...WASI, ...text(call), 0x00, 2],
        ...[...WASI, ...text("proc_exit"), 0x00, 1],
        ...[...text("env"), ...text("memory"), 0x02, 0x03, 1, 0x80, 0x80, 0x04],
      ]),
      ...section(3, [1, 0]), // one function, of type 0
      ...section(7, [1, ...text("_start"), 0x00, 2]),
      ...section(10, [1, body.length + 2, 0, ...body, 0x0b]),
    ]),
  );

describe("a hostile guest under a scheduler", () => {
  it("that traps is a GuestFault, as on a thread", () => {
    const trapping = moduleOf("args_get", [0x00]); // unreachable
    expect(() => new Bench().explored(trapping)).toThrow(GuestFault);
    expect(() => new Bench().explored(trapping)).toThrow("unreachable");
  });

  it("that throws in an exit ends with what the exit threw", () => {
    const bench = new Bench();
    // biome-ignore lint/correctness/useYield: it ends before its first step
    const failing = function* (): Actor<number> {
      throw new GuestFault("no such word");
    };
    const exits = { ...bench.logged(), mmio_read: failing };
    expect(() => run(runExploredGuest(OVMF, bench.memory, exits, [], bench.console))).toThrow("no such word");
  });

  it.each([
    ["args_sizes_get", "its first pointer", [...TOP, 0x41, 0]],
    ["args_sizes_get", "its second pointer", [0x41, 0, ...TOP]],
    ["args_get", "its first pointer", [...TOP, 0x41, 0]],
    ["args_get", "its second pointer", [0x41, 0, ...TOP]],
  ])("%s with %s outside memory is EFAULT (21)", (call, _, pointers) => {
    // _start: proc_exit(CALL(pointers))
    const module = moduleOf(call, [...pointers, 0x10, 0, 0x10, 1]);
    expect(new Bench().explored(module, "word")).toBe(21);
  });
});
