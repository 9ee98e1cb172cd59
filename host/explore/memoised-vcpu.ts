// The vCPU, memoised: the front-end in its traps, and the guest. It has one round, from power-on to its end.
//
// Between two ops the guest may run, by plain loads and stores. Its instance has a RAM of its own here, a copy of the live
// one, so that what it stores can be told by comparison and put into the live RAM, now and each time that this step
// comes again.
//
// The argument. What the guest does in a step depends on its locals and on RAM. Its locals and what it alone has
// written are a function of its history; the rest of RAM is what devices have written. So a step is known by its node,
// the op's result, and the number of what devices have written (any number, if only the front-end ran: that
// looks at RAM in ops only). And if what the guest then does differs with what a device has written (it has read that),
// its stores differ, or its suspended frame, which asyncify keeps in RAM, or the op it comes to; then the histories are
// not one history but two, and get two nodes.

import { BOOT_RAM_BYTES, MEMORY_TREE } from "../scenario/boot-machine.js";
import { MemoryBacking } from "../../device/fuse/backing/memory.js";
import { runExploredGuest } from "../../vm/guest-explored.js";
import { GuestMemory } from "../../vm/memory.js";
import { RAM_HIGH_START, RAM_LOW_SIZE } from "../../vm/spec/board.js";
import type { Actor, Op, Result } from "../../vm/sync/op.js";
import { SyncMemory } from "../../vm/sync/words.js";
import type { Exits } from "../../vm/vcpu.js";
import { SCRIPT } from "../scenario/catalog/index.js";
import { System } from "../scenario/system.js";
import type { World } from "./execution.js";
import { HistoryNode, resultKey } from "./history.js";
import type { LiveMemory } from "./live-memory.js";

/** What an op's result leads to. */
export interface VcpuStep {
  /** Undefined: the guest has come to its end. */
  readonly to: VcpuNode | undefined;
  /** The guest's plain stores where a device can see them: pairs of a 16-bit word's index and its value. */
  readonly stores: readonly number[];
}

/** What one result can lead to. */
class VcpuEdge {
  /** The guest did not run. */
  frontEndOnly: VcpuStep | undefined;
  /** By the number of what devices have written. */
  readonly steps = new Map<number, VcpuStep>();
  /** By what the guest has done where devices do not write. */
  readonly nodes = new Map<string, VcpuNode | undefined>();
}
export type VcpuNode = HistoryNode<VcpuEdge>;

/** The words of RAM that are in no region: asyncify keeps the guest's stack there, and no device reaches it. */
const HOLE_START = RAM_LOW_SIZE / 2;
const HOLE_END = RAM_HIGH_START / 2;

export class MemoisedVcpu {
  readonly nodes: VcpuNode[] = [];
  /** What has been learned since power-on, each with the length of `#ramLog` when it was. */
  readonly #learned: { readonly result: Result; readonly ram: number }[] = [];
  /** What ops have written to RAM, in order: pairs of a word's index and its value. */
  readonly #ramLog: number[] = [];
  readonly #memory = GuestMemory.allocate(BOOT_RAM_BYTES);
  readonly #words = new Uint16Array(this.#memory.buffer);
  readonly #wide = new Int32Array(this.#memory.buffer);
  /** `#memory` as it was before the guest ran, if it is not `#beforeIsOld`. */
  readonly #before = new Int32Array(BOOT_RAM_BYTES / 4);
  #beforeIsOld = true;
  /** How often the guest has begun or gone on. */
  #guestRuns = 0;
  #actor: Actor | undefined;
  /** How many of `#learned` the actor has received, and how much of `#ramLog` its RAM has seen. */
  #received = 0;
  #seen = 0;

  constructor(
    readonly world: World,
    readonly live: LiveMemory,
  ) {}

  /** Power-on: the first op. */
  start(): VcpuNode {
    const step = this.#powerOn().next();
    if (step.done) throw new Error("a script without an op");
    return new HistoryNode(this.nodes, step.value, []);
  }

  /** What an op of any actor has written to RAM. */
  ramWritten(words: readonly number[]): void {
    for (const word of words) this.#ramLog.push(word, this.live.loadRam(word));
  }

  /** Where the op of `from`, performed just now, leads by its `result`. */
  step(from: VcpuNode, result: Result): VcpuStep {
    this.#learned.push({ result, ram: this.#ramLog.length });
    const key = resultKey(result);
    const edge = from.edges.get(key) ?? new VcpuEdge();
    from.edges.set(key, edge);
    if (edge.frontEndOnly) return edge.frontEndOnly;
    const ram = this.live.ramState();
    let step = edge.steps.get(ram);
    if (!step) {
      const run = this.#run(edge);
      step = run.step;
      if (run.guestRan) edge.steps.set(ram, step);
      else edge.frontEndOnly = step;
    }
    return step;
  }

  mark(): { learned: number; ram: number } {
    return { learned: this.#learned.length, ram: this.#ramLog.length };
  }

  back({ learned, ram }: { learned: number; ram: number }): void {
    if (this.#received > learned) this.#actor = undefined;
    this.#learned.length = learned;
    this.#ramLog.length = ram;
  }

  /** Runs the actor to the op that follows the last of what has been learned. */
  #run(edge: VcpuEdge): { step: VcpuStep; guestRan: boolean } {
    if (!this.#actor) this.#powerOn().next();
    while (this.#received < this.#learned.length - 1) {
      const runs = this.#guestRuns;
      this.#receive();
      if (this.#guestRuns !== runs) this.#beforeIsOld = true;
    }
    this.#seeRam();
    if (this.#beforeIsOld) this.#before.set(this.#wide);
    this.#beforeIsOld = false;
    const runs = this.#guestRuns;
    const next = this.#receive();
    const guestRan = this.#guestRuns !== runs;
    const op = next.done ? undefined : next.value;
    const { stores, own } = guestRan ? this.#compare() : { stores: [], own: [] };
    const key = `${op && describe(op)};${own.join()}`;
    if (!edge.nodes.has(key)) edge.nodes.set(key, op && new HistoryNode(this.nodes, op, []));
    return { step: { to: edge.nodes.get(key), stores }, guestRan };
  }

  /** Hands the actor what it learned next. */
  #receive(): IteratorResult<Op, unknown> {
    this.#seeRam();
    return this.#actor!.next(this.#learned[this.#received++]!.result);
  }

  /** Brings RAM to what it was when the actor learned what it receives next. */
  #seeRam(): void {
    const { ram } = this.#learned[this.#received]!;
    for (; this.#seen < ram; this.#seen += 2) {
      const word = this.#ramLog[this.#seen]!;
      this.#words[word] = this.#ramLog[this.#seen + 1]!;
      this.#before[word >>> 1] = this.#wide[word >>> 1]!;
    }
  }

  /** What the guest has stored since `#before`, which is then brought up to date; `own`: where devices do not write. */
  #compare(): { stores: number[]; own: number[] } {
    const stores: number[] = [];
    const own: number[] = [];
    for (const at of differences(this.#wide, this.#before)) {
      const changed = this.#wide[at]! ^ this.#before[at]!;
      this.#before[at] = this.#wide[at]!;
      for (const word of [2 * at, 2 * at + 1]) {
        const value = this.#words[word]!;
        if ((changed & (word & 1 ? 0xffff0000 : 0xffff)) === 0) continue;
        if (word < HOLE_START || word >= HOLE_END) stores.push(word, value);
        if (!this.live.isDeviceWritten(word)) own.push(word, value);
      }
    }
    return { stores, own };
  }

  #powerOn(): Actor {
    const { world } = this;
    GuestMemory.clear(this.#memory);
    this.#beforeIsOld = true;
    this.#received = 0;
    this.#seen = 0;
    const sync = new SyncMemory(world.sync.buffer);
    this.live.watch(sync);
    const system = new System(sync, world.memory, world.ring, world.scenario, () => new MemoryBacking(MEMORY_TREE));
    this.#actor = SCRIPT[world.scenario.script].run(system, (exits) => this.#guest(exits));
    return this.#actor;
  }

  *#guest(exits: Exits): Actor<unknown> {
    const counted = Object.entries(exits).map(([name, exit]) => {
      const returning = function* (this: MemoisedVcpu, ...args: number[]): Actor<number> {
        const answer = yield* exit(...args);
        this.#guestRuns++;
        return answer;
      };
      return [name, returning.bind(this)];
    });
    this.#guestRuns++;
    return yield* runExploredGuest(this.world.guest, this.#memory, Object.fromEntries(counted), [], QUIET);
  }
}

const QUIET = { stdout() {}, stderr() {} };

const describe = ({ name, detail, eager, blocks }: Op): string =>
  `${name} ${detail} ${eager} ${blocks?.on.id} ${blocks?.a} ${blocks?.b}`;

/** Where `a` and `b` differ. Their length is a multiple of 8: by so many at once, since almost all are equal. */
function differences(a: Int32Array, b: Int32Array): number[] {
  const found: number[] = [];
  for (let at = 0; at < a.length; at += 8) {
    const first = (a[at]! ^ b[at]!) | (a[at + 1]! ^ b[at + 1]!) | (a[at + 2]! ^ b[at + 2]!) | (a[at + 3]! ^ b[at + 3]!);
    const last =
      (a[at + 4]! ^ b[at + 4]!) | (a[at + 5]! ^ b[at + 5]!) | (a[at + 6]! ^ b[at + 6]!) | (a[at + 7]! ^ b[at + 7]!);
    if ((first | last) === 0) continue;
    for (let i = at; i < at + 8; i++) if (a[i] !== b[i]) found.push(i);
  }
  return found;
}
