// The device side of a split virtqueue, ring.wasm's TypeScript face: each step that the driver can see is an op, the
// rest of the work (walking a chain, translating addresses) is done on the device's own copy.
// virtio 1.4, 2.7; what rust-vmm's virtio-queue and QEMU's virtqueue_pop/push are.

import type { RegionTable, Segment } from "../vm/regions.js";
import { type Cell, type Footprint, type Learned, Op, PLAIN_ACCESSES, ramCell, type Result } from "../vm/sync/op.js";
import {
  VIRTQ_AVAIL_ALIGN,
  VIRTQ_CHAIN_INDIRECT,
  VIRTQ_CHAIN_LAST,
  VIRTQ_DESC_ALIGN,
  VIRTQ_DESC_F_WRITE,
  VIRTQ_REFUSED,
  VIRTQ_REFUSED_BUFFER_ADDRESS,
  VIRTQ_REFUSED_INDIRECT_ADDRESS,
  VIRTQ_USED_ALIGN,
  VIRTQ_WALK_INDIRECT_DESC,
  VirtqAvail,
  VirtqDesc,
  VirtqUsed,
  VirtqUsedElem,
  virtqAvailBytes,
  virtqAvailEventOffset,
  virtqDescBytes,
  virtqUsedBytes,
  virtqUsedEventOffset,
} from "./spec/virtq.js";

/** ring.wasm's exports (device/ring/index.ts). */
export interface RingExports {
  availIdx(avail: number): number;
  availHead(avail: number, size: number, idx: number): number;
  chainStep(table: number, entries: number, index: number, size: number, state: number, total: number): number;
  availFlags(avail: number): number;
  usedEvent(avail: number, size: number): number;
  setUsedFlags(used: number, flags: number): void;
  setAvailEvent(used: number, size: number, idx: number): void;
  usedFill(used: number, size: number, idx: number, id: number, len: number): void;
  usedPublish(used: number, idx: number): void;
  consume(
    desc: number,
    avail: number,
    used: number,
    size: number,
    features: number,
    inOrder: number,
    notify: number,
    regionLo: number,
    regionHi: number,
    bytes: number,
    offset: number,
    sink: number,
    room: number,
    nextAvail: number,
    nextUsed: number,
    most: number,
    batch: number,
    looks: number,
    patience: number,
  ): number;
  readonly ranAvail: WebAssembly.Global;
  readonly ranUsed: WebAssembly.Global;
  readonly ranSum: WebAssembly.Global;
  readonly descAddrLo: WebAssembly.Global;
  readonly descAddrHi: WebAssembly.Global;
  readonly descLen: WebAssembly.Global;
  readonly descFlags: WebAssembly.Global;
  readonly descNext: WebAssembly.Global;
  readonly walkState: WebAssembly.Global;
  readonly walkTotal: WebAssembly.Global;
}

/** Where a ring lies: offsets into guest RAM, checked by `ringAreas`. */
export interface RingAreas {
  readonly size: number;
  readonly desc: number;
  readonly avail: number;
  readonly used: number;
}

/** A chain as the device works on it: its buffers translated, its descriptors not read again. */
export class Chain implements Learned {
  constructor(
    readonly head: number,
    readonly readable: readonly Segment[],
    readonly writable: readonly Segment[],
  ) {}

  get key(): string {
    const list = (segments: readonly Segment[]): string => segments.map((s) => `${s.offset}+${s.length}`).join();
    return `${this.head};${list(this.readable)};${list(this.writable)}`;
  }

  get summary(): number {
    return this.head;
  }
}

/**
 * Checks where a driver placed a ring (2.7: alignment 16, 2, 4; three parts, all of it in RAM).
 * @param translate gives the offset of `length` bytes, or undefined where they are not all in guest RAM
 */
export function ringAreas(
  size: number,
  translate: (area: "desc" | "avail" | "used", length: number) => number | undefined,
): RingAreas | undefined {
  const bytes = { desc: virtqDescBytes(size), avail: virtqAvailBytes(size), used: virtqUsedBytes(size) };
  const desc = translate("desc", bytes.desc);
  const avail = translate("avail", bytes.avail);
  const used = translate("used", bytes.used);
  if (desc === undefined || avail === undefined || used === undefined) return undefined;
  if (desc % VIRTQ_DESC_ALIGN || avail % VIRTQ_AVAIL_ALIGN || used % VIRTQ_USED_ALIGN) return undefined;
  const apart = (a: number, aBytes: number, b: number, bBytes: number): boolean => a + aBytes <= b || b + bBytes <= a;
  const disjoint =
    apart(desc, bytes.desc, avail, bytes.avail) &&
    apart(desc, bytes.desc, used, bytes.used) &&
    apart(avail, bytes.avail, used, bytes.used);
  return disjoint ? { size, desc, avail, used } : undefined;
}

/** The words of a ring that both sides access, by name, for traces and reports. */
export function ringLabels(queue: number, { size, avail, used }: RingAreas): [number, string][] {
  return [
    [avail + VirtqAvail.FLAGS, `q${queue}.avail.flags`],
    [avail + VirtqAvail.IDX, `q${queue}.avail.idx`],
    [avail + virtqUsedEventOffset(size), `q${queue}.used_event`],
    [used + VirtqUsed.FLAGS, `q${queue}.used.flags`],
    [used + VirtqUsed.IDX, `q${queue}.used.idx`],
    [used + virtqAvailEventOffset(size), `q${queue}.avail_event`],
  ];
}

const cellsOf = (offset: number, bytes: number): Cell[] =>
  Array.from({ length: bytes >>> 1 }, (_, i) => ramCell(offset + 2 * i));

/** What a device does to a ring in one step. Indices are free-running. `word`: a shared word is read, or written. */
export type RingStep =
  | { readonly does: "word" }
  | { readonly does: "take"; readonly availIdx: number }
  | { readonly does: "serve"; readonly chain: Chain }
  | { readonly does: "fill"; readonly usedIdx: number; readonly head: number }
  | { readonly does: "publish"; readonly usedIdx: number };

/** An op on a ring; whoever holds devices to the rules of rings sees what it is. */
export class RingOp<R extends Result = Result> extends Op<R> {
  /** @param owned it touches only what is the device's between the driver's offer and its own answer: eager then */
  constructor(
    readonly queue: Virtqueue,
    readonly step: RingStep,
    verb: string,
    footprint: () => Footprint,
    attempt: () => R,
    { owned = false, detail = "" }: { readonly owned?: boolean; readonly detail?: string } = {},
  ) {
    // Where the ring is not the device's alone, what a guest does there plainly may come before or after.
    const order = (): Footprint => {
      const { reads, writes } = footprint();
      return { reads, writes: [...writes, PLAIN_ACCESSES] };
    };
    const options = queue.exclusive ? { eager: owned } : { order };
    super(`q${queue.index}.${verb}`, footprint, attempt, { ...options, detail });
  }
}

/** Ops on one ring. Made anew for each drain: it holds no state, only where the ring is. */
export class Virtqueue {
  /**
   * @param index the queue's number in its device
   * @param exclusive a chain that is offered is the device's alone until it comes back, or the device has been reset
   */
  constructor(
    readonly ring: RingExports,
    readonly at: RingAreas,
    readonly index: number,
    readonly exclusive: boolean,
  ) {}

  availIdx(): Op<number> {
    const { avail } = this.at;
    return this.#word("avail.idx", [avail + VirtqAvail.IDX], [], () => this.ring.availIdx(avail));
  }

  /**
   * Takes the chain whose head is in avail ring entry `idx`.
   * Eager where chains are exclusive: the driver owns none of these bytes between its publishing of the index and our
   * used element for it.
   * @returns the chain, or a VIRTQ_REFUSED_* code
   */
  chain(idx: number, indirect: boolean, table: RegionTable): Op<Chain | number> {
    const { size, desc, avail } = this.at;
    const entry = avail + VirtqAvail.RING + (idx & (size - 1)) * VirtqAvail.RING_ENTRY;
    const footprint = () => ({ reads: [ramCell(entry), ...cellsOf(desc, size * VirtqDesc.SIZEOF)], writes: [] });
    const step: RingStep = { does: "take", availIdx: idx };
    return new RingOp(this, step, "chain", footprint, () => this.#walk(idx, indirect, table), { owned: true });
  }

  /**
   * Hands a chain to who serves it; `serve` answers the bytes it wrote into the writable segments.
   * Eager, as `chain` is: the buffers are the device's until the used index says otherwise.
   */
  serve(chain: Chain, serve: () => number): Op<number> {
    // From the word of the first byte to that of the last.
    const cells = (list: readonly Segment[]): Cell[] =>
      list.flatMap(({ offset, length }) => cellsOf(offset & ~1, (offset & 1) + length + 1));
    const footprint = () => ({ reads: cells(chain.readable), writes: cells(chain.writable) });
    return new RingOp(this, { does: "serve", chain }, "serve", footprint, serve, { owned: true });
  }

  /**
   * 2.7.8.2: "The device MUST set len prior to updating the used idx." Eager, as `chain` is: the driver reads it after
   * used.idx only.
   */
  fillUsed(usedIdx: number, head: number, length: number): Op<number> {
    const { used, size } = this.at;
    const at = used + VirtqUsed.RING + (usedIdx & (size - 1)) * VirtqUsedElem.SIZEOF;
    const footprint = () => ({ reads: [], writes: cellsOf(at, VirtqUsedElem.SIZEOF) });
    const attempt = (): number => {
      this.ring.usedFill(used, size, usedIdx, head, length);
      return 0;
    };
    const options = { owned: true, detail: `id ${head} len ${length}` };
    return new RingOp(this, { does: "fill", usedIdx, head }, "used.element", footprint, attempt, options);
  }

  publishUsed(usedIdx: number): Op<number> {
    const { used } = this.at;
    const footprint = () => ({ reads: [], writes: [ramCell(used + VirtqUsed.IDX)] });
    const attempt = (): number => {
      this.ring.usedPublish(used, usedIdx);
      return 0;
    };
    const options = { detail: `= ${usedIdx}` };
    return new RingOp(this, { does: "publish", usedIdx }, "used.idx", footprint, attempt, options);
  }

  availFlags(): Op<number> {
    const { avail } = this.at;
    return this.#word("avail.flags", [avail + VirtqAvail.FLAGS], [], () => this.ring.availFlags(avail));
  }

  usedEvent(): Op<number> {
    const { avail, size } = this.at;
    return this.#word("used_event", [avail + virtqUsedEventOffset(size)], [], () => this.ring.usedEvent(avail, size));
  }

  setUsedFlags(flags: number): Op<number> {
    const { used } = this.at;
    return this.#word("used.flags", [], [used + VirtqUsed.FLAGS], () => this.ring.setUsedFlags(used, flags));
  }

  setAvailEvent(idx: number): Op<number> {
    const { used, size } = this.at;
    const cell = used + virtqAvailEventOffset(size);
    return this.#word("avail_event", [], [cell], () => this.ring.setAvailEvent(used, size, idx));
  }

  #word(verb: string, reads: number[], writes: number[], act: () => unknown): Op<number> {
    const footprint = () => ({ reads: reads.map(ramCell), writes: writes.map(ramCell) });
    return new RingOp(this, { does: "word" }, verb, footprint, () => Number(act() ?? 0));
  }

  #walk(idx: number, indirect: boolean, regions: RegionTable): Chain | number {
    const { ring, at } = this;
    const head = ring.availHead(at.avail, at.size, idx);
    const readable: Segment[] = [];
    const writable: Segment[] = [];
    let table = at.desc;
    let entries = at.size;
    let index = head;
    let state = indirect ? VIRTQ_WALK_INDIRECT_DESC : 0;
    let total = 0;
    for (;;) {
      const step = ring.chainStep(table, entries, index, at.size, state, total);
      if (step >= VIRTQ_REFUSED) return step;
      const lo = ring.descAddrLo.value >>> 0;
      const hi = ring.descAddrHi.value >>> 0;
      const len = ring.descLen.value >>> 0;
      state = ring.walkState.value;
      total = ring.walkTotal.value;
      if (step === VIRTQ_CHAIN_INDIRECT) {
        const offset = regions.contiguous(lo, hi, len);
        if (offset === undefined) return VIRTQ_REFUSED_INDIRECT_ADDRESS;
        table = offset;
        entries = len / VirtqDesc.SIZEOF;
        index = 0;
        continue;
      }
      const into = ring.descFlags.value & VIRTQ_DESC_F_WRITE ? writable : readable;
      if (!regions.segments(lo, hi, len, into)) return VIRTQ_REFUSED_BUFFER_ADDRESS;
      if (step === VIRTQ_CHAIN_LAST) return new Chain(head, readable, writable);
      index = ring.descNext.value;
    }
  }
}
