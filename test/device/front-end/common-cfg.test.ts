import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CommonCfg } from "../../../device/front-end/common-cfg.js";
import { VirtioPciCommonCfg } from "../../../device/spec/virtio-pci.js";
import { run } from "../../vm/run.js";

function commonCfg(queueSizes = [128, 64]) {
  const notes: string[] = [];
  const enabled: number[] = [];
  const statusWrites: number[] = [];
  const vectorChanges: [queue: number, old: number][] = [];
  let generation = 0;
  const cfg = new CommonCfg(
    0x1000,
    {
      queueSizes,
      vectors: 3,
      offeredFeatures: () => [0x30000001, 0x00000001],
      configGeneration: () => generation,
      *writeStatus(written) {
        statusWrites.push(written);
        yield* [];
      },
      queueEnabled: (queue) => {
        enabled.push(queue);
        return undefined;
      },
      *queueVectorChanged(queue, old) {
        vectorChanges.push([queue, old]);
        yield* [];
      },
    },
    (name, detail) => notes.push(`${name} ${detail}`),
  );
  return {
    cfg,
    notes,
    enabled,
    statusWrites,
    vectorChanges,
    bugs: () => notes.filter((note) => note.startsWith("Driver bug")),
    setGeneration: (value: number) => {
      generation = value;
    },
    r: (offset: number, width: number): number => run(cfg.read(offset, width)),
    // As the bus does, which cuts a value to the access's width.
    w: (offset: number, width: number, value: number): void => run(cfg.write(offset, width, value % 2 ** (8 * width))),
  };
}

// virtio 1.4, 4.1.4.3: struct virtio_pci_common_cfg. Offset, width, name, value at power-on, what all ones leaves there.
// Two queues, queue 0 selected; writing all ones to queue_select selects a queue that is absent.
const READ_ONLY = undefined;
const LAYOUT: [number, number, string, number, number | undefined][] = [
  [0x00, 4, "device_feature_select", 0, 0xffffffff],
  [0x04, 4, "device_feature", 0x30000001, READ_ONLY],
  [0x08, 4, "driver_feature_select", 0, 0xffffffff],
  [0x0c, 4, "driver_feature", 0, 0xffffffff], // mirrored; checked at FEATURES_OK
  [0x10, 2, "config_msix_vector", 0xffff, 0xffff],
  [0x12, 2, "num_queues", 2, READ_ONLY],
  [0x14, 1, "device_status", 0, 0], // its owner decides
  [0x15, 1, "config_generation", 0, READ_ONLY],
  [0x16, 2, "queue_select", 0, 0xffff],
  [0x18, 2, "queue_size", 128, 0], // refused
  [0x1a, 2, "queue_msix_vector", 0xffff, 0xffff],
  [0x1c, 2, "queue_enable", 0, 0], // only 1 enables
  [0x1e, 2, "queue_notify_off", 0, READ_ONLY],
  [0x20, 4, "queue_desc_lo", 0, 0xffffffff],
  [0x24, 4, "queue_desc_hi", 0, 0xffffffff],
  [0x28, 4, "queue_driver_lo", 0, 0xffffffff],
  [0x2c, 4, "queue_driver_hi", 0, 0xffffffff],
  [0x30, 4, "queue_device_lo", 0, 0xffffffff],
  [0x34, 4, "queue_device_hi", 0, 0xffffffff],
  [0x38, 2, "queue_notif_config_data", 0, READ_ONLY],
  [0x3a, 2, "queue_reset", 0, READ_ONLY],
  [0x3c, 2, "admin_queue_index", 0, READ_ONLY],
  [0x3e, 2, "admin_queue_num", 0, READ_ONLY],
];

const SELECT = 0x16;
const SIZE = 0x18;
const ENABLE = 0x1c;
const NOTIFY_OFF = 0x1e;
const ADDRESSES = [0x20, 0x24, 0x28, 0x2c, 0x30, 0x34];

describe("vectors (4.1.5.1.2)", () => {
  const CONFIG_VECTOR = 0x10;
  const QUEUE_VECTOR = 0x1a;

  it.each([
    [0, 0],
    [2, 2],
    [3, 0xffff], // the table has three
    [0x7ff, 0xffff],
    [0xfffe, 0xffff],
    [0xffff, 0xffff],
  ])("P7: vector %i reads back as %i", (written, readBack) => {
    const { r, w } = commonCfg();
    for (const register of [CONFIG_VECTOR, QUEUE_VECTOR]) {
      w(register, 2, 1);
      w(register, 2, written);
      expect(r(register, 2)).toBe(readBack);
    }
  });

  it("are the selected queue's own; of an absent queue there is none; a reset unmaps them", () => {
    const { cfg, r, w, vectorChanges } = commonCfg();
    w(QUEUE_VECTOR, 2, 1);
    w(SELECT, 2, 1);
    expect(r(QUEUE_VECTOR, 2)).toBe(0xffff);
    w(QUEUE_VECTOR, 2, 2);
    w(QUEUE_VECTOR, 2, 0);
    expect(vectorChanges).toEqual([
      [0, 0xffff],
      [1, 0xffff],
      [1, 2],
    ]);
    w(SELECT, 2, 2);
    w(QUEUE_VECTOR, 2, 1);
    expect(r(QUEUE_VECTOR, 2)).toBe(0); // P3
    expect(cfg.queues.map(({ msixVector }) => msixVector)).toEqual([1, 0]);
    w(CONFIG_VECTOR, 2, 2);
    cfg.reset();
    expect([r(CONFIG_VECTOR, 2), r(QUEUE_VECTOR, 2)]).toEqual([0xffff, 0xffff]);
  });

  it("of a queue that is enabled stays (4.1.4.3.2)", () => {
    const { r, w, bugs } = commonCfg();
    w(QUEUE_VECTOR, 2, 1);
    w(ENABLE, 2, 1);
    w(QUEUE_VECTOR, 2, 2);
    expect(r(QUEUE_VECTOR, 2)).toBe(1);
    expect(bugs()).toHaveLength(1);
  });
});

describe("common configuration registers (4.1.4.3)", () => {
  for (const [offset, width, name, atPowerOn, afterOnes] of LAYOUT)
    it(`${name}: ${width} bytes at 0x${offset.toString(16)}`, () => {
      const { r, w, notes, bugs } = commonCfg();
      expect(r(offset, width)).toBe(atPowerOn);
      expect(notes[0]).toContain(`read[${name}]`);
      w(offset, width, [0xff, 0xffff, 0, 0xffffffff][width - 1]!);
      expect(r(offset, width)).toBe(afterOnes ?? atPowerOn);
      if (afterOnes === READ_ONLY) expect(bugs()).toHaveLength(1);
    });

  it("are where the layout shared with the drivers has them", () => {
    const shared = [
      VirtioPciCommonCfg.DEVICE_FEATURE_SELECT,
      VirtioPciCommonCfg.DEVICE_FEATURE,
      VirtioPciCommonCfg.DRIVER_FEATURE_SELECT,
      VirtioPciCommonCfg.DRIVER_FEATURE,
      VirtioPciCommonCfg.CONFIG_MSIX_VECTOR,
      VirtioPciCommonCfg.NUM_QUEUES,
      VirtioPciCommonCfg.DEVICE_STATUS,
      VirtioPciCommonCfg.CONFIG_GENERATION,
      VirtioPciCommonCfg.QUEUE_SELECT,
      VirtioPciCommonCfg.QUEUE_SIZE,
      VirtioPciCommonCfg.QUEUE_MSIX_VECTOR,
      VirtioPciCommonCfg.QUEUE_ENABLE,
      VirtioPciCommonCfg.QUEUE_NOTIFY_OFF,
      VirtioPciCommonCfg.QUEUE_DESC,
      VirtioPciCommonCfg.QUEUE_DRIVER,
      VirtioPciCommonCfg.QUEUE_DEVICE,
      VirtioPciCommonCfg.QUEUE_NOTIF_CONFIG_DATA,
      VirtioPciCommonCfg.QUEUE_RESET,
      VirtioPciCommonCfg.ADMIN_QUEUE_INDEX,
      VirtioPciCommonCfg.ADMIN_QUEUE_NUM,
    ];
    expect(shared).toEqual(LAYOUT.filter(([, , name]) => !name.endsWith("_hi")).map(([offset]) => offset));
    expect(VirtioPciCommonCfg.SIZEOF).toBe(0x40);
  });

  it("P6, 4.1.3.1: answers a field's own width at its own offset only, else 0 and nothing written", () => {
    const fields = new Set(LAYOUT.map(([offset, width]) => `${offset}/${width}`));
    const { cfg, r, w } = commonCfg();
    for (const address of ADDRESSES) w(address, 4, 0x01010101);
    cfg.status = 0x0f;
    const before = LAYOUT.map(([offset, width]) => r(offset, width));
    for (let offset = 0; offset < 0x1000; offset++)
      for (const width of [1, 2, 4]) {
        if (fields.has(`${offset}/${width}`)) continue;
        expect([offset, width, r(offset, width)]).toEqual([offset, width, 0]);
        w(offset, width, 0xffffffff);
      }
    expect(LAYOUT.map(([offset, width]) => r(offset, width))).toEqual(before);
  });

  it("presents offered features by word, 0 beyond bit 63", () => {
    const { r, w } = commonCfg();
    const words = [0, 1, 2, 3, 0xffffffff].map((select) => {
      w(0x00, 4, select);
      return r(0x04, 4);
    });
    expect(words).toEqual([0x30000001, 1, 0, 0, 0]);
  });

  it("keeps accepted features by word, and ignores bits beyond 63", () => {
    const { cfg, r, w } = commonCfg();
    for (const [select, value] of [
      [0, 0x20000000],
      [1, 0x80000001],
      [2, 5],
      [0xffffffff, 6],
    ] as const) {
      w(0x08, 4, select);
      w(0x0c, 4, value);
      expect(r(0x0c, 4)).toBe(select <= 1 ? value : 0);
    }
    expect(cfg.driverFeatures).toEqual([0x20000000, 0x80000001]);
  });

  it("P5: ignores features accepted after FEATURES_OK", () => {
    const { cfg, w, bugs } = commonCfg();
    w(0x0c, 4, 1);
    cfg.status = 0x0b;
    w(0x0c, 4, 0);
    expect(cfg.driverFeatures).toEqual([1, 0]);
    expect(bugs()).toHaveLength(1);
  });

  it("hands device_status writes on, and shows what its owner made of them", () => {
    const { cfg, r, w, statusWrites } = commonCfg();
    w(0x14, 1, 0x0f);
    expect(statusWrites).toEqual([0x0f]);
    cfg.status = 3;
    expect(r(0x14, 1)).toBe(3);
  });

  it("shows config_generation", () => {
    const { r, setGeneration } = commonCfg();
    setGeneration(200);
    expect(r(0x15, 1)).toBe(200);
  });

  it("names registers, and the queue that is meant", () => {
    const { r, w, notes } = commonCfg();
    w(SELECT, 2, 1);
    w(ENABLE, 2, 1);
    r(0x14, 1);
    expect(notes).toEqual(["write[queue_select] <= 1", "write[queue_enable] q1 <= 1", "read[device_status] => 0"]);
  });
});

describe("queue configuration (4.1.4.3)", () => {
  it("keeps each queue's own registers, its notification offset being its number", () => {
    const { cfg, r, w } = commonCfg();
    for (const queue of [0, 1]) {
      w(SELECT, 2, queue);
      for (const address of ADDRESSES) w(address, 4, 0x1000 * (queue + 1) + address);
      expect(r(NOTIFY_OFF, 2)).toBe(queue);
    }
    expect(cfg.queues.map(({ desc, driver, device }) => [desc, driver, device])).toEqual(
      [0x1000, 0x2000].map((base) => [
        { lo: base + 0x20, hi: base + 0x24 },
        { lo: base + 0x28, hi: base + 0x2c },
        { lo: base + 0x30, hi: base + 0x34 },
      ]),
    );
    w(SELECT, 2, 0);
    expect([r(SIZE, 2), r(0x20, 4)]).toEqual([128, 0x1020]);
    w(SELECT, 2, 1);
    expect([r(SIZE, 2), r(0x20, 4)]).toEqual([64, 0x2020]);
  });

  it("latches enable once, and tells the owner once", () => {
    const { r, w, enabled, bugs } = commonCfg();
    w(SELECT, 2, 1);
    w(ENABLE, 2, 1);
    expect(r(ENABLE, 2)).toBe(1);
    w(ENABLE, 2, 1);
    expect(enabled).toEqual([1]);
    expect(bugs()).toHaveLength(1);
    w(SELECT, 2, 0);
    expect(r(ENABLE, 2)).toBe(0);
  });

  it("takes every power of two up to the maximum as size", () => {
    const { r, w, bugs } = commonCfg();
    for (const size of [1, 2, 4, 8, 16, 32, 64, 128]) {
      w(SIZE, 2, size);
      expect(r(SIZE, 2)).toBe(size);
    }
    expect(bugs()).toEqual([]);
  });

  it.each([0, 3, 127, 129, 256, 0x8000, 0xffff])(
    "P1: size %i is presented as 0, and the queue is not enabled",
    (size) => {
      const { r, w, enabled, bugs } = commonCfg();
      w(SIZE, 2, size);
      expect(r(SIZE, 2)).toBe(0);
      w(ENABLE, 2, 1);
      expect(r(ENABLE, 2)).toBe(0);
      expect(enabled).toEqual([]);
      expect(bugs()).toHaveLength(2);
      w(SIZE, 2, 64);
      w(ENABLE, 2, 1);
      expect(r(ENABLE, 2)).toBe(1);
    },
  );

  it.each([
    ["descriptor area, 16", 0x20, 8],
    ["driver area, 2", 0x28, 1],
    ["device area, 4", 0x30, 2],
  ])("P2, 2.7: a misaligned %s is not enabled", (_, address, lo) => {
    const { r, w, enabled } = commonCfg();
    w(address, 4, lo);
    w(ENABLE, 2, 1);
    expect(r(ENABLE, 2)).toBe(0);
    expect(enabled).toEqual([]);
    w(address, 4, 2 * lo);
    w(ENABLE, 2, 1);
    expect(r(ENABLE, 2)).toBe(1);
  });

  it.each([2, 3, 0x7fff, 0xffff])(
    "P3: with queue_select %i the queue's registers read 0 and ignore writes",
    (select) => {
      const { cfg, r, w, enabled } = commonCfg();
      const before = JSON.stringify(cfg.queues);
      w(SELECT, 2, select);
      expect(r(SELECT, 2)).toBe(select);
      for (const [offset, width] of [[SIZE, 2], [ENABLE, 2], ...ADDRESSES.map((address) => [address, 4])] as const) {
        w(offset!, width!, 1);
        expect(r(offset!, width!)).toBe(0);
      }
      expect(r(NOTIFY_OFF, 2)).toBe(0);
      expect(enabled).toEqual([]);
      expect(JSON.stringify(cfg.queues)).toBe(before);
    },
  );

  it("P4: after enable, size and addresses stay, and so does queue_enable when 0 is written", () => {
    const { cfg, r, w } = commonCfg();
    w(0x20, 4, 0x10000);
    w(ENABLE, 2, 1);
    const before = JSON.stringify(cfg.queues);
    w(SIZE, 2, 8);
    for (const address of ADDRESSES) w(address, 4, 0x5000);
    w(ENABLE, 2, 0);
    expect(JSON.stringify(cfg.queues)).toBe(before);
    expect(r(ENABLE, 2)).toBe(1);
  });

  it("resets to power-on values", () => {
    const { cfg, r, w } = commonCfg();
    const fresh = LAYOUT.map(([offset, width]) => r(offset, width));
    w(0x0c, 4, 7);
    w(SIZE, 2, 8);
    for (const address of ADDRESSES) w(address, 4, 0x5000);
    w(ENABLE, 2, 1);
    w(SELECT, 2, 1);
    w(0x00, 4, 1);
    w(0x08, 4, 1);
    w(0x0c, 4, 9);
    cfg.status = 0x0f;
    cfg.reset();
    expect(LAYOUT.map(([offset, width]) => r(offset, width))).toEqual(fresh);
    expect(cfg.driverFeatures).toEqual([0, 0]);
  });
});

describe("a hostile driver", () => {
  it("never makes it throw, and a queue that is enabled is well formed and stays as it is", () => {
    const boundary = fc.constantFrom(0, 1, 2, 3, 8, 16, 64, 128, 0x8000, 0xffff, 0x10000, 0xffffffff);
    const access = fc.record({
      field: fc.oneof(
        fc.constantFrom(...LAYOUT.map(([offset, width]) => ({ offset, width }))),
        fc.constantFrom({ offset: SELECT, width: 2 }, { offset: SIZE, width: 2 }, { offset: ENABLE, width: 2 }),
      ),
      value: fc.oneof({ weight: 3, arbitrary: fc.constantFrom(0, 1) }, { weight: 2, arbitrary: boundary }, fc.nat()),
      lie: fc.option(fc.record({ offset: fc.nat({ max: 0x1000 }), width: fc.constantFrom(1, 2, 4) }), {
        nil: undefined,
        freq: 2,
      }),
      write: fc.boolean(),
    });
    let everEnabled = 0;
    fc.assert(
      fc.property(fc.array(access, { minLength: 20, maxLength: 80 }), (accesses) => {
        const { cfg, r, w } = commonCfg([128, 64, 1]);
        const live = new Map<number, string>();
        for (const { field, value, lie, write } of accesses) {
          const { offset, width } = lie ?? field;
          if (write) w(offset, width, value);
          else {
            const read = r(offset, width);
            expect(read).toBeGreaterThanOrEqual(0);
            expect(read).toBeLessThan(2 ** (8 * width));
          }
          cfg.queues.forEach((queue, index) => {
            expect(queue.size & (queue.size - 1)).toBe(0);
            expect(queue.size).toBeLessThanOrEqual([128, 64, 1][index]!);
            if (live.has(index)) expect(JSON.stringify(queue)).toBe(live.get(index));
            else if (queue.enabled) {
              expect(queue.size).toBeGreaterThan(0);
              expect(queue.desc.lo % 16).toBe(0);
              expect(queue.driver.lo % 2).toBe(0);
              expect(queue.device.lo % 4).toBe(0);
              live.set(index, JSON.stringify(queue));
              everEnabled++;
            }
          });
        }
      }),
      { seed: 22, numRuns: 500 },
    );
    expect(everEnabled).toBeGreaterThan(100); // the interesting case was reached
  });
});
