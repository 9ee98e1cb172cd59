// The driver side with VIRTIO_F_IN_ORDER (virtio 1.4, 2.7.5, 2.7.9): against a device that returns chains in order, an
// element a chain or one for several, and against one that lies.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DriverQueue } from "../../driver/driver-queue.js";
import { guestRam, instantiateDriver } from "../../driver/wasm.js";
import type { Buffer } from "../../model/split-queue.js";

const inOrderQueue = (size: number): DriverQueue => {
  const memory = guestRam();
  return new DriverQueue(memory, size, false, instantiateDriver(memory), true);
};
const writable = (len: number): Buffer => ({ addr: 0x80001000n, len, write: true });

/** Writes an element at used index `idx` and sets used.idx to `next`. */
function deviceReturns({ view, areas }: DriverQueue, idx: number, id: number, len: number, next: number): void {
  const slot = areas.used + 4 + 8 * (idx & (areas.size - 1));
  view.setUint32(slot, id, true);
  view.setUint32(slot + 4, len, true);
  view.setUint16(areas.used + 2, next, true);
}

describe("a driver in order", () => {
  it("2.7.5: takes descriptors in a circle, and next is x + 1, 0 behind the last", () => {
    const queue = inOrderQueue(4);
    const heads: (number | undefined)[] = [];
    for (let request = 0; request < 6; request++) {
      heads.push(queue.add([writable(16)], false));
      queue.publish();
      deviceReturns(queue, request, request & 3, 16, request + 1);
      expect([queue.poll(), queue.reap(), queue.reapedLen()]).toEqual([1, request & 3, 16]);
    }
    expect(heads).toEqual([0, 1, 2, 3, 0, 1]);
    queue.add([writable(1), writable(1), writable(1)], false); // descriptors 2, 3, 0
    const next = [2, 3].map((i) => queue.view.getUint16(queue.areas.desc + 16 * i + 14, true));
    expect(next).toEqual([3, 0]);
  });

  it("2.7.9: an element stands for all chains up to its own; those before it are used completely", () => {
    const queue = inOrderQueue(8);
    for (const len of [16, 32, 64]) queue.add([writable(len)], false);
    queue.publish();
    deviceReturns(queue, 0, 2, 5, 3);
    expect(queue.poll()).toBe(3);
    const reaped = [0, 1, 2].map(() => [queue.reap(), queue.reapedLen()]);
    expect(reaped).toEqual([
      [0, 16],
      [1, 32],
      [2, 5],
    ]);
    expect(queue.reap()).toBe(queue.driver.VIRTQ_NONE.value);
    expect(queue.freeCount()).toBe(8);
  });

  it("a full queue comes back whole by one element", () => {
    const queue = inOrderQueue(4);
    for (let i = 0; i < 4; i++) queue.add([writable(1)], false);
    queue.publish();
    deviceReturns(queue, 0, 3, 0, 4);
    queue.poll();
    expect([0, 1, 2, 3].map(() => queue.reap())).toEqual([0, 1, 2, 3]);
    expect(queue.freeCount()).toBe(4);
  });

  it("an element that stands for chains beyond used.idx is nonsense", () => {
    const queue = inOrderQueue(4);
    for (let i = 0; i < 3; i++) queue.add([writable(16)], false);
    queue.publish();
    deviceReturns(queue, 0, 2, 0, 2); // two returned, and the element is the third chain's
    queue.poll();
    expect(queue.reap()).toBe(0);
    expect(queue.reap()).toBe(queue.driver.VIRTQ_USED_BAD_ID.value);
  });

  it("whatever a device returns: chains in order, each once, direct and indirect, or a named refusal", () => {
    const met = { batch: 0, single: 0, refused: 0, indirect: 0 };
    const step = fc.record({
      lengths: fc.array(fc.array(fc.constantFrom(1, 16, 4096), { minLength: 1, maxLength: 3 }), { maxLength: 5 }),
      indirect: fc.boolean(),
      returned: fc.nat(5),
      lie: fc.option(fc.record({ id: fc.nat(0xffff), len: fc.nat(0xffff) }), { freq: 12 }),
    });
    fc.assert(
      fc.property(fc.constantFrom(4, 8, 16), fc.array(step, { maxLength: 30 }), (size, steps) => {
        const queue = inOrderQueue(size);
        const inFlight: { head: number; bytes: number }[] = [];
        let usedIdx = 0;
        for (const { lengths, indirect, returned, lie } of steps) {
          for (const chain of lengths) {
            const head = queue.add(chain.map(writable), indirect);
            if (head === undefined) continue;
            if (indirect) met.indirect++;
            inFlight.push({ head, bytes: chain.reduce((sum, len) => sum + len, 0) });
          }
          queue.publish();
          const batch = inFlight.splice(0, returned);
          if (batch.length === 0) continue;
          const last = batch.at(-1)!;
          deviceReturns(queue, usedIdx, lie?.id ?? last.head, lie?.len ?? 1, usedIdx + batch.length);
          usedIdx += batch.length;
          queue.poll();
          const got = batch.map(() => [queue.reap(), queue.reapedLen()]);
          if (lie) {
            // It may happen to be true; what is refused stays refused.
            if (got.some(([head]) => head! < 0)) met.refused++;
            return;
          }
          expect(got).toEqual(batch.map(({ head, bytes }) => [head, head === last.head ? 1 : bytes]));
          met[batch.length > 1 ? "batch" : "single"]++;
        }
      }),
      { seed: 279, numRuns: 400 },
    );
    expect(Object.entries(met).filter(([, times]) => times < 10)).toEqual([]);
  });
});
