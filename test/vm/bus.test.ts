import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Bus, localRegion, type MmioRegion } from "../../vm/bus.js";
import { EventFd } from "../../vm/sync/eventfd.js";
import { SyncMemory } from "../../vm/sync/words.js";
import { run } from "./run.js";

function logged(name: string, size: number): { region: MmioRegion; log: string[] } {
  const log: string[] = [];
  const region = localRegion(name, size, {
    read: (offset, width) => {
      log.push(`r${width}@${offset}`);
      return offset;
    },
    write: (offset, width, value) => {
      log.push(`w${width}@${offset}=${value}`);
    },
  });
  return { region, log };
}

describe("Bus", () => {
  it("reads all ones and ignores writes where no region is", () => {
    const bus = new Bus();
    expect([1, 2, 4].map((width) => run(bus.read(0x1000, 0, width)))).toEqual([0xff, 0xffff, 0xffffffff]);
    run(bus.write(0x1000, 0, 4, 1));
  });

  it("hands a region the offset and the value cut to the width", () => {
    const bus = new Bus();
    const { region, log } = logged("r", 0x100);
    bus.map(region, 0x40000000, 0);
    expect(run(bus.read(0x40000010, 0, 4))).toBe(0x10);
    run(bus.write(0x400000ff, 0, 1, 0x1ff));
    run(bus.write(0x40000000, 0, 4, -1));
    expect(log).toEqual(["r4@16", "w1@255=255", "w4@0=4294967295"]);
  });

  it("P6: refuses an access of another width, or one that leaves the region", () => {
    const bus = new Bus();
    const { region, log } = logged("r", 0x100);
    bus.map(region, 0x40000000, 0);
    for (const width of [0, 3, 5, 8, -1, 1.5]) {
      expect(run(bus.read(0x40000000, 0, width))).toBe(0xffffffff);
      run(bus.write(0x40000000, 0, width, 0));
    }
    expect(run(bus.read(0x400000fe, 0, 4))).toBe(0xffffffff);
    run(bus.write(0x400000ff, 0, 2, 0));
    expect(run(bus.read(0x3fffffff, 0, 1))).toBe(0xff);
    expect(log).toEqual([]);
  });

  it("compares 64-bit addresses exactly: a region may cross 4 GiB, or end at 2^64", () => {
    const bus = new Bus();
    const { region, log } = logged("crossing", 0x2000);
    bus.map(region, 0xfffff000, 0);
    expect(run(bus.read(0xffffffff, 0, 1))).toBe(0xfff);
    expect(run(bus.read(0x00000000, 1, 4))).toBe(0x1000);
    expect(run(bus.read(0x00001000, 1, 4))).toBe(0xffffffff);
    expect(run(bus.read(0x00000000, 0, 4))).toBe(0xffffffff);
    expect(run(bus.read(0xfffff000, 1, 4))).toBe(0xffffffff);
    expect(log).toEqual(["r1@4095", "r4@4096"]);

    const last = logged("last", 0x1000);
    bus.map(last.region, 0xfffff000, 0xffffffff);
    expect(run(bus.read(0xfffffffc, 0xffffffff, 4))).toBe(0xffc);
    expect(run(bus.read(0xfffffffe, 0xffffffff, 4))).toBe(0xffffffff);
    expect(run(bus.read(0, 0, 4))).toBe(0xffffffff); // no wrap
  });

  it("moves and removes a region", () => {
    const bus = new Bus();
    const { region } = logged("r", 0x10);
    bus.map(region, 0x1000, 0);
    bus.map(region, 0x2000, 5);
    expect(run(bus.read(0x1004, 0, 1))).toBe(0xff);
    expect(run(bus.read(0x2004, 5, 1))).toBe(4);
    bus.unmap(region);
    expect(run(bus.read(0x2004, 5, 1))).toBe(0xff);
  });

  it("lets the region that was mapped first answer where two overlap, also after it moved", () => {
    const bus = new Bus();
    const first = logged("first", 0x10);
    const second = logged("second", 0x10);
    bus.map(first.region, 0x1000, 0);
    bus.map(second.region, 0x2000, 0);
    bus.map(first.region, 0x2008, 0);
    run(bus.read(0x2008, 0, 1));
    run(bus.read(0x2007, 0, 1));
    expect(first.log).toEqual(["r1@0"]);
    expect(second.log).toEqual(["r1@7"]);
  });

  it("agrees with 64-bit arithmetic on every boundary address", () => {
    const half = fc.constantFrom(0, 1, 2, 0xfff, 0x1000, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff);
    fc.assert(
      fc.property(half, half, half, half, fc.constantFrom(1, 2, 4), (baseLo, baseHi, lo, hi, width) => {
        const bus = new Bus();
        const { region, log } = logged("r", 0x1001);
        bus.map(region, baseLo, baseHi);
        run(bus.write(lo, hi, width, 0));
        const wide = (low: number, high: number): bigint => (BigInt(high) << 32n) | BigInt(low);
        const offset = BigInt.asUintN(64, wide(lo, hi) - wide(baseLo, baseHi));
        expect(log).toEqual(offset + BigInt(width) <= 0x1001n ? [`w${width}@${offset}=0`] : []);
      }),
      { seed: 20, numRuns: 3000 },
    );
  });
});

describe("ioeventfd (KVM_IOEVENTFD)", () => {
  function machine() {
    const bus = new Bus();
    const memory = SyncMemory.create();
    const { region, log } = logged("notify", 0x100);
    bus.map(region, 0x1000, 0);
    return { bus, memory, region, log };
  }

  it("adds 1 instead of the write, at its offset only", () => {
    const { bus, memory, region, log } = machine();
    const kick = new EventFd(memory, "kick");
    bus.assignIoeventfd(region, 4, 2, kick);
    const steps: string[] = [];
    run(bus.write(0x1004, 0, 2, 77), steps);
    run(bus.write(0x1004, 0, 2, 0), steps);
    expect(kick.count()).toBe(2);
    expect(steps).toEqual(["kick.add", "kick.add"]);
    expect(log).toEqual([]);
    run(bus.write(0x1006, 0, 2, 1));
    run(bus.write(0x1000, 0, 2, 1));
    expect(kick.count()).toBe(2);
    expect(log).toEqual(["w2@6=1", "w2@0=1"]);
  });

  it("with a width matches that width only, with 0 any", () => {
    const { bus, memory, region, log } = machine();
    const exact = new EventFd(memory, "exact");
    const any = new EventFd(memory, "any");
    bus.assignIoeventfd(region, 0, 2, exact);
    bus.assignIoeventfd(region, 8, 0, any);
    for (const width of [1, 2, 4]) {
      run(bus.write(0x1000, 0, width, 0));
      run(bus.write(0x1008, 0, width, 0));
    }
    expect([exact.count(), any.count()]).toEqual([1, 3]);
    expect(log).toEqual(["w1@0=0", "w4@0=0"]);
  });

  it("does not touch reads", () => {
    const { bus, memory, region, log } = machine();
    const kick = new EventFd(memory, "kick");
    bus.assignIoeventfd(region, 4, 0, kick);
    run(bus.read(0x1004, 0, 2));
    expect(kick.count()).toBe(0);
    expect(log).toEqual(["r2@4"]);
  });

  it("follows its region, and is silent while that is not mapped", () => {
    const { bus, memory, region } = machine();
    const kick = new EventFd(memory, "kick");
    bus.assignIoeventfd(region, 4, 0, kick);
    bus.unmap(region);
    run(bus.write(0x1004, 0, 2, 0));
    expect(kick.count()).toBe(0);
    bus.map(region, 0x7000, 0);
    run(bus.write(0x7004, 0, 2, 0));
    run(bus.write(0x1004, 0, 2, 0));
    expect(kick.count()).toBe(1);
  });

  it("ends when it is deassigned", () => {
    const { bus, memory, region, log } = machine();
    const kick = new EventFd(memory, "kick");
    bus.assignIoeventfd(region, 4, 0, kick);
    bus.deassignIoeventfd(region, 4, 0);
    run(bus.write(0x1004, 0, 2, 5));
    expect(kick.count()).toBe(0);
    expect(log).toEqual(["w2@4=5"]);
  });

  it("throws at our own mistakes: assigned twice, deassigned twice", () => {
    const { bus, memory, region } = machine();
    const kick = new EventFd(memory, "kick");
    bus.assignIoeventfd(region, 4, 0, kick);
    expect(() => bus.assignIoeventfd(region, 4, 2, kick)).toThrow("assigned already");
    expect(() => bus.deassignIoeventfd(region, 4, 2)).toThrow("no ioeventfd");
    bus.deassignIoeventfd(region, 4, 0);
    expect(() => bus.deassignIoeventfd(region, 4, 0)).toThrow("no ioeventfd");
  });
});
