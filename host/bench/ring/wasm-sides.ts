// The two sides that the lab has: driver.wasm, and the ring.wasm of every back-end.

import {
  VIRTQ_NOTIFY_EVENT,
  VIRTQ_NOTIFY_FLAGS,
  VIRTQ_NOTIFY_NEVER,
  VIRTQ_USED_F_NO_NOTIFY,
  VIRTQ_WALK_INDIRECT_DESC,
} from "../../../device/spec/virtq.js";
import type { RingExports } from "../../../device/virtqueue.js";
import { GuestMemory, MIN_BYTES } from "../../../vm/memory.js";
import { RAM_BASE, RAM_HIGH_START } from "../../../vm/spec/board.js";
import type { DriverBytes, Layout } from "./layout.js";
import { type RingOptions, usedBatch } from "./options.js";
import type { DeviceSide, DriverSide, RunEnd, Sleeper } from "./sides.js";

/** What driver.wasm exports for this (guest-fw/lib/driver.ts). */
export interface StreamExports {
  virtqPrivateBytes(size: number): number;
  streamBytes(): number;
  init(queue: number, rings: number, size: number, eventIdx: number, inOrder: number): void;
  disableCalls(queue: number): void;
  enableCalls(queue: number): void;
  poll(queue: number): number;
  streamInit(
    stream: number,
    queue: number,
    requests: number,
    chain: number,
    indirect: number,
    batch: number,
    outstanding: number,
    payload: number,
    source: number,
    notify: number,
  ): void;
  streamRun(stream: number, target: number, looks: number, patience: number): RunEnd;
  streamReturned(stream: number): number;
}

/** Bytes of what driver.wasm keeps of a queue of that size. */
export function driverBytes(driver: WebAssembly.Module, size: number): DriverBytes {
  const memory = GuestMemory.allocate(MIN_BYTES);
  const exports = new WebAssembly.Instance(driver, { env: { memory } }).exports as unknown as StreamExports;
  return { queue: exports.virtqPrivateBytes(size), stream: exports.streamBytes() };
}

function notifyOf({ notify, features }: RingOptions): number {
  if (features.includes("event_idx")) return VIRTQ_NOTIFY_EVENT;
  return notify === "poll" ? VIRTQ_NOTIFY_NEVER : VIRTQ_NOTIFY_FLAGS;
}

export class WasmDriver implements DriverSide, Sleeper {
  constructor(
    readonly driver: StreamExports,
    readonly layout: Layout,
    options: RingOptions,
  ) {
    const { ring, features, chain, batch, outstanding, payload } = options;
    for (const { queue, stream, desc, requests, source } of layout.queues) {
      driver.init(queue, desc, ring, Number(features.includes("event_idx")), Number(features.includes("in_order")));
      driver.disableCalls(queue);
      const indirect = Number(features.includes("indirect"));
      const notify = notifyOf(options);
      driver.streamInit(stream, queue, requests, chain, indirect, batch, outstanding, payload, source, notify);
    }
  }

  run(queue: number, target: number, looks: number, patience: number): RunEnd {
    return this.driver.streamRun(this.layout.queues[queue]!.stream, target, looks, patience);
  }

  returned(queue: number): number {
    return this.driver.streamReturned(this.layout.queues[queue]!.stream) >>> 0;
  }

  wantsTelling(queue: number): boolean {
    const at = this.layout.queues[queue]!.queue;
    this.driver.enableCalls(at);
    return this.driver.poll(at) === 0;
  }

  polls(queue: number): void {
    this.driver.disableCalls(this.layout.queues[queue]!.queue);
  }
}

/** What the device keeps of a queue: no word of it lies in guest RAM. */
interface Position {
  nextAvail: number;
  nextUsed: number;
}

export class WasmDevice implements DeviceSide, Sleeper {
  taken = 0;
  sum = 0;
  readonly #positions: Position[];
  readonly #bytes: number;
  readonly #walk: number;
  readonly #inOrder: number;
  readonly #notify: number;
  readonly #eventIdx: boolean;
  readonly #usedBatch: number;

  constructor(
    readonly ring: RingExports,
    readonly layout: Layout,
    readonly options: RingOptions,
  ) {
    const { features } = options;
    this.#positions = layout.queues.map(() => ({ nextAvail: 0, nextUsed: 0 }));
    this.#bytes = layout.memory.buffer.byteLength;
    this.#walk = features.includes("indirect") ? VIRTQ_WALK_INDIRECT_DESC : 0;
    this.#inOrder = Number(features.includes("in_order"));
    this.#notify = notifyOf(options);
    this.#eventIdx = features.includes("event_idx");
    this.#usedBatch = usedBatch(options);
    for (const queue of layout.queues.keys()) this.polls(queue);
  }

  run(queue: number, most: number, looks: number, patience: number): RunEnd {
    const { ring } = this;
    const { payload } = this.options;
    const { desc, avail, used, size, sink } = this.layout.queues[queue]!;
    const position = this.#positions[queue]!;
    const from = position.nextAvail;
    const end = ring.consume(
      desc,
      avail,
      used,
      size,
      this.#walk,
      this.#inOrder,
      this.#notify,
      // All lies in the upper region of guest RAM.
      RAM_BASE + RAM_HIGH_START,
      0,
      this.#bytes - RAM_HIGH_START,
      RAM_HIGH_START,
      sink,
      payload,
      from,
      position.nextUsed,
      most,
      this.#usedBatch,
      looks,
      patience,
    );
    position.nextAvail = ring.ranAvail.value;
    position.nextUsed = ring.ranUsed.value;
    this.taken = (position.nextAvail - from) & 0xffff;
    this.sum = ring.ranSum.value;
    return end;
  }

  wantsTelling(queue: number): boolean {
    const { used, avail, size } = this.layout.queues[queue]!;
    const { nextAvail } = this.#positions[queue]!;
    if (this.#eventIdx) this.ring.setAvailEvent(used, size, nextAvail);
    else this.ring.setUsedFlags(used, 0);
    return this.ring.availIdx(avail) === nextAvail;
  }

  /** Wants no kick: with EVENT_IDX of the entry before the next one, 65536 entries away. */
  polls(queue: number): void {
    const { used, size } = this.layout.queues[queue]!;
    const { nextAvail } = this.#positions[queue]!;
    if (this.#eventIdx) this.ring.setAvailEvent(used, size, (nextAvail - 1) & 0xffff);
    else this.ring.setUsedFlags(used, VIRTQ_USED_F_NO_NOTIFY);
  }
}
