// The vCPU, memoised: the front-end in its traps, and the guest. It has one round, from power-on to its end.
//
// Between two ops the guest may run, by plain loads and stores. Its instance has a RAM of its own here, a copy of the live
// one, so that what it stores can be told by comparison and put into the live RAM, now and each time that this step
// comes again.
//
// What a vCPU is at an op has two parts. The front-end and the script are a function of their history: the accesses of the
// guest that reach them, and the results of their own ops. The guest is what it is made of: RAM, its globals, and its
// suspended stack, which asyncify keeps in RAM. So a guest that has looked at a word twice or woken up in vain, and is
// where it was before, is not told apart from one that has not; a node stands for both.
//
// The argument. Of RAM a node has what no device had written when it was met; what devices have written is in the state
// by its words and their values. Two states that are equal have the same such words, and outside of them their nodes say
// that RAM is the same: so all of RAM is. What the guest does in a step is a function of that. So a step is known by its
// node, the op's result, and the number of what devices have written (any number, if only the front-end ran: that looks
// at RAM in ops only).

import { MemoryBacking } from "../../device/fuse/backing/memory.js";
import type { Suspended } from "../../vm/guest-explored.js";
import type { Actor, Op, Result } from "../../vm/sync/op.js";
import { SyncMemory } from "../../vm/sync/words.js";
import type { Exit, Exits } from "../../vm/vcpu.js";
import { MEMORY_TREE } from "../scenario/boot-machine.js";
import { System, VCPU } from "../scenario/system.js";
import { ActorNode, resultKey } from "./actor-node.js";
import { bootGuest, runScript, type World } from "./execution.js";
import { GuestRam } from "./guest-ram.js";
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
}

export class VcpuNode extends ActorNode<VcpuEdge> {
  /** @param guest the number of what the guest is */
  constructor(
    all: VcpuNode[],
    op: Op,
    readonly guest: number,
  ) {
    super(all, op);
  }
}

/** Exits that no part of the machine remembers. */
const FORGOTTEN: readonly (keyof Exits)[] = ["ram_load16", "ram_store16", "stall", "sleep", "wfi"];

export class MemoisedVcpu {
  readonly nodes: VcpuNode[] = [];
  readonly #known = new Map<string, VcpuNode>();
  /** What has been learned since power-on, each with the length of `#ramLog` when it was. */
  readonly #learned: { readonly result: Result; readonly ram: number }[] = [];
  /** What ops have written to RAM, in order: pairs of a word's index and its value. */
  readonly #ramLog: number[] = [];

  // The actor that runs, and how far it is.
  #actor: Actor | undefined;
  readonly #ram = new GuestRam();
  /** How many of `#learned` it has received, and how much of `#ramLog` its RAM has seen. */
  #received = 0;
  #seen = 0;
  /** The number of the front-end's and the script's history. */
  #history = 0;
  /** In an exit that adds nothing to that. */
  #forgets = false;
  #suspended: Suspended | undefined;
  /** How often the guest has begun or gone on. */
  #guestRuns = 0;

  readonly #guestByHistory: boolean;

  /**
   * @param guestByHistory tells guests apart by all that they have learned, too: more states, for comparison. So it is
   *   with a guest whose module does not export its globals
   */
  constructor(
    readonly world: World,
    readonly live: LiveMemory,
    guestByHistory: boolean,
  ) {
    const exported = WebAssembly.Module.exports(world.guest).some(({ kind }) => kind === "global");
    this.#guestByHistory = guestByHistory || !exported;
  }

  /** Power-on: the first op. */
  start(): VcpuNode {
    const step = this.#powerOn().next();
    if (step.done) throw new Error("a script without an op");
    return new VcpuNode(this.nodes, step.value, this.#guestNumber());
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
    const known = edge.steps.get(ram);
    if (known) return known;
    const { step, guestRan } = this.#run(from);
    if (guestRan) edge.steps.set(ram, step);
    else edge.frontEndOnly = step;
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
  #run(from: VcpuNode): { step: VcpuStep; guestRan: boolean } {
    if (!this.#actor) this.#powerOn().next();
    while (this.#received < this.#learned.length - 1) {
      const runs = this.#guestRuns;
      this.#receive();
      if (this.#guestRuns !== runs) this.#ram.passOver();
    }
    this.#seeRam();
    this.#ram.look();
    const runs = this.#guestRuns;
    const { done, value: op } = this.#receive();
    const guestRan = this.#guestRuns !== runs;
    const stores = guestRan ? this.#ram.stores() : [];
    if (done) return { step: { to: undefined, stores }, guestRan };
    return { step: { to: this.#node(op, guestRan ? this.#guestNumber() : from.guest), stores }, guestRan };
  }

  #node(op: Op, guest: number): VcpuNode {
    const { name, detail, blocks } = op;
    const key = [this.#history, guest, name, detail, blocks?.on.id, blocks?.a, blocks?.b].join();
    const node = this.#known.get(key) ?? new VcpuNode(this.nodes, op, guest);
    this.#known.set(key, node);
    return node;
  }

  #guestNumber(): number {
    return this.#ram.content(this.#suspended, (word) => this.live.isDeviceWritten(word));
  }

  /** Hands the actor what it learned next. */
  #receive(): IteratorResult<Op, void> {
    this.#seeRam();
    const { result } = this.#learned[this.#received++]!;
    if (!this.#forgets || this.#guestByHistory) this.#remember(`${resultKey(result)}`);
    return this.#actor!.next(result);
  }

  #remember(event: string): void {
    this.#history = this.world.history(this.#history, event);
  }

  /** Brings RAM to what it was when the actor learned what it receives next. */
  #seeRam(): void {
    const { ram } = this.#learned[this.#received]!;
    for (; this.#seen < ram; this.#seen += 2) this.#ram.store(this.#ramLog[this.#seen]!, this.#ramLog[this.#seen + 1]!);
  }

  #powerOn(): Actor {
    const { world } = this;
    this.#ram.clear();
    this.#received = 0;
    this.#seen = 0;
    this.#history = 0;
    this.#forgets = false;
    this.#suspended = undefined;
    const sync = new SyncMemory(world.sync.buffer);
    this.live.watch(sync);
    const system = new System(sync, world.memory, world.ring, world.scenario, () => new MemoryBacking(MEMORY_TREE));
    const actor = runScript(system, (exits, args) => this.#guest(system, exits, args));
    this.#actor = world.play(VCPU, actor, system);
    return this.#actor;
  }

  /** @param exits what the script makes of the machine's exits, which it may remember */
  *#guest(system: System, exits: Exits, args: readonly string[] | undefined): Actor {
    const own = system.machine.exits;
    const watched = Object.entries(exits).map(([name, exit]) => {
      const forgotten = FORGOTTEN.some((each) => each === name && own[each] === exit);
      return [name, this.#watched(name, exit, forgotten)];
    });
    this.#remember(`guest ${args}`);
    this.#guestRuns++;
    try {
      yield* bootGuest(system, this.world.guest, this.#ram.memory, Object.fromEntries(watched), args, (now) => {
        this.#suspended = now;
      });
    } finally {
      this.#suspended = undefined;
      this.#forgets = false;
      this.#remember("end");
    }
  }

  #watched(name: string, exit: Exit, forgotten: boolean): Exit {
    const self = this;
    return function* (...args) {
      self.#forgets = forgotten;
      if (!forgotten) self.#remember(`${name} ${args}`);
      const answer = yield* exit(...args);
      self.#guestRuns++;
      return answer;
    };
  }
}
