// ring.wasm's side of a queue in TypeScript, as fast as it gets: the same algorithm, the same checks. What the wasm is
// held against; nothing else of the lab uses it.

import {
  VIRTQ_DESC_F_INDIRECT,
  VIRTQ_DESC_F_NEXT,
  VIRTQ_DESC_F_WRITE,
  VIRTQ_RUN_DONE,
  VIRTQ_RUN_IDLE,
  VIRTQ_RUN_NOTIFY,
  VirtqDesc,
  virtqAvailIdxValid,
  vringNeedEvent,
} from "../../../device/spec/virtq.js";
import { RAM_BASE } from "../../../vm/spec/board.js";
import { BROKEN, JsRam, JsRing, pause, WORDS } from "./js-ram.js";
import type { Layout, QueueLayout } from "./layout.js";
import { type RingOptions, usedBatch } from "./options.js";
import type { DeviceSide, RunEnd } from "./sides.js";

const MAX_TOTAL = 2 ** 32;

export class JsDevice implements DeviceSide {
  taken = 0;
  sum = 0;
  readonly #queues: readonly JsDeviceQueue[];

  constructor(layout: Layout, options: RingOptions) {
    const ram = new JsRam(layout.memory);
    this.#queues = layout.queues.map((queue) => new JsDeviceQueue(ram, queue, options));
  }

  run(queue: number, most: number, looks: number, patience: number): RunEnd {
    const at = this.#queues[queue]!;
    at.taken = at.sum = 0;
    const end = at.run(most, looks, patience);
    this.taken = at.taken;
    this.sum = at.sum;
    return end;
  }
}

class JsDeviceQueue {
  taken = 0;
  sum = 0;
  #nextAvail = 0;
  #nextUsed = 0;
  readonly #ring: JsRing;
  readonly #size: number;
  readonly #sink: number;
  readonly #bytes: number;
  readonly #indirect: boolean;
  readonly #inOrder: boolean;
  readonly #eventIdx: boolean;

  constructor(
    readonly ram: JsRam,
    queue: QueueLayout,
    readonly options: RingOptions,
  ) {
    const { ring, features } = options;
    this.#size = ring;
    this.#ring = new JsRing(queue);
    this.#sink = queue.sink;
    this.#bytes = ram.u8.length;
    this.#indirect = features.includes("indirect");
    this.#inOrder = features.includes("in_order");
    this.#eventIdx = features.includes("event_idx");
    Atomics.store(ram.u16, this.#ring.availEvent, 0xffff);
  }

  run(most: number, looks: number, patience: number): RunEnd {
    const { u16, u32 } = this.ram;
    const { availIdx, availRing, usedIdx, usedRing } = this.#ring;
    const { payload } = this.options;
    const batch = usedBatch(this.options);
    const size = this.#size;
    let nextAvail = this.#nextAvail;
    let nextUsed = this.#nextUsed;
    let published = nextUsed;
    let seen = nextAvail;
    let head = 0;
    let burst = 0;
    let vain = 0;
    let waited = false;
    let ended: RunEnd = VIRTQ_RUN_DONE;
    while (this.taken < most) {
      const waiting = (nextUsed - published) & 0xffff;
      if (nextAvail === seen) {
        seen = Atomics.load(u16, availIdx);
        if (!virtqAvailIdxValid(seen, nextAvail - waiting, size)) return BROKEN;
        const offered = (seen - nextAvail) & 0xffff;
        if (offered === 0 || (offered < burst && !waited)) {
          if (waiting > 0) {
            if (this.#publish(published, nextUsed, head)) ended = VIRTQ_RUN_NOTIFY;
            published = nextUsed;
            if (ended !== VIRTQ_RUN_DONE) break;
          } else if (offered === 0 && vain++ === looks) {
            ended = VIRTQ_RUN_IDLE;
            break;
          }
          seen = nextAvail;
          pause(u16, usedIdx, (burst - Math.min(offered, burst)) * patience);
          waited = true;
          if (offered === 0) burst >>= 1;
          continue;
        }
        waited = false;
        burst = Math.min(burst + offered, size >> 1);
        vain = 0;
      }
      const count = Math.min((seen - nextAvail) & 0xffff, most - this.taken, batch - waiting);
      for (let i = 0; i < count; i++) {
        head = u16[availRing + ((nextAvail + i) & (size - 1))]!;
        if (!this.#take(head)) return BROKEN;
        if (payload >= 4) this.sum = (this.sum + u32[this.#sink >>> 2]!) >>> 0;
        if (this.#inOrder) continue;
        const element = usedRing + ((nextUsed + i) & (size - 1)) * 2;
        u32[element] = head;
        u32[element + 1] = 0;
      }
      nextAvail = (nextAvail + count) & 0xffff;
      nextUsed = (nextUsed + count) & 0xffff;
      this.taken += count;
      if (waiting + count === batch) {
        if (this.#publish(published, nextUsed, head)) ended = VIRTQ_RUN_NOTIFY;
        published = nextUsed;
        if (ended !== VIRTQ_RUN_DONE) break;
      }
    }
    if (published !== nextUsed && this.#publish(published, nextUsed, head)) ended = VIRTQ_RUN_NOTIFY;
    this.#nextAvail = nextAvail;
    this.#nextUsed = nextUsed;
    return ended;
  }

  /** Walks a chain by the standard's rules and copies its readable bytes out. */
  #take(head: number): boolean {
    const { u32 } = this.ram;
    const { payload } = this.options;
    const size = this.#size;
    let table = this.#ring.desc;
    let entries = size;
    let index = head;
    let buffers = 0;
    let total = 0;
    let filled = 0;
    let inTable = false;
    let writableSeen = 0;
    for (;;) {
      if (index >= entries) return false;
      const at = table + index * WORDS;
      const lo = u32[at]!;
      const hi = u32[at + 1]!;
      const len = u32[at + 2]!;
      const flags = u32[at + 3]!;
      // The address less RAM_BASE, which lies below 2^32: what wraps is out of RAM, as what is too large.
      const offset = lo - RAM_BASE;
      if (hi !== 0 || offset < 0 || len > this.#bytes - offset) return false;
      if (flags & VIRTQ_DESC_F_INDIRECT) {
        if (!this.#indirect || inTable || flags & VIRTQ_DESC_F_NEXT) return false;
        if (len === 0 || len % VirtqDesc.SIZEOF !== 0 || len / VirtqDesc.SIZEOF > size) return false;
        table = offset >>> 2;
        entries = len / VirtqDesc.SIZEOF;
        index = 0;
        inTable = true;
        continue;
      }
      total += len;
      const write = flags & VIRTQ_DESC_F_WRITE;
      if (buffers++ === size || len === 0 || (writableSeen && !write) || total > MAX_TOTAL) return false;
      writableSeen |= write;
      if (filled < payload && !write) {
        const part = Math.min(len, payload - filled);
        this.ram.copy(this.#sink + filled, offset, part);
        filled += part;
      }
      if (!(flags & VIRTQ_DESC_F_NEXT)) return true;
      index = flags >>> 16;
    }
  }

  /** @returns whether the driver wants to be told */
  #publish(from: number, to: number, head: number): boolean {
    const { u16, u32 } = this.ram;
    const { usedIdx, usedRing, usedEvent } = this.#ring;
    if (this.#inOrder) {
      const element = usedRing + (from & (this.#size - 1)) * 2;
      u32[element] = head;
      u32[element + 1] = 0;
    }
    Atomics.store(u16, usedIdx, to);
    return this.#eventIdx && vringNeedEvent(Atomics.load(u16, usedEvent), to, from);
  }
}
