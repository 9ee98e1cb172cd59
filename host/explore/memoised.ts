// The engine of searches: nothing is performed twice. Shared state is one live memory whose writes are taken back
// (live-memory.ts); actors, whose locals cannot be taken back, are memoised (actor-node.ts). What an actor does next is in
// its node; only where a node is not known yet is that one actor run again (memoised-loop.ts, memoised-vcpu.ts).

import { MemoryBacking } from "../../device/fuse/backing/memory.js";
import { GuestMemory } from "../../vm/memory.js";
import type { Op } from "../../vm/sync/op.js";
import { SyncMemory } from "../../vm/sync/words.js";
import { MEMORY_TREE } from "../scenario/boot-machine.js";
import { System } from "../scenario/system.js";
import type { Engine } from "./engine.js";
import type { World } from "./execution.js";
import type { Invariants } from "./invariants.js";
import { LiveMemory, livePartsOf } from "./live-memory.js";
import { type LoopNode, MemoisedLoop } from "./memoised-loop.js";
import { MemoisedServer } from "./memoised-server.js";
import { MemoisedVcpu, type VcpuNode } from "./memoised-vcpu.js";
import type { Broken, Report } from "./rules.js";
import { Tuples } from "./tuples.js";

const ENDED = -1;
const NOTHING: readonly Broken[] = [];

export class Memoised implements Engine {
  operations = 0;
  readonly #live: LiveMemory;
  readonly #vcpu: MemoisedVcpu;
  readonly #loops: readonly MemoisedLoop[];
  readonly #server = new MemoisedServer();
  /** Where each actor stands, the vCPU first; undefined: it has ended. */
  readonly #nodes: (VcpuNode | LoopNode | undefined)[];
  /**
   * The state, as the argument at Execution.key has it, each part as a number: the actors' nodes, what the FUSE server
   * has served, what the invariants remember, what became of each ring's last kick, and the memory. The first three are
   * filled in by `state`.
   */
  readonly #registers: Int32Array<ArrayBuffer>;
  readonly #fates: Int32Array;
  readonly #states = new Tuples();
  readonly #invariants: Invariants;
  #remembered: number;
  /** What the op of now breaks. */
  #broken: readonly Broken[] = NOTHING;
  readonly #report: Report = (rule, detail) => {
    this.#broken = [...this.#broken, { rule, detail }];
  };

  /** @param guestByHistory as MemoisedVcpu takes it */
  constructor(world: World, { guestByHistory = false } = {}) {
    GuestMemory.clear(world.memory);
    const sync = new SyncMemory(world.sync.buffer);
    sync.clear();
    const system = new System(sync, world.memory, world.ring, world.scenario, () => new MemoryBacking(MEMORY_TREE));
    system.serve = (message) => this.#server.serve(message);
    const actors = 1 + system.loops.length;
    const rings = system.backEnd.rings.length;
    this.#registers = new Int32Array(actors + 2 + rings + livePartsOf(sync));
    this.#fates = this.#registers.subarray(actors + 2, actors + 2 + rings);
    this.#live = new LiveMemory(sync, world.memory.buffer, this.#registers.subarray(actors + 2 + rings));
    this.#invariants = world.invariants;
    this.#remembered = world.invariants.start(rings);
    this.#vcpu = new MemoisedVcpu(world, this.#live, guestByHistory);
    this.#loops = system.loops.map((loop) => {
      const round = () => world.play(loop.name, loop.round(), system);
      return new MemoisedLoop(system, { ...loop, round });
    });
    this.#nodes = [this.#vcpu.start(), ...this.#loops.map(({ start }) => start)];
  }

  get answered(): boolean {
    return this.#nodes[0] === undefined;
  }

  eager(): number | undefined {
    for (let actor = 0; actor < this.#nodes.length; actor++) {
      const op = this.#nodes[actor]?.op;
      if (op?.eager && op.enabled()) return actor;
    }
    return undefined;
  }

  next(actor: number): Op | undefined {
    return this.#nodes[actor]?.op;
  }

  enabled(): number[] {
    const enabled: number[] = [];
    for (let actor = 0; actor < this.#nodes.length; actor++) if (this.#nodes[actor]?.op.enabled()) enabled.push(actor);
    return enabled;
  }

  step(actor: number): readonly Broken[] {
    const node = this.#nodes[actor]!;
    const { op, ramWrites } = node;
    this.#live.keep(ramWrites);
    const result = op.attempt();
    if (result === undefined) throw new Error(`actor ${actor} cannot do ${op.name} now`);
    this.operations++;
    const byDevice = actor > 0 && this.#loops[actor - 1]!.writesRam;
    this.#broken = NOTHING;
    this.#remembered = this.#invariants.step(this.#remembered, op, result, byDevice, this.#report);
    this.#vcpu.ramWritten(ramWrites);
    if (actor === 0) {
      const { to, stores } = this.#vcpu.step(node as VcpuNode, result);
      for (let i = 0; i < stores.length; i += 2) this.#live.storeRam(stores[i]!, stores[i + 1]!);
      this.#nodes[0] = to;
    } else {
      const loop = this.#loops[actor - 1]!;
      if (byDevice) this.#live.deviceWrites(ramWrites);
      const { to, fates, processEnds } = loop.edge(node as LoopNode, result);
      for (let ring = 0; ring < fates.length; ring++) if (fates[ring] !== 0) this.#fates[ring] = fates[ring]!;
      if (processEnds) this.#server.restart();
      this.#nodes[actor] = to;
    }
    return this.#broken;
  }

  state(): number {
    for (let actor = 0; actor < this.#nodes.length; actor++) this.#registers[actor] = this.#nodes[actor]?.id ?? ENDED;
    this.#registers[this.#nodes.length] = this.#server.served;
    this.#registers[this.#nodes.length + 1] = this.#remembered;
    this.#live.refresh();
    return this.#states.intern(this.#registers);
  }

  mark(): () => void {
    const state = this.state();
    const live = this.#live.mark();
    const vcpu = this.#vcpu.mark();
    return () => {
      this.#states.read(state, this.#registers);
      this.#live.back(live);
      this.#vcpu.back(vcpu);
      this.#nodes[0] = this.#vcpu.nodes[this.#registers[0]!];
      for (const [i, { nodes }] of this.#loops.entries()) this.#nodes[1 + i] = nodes[this.#registers[1 + i]!];
      this.#server.served = this.#registers[this.#nodes.length]!;
      this.#remembered = this.#registers[this.#nodes.length + 1]!;
    };
  }
}
