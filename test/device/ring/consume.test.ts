// The run over many chains against the device's own steps: the same chains are taken, the same ones refused, for the
// same reason (virtio 1.4, 2.7.4.2, 2.7.5; R1-R3, R8, R12-R20).

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as virtq from "../../../device/spec/virtq.js";
import { VIRTQ_REFUSALS } from "../../../device/spec/virtq-refusal.js";
import { type Chain, type RingExports, Virtqueue } from "../../../device/virtqueue.js";
import { RegionTable } from "../../../vm/regions.js";
import { RAM_BASE } from "../../../vm/spec/board.js";
import { hostileTable } from "../../driver/hostile-table.js";
import { desc, RawQueue, TABLES } from "../../driver/raw-queue.js";
import { instantiateRing } from "../../driver/wasm.js";

/** Where buffers and indirect tables lie, and where a run copies to. */
const REGION = 0x40000;
const REGION_BYTES = 0x3000;
const SINK = 0x50000;
const ROOM = 64;

interface Run {
  readonly most?: number;
  readonly batch?: number;
  readonly inOrder?: boolean;
  readonly notify?: number;
  readonly from?: number;
  readonly indirect?: boolean;
}

class Device {
  readonly ring: RingExports;

  constructor(readonly raw: RawQueue) {
    this.ring = instantiateRing(raw.memory);
    new Uint8Array(raw.memory.buffer, REGION, REGION_BYTES).forEach((_, i, bytes) => {
      bytes[i] = i * 37 + (i >>> 8);
    });
  }

  run({
    most = 1,
    batch = 32,
    inOrder = false,
    notify = virtq.VIRTQ_NOTIFY_NEVER,
    from = 0,
    indirect = true,
  }: Run): number {
    const { desc, avail, used, size } = this.raw.areas;
    const walk = indirect ? virtq.VIRTQ_WALK_INDIRECT_DESC : 0;
    const place = [RAM_BASE + REGION, 0, REGION_BYTES, REGION, SINK, ROOM] as const;
    return this.ring.consume(
      desc,
      avail,
      used,
      size,
      walk,
      Number(inOrder),
      notify,
      ...place,
      from,
      from,
      most,
      batch,
      0,
      0,
    );
  }

  /** What the steps make of the chain at avail entry 0. */
  stepped(indirect: boolean): Chain | number {
    const table = new RegionTable([{ lo: RAM_BASE + REGION, hi: 0, size: REGION_BYTES, offset: REGION }]);
    return new Virtqueue(this.ring, this.raw.areas, 0, true).chain(0, indirect, table).attempt()!;
  }

  used(): { idx: number; element: (at: number) => [id: number, len: number] } {
    const { view, areas } = this.raw;
    return {
      idx: view.getUint16(areas.used + virtq.VirtqUsed.IDX, true),
      element: (at) => {
        const offset = areas.used + virtq.VirtqUsed.RING + at * virtq.VirtqUsedElem.SIZEOF;
        return [view.getUint32(offset, true), view.getUint32(offset + 4, true)];
      },
    };
  }

  /** The bytes of a chain's readable segments, as far as there is room. */
  readable(chain: Chain): number[] {
    const ram = new Uint8Array(this.raw.memory.buffer);
    return chain.readable.flatMap(({ offset, length }) => [...ram.slice(offset, offset + length)]).slice(0, ROOM);
  }
}

/** What begins here does not end in the region, but for the smallest. */
const LAST_BYTES = BigInt(RAM_BASE + REGION + REGION_BYTES - 8);

/** To a run both are the same: the chain is not for it. */
const ADDRESS = [virtq.VIRTQ_REFUSED_INDIRECT_ADDRESS, virtq.VIRTQ_REFUSED_BUFFER_ADDRESS];

describe("hostile chains", () => {
  it("are taken or refused as by the steps, and copied byte for byte", () => {
    const met = new Map<number | "taken", number>();
    fc.assert(
      fc.property(hostileTable([LAST_BYTES]), fc.boolean(), ({ size, table, tables, head, indirect }, inOrder) => {
        const raw = new RawQueue(size, { indirectDesc: indirect }).table(table).avail([head]);
        const device = new Device(raw);
        tables.forEach((descs, which) => {
          raw.indirectTable(which, descs);
        });
        const stepped = device.stepped(indirect);
        const end = device.run({ indirect, inOrder });
        const key = typeof stepped === "number" ? stepped : "taken";
        met.set(key, (met.get(key) ?? 0) + 1);
        if (typeof stepped === "number") {
          expect(end).toBe(ADDRESS.includes(stepped) ? virtq.VIRTQ_RUN_ELSEWHERE : stepped);
          expect([device.ring.ranAvail.value, device.ring.ranUsed.value, device.used().idx]).toEqual([0, 0, 0]);
        } else {
          expect(end).toBe(virtq.VIRTQ_RUN_DONE);
          expect([device.ring.ranAvail.value, device.used().idx, device.used().element(0)]).toEqual([1, 1, [head, 0]]);
          const bytes = device.readable(stepped);
          expect([...new Uint8Array(raw.memory.buffer, SINK, bytes.length)]).toEqual(bytes);
        }
      }),
      { seed: 20, numRuns: 3000 },
    );
    const refusals = Object.keys(VIRTQ_REFUSALS)
      .map(Number)
      .filter((code) => code !== virtq.VIRTQ_REFUSED_AVAIL_IDX);
    expect(["taken" as const, ...refusals].filter((key) => (met.get(key) ?? 0) < 3)).toEqual([]);
  });

  it("2.7.5: a chain that goes round is refused after as many buffers as the queue has entries", () => {
    const raw = new RawQueue(4).table([desc({ addr: TABLES[0]!, flags: virtq.VIRTQ_DESC_F_NEXT, next: 0 })]).avail([0]);
    expect(new Device(raw).run({})).toBe(virtq.VIRTQ_REFUSED_CHAIN_LENGTH);
  });

  it("2.7.6.1: an avail.idx that cannot be is refused; the chains between two looks count", () => {
    const raw = new RawQueue(4).table([desc({ addr: TABLES[0]! })]).avail([0, 0, 0, 0], 5);
    expect(new Device(raw).run({ most: 9 })).toBe(virtq.VIRTQ_REFUSED_AVAIL_IDX);
  });
});

describe("a run", () => {
  const four = (): Device => {
    const descs = [0, 1, 2, 3].map((i) => desc({ addr: TABLES[0]! + BigInt(16 * i), len: 16 }));
    return new Device(new RawQueue(4).table(descs).avail([2, 0, 3, 1]));
  };

  it("ends with what was asked for, or idle, and says where the next one goes on", () => {
    const device = four();
    expect(device.run({ most: 3 })).toBe(virtq.VIRTQ_RUN_DONE);
    expect([device.ring.ranAvail.value, device.ring.ranUsed.value, device.used().idx]).toEqual([3, 3, 3]);
    expect(device.run({ most: 3, from: 3 })).toBe(virtq.VIRTQ_RUN_IDLE);
    expect([0, 1, 2, 3].map((at) => device.used().element(at)[0])).toEqual([2, 0, 3, 1]);
  });

  it("sums the word with which each chain begins", () => {
    const device = four();
    device.run({ most: 4 });
    const words = [2, 0, 3, 1].map((i) => device.raw.view.getUint32(REGION + 16 * i, true));
    expect(device.ring.ranSum.value >>> 0).toBe(words.reduce((sum, word) => (sum + word) >>> 0));
  });

  it("2.7.9, in order: one element a batch, with the id of its last chain in the place of its first", () => {
    const device = four();
    device.run({ most: 4, batch: 2, inOrder: true });
    expect(device.used().idx).toBe(4);
    expect([0, 1, 2, 3].map((at) => device.used().element(at))).toEqual([
      [0, 0],
      [0, 0],
      [1, 0],
      [0, 0],
    ]);
  });

  it("2.7.7.2: ends where what it published wants a notification, by the flags or by used_event", () => {
    const device = four();
    const flags = { most: 4, batch: 2, notify: virtq.VIRTQ_NOTIFY_FLAGS };
    expect([device.run(flags), device.ring.ranAvail.value]).toEqual([virtq.VIRTQ_RUN_NOTIFY, 2]);
    const quiet = four();
    quiet.raw.view.setUint16(quiet.raw.areas.avail, virtq.VIRTQ_AVAIL_F_NO_INTERRUPT, true);
    expect([quiet.run(flags), quiet.ring.ranAvail.value]).toEqual([virtq.VIRTQ_RUN_DONE, 4]);
    const event = four();
    event.raw.view.setUint16(event.raw.areas.avail + virtq.virtqUsedEventOffset(4), 2, true); // the third element
    expect(event.run({ ...flags, notify: virtq.VIRTQ_NOTIFY_EVENT })).toBe(virtq.VIRTQ_RUN_NOTIFY);
    expect(event.ring.ranAvail.value).toBe(4);
  });

  it("publishes what it has taken before it says that the next chain is refused", () => {
    const descs = [desc({ addr: TABLES[0]! }), desc({ addr: TABLES[0]!, len: 0 })];
    const device = new Device(new RawQueue(2).table(descs).avail([0, 1]));
    expect(device.run({ most: 2 })).toBe(virtq.VIRTQ_REFUSED_ZERO_LENGTH);
    expect([device.ring.ranAvail.value, device.used().idx]).toEqual([1, 1]);
  });
});
