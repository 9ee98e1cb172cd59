// Guest RAM as a VMM has it mapped, and the addresses there by which it names memory and rings to a back-end: those of
// vhost-user messages, and those of ioctls of a vhost device.

import type { GuestMemory } from "../../vm/memory.js";
import { RegionTable } from "../../vm/regions.js";
import { type RingAreas, ringAreas, ringLabels } from "../virtqueue.js";
import type { Gpa, QueueConfig } from "./virtio-device.js";

/** Where guest RAM is mapped: any address will do, but it is not the gpa and not the offset. */
const UADDR_BASE = 0x7f00_0000_0000n;
const uaddrOf = (offset: number): bigint => UADDR_BASE + BigInt(offset);

/** The VMM's address space: user addresses to offsets into guest RAM. */
export function userMemory({ table }: GuestMemory): RegionTable {
  const mapped = table.regions.map((region) => {
    const uaddr = uaddrOf(region.offset);
    return { ...region, lo: Number(uaddr & 0xffffffffn), hi: Number(uaddr >> 32n) };
  });
  return new RegionTable(mapped);
}

/** The regions of guest RAM, as memory tables have them. */
export function memoryRegions({ table }: GuestMemory) {
  return table.regions.map((r) => ({
    gpa: (BigInt(r.hi) << 32n) | BigInt(r.lo),
    size: BigInt(r.size),
    uaddr: uaddrOf(r.offset),
    offset: BigInt(r.offset),
  }));
}

/** Where the driver has put a ring of `size` entries, or undefined if that is not in guest RAM or not aligned. */
export function placeRing(ram: GuestMemory, queue: number, size: number, config: QueueConfig): RingAreas | undefined {
  const gpas: Record<"desc" | "avail" | "used", Gpa> = {
    desc: config.desc,
    avail: config.driver,
    used: config.device,
  };
  if (size === 0) return undefined;
  const areas = ringAreas(size, (area, length) => ram.table.contiguous(gpas[area].lo, gpas[area].hi, length));
  if (areas) ram.words.label(`q${queue}`, ringLabels(queue, areas));
  return areas;
}

/** struct vhost_vring_addr. */
export function vringAddr(index: number, { desc, used, avail }: RingAreas) {
  return { index, flags: 0, desc: uaddrOf(desc), used: uaddrOf(used), avail: uaddrOf(avail), log: 0n };
}
