// What a device must keep to at a split ring (virtio 1.4, 2.7), op by op.

import { VirtqAvail, VirtqUsed, virtqUsedBytes } from "../../device/spec/virtq.js";
import type { Chain, RingOp } from "../../device/virtqueue.js";
import { loadLe } from "../../vm/bus.js";
import type { Segment } from "../../vm/regions.js";
import { isRamCell, ramOffset } from "../../vm/sync/op.js";
import type { Report } from "./rules.js";

/** A chain that the device has taken and not given back. */
interface Taken {
  readonly head: number;
  readonly writable: readonly Segment[];
  /** Where its descriptors lie: offsets into guest RAM. */
  readonly descriptors: readonly number[];
}

export interface RingState {
  /** GET_VRING_BASE has been answered, and the ring not been started since. */
  readonly stopped: boolean;
  readonly taken: readonly Taken[];
  /** Indices of used elements that are written, and that used.idx does not cover yet. */
  readonly filled: readonly number[];
}

export const NEW_RING: RingState = { stopped: false, taken: [], filled: [] };
/** Nothing is in flight: what the device had taken and not given back is lost, and its entry left out when it goes on. */
export const STOPPED_RING: RingState = { ...NEW_RING, stopped: true };

const after = (idx: number, by: number): number => (idx + by) & 0xffff;
const distance = (from: number, to: number): number => (to - from) & 0xffff;

/** @param loaded where the descriptors lie that this op has loaded, in order */
export function ringStep(
  ring: RingState,
  op: RingOp,
  result: Chain | number,
  loaded: readonly number[],
  ram: Uint8Array,
  report: Report,
): RingState {
  const { step, queue } = op;
  checkLoads(ring, op, loaded, report);
  checkWrites(ring, op, report);
  const usedIdx = loadLe(ram, queue.at.used + VirtqUsed.IDX, 2);
  const availIdx = loadLe(ram, queue.at.avail + VirtqAvail.IDX, 2);
  const q = `q${queue.index}`;
  switch (step.does) {
    case "word":
    case "serve":
      return ring;

    case "take": {
      const entry = step.availIdx;
      // Entries are taken in order: before this one are those that are answered, and those that are taken.
      const next = after(usedIdx, ring.filled.length + ring.taken.length);
      if (entry !== next) report("each request answered once", `${q} takes avail entry ${entry}, ${next} is next`);
      const offered = distance(entry, availIdx);
      if (offered < 1 || offered > queue.at.size)
        report("each request answered once", `${q} takes avail entry ${entry}, avail.idx is ${availIdx}`);
      if (typeof result === "number") return ring; // the chain breaks the standard, and the device refuses it
      const { head, writable } = result;
      return { ...ring, taken: [...ring.taken, { head, writable, descriptors: loaded }] };
    }

    case "fill": {
      checkRunning(ring, op, report);
      const next = after(usedIdx, ring.filled.length);
      if (step.usedIdx !== next)
        report("element before index", `${q} writes used element ${step.usedIdx}, ${next} is next`);
      const taken = ring.taken.filter(({ head }) => head !== step.head);
      if (taken.length === ring.taken.length)
        report("each request answered once", `${q} gives back head ${step.head}, which is not taken`);
      return { ...ring, taken, filled: [...ring.filled, step.usedIdx] };
    }

    case "publish": {
      checkRunning(ring, op, report);
      const last = ring.filled.indexOf(after(step.usedIdx, -1));
      if (last < 0)
        report("element before index", `${q} sets used.idx to ${step.usedIdx}, and the element is not written`);
      if (distance(step.usedIdx, availIdx) > queue.at.size)
        report("each request answered once", `${q} sets used.idx to ${step.usedIdx}, avail.idx is ${availIdx}`);
      return { ...ring, filled: ring.filled.slice(last + 1) };
    }
  }
}

function checkRunning({ stopped }: RingState, { name }: RingOp, report: Report): void {
  if (stopped) report("a stopped ring is left alone", `${name} after GET_VRING_BASE was answered`);
}

function checkLoads({ taken }: RingState, { name }: RingOp, loaded: readonly number[], report: Report): void {
  const known = taken.flatMap(({ descriptors }) => descriptors);
  const again = loaded.find((at, i) => known.includes(at) || loaded.indexOf(at) !== i);
  if (again !== undefined) report("descriptors are read once", `${name} reads the one at ${hex(again)} again`);
}

function checkWrites({ taken }: RingState, { name, queue, footprint }: RingOp, report: Report): void {
  const { used, size } = queue.at;
  const own = [{ offset: used, length: virtqUsedBytes(size) }, ...taken.flatMap(({ writable }) => writable)];
  for (const cell of footprint.writes) {
    if (!isRamCell(cell)) continue;
    const at = ramOffset(cell);
    // A cell has two bytes; of a buffer's first or last one may be somebody else's.
    if (own.some(({ offset, length }) => at + 2 > offset && at < offset + length)) continue;
    report("memory of others is not written", `${name} writes at ${hex(at)}`);
    return;
  }
}

const hex = (offset: number): string => `0x${offset.toString(16)}`;
