// The driver side alone: what lies in guest RAM after each call, and what the driver makes of a device that lies.

import { beforeEach, describe, expect, it } from "vitest";
import { virtqAvailEventOffset, virtqUsedEventOffset } from "../../../device/spec/virtq.js";
import { DriverQueue } from "../../driver/driver-queue.js";
import { guestRam, instantiateDriver } from "../../driver/wasm.js";
import type { Buffer as QueueBuffer } from "../../model/split-queue.js";

const readable = (len: number, addr = 0x80001000n): QueueBuffer => ({ addr, len, write: false });
const writable = (len: number, addr = 0x80001000n): QueueBuffer => ({ addr, len, write: true });

/** Descriptor `i` of the table: [addr, len, flags, next]. */
function descriptor({ view, areas }: DriverQueue, i: number): [bigint, number, number, number] {
  const at = areas.desc + 16 * i;
  return [
    view.getBigUint64(at, true),
    view.getUint32(at + 8, true),
    view.getUint16(at + 12, true),
    view.getUint16(at + 14, true),
  ];
}

/** What a device does: the used elements, then used.idx. */
function deviceReturns(
  { view, areas }: DriverQueue,
  elements: readonly [id: number, len: number][],
  idx: number,
): void {
  elements.forEach(([id, len], i) => {
    const slot = (idx - elements.length + i) & (areas.size - 1);
    view.setUint32(areas.used + 4 + 8 * slot, id, true);
    view.setUint32(areas.used + 8 + 8 * slot, len, true);
  });
  view.setUint16(areas.used + 2, idx, true);
}

describe("supplying buffers (virtio 1.4, 2.7.13)", () => {
  it("FUSE_INIT as VirtioFsDxe sends it: descriptors 0 to 3, head 0 in avail.ring[0], avail.idx 1", () => {
    const queue = new DriverQueue(guestRam(), 128, false);
    const buffers = [
      readable(40, 0x80002000n), // fuse_in_header
      readable(16, 0x80002028n), // fuse_init_in
      writable(16, 0x80003000n), // fuse_out_header
      writable(64, 0x80003010n), // fuse_init_out
    ];
    expect(queue.add(buffers, false)).toBe(0);
    expect(queue.view.getUint16(queue.areas.avail + 2, true)).toBe(0); // not yet published
    queue.publish();
    expect([0, 1, 2, 3].map((i) => descriptor(queue, i))).toEqual([
      [0x80002000n, 40, 1, 1], // NEXT
      [0x80002028n, 16, 1, 2], // NEXT
      [0x80003000n, 16, 3, 3], // NEXT | WRITE
      [0x80003010n, 64, 2, 0], // WRITE
    ]);
    expect(queue.view.getUint16(queue.areas.avail + 4, true)).toBe(0); // ring[0]
    expect(queue.view.getUint16(queue.areas.avail + 2, true)).toBe(1); // idx
    expect(queue.kick()).toBe(true);
  });

  it("one request in flight at a time starts at descriptor 0 each time, across the wrap of the indices", () => {
    const queue = new DriverQueue(guestRam(), 4, false);
    const heads = new Set<number | undefined>();
    for (let request = 1; request <= 70_000; request++) {
      heads.add(queue.add([readable(40), writable(16), writable(64)], false));
      queue.publish();
      deviceReturns(queue, [[0, 80]], request & 0xffff);
      heads.add(queue.poll() === 1 ? queue.reap() : undefined);
    }
    expect([...heads]).toEqual([0]);
  });

  it("a queue takes what fits and no more: descriptors direct, one for an indirect chain of up to the queue size", () => {
    const queue = new DriverQueue(guestRam(), 4, false);
    const three = [readable(1), readable(1), writable(1)];
    expect(queue.add([], false)).toBeUndefined();
    expect(queue.add(three, false)).toBe(0);
    expect(queue.add([readable(1), writable(1)], false)).toBeUndefined();
    expect(queue.freeCount()).toBe(1);
    expect(queue.add(new Array(5).fill(readable(1)), true)).toBeUndefined(); // 2.7.5.3.1: longer than the queue size
    expect(queue.add(new Array(4).fill(readable(1)), true)).toBe(3);
    expect(queue.add([readable(1)], true)).toBeUndefined();
    expect(queue.freeCount()).toBe(0);
  });

  it("2.7.5.3: an indirect chain is one descriptor with the table's gpa, 16 bytes an entry, INDIRECT and not NEXT", () => {
    const queue = new DriverQueue(guestRam(), 4, false);
    queue.add([readable(40), writable(16), writable(64)], true);
    const [addr, len, flags] = descriptor(queue, 0);
    expect([len, flags]).toEqual([48, 4]);
    const table = Number(addr - 0x80000000n); // the board's RAM starts at 2 GiB
    const entry = (i: number): number[] => [
      queue.view.getUint32(table + 16 * i + 8, true), // len
      queue.view.getUint16(table + 16 * i + 12, true), // flags
      queue.view.getUint16(table + 16 * i + 14, true), // next
    ];
    expect([entry(0), entry(1), entry(2)]).toEqual([
      [40, 1, 1],
      [16, 3, 2],
      [64, 2, 0],
    ]);
  });

  it("2.7.10.1: init zeroes rings and private memory that held other things", () => {
    const memory = guestRam();
    new Uint8Array(memory.buffer).fill(0xff);
    const queue = new DriverQueue(memory, 16, false);
    const rings = new Uint8Array(memory.buffer, queue.areas.desc, queue.driver.virtqRingBytes(16));
    expect(rings.every((byte) => byte === 0)).toBe(true);
    expect(queue.freeCount()).toBe(16);
    expect(queue.poll()).toBe(0);
    expect(queue.add([readable(1)], false)).toBe(0);
    expect(queue.reap()).toBe(queue.driver.VIRTQ_NONE.value);
  });

  it("keeps its state in guest memory: two queues of one instance do not disturb each other", () => {
    const memory = guestRam();
    const driver = instantiateDriver(memory);
    const a = new DriverQueue(memory, 4, false, driver);
    const far = 0x100000;
    const before = Buffer.from(new Uint8Array(memory.buffer, 0, far));
    driver.init(far, far + 0x1000, 8, 1, 0);
    expect(driver.add(far, far + 0x8000, 3)).toBe(0);
    driver.publish(far);
    expect(before.equals(new Uint8Array(memory.buffer, 0, far))).toBe(true);
    expect(driver.freeCount(far)).toBe(5);
    expect(a.freeCount()).toBe(4);
  });
});

describe("notification suppression, the driver's half (virtio 1.4, 2.7.7.1, 2.7.10.1)", () => {
  function published(eventIdx: boolean): DriverQueue {
    const queue = new DriverQueue(guestRam(), 8, eventIdx);
    queue.add([readable(1)], false);
    queue.publish();
    return queue;
  }

  it("2.7.10.1: without EVENT_IDX used.flags decides and avail_event is ignored", () => {
    const queue = published(false);
    queue.view.setUint16(queue.areas.used + virtqAvailEventOffset(8), 0x1234, true);
    expect(queue.kick()).toBe(true);
    queue.view.setUint16(queue.areas.used, 1, true); // VIRTQ_USED_F_NO_NOTIFY
    expect(queue.kick()).toBe(false);
  });

  it("2.7.10.1: with EVENT_IDX avail_event decides and the lower bit of used.flags is ignored", () => {
    const queue = published(true);
    queue.view.setUint16(queue.areas.used, 1, true);
    expect(queue.kick()).toBe(true); // avail_event 0: entry 0 was just made available
    queue.add([readable(1)], false);
    queue.publish();
    expect(queue.kick()).toBe(false); // entry 1
  });

  it("2.7.13: a chain that is added but not published is neither seen nor kicked for", () => {
    const queue = new DriverQueue(guestRam(), 8, true);
    queue.add([readable(1)], false);
    expect(queue.kick()).toBe(false);
    queue.publish();
    expect(queue.kick()).toBe(true);
  });

  it("2.7.7.1: without EVENT_IDX calls are refused and wanted by flags 1 and 0", () => {
    const queue = new DriverQueue(guestRam(), 8, false);
    const flags = (): number => queue.view.getUint16(queue.areas.avail, true);
    queue.wantCalls(false);
    expect(flags()).toBe(1);
    queue.wantCalls(true);
    expect(flags()).toBe(0);
  });

  it("2.7.7.1: with EVENT_IDX the driver leaves flags 0 and names the element in used_event", () => {
    const queue = published(true);
    const event = (): number => queue.view.getUint16(queue.areas.avail + virtqUsedEventOffset(8), true);
    queue.wantCalls(false);
    expect(event()).toBe(65535);
    deviceReturns(queue, [[0, 0]], 1);
    queue.poll();
    queue.reap();
    queue.wantCalls(true);
    expect(event()).toBe(1);
    expect(queue.view.getUint16(queue.areas.avail, true)).toBe(0);
  });
});

describe("a device that lies (virtio 1.4, 2.7.8)", () => {
  let queue: DriverQueue;
  /** Two chains in flight: head 0 (descriptors 0 to 2, 80 writable bytes), head 3 (nothing writable). */
  beforeEach(() => {
    queue = new DriverQueue(guestRam(), 8, false);
    queue.add([readable(40), writable(16), writable(64)], false);
    queue.add([readable(40)], false);
    queue.publish();
  });

  function reaped(): string | number {
    queue.poll();
    const head = queue.reap();
    const { driver } = queue;
    if (head === driver.VIRTQ_USED_BAD_IDX.value) return "bad idx";
    if (head === driver.VIRTQ_USED_BAD_ID.value) return "bad id";
    if (head === driver.VIRTQ_USED_BAD_LEN.value) return "bad len";
    return head;
  }

  it.each([8, 0xffff, 0x10000, 0xffffffff])("id %i is outside the table", (id) => {
    deviceReturns(queue, [[id, 0]], 1);
    expect(reaped()).toBe("bad id");
    expect(queue.freeCount()).toBe(4);
  });

  it.each([4, 7])("id %i names a free descriptor", (id) => {
    deviceReturns(queue, [[id, 0]], 1);
    expect(reaped()).toBe("bad id");
  });

  it("id 1 is a descriptor inside a chain, not its head", () => {
    deviceReturns(queue, [[1, 0]], 1);
    expect(reaped()).toBe("bad id");
  });

  it("a chain that is returned twice is taken once", () => {
    deviceReturns(
      queue,
      [
        [0, 80],
        [0, 80],
      ],
      2,
    );
    expect([reaped(), reaped()]).toEqual([0, "bad id"]);
    expect(queue.freeCount()).toBe(7);
  });

  it("used len beyond the writable bytes of the chain", () => {
    deviceReturns(queue, [[0, 81]], 1);
    expect(reaped()).toBe("bad len");
    deviceReturns(queue, [[3, 1]], 1);
    expect(reaped()).toBe("bad len");
    deviceReturns(queue, [[0, 80]], 1);
    expect(reaped()).toBe(0);
    expect(queue.reapedLen()).toBe(80);
  });

  it.each([3, 0x8000, 0xffff])("used.idx %i is ahead of the two chains in flight", (idx) => {
    deviceReturns(queue, [], idx);
    expect(reaped()).toBe("bad idx");
    expect(queue.freeCount()).toBe(4);
  });

  it("a device that rewrites descriptors and avail ring cannot misguide the free list", () => {
    const { view, areas } = queue;
    new Uint8Array(view.buffer, areas.desc, 16 * 8).fill(0x5a);
    new Uint8Array(view.buffer, areas.avail + 4, 2 * 8).fill(0x5a);
    deviceReturns(
      queue,
      [
        [3, 0],
        [0, 0],
      ],
      2,
    );
    expect([reaped(), reaped()]).toEqual([3, 0]);
    expect(queue.freeCount()).toBe(8);
    const all = new Array(8).fill(readable(1));
    expect(queue.add(all, false)).toBe(0);
    // Last in, first out: chain 0 (descriptors 0, 1, 2), then chain 3, then what was never used.
    const order = [0];
    while (order.length < 8) order.push(descriptor(queue, order.at(-1)!)[3]);
    expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });
});
