// The device side for tests: ring.wasm's exports put together as a device does it, with its private state in fields.

import {
  VIRTQ_AVAIL_F_NO_INTERRUPT,
  VIRTQ_CHAIN_INDIRECT,
  VIRTQ_CHAIN_LAST,
  VIRTQ_DESC_F_WRITE,
  VIRTQ_REFUSED,
  VIRTQ_REFUSED_AVAIL_IDX,
  VIRTQ_REFUSED_INDIRECT_ADDRESS,
  VIRTQ_USED_F_NO_NOTIFY,
  VIRTQ_WALK_INDIRECT_DESC,
  virtqAvailIdxValid,
  vringNeedEvent,
} from "../../device/spec/virtq.js";
import type { RingAreas, RingExports } from "../../device/virtqueue.js";
import type { Buffer } from "../model/split-queue.js";

export interface Features {
  readonly eventIdx: boolean;
  readonly indirectDesc: boolean;
}

/** gpa range -> offset into guest RAM, or undefined if any of it lies outside. */
export type Translate = (addr: bigint, len: number) => number | undefined;

export type Taken = { readonly head: number; readonly buffers: readonly Buffer[] } | { readonly refused: number };

export class DeviceQueue {
  nextAvail = 0;
  usedIdx = 0;
  private published = 0;
  private calledIdx = 0;
  /** Steps that the last walk took. */
  steps = 0;

  constructor(
    private readonly ring: RingExports,
    private readonly areas: RingAreas,
    private readonly features: Features,
    private readonly translate: Translate,
  ) {}

  /** The queue as it is after `start` requests have come and gone. */
  startAt(start: number): void {
    this.nextAvail = this.usedIdx = this.published = this.calledIdx = start & 0xffff;
  }

  /** The next chain that the driver offers, undefined if there is none. */
  take(): Taken | undefined {
    const availIdx = this.ring.availIdx(this.areas.avail);
    if (!virtqAvailIdxValid(availIdx, this.nextAvail, this.areas.size)) return { refused: VIRTQ_REFUSED_AVAIL_IDX };
    if (availIdx === this.nextAvail) return undefined;
    const head = this.ring.availHead(this.areas.avail, this.areas.size, this.nextAvail);
    this.nextAvail = (this.nextAvail + 1) & 0xffff;
    return this.walk(head);
  }

  walk(head: number): Taken {
    const { ring, areas } = this;
    const buffers: Buffer[] = [];
    let table = areas.desc;
    let entries = areas.size;
    let index = head;
    let state = this.features.indirectDesc ? VIRTQ_WALK_INDIRECT_DESC : 0;
    let total = 0;
    for (this.steps = 1; ; this.steps++) {
      const status = ring.chainStep(table, entries, index, areas.size, state, total);
      if (status >= VIRTQ_REFUSED) return { refused: status };
      const addr = (BigInt(ring.descAddrHi.value >>> 0) << 32n) | BigInt(ring.descAddrLo.value >>> 0);
      const len = ring.descLen.value >>> 0;
      state = ring.walkState.value;
      total = ring.walkTotal.value;
      if (status === VIRTQ_CHAIN_INDIRECT) {
        const translated = this.translate(addr, len);
        if (translated === undefined) return { refused: VIRTQ_REFUSED_INDIRECT_ADDRESS };
        table = translated;
        entries = len / 16;
        index = 0;
        continue;
      }
      buffers.push({ addr, len, write: (ring.descFlags.value & VIRTQ_DESC_F_WRITE) !== 0 });
      if (status === VIRTQ_CHAIN_LAST) return { head, buffers };
      index = ring.descNext.value;
    }
  }

  complete(head: number, len: number): void {
    this.ring.usedFill(this.areas.used, this.areas.size, this.usedIdx, head, len);
    this.usedIdx = (this.usedIdx + 1) & 0xffff;
  }

  publishUsed(): void {
    this.published = this.usedIdx;
    this.ring.usedPublish(this.areas.used, this.published);
  }

  /** 2.7.7.2: is a used buffer notification due for what was published since the last decision? */
  call(): boolean {
    const old = this.calledIdx;
    this.calledIdx = this.published;
    const { avail, size } = this.areas;
    if (!this.features.eventIdx) return (this.ring.availFlags(avail) & VIRTQ_AVAIL_F_NO_INTERRUPT) === 0;
    return vringNeedEvent(this.ring.usedEvent(avail, size), this.published, old);
  }

  /** 2.7.10.2: the device's wish for available buffer notifications. */
  wantKicks(wanted: boolean): void {
    const { used, size } = this.areas;
    if (this.features.eventIdx) this.ring.setAvailEvent(used, size, wanted ? this.nextAvail : this.nextAvail - 1);
    else this.ring.setUsedFlags(used, wanted ? 0 : VIRTQ_USED_F_NO_NOTIFY);
  }
}
