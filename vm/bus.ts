// The bus between a vCPU and the devices: what KVM's MMIO exits and ioeventfds are, with QEMU's memory regions above
// them (virt/kvm/eventfd.c, system/memory.c). An access is a trap: it runs in the vCPU's thread and may wait.
//
// Addresses are guest-physical, 64 bits as two u32 (lo, hi); values are unsigned; widths are 1, 2 or 4 bytes (a guest's
// 8-byte access is two of 4).

import type { EventCounter } from "./sync/eventfd.js";
import type { Actor } from "./sync/op.js";

export interface MmioRegion {
  readonly name: string;
  /** Bytes; fewer than 2^32. */
  readonly size: number;
  read(offset: number, width: number): Actor<number>;
  write(offset: number, width: number, value: number): Actor;
}

/** A region whose accesses are no steps that another actor could see: plain functions. */
export function localRegion(
  name: string,
  size: number,
  access: {
    read(offset: number, width: number): number;
    write(offset: number, width: number, value: number): void;
  },
): MmioRegion {
  return {
    name,
    size,
    // biome-ignore lint/correctness/useYield: a trap without steps
    *read(offset, width) {
      return access.read(offset, width);
    },
    // biome-ignore lint/correctness/useYield: a trap without steps
    *write(offset, width, value) {
      access.write(offset, width, value);
    },
  };
}

/** What a read gives where nothing answers. */
export function allOnes(width: number): number {
  return width === 1 ? 0xff : width === 2 ? 0xffff : 0xffffffff;
}

/** The `width` bytes at `offset`, little-endian. */
export function loadLe(bytes: Uint8Array, offset: number, width: number): number {
  let value = 0;
  for (let i = width - 1; i >= 0; i--) value = value * 256 + bytes[offset + i]!;
  return value;
}

export function storeLe(bytes: Uint8Array, offset: number, width: number, value: number): void {
  for (let i = 0; i < width; i++) bytes[offset + i] = value >>> (8 * i);
}

interface Ioeventfd {
  readonly offset: number;
  /** Bytes a write must have to match; 0: any. */
  readonly width: number;
  readonly eventfd: EventCounter;
}

export class Bus {
  /** Where regions overlap, the one mapped first answers. */
  readonly #bases = new Map<MmioRegion, { lo: number; hi: number }>();
  // By region, so that they move with a BAR and fall silent with it, as QEMU's memory core does it.
  readonly #ioeventfds = new Map<MmioRegion, Ioeventfd[]>();

  /** Maps a region, or moves it. */
  map(region: MmioRegion, lo: number, hi: number): void {
    this.#bases.set(region, { lo, hi });
  }

  unmap(region: MmioRegion): void {
    this.#bases.delete(region);
  }

  /**
   * KVM_IOEVENTFD: from now on a write of `width` bytes (0: of any width) at `offset` of the region adds 1 to the
   * eventfd and does not reach the region.
   */
  assignIoeventfd(region: MmioRegion, offset: number, width: number, eventfd: EventCounter): void {
    const list = this.#ioeventfds.get(region) ?? [];
    if (list.some((other) => other.offset === offset && (other.width === width || other.width === 0 || width === 0)))
      throw new Error(`${region.name}: an ioeventfd at offset ${offset} is assigned already`);
    this.#ioeventfds.set(region, [...list, { offset, width, eventfd }]);
  }

  deassignIoeventfd(region: MmioRegion, offset: number, width: number): void {
    const list = this.#ioeventfds.get(region) ?? [];
    const rest = list.filter((other) => other.offset !== offset || other.width !== width);
    if (rest.length === list.length) throw new Error(`${region.name}: no ioeventfd at offset ${offset}`);
    this.#ioeventfds.set(region, rest);
  }

  /** @returns the value, or all ones where no region has the whole access, or the width is none */
  *read(lo: number, hi: number, width: number): Actor<number> {
    const hit = this.#find(lo, hi, width);
    if (!hit) return allOnes(width);
    return yield* hit.region.read(hit.offset, width);
  }

  /** Ignored where no region has the whole access, or the width is none. */
  *write(lo: number, hi: number, width: number, value: number): Actor {
    const hit = this.#find(lo, hi, width);
    if (!hit) return;
    const { region, offset } = hit;
    const ioeventfd = this.#ioeventfds
      .get(region)
      ?.find((each) => each.offset === offset && (each.width === 0 || each.width === width));
    if (ioeventfd) yield* ioeventfd.eventfd.add(1);
    else yield* region.write(offset, width, (value & allOnes(width)) >>> 0);
  }

  #find(lo: number, hi: number, width: number): { region: MmioRegion; offset: number } | undefined {
    if (width !== 1 && width !== 2 && width !== 4) return undefined;
    for (const [region, base] of this.#bases) {
      // address - base in 64 bits: the low halves, and the high halves with the borrow.
      const offset = (lo - base.lo) >>> 0;
      const high = (hi - base.hi - (lo < base.lo ? 1 : 0)) >>> 0;
      if (high === 0 && offset < region.size && width <= region.size - offset) return { region, offset };
    }
    return undefined;
  }
}
