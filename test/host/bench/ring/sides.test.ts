// Every implementation of a queue's two sides with every other, in one thread and with few requests: what one offers the
// other takes, whatever was negotiated; and both the lab's modules and the twins on two threads.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { VIRTQ_RUN_DONE, VIRTQ_RUN_IDLE, VIRTQ_RUN_NOTIFY } from "../../../../device/spec/virtq.js";
import { JsDevice } from "../../../../host/bench/ring/js-device.js";
import { JsDriver } from "../../../../host/bench/ring/js-driver.js";
import { holdsPattern, type Layout, layOut } from "../../../../host/bench/ring/layout.js";
import { CC, NativeContender } from "../../../../host/bench/ring/native.js";
import { type Feature, type RingOptions, ringOptions } from "../../../../host/bench/ring/options.js";
import type { DeviceSide, DriverSide } from "../../../../host/bench/ring/sides.js";
import { driverBytes, WasmDevice, WasmDriver } from "../../../../host/bench/ring/wasm-sides.js";
import { WorkersContender } from "../../../../host/bench/ring/workers.js";
import { nodePlatform } from "../../../../host/threads/spawn.js";
import type { RingExports } from "../../../../device/virtqueue.js";
import { builtWasm } from "../../../driver/wasm.js";

const chosen = { ring: 128, features: [], chain: 1, payload: 0, notify: "poll", queues: 1 } as const;
const driverModule = new WebAssembly.Module(builtWasm("driver").bytes);
const ringModule = new WebAssembly.Module(builtWasm("ring").bytes);

const DRIVERS: Record<string, (layout: Layout, options: RingOptions) => DriverSide> = {
  "driver.wasm": (layout, options) => {
    const { exports } = new WebAssembly.Instance(driverModule, { env: { memory: layout.memory } });
    return new WasmDriver(exports as never, layout, options);
  },
  "its TypeScript twin": (layout, options) => new JsDriver(layout, options),
};
const DEVICES: Record<string, (layout: Layout, options: RingOptions) => DeviceSide> = {
  "ring.wasm": (layout, options) => {
    const { exports } = new WebAssembly.Instance(ringModule, { env: { memory: layout.memory } });
    return new WasmDevice(exports as unknown as RingExports, layout, options);
  },
  "its TypeScript twin": (layout, options) => new JsDevice(layout, options),
};

const CASES: readonly Partial<RingOptions>[] = [
  {},
  { batch: 1 },
  { batch: 1, outstanding: 1, payload: 4 },
  { chain: 3, payload: 96, batch: 7 },
  { payload: 300, batch: 5, outstanding: 19 },
  ...(
    [["event_idx"], ["indirect"], ["in_order"], ["in_order", "indirect"], ["in_order", "event_idx"]] as Feature[][]
  ).flatMap((features) => [
    { features, payload: 8 },
    { features, chain: 4, payload: 64, batch: 3 },
  ]),
];

describe.each(Object.keys(DRIVERS))("%s", (driverName) => {
  describe.each(Object.keys(DEVICES))("before %s", (deviceName) => {
    it.each(CASES)("%j: each request once, undamaged, across the wrap of the indices", (change) => {
      const options = ringOptions({ ...chosen, ...change });
      const layout = layOut(options, driverBytes(driverModule, options.ring));
      const driver = DRIVERS[driverName]!(layout, options);
      const device = DEVICES[deviceName]!(layout, options);
      const requests = 70_000;
      let taken = 0;
      let sum = 0;
      for (let end = -1; end !== VIRTQ_RUN_DONE; ) {
        end = driver.run(0, requests, 0, 0);
        expect([VIRTQ_RUN_DONE, VIRTQ_RUN_IDLE, VIRTQ_RUN_NOTIFY]).toContain(end);
        const served = device.run(0, 32768, 0, 0);
        expect([VIRTQ_RUN_IDLE, VIRTQ_RUN_NOTIFY]).toContain(served);
        taken += device.taken;
        sum = (sum + device.sum) >>> 0;
      }
      expect([taken, driver.returned(0)]).toEqual([requests, requests]);
      if (options.payload === 0) return;
      expect(sum).toBe(((requests * (requests - 1)) / 2) % 2 ** 32);
      expect(holdsPattern(layout.memory, layout.queues[0]!.sink, options.payload)).toBe(true);
    });
  });
});

describe("what is measured", () => {
  it("is the build's driver.wasm, and the ring.wasm that every back-end runs", async () => {
    const asked: string[] = [];
    const loader = {
      loadModule: (name: string) => {
        asked.push(name);
        return nodePlatform.loadModule(name);
      },
    };
    const contender = await WorkersContender.wasm(loader, ringOptions({ ...chosen, payload: 64 }));
    await contender.close();
    expect(asked).toEqual(["driver", "ring"]);
    // The threads engine asks for its ring by the same name of the same loader, and gets a module with the same exports.
    expect(readFileSync(new URL("../../../../host/threads/lab.ts", import.meta.url), "utf8")).toContain(
      'loadModule("ring")',
    );
    const named = WebAssembly.Module.exports(await nodePlatform.loadModule("ring")).map(({ name }) => name);
    expect(named).toEqual(expect.arrayContaining(["consume", "availIdx", "chainStep", "usedFill", "usedPublish"]));
  });

  it.each([{}, { features: ["in_order"], payload: 64 }, { queues: 3, payload: 8 }] as Partial<RingOptions>[])(
    "%j runs on two threads, and counts what it has done",
    async (change) => {
      const options = ringOptions({ ...chosen, ...change });
      for (const start of [() => WorkersContender.wasm(nodePlatform, options), () => WorkersContender.js(options)]) {
        const contender = await start();
        try {
          const window = await contender.window({ requests: 3000, patience: 0 });
          expect(window).toMatchObject({ requests: 3000, kicks: 0, calls: 0 });
          expect(window.ns).toBeGreaterThan(0);
          if (options.queues > 1) continue;
          expect(await contender.roundTrips({ requests: 10, patience: 0 })).toHaveLength(10);
        } finally {
          await contender.close();
        }
      }
    },
  );

  it.each([{ features: [] }, { features: ["event_idx"] }] as Partial<RingOptions>[])(
    "%j, both threads asleep between two requests: a kick and a call each",
    async (change) => {
      const options = ringOptions({ ...chosen, ...change, notify: "eventfd", batch: 1, outstanding: 1 });
      const contender = await WorkersContender.wasm(nodePlatform, options);
      try {
        const { kicks, calls } = await contender.window({ requests: 200, patience: 0, drowsy: true });
        // Who finds the next one before it falls asleep is not told of it.
        expect(kicks).toBeGreaterThan(0);
        expect(kicks).toBeLessThanOrEqual(200);
        expect(calls).toBeGreaterThan(0);
        expect(await contender.roundTrips({ requests: 20, patience: 0, drowsy: true })).toHaveLength(20);
      } finally {
        await contender.close();
      }
    },
  );
});

const hasCc = ((): boolean => {
  try {
    execFileSync(CC[0], ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();

describe.skipIf(!hasCc)("the C twin", () => {
  it.each(CASES)("%j: passes requests, or it would have ended", async (change) => {
    const native = await NativeContender.start(ringOptions({ ...chosen, ...change }));
    try {
      expect(await native.window({ requests: 2000, patience: 4 })).toMatchObject({ requests: 2000, kicks: 0 });
      expect(await native.roundTrips({ requests: 5, patience: 0 })).toHaveLength(5);
      expect(await native.futex(20)).toBeGreaterThan(0);
    } finally {
      await native.close();
    }
  });
});
