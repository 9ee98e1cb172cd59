// driver.wasm and ring.wasm over one memory against the plain model, one operation after the other: whatever either side
// may do, in any order, heads, buffers, used elements and both notification decisions are equal (virtio 1.4, 2.7).

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DeviceQueue } from "../../driver/device-queue.js";
import { DriverQueue } from "../../driver/driver-queue.js";
import { guestRam, instantiateRing } from "../../driver/wasm.js";
import { type Buffer, SplitQueueModel } from "../../model/split-queue.js";

type Operation =
  | { readonly do: "add"; readonly buffers: readonly Buffer[]; readonly indirect: boolean }
  | { readonly do: "publish" | "kick" | "take" | "publishUsed" | "call" | "poll" | "reap" }
  | { readonly do: "complete"; readonly which: number; readonly fill: number }
  | { readonly do: "wantCalls" | "wantKicks"; readonly wanted: boolean };

/** What the runs must have met, or they have proven little. */
const met = {
  full: 0,
  indirect: 0,
  outOfOrder: 0,
  "kick due": 0,
  "kick suppressed": 0,
  "call due": 0,
  "call suppressed": 0,
  "index wrapped": 0,
};

/** Both implementations and the model, in step. */
class Pair {
  readonly model: SplitQueueModel;

  constructor(
    readonly driver: DriverQueue,
    readonly device: DeviceQueue,
    eventIdx: boolean,
    start: number,
  ) {
    this.model = new SplitQueueModel(driver.areas.size, eventIdx, start);
  }

  apply(op: Operation): void {
    const { driver, device, model } = this;
    switch (op.do) {
      case "add": {
        const head = model.add(op.buffers, op.indirect);
        expect(driver.add(op.buffers, op.indirect)).toBe(head);
        if (head === undefined) met.full++;
        else if (op.indirect) met.indirect++;
        break;
      }
      case "publish":
        model.publish();
        driver.publish();
        expect(driver.view.getUint16(driver.areas.avail + 2, true)).toBe(model.availIdx);
        break;
      case "kick": {
        const kick = model.kick();
        expect(driver.kick()).toBe(kick);
        met[kick ? "kick due" : "kick suppressed"]++;
        break;
      }
      case "take": {
        const chain = model.take();
        expect(device.take()).toEqual(chain && { head: chain.head, buffers: chain.buffers });
        break;
      }
      case "complete": {
        const inDevice = [...model.inDevice.values()];
        if (inDevice.length === 0) break;
        const place = op.which % inDevice.length;
        if (place > 0) met.outOfOrder++;
        const { head, buffers } = inDevice[place]!;
        const room = buffers.reduce((sum, { len, write }) => sum + (write ? len : 0), 0);
        const len = Math.floor(room * op.fill);
        model.complete(head, len);
        device.complete(head, len);
        break;
      }
      case "publishUsed":
        model.publishUsed();
        device.publishUsed();
        expect(driver.view.getUint16(driver.areas.used + 2, true)).toBe(model.usedIdx);
        if (model.usedPublished === 65536) met["index wrapped"]++;
        break;
      case "call": {
        const call = model.call();
        expect(device.call()).toBe(call);
        met[call ? "call due" : "call suppressed"]++;
        break;
      }
      case "poll":
        expect(driver.poll()).toBe(model.poll());
        break;
      case "reap": {
        const element = model.reap();
        const head = driver.reap();
        expect(head < 0 ? undefined : { head, len: driver.reapedLen() }).toEqual(element);
        break;
      }
      case "wantCalls":
        model.wantCalls(op.wanted);
        driver.wantCalls(op.wanted);
        break;
      case "wantKicks":
        model.wantKicks(op.wanted);
        device.wantKicks(op.wanted);
        break;
    }
    expect(driver.freeCount()).toBe(model.free.length);
  }
}

interface Setting {
  readonly size: number;
  readonly eventIdx: boolean;
}

/** Requests that have come and gone before the operations: 0, or so many that both indices are about to wrap. */
const STARTS = [0, 65536 - 3];

/**
 * Two sides of one queue that can be set back to each of STARTS: a request at a time brings them there by the modules'
 * own exports, then the memory is kept.
 */
class Bench {
  private readonly memory = guestRam();
  private readonly ring = instantiateRing(this.memory);
  private readonly kept = new Map<number, Uint8Array>();

  constructor(private readonly setting: Setting) {
    const driver = new DriverQueue(this.memory, setting.size, setting.eventIdx);
    const device = this.device(driver);
    const buffers: Buffer[] = [{ addr: 0x80000000n, len: 16, write: true }];
    for (let request = 0; request <= Math.max(...STARTS); request++) {
      if (STARTS.includes(request)) this.kept.set(request, new Uint8Array(this.memory.buffer).slice());
      const head = driver.add(buffers, false);
      driver.publish();
      driver.kick();
      if (head === undefined || device.take() === undefined) throw new Error(`request ${request} did not pass`);
      device.complete(head, 16);
      device.publishUsed();
      if (driver.poll() !== 1 || driver.reap() !== head) throw new Error(`request ${request} did not come back`);
    }
  }

  private device(driver: DriverQueue): DeviceQueue {
    const features = { eventIdx: this.setting.eventIdx, indirectDesc: true };
    return new DeviceQueue(this.ring, driver.areas, features, (addr, len) => driver.translate(addr, len));
  }

  pair(start: number): Pair {
    const driver = new DriverQueue(this.memory, this.setting.size, this.setting.eventIdx);
    new Uint8Array(this.memory.buffer).set(this.kept.get(start)!);
    const device = this.device(driver);
    device.startAt(start);
    return new Pair(driver, device, this.setting.eventIdx, start);
  }
}

const len = fc.oneof(fc.constantFrom(1, 16, 4096), fc.integer({ min: 1, max: 0x10000 }));
const addr = fc.oneof(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), fc.constant(0x80000000n));

/** Readable buffers, then writable ones (2.7.4.2); sometimes more than fit. */
function buffers(size: number): fc.Arbitrary<Buffer[]> {
  const most = Math.min(size + 1, 6);
  return fc
    .tuple(
      fc.array(fc.record({ addr, len, write: fc.constant(false) }), { maxLength: most }),
      fc.array(fc.record({ addr, len, write: fc.constant(true) }), { maxLength: most }),
    )
    .map(([readable, writable]) => [...readable, ...writable].slice(0, size + 1))
    .filter((list) => list.length > 0);
}

function operation(size: number): fc.Arbitrary<Operation> {
  const plain = fc.constantFrom("publish", "kick", "take", "publishUsed", "call", "poll", "reap");
  return fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constant("add" as const), buffers: buffers(size), indirect: fc.boolean() }),
    },
    { weight: 14, arbitrary: fc.record({ do: plain }) as fc.Arbitrary<Operation> },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant("complete" as const),
        which: fc.nat(200),
        fill: fc.constantFrom(0, 0.5, 1),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("wantCalls", "wantKicks"), wanted: fc.boolean() }) },
  ) as fc.Arbitrary<Operation>;
}

describe("split virtqueue, driver.wasm and ring.wasm against the model (2.7.5 to 2.7.14)", () => {
  const sizes = [1, 2, 4, 8, 16, 32, 64, 128];
  it.each(sizes.flatMap((size) => [false, true].map((eventIdx) => ({ size, eventIdx }))))(
    "size $size, EVENT_IDX $eventIdx, direct and indirect, from index 0 and across the wrap at 65536",
    ({ size, eventIdx }) => {
      const bench = new Bench({ size, eventIdx });
      fc.assert(
        fc.property(
          fc.constantFrom(...STARTS),
          fc.array(operation(size), { maxLength: 200, size: "max" }),
          (start, operations) => {
            const pair = bench.pair(start);
            for (const op of operations) pair.apply(op);
          },
        ),
        { seed: 1404 + size, numRuns: 60 },
      );
    },
  );

  it("has met every case that matters", () => {
    expect(Object.entries(met).filter(([, times]) => times < 10)).toEqual([]);
  });
});
