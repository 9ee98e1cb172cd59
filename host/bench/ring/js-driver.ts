// driver.wasm's side of a queue in TypeScript, as fast as it gets: the same algorithm, the same checks. What the wasm is
// held against; nothing else of the lab uses it.

import {
  VIRTQ_DESC_F_INDIRECT,
  VIRTQ_DESC_F_NEXT,
  VIRTQ_DESC_F_WRITE,
  VIRTQ_RUN_DONE,
  VIRTQ_RUN_IDLE,
  VIRTQ_RUN_NOTIFY,
  VirtqDesc,
  vringNeedEvent,
} from "../../../device/spec/virtq.js";
import { RAM_BASE } from "../../../vm/spec/board.js";
import { BROKEN, JsRam, JsRing, pause, WORDS } from "./js-ram.js";
import type { Layout, QueueLayout } from "./layout.js";
import type { RingOptions } from "./options.js";
import type { DriverSide, RunEnd } from "./sides.js";

/** Used elements that are taken at once, at least. */
const REAPED = 16;

const ADDR_HIGH = (VirtqDesc.ADDR >>> 2) + 1;
const LEN = VirtqDesc.LEN >>> 2;
const FLAGS = VirtqDesc.FLAGS >>> 2;

export class JsDriver implements DriverSide {
  readonly #queues: readonly JsDriverQueue[];

  constructor(layout: Layout, options: RingOptions) {
    const ram = new JsRam(layout.memory);
    this.#queues = layout.queues.map((queue) => new JsDriverQueue(ram, queue, options));
  }

  run(queue: number, target: number, looks: number, patience: number): RunEnd {
    return this.#queues[queue]!.run(target, looks, patience);
  }

  returned(queue: number): number {
    return this.#queues[queue]!.returned;
  }
}

class JsDriverQueue {
  returned = 0;
  #submitted = 0;
  #freeHead = 0;
  #freeTail: number;
  #freeCount: number;
  #inFlight = 0;
  #nextIdx = 0;
  #kickedIdx = 0;
  #usedIdx = 0;
  #reapIdx = 0;
  #inBatch = false;
  #batchHead = 0;
  readonly #size: number;
  readonly #ring: JsRing;
  readonly #next: Int32Array;
  readonly #descriptors: Int32Array;
  /** Bytes; no chain of a benchmark has more than 2^32 of them. */
  readonly #writable: Float64Array;
  readonly #requests: number;
  readonly #source: number;
  readonly #indirect: boolean;
  readonly #inOrder: boolean;
  readonly #eventIdx: boolean;

  constructor(
    readonly ram: JsRam,
    queue: QueueLayout,
    readonly options: RingOptions,
  ) {
    const { ring, features } = options;
    this.#size = this.#freeCount = ring;
    this.#freeTail = ring - 1;
    this.#ring = new JsRing(queue);
    this.#next = Int32Array.from({ length: ring }, (_, i) => (i + 1) & (ring - 1));
    this.#descriptors = new Int32Array(ring);
    this.#writable = new Float64Array(ring);
    this.#requests = queue.requests >>> 2;
    this.#source = queue.source;
    this.#indirect = features.includes("indirect");
    this.#inOrder = features.includes("in_order");
    this.#eventIdx = features.includes("event_idx");
    // Neither call nor, seen from the other side, kick: both poll.
    Atomics.store(ram.u16, this.#ring.usedEvent, 0xffff);
  }

  run(target: number, looks: number, patience: number): RunEnd {
    const { u16 } = this.ram;
    const { batch, outstanding, chain } = this.options;
    const { availIdx, usedIdx, availEvent } = this.#ring;
    const perChain = this.#indirect ? 1 : chain;
    let burst = 0;
    let vain = 0;
    let waited = false;
    while (this.returned !== target) {
      const want = Math.min(batch, (target - this.#submitted) >>> 0);
      if (want > 0 && this.#inFlight + want <= outstanding && want * perChain <= this.#freeCount) {
        this.#submit(want, perChain);
        Atomics.store(u16, availIdx, this.#nextIdx);
        vain = 0;
        if (this.#eventIdx) {
          const old = this.#kickedIdx;
          this.#kickedIdx = this.#nextIdx;
          if (vringNeedEvent(Atomics.load(u16, availEvent), this.#nextIdx, old)) return VIRTQ_RUN_NOTIFY;
        }
        continue;
      }
      let pending = (this.#usedIdx - this.#reapIdx) & 0xffff;
      if (pending === 0) {
        this.#usedIdx = Atomics.load(u16, usedIdx);
        pending = (this.#usedIdx - this.#reapIdx) & 0xffff;
        if (pending === 0 || (pending < burst && !waited)) {
          if (pending === 0 && vain++ === looks) return VIRTQ_RUN_IDLE;
          pause(u16, availIdx, (burst - Math.min(pending, burst)) * patience);
          waited = true;
          if (pending === 0) burst >>= 1;
          continue;
        }
        waited = false;
        burst = Math.min(burst + pending, outstanding >> 1);
      }
      const count = Math.min(pending, Math.max(batch, REAPED));
      if (pending > this.#inFlight) return BROKEN;
      if (!(this.#inOrder ? this.#reapInOrder(count, pending) : this.#reapEach(count))) return BROKEN;
      this.#inFlight -= count;
      this.#reapIdx = (this.#reapIdx + count) & 0xffff;
      this.returned = (this.returned + count) >>> 0;
    }
    return VIRTQ_RUN_DONE;
  }

  /** Offers the next `count` requests, which fit: first what the device reads, then what only the driver knows. */
  #submit(count: number, perChain: number): void {
    const { u16, u32 } = this.ram;
    const { chain, payload } = this.options;
    const { availRing, desc } = this.#ring;
    const next = this.#next;
    const mask = this.#size - 1;
    const inOrder = this.#inOrder;
    const words = chain * WORDS;
    let free = this.#freeHead;
    for (let i = 0; i < count; i++) {
      const head = free;
      let buffer = this.#requests + head * words;
      if (payload > 0) this.#fill(buffer, (this.#submitted + i) >>> 0);
      if (this.#indirect) {
        const gpa = RAM_BASE + buffer * 4;
        this.#describe(desc + head * WORDS, gpa, 0, words * 4, VIRTQ_DESC_F_INDIRECT, inOrder);
        for (let k = 1; k <= chain; k++, buffer += WORDS) this.#link(buffer, buffer, k < chain ? k : -1, true);
        free = next[head]!;
      } else {
        for (let k = 1; k <= chain; k++, buffer += WORDS) {
          const at = desc + free * WORDS;
          free = next[free]!;
          this.#link(buffer, at, k < chain ? free : -1, inOrder);
        }
      }
      const place = availRing + ((this.#nextIdx + i) & mask);
      if (!inOrder || u16[place] !== head) u16[place] = head;
    }
    let head = this.#freeHead;
    for (let i = 0; i < count; i++) {
      let writable = 0;
      for (let k = 0, at = this.#requests + head * words; k < chain; k++, at += WORDS) {
        if (u32[at + FLAGS]! & VIRTQ_DESC_F_WRITE) writable += u32[at + LEN]!;
      }
      this.#descriptors[head] = perChain;
      this.#writable[head] = writable;
      for (let k = 0; k < perChain; k++) head = next[head]!;
    }
    this.#freeHead = free;
    this.#freeCount -= count * perChain;
    this.#inFlight += count;
    this.#nextIdx = (this.#nextIdx + count) & 0xffff;
    this.#submitted = (this.#submitted + count) >>> 0;
  }

  /** @param next the descriptor after this one, or -1 */
  #link(buffer: number, at: number, next: number, recurs: boolean): void {
    const { u32 } = this.ram;
    const write = u32[buffer + FLAGS]! & VIRTQ_DESC_F_WRITE;
    const flags = next < 0 ? write : write | VIRTQ_DESC_F_NEXT | (next << 16);
    this.#describe(at, u32[buffer]!, u32[buffer + ADDR_HIGH]!, u32[buffer + LEN]!, flags, recurs);
  }

  /** @param recurs it probably stands there already: then it is not written */
  #describe(at: number, lo: number, hi: number, len: number, flags: number, recurs: boolean): void {
    const { u32 } = this.ram;
    if (recurs && u32[at] === lo && u32[at + ADDR_HIGH] === hi && u32[at + LEN] === len && u32[at + FLAGS] === flags) {
      return;
    }
    u32[at] = lo;
    u32[at + ADDR_HIGH] = hi;
    u32[at + LEN] = len;
    u32[at + FLAGS] = flags;
  }

  #fill(buffer: number, request: number): void {
    const { u32 } = this.ram;
    const { payload } = this.options;
    for (let at = 0; at < payload; buffer += WORDS) {
      const len = u32[buffer + LEN]!;
      const to = u32[buffer]! - RAM_BASE;
      this.ram.copy(to, this.#source + at, len);
      if (at === 0) u32[to >>> 2] = request;
      at += len;
    }
  }

  #reapEach(count: number): boolean {
    const { u32 } = this.ram;
    const { usedRing } = this.#ring;
    const next = this.#next;
    const descriptors = this.#descriptors;
    const size = this.#size;
    const none = this.#freeCount === 0;
    let tail = this.#freeTail;
    let freed = 0;
    for (let i = 0; i < count; i++) {
      const element = usedRing + ((this.#reapIdx + i) & (size - 1)) * 2;
      const head = u32[element]!;
      if (head >= size || descriptors[head] === 0 || u32[element + 1]! > this.#writable[head]!) return false;
      let last = head;
      for (let k = 1; k < descriptors[head]!; k++) last = next[last]!;
      // Behind the free list: descriptors that are used one after the other stay side by side.
      if (none && i === 0) this.#freeHead = head;
      next[tail] = head;
      tail = last;
      freed += descriptors[head]!;
      descriptors[head] = 0;
    }
    this.#freeTail = tail;
    this.#freeCount += freed;
    return true;
  }

  /** An element stands for all chains up to its own. */
  #reapInOrder(count: number, pending: number): boolean {
    const { u32 } = this.ram;
    const { usedRing } = this.#ring;
    const descriptors = this.#descriptors;
    const mask = this.#size - 1;
    let head = (this.#freeHead + this.#freeCount) & mask;
    for (let i = 0; i < count; i++) {
      if (!this.#inBatch) {
        const element = usedRing + ((this.#reapIdx + i) & mask) * 2;
        const id = u32[element]!;
        if (id > mask || descriptors[id] === 0 || u32[element + 1]! > this.#writable[id]!) return false;
        this.#batchHead = id;
      }
      this.#inBatch = head !== this.#batchHead;
      if (this.#inBatch && i + 1 === pending) return false;
      const freed = descriptors[head]!;
      descriptors[head] = 0;
      head = (head + freed) & mask;
      this.#freeCount += freed;
    }
    return true;
  }
}
