// A queue whose driver may do anything: descriptors and avail ring are written as they are given, and the device side
// works on them. Indirect tables lie at TABLES[k]; no other address is guest RAM.

import { VirtqAvail, VirtqDesc } from "../../device/spec/virtq.js";
import { RAM_BASE } from "../../vm/spec/board.js";
import type { Desc } from "../model/chain-rules.js";
import { DeviceQueue } from "./device-queue.js";
import { guestRam, instantiateRing } from "./wasm.js";

const TABLE_OFFSETS = [0x40000, 0x41000, 0x42000];
/** The gpas of the indirect tables. */
export const TABLES: readonly bigint[] = TABLE_OFFSETS.map((offset) => BigInt(RAM_BASE + offset));

/** A readable buffer of 16 bytes that ends its chain, but for what is said otherwise. */
export function desc(fields: Partial<Desc> = {}): Desc {
  return { addr: BigInt(RAM_BASE), len: 16, flags: 0, next: 0, ...fields };
}

export class RawQueue {
  readonly memory = guestRam();
  readonly view = new DataView(this.memory.buffer);
  readonly areas: { readonly size: number; readonly desc: number; readonly avail: number; readonly used: number };
  readonly device: DeviceQueue;

  constructor(size: number, features: { eventIdx?: boolean; indirectDesc?: boolean } = {}) {
    this.areas = { size, desc: 0x10000, avail: 0x20000, used: 0x30000 };
    this.device = new DeviceQueue(
      instantiateRing(this.memory),
      this.areas,
      { eventIdx: features.eventIdx ?? false, indirectDesc: features.indirectDesc ?? true },
      (addr) => TABLE_OFFSETS[TABLES.indexOf(addr)],
    );
  }

  /** Writes the queue's own descriptors, from number 0 on. */
  table(descs: readonly Desc[]): this {
    return this.write(this.areas.desc, descs);
  }

  /** Writes an indirect table. */
  indirectTable(which: number, descs: readonly Desc[]): this {
    return this.write(TABLE_OFFSETS[which]!, descs);
  }

  /** Offers heads as a driver would, and sets avail.idx to `idx`. */
  avail(heads: readonly number[], idx = heads.length): this {
    const { avail, size } = this.areas;
    heads.forEach((head, i) => {
      this.view.setUint16(avail + VirtqAvail.RING + (i % size) * VirtqAvail.RING_ENTRY, head, true);
    });
    this.view.setUint16(avail + VirtqAvail.IDX, idx, true);
    return this;
  }

  private write(table: number, descs: readonly Desc[]): this {
    descs.forEach(({ addr, len, flags, next }, i) => {
      const at = table + i * VirtqDesc.SIZEOF;
      this.view.setBigUint64(at + VirtqDesc.ADDR, addr, true);
      this.view.setUint32(at + VirtqDesc.LEN, len, true);
      this.view.setUint16(at + VirtqDesc.FLAGS, flags, true);
      this.view.setUint16(at + VirtqDesc.NEXT, next, true);
    });
    return this;
  }
}
