// What must hold at every step, whoever sits in the seats: the rules of a split ring (ring-rules.ts) and those of a
// vhost-user connection (connection-rules.ts), held against each op that is performed. On threads nobody looks.
//
// What has to be remembered for them is a number here, equal for equal memories. A search has it in its key: two
// executions that differ in nothing else may differ in what breaks later.
//
// Eager ops hide no breach. A rule looks at what the op's own thread has done, at words that only this device writes, and
// at avail.idx, which only grows: an eager op comes as early as it can, when that is least. One rule is about two
// threads, that a stopped ring is left alone. There the reply that ends the stop is eager, so it comes as early as it
// can; and when used.idx is stored is a choice. (That a used element may be written before the reply for once is nothing:
// it is followed by that store.)

import type { Chain, RingExports } from "../../device/virtqueue.js";
import { RingOp } from "../../device/virtqueue.js";
import { VirtqDesc } from "../../device/spec/virtq.js";
import { ChannelOp } from "../../device/vhost-user/channel.js";
import { isRamCell, type Op, type Result } from "../../vm/sync/op.js";
import { type ConnectionState, connectionStep, NEW_CONNECTION } from "./connection-rules.js";
import { NEW_RING, type RingState, ringStep, STOPPED_RING } from "./ring-rules.js";
import type { Report } from "./rules.js";

interface Memory {
  readonly connection: ConnectionState;
  /** By queue. */
  readonly rings: readonly RingState[];
}

export class Invariants {
  /** ring.wasm, with each load of a descriptor written down. */
  readonly ring: RingExports;
  /** Where the descriptors lie that have been loaded since the last step: offsets into guest RAM. */
  readonly #loaded: number[] = [];
  readonly #memories: Memory[] = [];
  readonly #numbers = new Map<string, number>();

  /** @param ram guest RAM */
  constructor(
    ring: RingExports,
    readonly ram: Uint8Array,
  ) {
    const chainStep: RingExports["chainStep"] = (table, entries, index, size, state, total) => {
      this.#loaded.push(table + index * VirtqDesc.SIZEOF);
      return ring.chainStep(table, entries, index, size, state, total);
    };
    this.ring = { ...ring, chainStep };
  }

  /** Of a machine that is powered off: nothing to remember. */
  start(queues: number): number {
    this.#loaded.length = 0;
    return this.#number({ connection: NEW_CONNECTION, rings: Array<RingState>(queues).fill(NEW_RING) });
  }

  /**
   * Looks at an op that has just been performed.
   * @param before the number of what is remembered
   * @param byDevice the op is a data-plane thread's
   * @returns the number of what is remembered now
   */
  step(before: number, op: Op, result: Result, byDevice: boolean, report: Report): number {
    if (op instanceof RingOp) return this.#ringStep(before, op, result as Chain | number, report);
    if (op instanceof ChannelOp) return this.#channelStep(before, op, report);
    if (byDevice && op.footprint.writes.some(isRamCell))
      report("memory of others is not written", `${op.name} writes guest RAM`);
    return before;
  }

  #ringStep(before: number, op: RingOp, result: Chain | number, report: Report): number {
    const { connection, rings } = this.#memories[before]!;
    const old = rings[op.queue.index]!;
    const ring = ringStep(old, op, result, this.#loaded.splice(0), this.ram, report);
    return ring === old ? before : this.#number({ connection, rings: rings.with(op.queue.index, ring) });
  }

  #channelStep(before: number, { step }: ChannelOp, report: Report): number {
    const { connection, rings } = this.#memories[before]!;
    if (step.does === "accept") return this.start(rings.length); // another process: it knows of nothing
    const [after, event] = connectionStep(connection, step, report);
    const old = event && rings[event.queue];
    if (!old) return this.#number({ connection: after, rings });
    const ring = event.running ? { ...old, stopped: false } : STOPPED_RING;
    return this.#number({ connection: after, rings: rings.with(event.queue, ring) });
  }

  #number(memory: Memory): number {
    const key = JSON.stringify(memory);
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    this.#numbers.set(key, this.#memories.length);
    return this.#memories.push(memory) - 1;
  }
}
