// The device side of a split virtqueue, ring.wasm's TypeScript face: each step that the driver can see is an op, the
// rest of the work (walking a chain, translating addresses) is done on the device's own copy.
// virtio 1.4, 2.7; what rust-vmm's virtio-queue and QEMU's virtqueue_pop/push are.

import type { RegionTable, Segment } from "../vm/regions.js";
import { type Cell, type Learned, Op, ramCell } from "../vm/sync/op.js";
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

/** Ops on one ring. Made anew for each drain: it holds no state, only where the ring is. */
export class Virtqueue {
  constructor(
    readonly ring: RingExports,
    readonly at: RingAreas,
    readonly name: string,
  ) {}

  availIdx(): Op<number> {
    const { avail } = this.at;
    return this.#op("avail.idx", [avail + VirtqAvail.IDX], [], () => this.ring.availIdx(avail));
  }

  /**
   * Takes the chain whose head is in avail ring entry `idx`.
   * Eager: the driver owns none of these bytes between its publishing of the index and our used element for it.
   * @returns the chain, or a VIRTQ_REFUSED_* code
   */
  chain(idx: number, indirect: boolean, table: RegionTable): Op<Chain | number> {
    const { size, desc, avail } = this.at;
    const entry = avail + VirtqAvail.RING + (idx & (size - 1)) * VirtqAvail.RING_ENTRY;
    const footprint = () => ({ reads: [ramCell(entry), ...cellsOf(desc, size * VirtqDesc.SIZEOF)], writes: [] });
    return new Op(`${this.name}.chain`, footprint, () => this.#walk(idx, indirect, table), { eager: true });
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
    return new Op(`${this.name}.serve`, footprint, serve, { eager: true });
  }

  /** 2.7.8.2: "The device MUST set len prior to updating the used idx." Eager: the driver reads it after used.idx only. */
  fillUsed(usedIdx: number, head: number, length: number): Op<number> {
    const { used, size } = this.at;
    const at = used + VirtqUsed.RING + (usedIdx & (size - 1)) * VirtqUsedElem.SIZEOF;
    const footprint = { reads: [], writes: cellsOf(at, VirtqUsedElem.SIZEOF) };
    return new Op(
      `${this.name}.used.element`,
      footprint,
      () => {
        this.ring.usedFill(used, size, usedIdx, head, length);
        return 0;
      },
      { eager: true, detail: `id ${head} len ${length}` },
    );
  }

  publishUsed(usedIdx: number): Op<number> {
    const { used } = this.at;
    return this.#op("used.idx", [], [used + VirtqUsed.IDX], () => this.ring.usedPublish(used, usedIdx), `= ${usedIdx}`);
  }

  availFlags(): Op<number> {
    const { avail } = this.at;
    return this.#op("avail.flags", [avail + VirtqAvail.FLAGS], [], () => this.ring.availFlags(avail));
  }

  usedEvent(): Op<number> {
    const { avail, size } = this.at;
    return this.#op("used_event", [avail + virtqUsedEventOffset(size)], [], () => this.ring.usedEvent(avail, size));
  }

  setUsedFlags(flags: number): Op<number> {
    const { used } = this.at;
    return this.#op("used.flags", [], [used + VirtqUsed.FLAGS], () => this.ring.setUsedFlags(used, flags));
  }

  setAvailEvent(idx: number): Op<number> {
    const { used, size } = this.at;
    const cell = used + virtqAvailEventOffset(size);
    return this.#op("avail_event", [], [cell], () => this.ring.setAvailEvent(used, size, idx));
  }

  #op(verb: string, reads: number[], writes: number[], act: () => unknown, detail = ""): Op<number> {
    const footprint = { reads: reads.map(ramCell), writes: writes.map(ramCell) };
    return new Op(`${this.name}.${verb}`, footprint, () => Number(act() ?? 0), { detail });
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
