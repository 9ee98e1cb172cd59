import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Bus, localRegion } from "../../../vm/bus.js";
import { PciFunction } from "../../../vm/pci/function.js";
import { HostBridge } from "../../../vm/pci/host-bridge.js";
import type { Actor } from "../../../vm/sync/op.js";
import { run } from "../run.js";

// Addresses by hand: ECAM at 0x30000000, 1 MiB a bus, 32 KiB a device, 4 KiB a function (PCI Express Base 7.2.2); the
// BAR window is 0x40000000 to 0x7fffffff.
const ECAM = 0x30000000;
const SLOT1 = ECAM + 0x8000;
const BAR_SIZE = 0x4000;

const IDENTITY = {
  vendorId: 0x1af4,
  deviceId: 0x105a,
  revisionId: 1,
  classDevice: 0x0180,
  subsystemVendorId: 0x1af4,
  subsystemId: 0x1100,
  interruptPin: 1,
};

class TestFunction extends PciFunction {
  readonly log: string[] = [];

  constructor() {
    super(IDENTITY);
    this.addBar(
      4,
      localRegion("bar", BAR_SIZE, {
        read: (offset) => offset,
        write: (offset, _, value) => {
          this.log.push(`bar+${offset}=${value}`);
        },
      }),
      0xc, // 64-bit, prefetchable
    );
    this.addCapability(0x09, Uint8Array.of(0, 0, 5, 0xaa, 0xbb)); // 5 bytes: the next one is aligned after it
    this.addCapability(0x05, Uint8Array.of(0, 0, 0xcc, 0xdd));
  }

  override *beforeRead(offset: number, width: number): Actor {
    this.log.push(`before read ${offset}/${width}`);
    yield* [];
  }

  override *afterWrite(offset: number, width: number): Actor {
    this.log.push(`after write ${offset}/${width}`);
    yield* [];
  }

  override *resetDevice(): Actor {
    this.log.push(`reset with command ${this.command}`);
    yield* [];
  }
}

function machine() {
  const bus = new Bus();
  const bridge = new HostBridge(bus);
  const fn = new TestFunction();
  bridge.plug(1, fn);
  const read = (address: number, width: number): number => run(bus.read(address, 0, width));
  const write = (address: number, width: number, value: number): void => run(bus.write(address, 0, width, value));
  return { bus, bridge, fn, read, write };
}

describe("ECAM", () => {
  it("has a host bridge (class 0600) at 00:00.0", () => {
    const { read } = machine();
    expect(read(ECAM + 0x00, 4)).toBe(0x00081b36);
    expect(read(ECAM + 0x0a, 2)).toBe(0x0600);
    expect(read(ECAM + 0x0e, 1)).toBe(0); // header type 0, one function
    expect(read(ECAM + 0x06, 2)).toBe(0); // no capability list
  });

  it("finds a function by bus, device and function, and all ones elsewhere", () => {
    const { read } = machine();
    const present: string[] = [];
    for (const bus of [0, 1, 255])
      for (let device = 0; device < 32; device++)
        for (let fn = 0; fn < 8; fn++)
          if (read(ECAM + bus * 0x100000 + device * 0x8000 + fn * 0x1000, 2) !== 0xffff)
            present.push(`${bus}:${device}.${fn}`);
    expect(present).toEqual(["0:0.0", "0:1.0"]);
  });

  it("ignores writes where there is no function", () => {
    const { fn, write } = machine();
    write(SLOT1 + 0x1000 + 4, 2, 7); // 00:01.1
    write(ECAM + 0x100000 + 0x8000 + 4, 2, 7); // 01:01.0
    expect(fn.command).toBe(0);
    expect(fn.log).toEqual([]);
  });

  it("refuses a second function in a slot: our own mistake", () => {
    const { bridge } = machine();
    expect(() => bridge.plug(1, new TestFunction())).toThrow("slot 1");
    expect(() => bridge.plug(32, new TestFunction())).toThrow("slot 32");
  });

  it("tells a function what the guest reads and writes", () => {
    const { fn, read, write } = machine();
    read(SLOT1 + 0x10, 4);
    write(SLOT1 + 0x3c, 1, 9);
    expect(fn.log).toEqual(["before read 16/4", "after write 60/1"]);
  });
});

describe("type 0 header (PCI 3.0, 6.1)", () => {
  it("presents the identity at the standard's offsets", () => {
    const { read } = machine();
    expect(read(SLOT1 + 0x00, 2)).toBe(0x1af4);
    expect(read(SLOT1 + 0x02, 2)).toBe(0x105a);
    expect(read(SLOT1 + 0x06, 2)).toBe(0x0010); // capability list
    expect(read(SLOT1 + 0x08, 4)).toBe(0x01800001); // class 0180, prog-if 0, revision 1
    expect(read(SLOT1 + 0x0e, 1)).toBe(0);
    expect(read(SLOT1 + 0x2c, 4)).toBe(0x11001af4);
    expect(read(SLOT1 + 0x3d, 1)).toBe(1); // INTA#
  });

  it("lets a guest write the writable bits only", () => {
    const { read, write } = machine();
    const writable = new Map([
      [0x04, 0x06], // memory enable, bus master
      [0x05, 0x04], // INTx disable
      [0x0c, 0xff], // cache line size
      [0x3c, 0xff], // interrupt line
      [0x21, 0xc0], // BAR 4: 16 KiB
      ...[0x22, 0x23, 0x24, 0x25, 0x26, 0x27].map((offset): [number, number] => [offset, 0xff]),
    ]);
    for (let offset = 0; offset < 0x100; offset++) {
      const before = read(SLOT1 + offset, 1);
      write(SLOT1 + offset, 1, 0xff);
      const ones = read(SLOT1 + offset, 1);
      write(SLOT1 + offset, 1, 0x00);
      const zeros = read(SLOT1 + offset, 1);
      expect([offset, ones ^ zeros]).toEqual([offset, writable.get(offset) ?? 0]);
      expect(zeros & ~(writable.get(offset) ?? 0)).toBe(before & ~(writable.get(offset) ?? 0));
    }
  });

  it("is 256 bytes long: beyond them all ones", () => {
    const { read, write } = machine();
    expect(read(SLOT1 + 0x100, 4)).toBe(0xffffffff);
    expect(read(SLOT1 + 0xffc, 4)).toBe(0xffffffff);
    expect(read(SLOT1 + 0xfe, 4)).toBe(0xffffffff);
    write(SLOT1 + 0xfe, 4, 0);
  });

  it("chains capabilities in order, dword aligned (6.7)", () => {
    const { read } = machine();
    expect(read(SLOT1 + 0x34, 1)).toBe(0x40);
    expect(read(SLOT1 + 0x40, 4)).toBe(0xaa054809); // id 9, next 0x48, the rest as given
    expect(read(SLOT1 + 0x44, 1)).toBe(0xbb);
    expect(read(SLOT1 + 0x48, 4)).toBe(0xddcc0005); // id 5, the last
  });
});

describe("BAR (PCI 3.0, 6.2.5.1)", () => {
  it("is sized by writing all ones: 16 KiB, 64-bit, prefetchable", () => {
    const { read, write } = machine();
    expect(read(SLOT1 + 0x20, 4)).toBe(0xc);
    write(SLOT1 + 0x20, 4, 0xffffffff);
    write(SLOT1 + 0x24, 4, 0xffffffff);
    expect(read(SLOT1 + 0x20, 4)).toBe(0xffffc00c);
    expect(read(SLOT1 + 0x24, 4)).toBe(0xffffffff);
    for (const register of [0x10, 0x14, 0x18, 0x1c, 0x30]) {
      write(SLOT1 + register, 4, 0xffffffff);
      expect(read(SLOT1 + register, 4)).toBe(0); // BARs 0 to 3 and the expansion ROM are not there
    }
  });

  it("of 32 bits takes one register, and has no upper half", () => {
    class Narrow extends PciFunction {
      constructor() {
        super({ ...IDENTITY, interruptPin: 0 });
        this.addBar(1, localRegion("narrow", 0x1000, { read: (offset) => offset, write: () => {} }), 0);
      }
    }
    const { bridge, read, write } = machine();
    bridge.plug(2, new Narrow());
    const slot2 = ECAM + 0x10000;
    write(slot2 + 0x14, 4, 0xffffffff);
    write(slot2 + 0x18, 4, 0xffffffff);
    expect([read(slot2 + 0x14, 4), read(slot2 + 0x18, 4)]).toEqual([0xfffff000, 0]);
    write(slot2 + 0x14, 4, 0x40001000);
    write(slot2 + 0x04, 2, 2);
    expect(read(0x40001234, 4)).toBe(0x234);
  });

  it("decodes only while memory enable is set, and where it was moved to", () => {
    const { read, write } = machine();
    write(SLOT1 + 0x20, 4, 0x40010000);
    expect(read(0x40010008, 4)).toBe(0xffffffff);
    write(SLOT1 + 0x04, 2, 2);
    expect(read(0x40010008, 4)).toBe(8);
    write(SLOT1 + 0x20, 4, 0x7fffc00c); // the last place in the window; the flag bits do not matter
    expect(read(0x40010008, 4)).toBe(0xffffffff);
    expect(read(0x7ffffffc, 4)).toBe(0x3ffc);
    write(SLOT1 + 0x04, 2, 0);
    expect(read(0x7ffffffc, 4)).toBe(0xffffffff);
  });

  it("is decoded by nobody outside the bridge's window: at 0, over ECAM, over RAM, above 4 GiB, while sized", () => {
    const { bus, read, write } = machine();
    write(SLOT1 + 0x04, 2, 2);
    for (const [lo, hi] of [
      [0, 0],
      [ECAM, 0],
      [0x3fffc000, 0],
      [0x80000000, 0],
      [0xffffc000, 0],
      [0x40000000, 1],
      [0xffffc000, 0xffffffff],
    ] as const) {
      write(SLOT1 + 0x20, 4, lo);
      write(SLOT1 + 0x24, 4, hi);
      expect(run(bus.read(lo + 0x2000, hi, 4))).toBe(0xffffffff);
    }
    expect(read(ECAM, 2)).toBe(0x1b36); // configuration space is still there
  });
});

describe("machine reset", () => {
  it("brings the device to rest before its registers go to power-on values", () => {
    const { bridge, fn, read, write } = machine();
    write(SLOT1 + 0x20, 4, 0x40000000);
    write(SLOT1 + 0x04, 2, 6);
    expect(read(0x40000004, 4)).toBe(4);
    fn.log.length = 0;
    run(bridge.reset());
    expect(fn.log).toEqual(["reset with command 6"]);
    expect(read(0x40000004, 4)).toBe(0xffffffff);
    expect([read(SLOT1 + 0x04, 4), read(SLOT1 + 0x20, 4)]).toEqual([0x00100000, 0xc]);
    expect(read(SLOT1, 4)).toBe(0x105a1af4);
  });
});

describe("hostile configuration accesses (P6)", () => {
  it("never throw, and never change what is read-only", () => {
    const access = fc.record({
      offset: fc.oneof(fc.integer({ min: 0, max: 0x110 }), fc.constantFrom(0xffd, 0xfff, 0x1000, 0x8000)),
      width: fc.constantFrom(1, 2, 4, 3, 8),
      value: fc.oneof(fc.constantFrom(0, 2, 0xffffffff, 0x40000000), fc.nat()),
      write: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(access, { maxLength: 60 }), (accesses) => {
        const { read, write } = machine();
        for (const { offset, width, value, write: isWrite } of accesses) {
          if (isWrite) write(SLOT1 + offset, width, value);
          else expect(read(SLOT1 + offset, width)).toBeLessThanOrEqual(0xffffffff);
        }
        expect(read(SLOT1, 4)).toBe(0x105a1af4);
        expect(read(SLOT1 + 0x40, 4)).toBe(0xaa054809);
        expect(read(ECAM, 4)).toBe(0x00081b36);
      }),
      { seed: 21, numRuns: 300 },
    );
  });
});
