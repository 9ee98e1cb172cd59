import { describe, expect, it } from "vitest";
import { capability, configSpace, FakeMachine, type Setting } from "./fake-machine.js";
import { initOut, reply } from "./fuse-replies.js";
import { boot } from "./guest.js";

const ECAM = 0x30000000;
const WINDOW = 0x40000000;
const WINDOW_END = 0x80000000;

/** Another function on bus 0: the writable bits of each of its BARs, and the bits that are always set. */
interface Neighbour {
  readonly headerType?: number;
  readonly bars: readonly (readonly [mask: number, fixed: number])[];
}

/** The machine with neighbours of the virtio function, by (device << 3) | function. */
class Bus extends FakeMachine {
  readonly bars = new Map<number, number[]>();

  constructor(
    readonly neighbours: ReadonlyMap<number, Neighbour>,
    setting: Setting = {},
  ) {
    super({ serve: (request) => reply(request, initOut()), ...setting });
    for (const [at, { bars }] of neighbours)
      this.bars.set(
        at,
        bars.map(([, fixed]) => fixed),
      ); // prettier-ignore
  }

  override mmioRead(lo: number, hi: number, width: number): number {
    const at = (lo - ECAM) >>> 12;
    const neighbour = hi === 0 ? this.neighbours.get(at) : undefined;
    if (neighbour === undefined) return super.mmioRead(lo, hi, width);
    const register = lo & 0xfff;
    if (register === 0) return 0x1234;
    if (register === 0x0e) return neighbour.headerType ?? 0;
    if (register >= 0x10 && register < 0x28) return this.bars.get(at)![(register - 0x10) / 4] ?? 0;
    return 0;
  }

  override mmioWrite(lo: number, hi: number, width: number, value: number): void {
    const at = (lo - ECAM) >>> 12;
    const neighbour = hi === 0 ? this.neighbours.get(at) : undefined;
    if (neighbour === undefined) {
      super.mmioWrite(lo, hi, width, value);
      return;
    }
    const bar = ((lo & 0xfff) - 0x10) / 4;
    const [mask, fixed] = neighbour.bars[bar] ?? [0, 0];
    if (bar >= 0 && bar < 6) this.bars.get(at)![bar] = ((value & mask) | fixed) >>> 0;
  }
}

describe("enumeratePci", () => {
  it("sizes each BAR with decoding off, then enables memory and bus master for the driver (PCI 3.0, 6.2.5.1)", () => {
    const vm = new Bus(new Map());
    expect(boot(vm).code).toBe(0);
    const own = vm.configTrace
      .map((access) => access.replace(/3000(8...)/, "$1"))
      .filter((access) => / 8/.test(access));
    const probe = (at: string, old: string) => [`R32 ${at}`, `W32 ${at} 0xffffffff`, `R32 ${at}`, `W32 ${at} ${old}`];
    expect(own.slice(0, own.lastIndexOf("W32 8024 0x0") + 1)).toEqual([
      "R16 8000", // vendor
      "R8 800e", // header type
      "R16 8004", // command: decoding off
      "W16 8004 0x0",
      ...probe("8010", "0x0"),
      ...probe("8014", "0x0"),
      ...probe("8018", "0x0"),
      ...probe("801c", "0x0"),
      ...probe("8020", "0x0"), // BAR 4, 64-bit: both halves
      ...probe("8024", "0x0"),
      "W32 8020 0x40000000", // the bottom of the window
      "W32 8024 0x0",
    ]);
    expect(own.filter((access) => access.startsWith("W16 8004"))).toEqual(["W16 8004 0x0", "W16 8004 0x6"]);
    expect(vm.config.readUInt16LE(4)).toBe(6);
    expect(vm.bar).toBe(WINDOW);
  });

  it("gives each BAR, 32 and 64 bits wide, on functions of multi-function devices too, an aligned range of its own", () => {
    const vm = new Bus(
      new Map<number, Neighbour>([
        [0 << 3, { bars: [[0xfffffff0, 0]] }], // 16 bytes before the virtio function
        [(2 << 3) | 0, { headerType: 0x80, bars: [[0xf0000000, 0x8]] }], // 256 MiB, prefetchable
        [
          (2 << 3) | 7,
          {
            bars: [
              [0, 0],
              [0xfffff000, 0x4],
              [0xffffffff, 0],
              [0xffffff00, 0],
            ],
          },
        ], // 4 KiB wide, 256 bytes
        [
          (31 << 3) | 0,
          {
            bars: [
              [0xfffffffc, 0x1],
              [0xffff0000, 0],
            ],
          },
        ], // I/O, 64 KiB
      ]),
    );
    expect(boot(vm).code).toBe(0);
    const at = (device: number, fn: number, bar: number) => (vm.bars.get((device << 3) | fn)![bar]! & ~0xf) >>> 0;
    expect(at(0, 0, 0)).toBe(WINDOW);
    expect(vm.bar).toBe(WINDOW + 0x4000); // 16 KiB: aligned to its size
    expect(at(2, 0, 0)).toBe(WINDOW + 0x10000000);
    expect(at(2, 7, 1)).toBe(WINDOW + 0x20000000);
    expect(vm.bars.get((2 << 3) | 7)![2]).toBe(0); // the upper half
    expect(at(2, 7, 3)).toBe(WINDOW + 0x20001000);
    expect(at(31, 0, 1)).toBe(WINDOW + 0x20010000);
    expect(vm.bars.get(31 << 3)![0]).toBe(1); // the I/O BAR is as it was
  });

  it("does not look at further functions of a single-function device, nor at a bridge's BARs", () => {
    const vm = new Bus(
      new Map<number, Neighbour>([
        [2 << 3, { headerType: 1, bars: [[0xfffff000, 0]] }],
        [(2 << 3) | 1, { bars: [[0xfffff000, 0]] }],
      ]),
    );
    expect(boot(vm).code).toBe(0);
    expect(vm.bars.get(2 << 3)).toEqual([0]);
    expect(vm.bars.get((2 << 3) | 1)).toEqual([0]);
  });

  it.each<[string, Neighbour["bars"]]>([
    [
      "larger than the window",
      [
        [0, 0x4],
        [0xffffffff, 0],
      ],
    ], // 4 GiB
    [
      "of 2^63 bytes",
      [
        [0, 0x4],
        [0x80000000, 0],
      ],
    ],
    [
      "that no longer fit",
      [
        [0x80000000, 0],
        [0x80000000, 0],
      ],
    ],
  ])("says so when there are BARs %s", (_, bars) => {
    const vm = new Bus(new Map([[0, { bars }]]));
    expect(boot(vm)).toMatchObject({ code: 1, stderr: "firmware: PCI: no room left for the BARs\n" });
  });

  it("fills the window to its last byte", () => {
    const vm = new Bus(
      new Map([
        [2 << 3, { bars: [[0xf0000000, 0]] }],
        [3 << 3, { bars: [[0xe0000000, 0]] }],
      ]),
    ); // prettier-ignore
    expect(boot(vm).code).toBe(0);
    expect(vm.bars.get(3 << 3)![0]! + 0x20000000).toBe(WINDOW_END);
  });

  it("takes a BAR with type bits but no address bits for none", () => {
    const vm = new Bus(
      new Map([
        [
          0,
          {
            bars: [
              [0, 0x4],
              [0, 0],
              [0, 0x8],
            ],
          },
        ],
      ]),
    ); // prettier-ignore
    expect(boot(vm).code).toBe(0);
    expect(vm.bar).toBe(WINDOW);
  });

  it("refuses a 64-bit BAR without an upper half", () => {
    const vm = new Bus(
      new Map([
        [
          0,
          {
            bars: [
              [0, 0],
              [0, 0],
              [0, 0],
              [0, 0],
              [0, 0],
              [0xfffff000, 4],
            ],
          },
        ],
      ]),
    ); // prettier-ignore
    expect(boot(vm)).toMatchObject({
      code: 1,
      stderr: "firmware: PCI: the last BAR is the lower half of a 64-bit one\n",
    });
  });

  it.each([
    ["an empty bus", 0x00, 0xffff],
    ["another vendor", 0x00, 0x1af5],
    ["another virtio device", 0x02, 0x1042],
    ["a transitional id", 0x02, 0x1009],
  ])("says that there is no device on %s", (_, offset, value) => {
    const config = configSpace();
    config.writeUInt16LE(value, offset);
    const vm = new Bus(new Map(), { config });
    expect(boot(vm)).toMatchObject({ code: 1, stderr: "firmware: no virtio file system device on PCI bus 0\n" });
    expect(vm.trace).toEqual([]);
  });
});

describe("Virtio10BindingStart, virtio 1.4 4.1.4.1", () => {
  function bound(change: (config: Buffer) => void): { vm: Bus; stderr: string; code: number } {
    const config = configSpace();
    change(config);
    const vm = new Bus(new Map(), { config });
    const { stderr, code } = boot(vm);
    return { vm, stderr, code };
  }
  /** Puts a capability at 0xc0 in front of the list. */
  function prepend(config: Buffer, length: number, type: number, offset: number): void {
    capability(config, 0xc0, 0x40, length, type, offset, 0x1000);
    config[0x34] = 0xc0;
  }

  it("uses the first instance of each structure", () => {
    // A second common configuration, where no register is (the machine throws), after the first.
    const { code } = bound((config) => {
      capability(config, 0xc0, 0x00, 16, 1, 0x10000, 0x1000);
      config[0x7c + 1] = 0xc0;
    });
    expect(code).toBe(0);
    // The same one before the first is used.
    expect(() => bound((config) => prepend(config, 16, 1, 0x10000))).toThrow("no register");
  });

  it("ignores reserved cfg_type and reserved bar values, and other capabilities", () => {
    expect(bound((config) => prepend(config, 16, 0x77, 0x10000)).code).toBe(0);
    const reservedBar = (bar: number) => (config: Buffer) => {
      prepend(config, 16, 1, 0x10000);
      config[0xc0 + 4] = bar;
    };
    expect(bound(reservedBar(6)).code).toBe(0);
    expect(bound(reservedBar(255)).code).toBe(0);
    expect(bound(reservedBar(0)).code).toBe(0); // a BAR that is not there
    const msix = (config: Buffer) => {
      prepend(config, 16, 1, 0x10000);
      config[0xc0] = 0x11;
    };
    expect(bound(msix).code).toBe(0);
  });

  it("accepts a larger cap_len and skips a structure with a smaller one", () => {
    expect(bound((config) => config.writeUInt8(64, 0x40 + 2)).code).toBe(0);
    expect(bound((config) => config.writeUInt8(15, 0x40 + 2)).stderr).toBe(
      "firmware: virtio device refused: it has no common configuration\n",
    );
    expect(bound((config) => config.writeUInt8(16, 0x7c + 2)).stderr).toBe(
      "firmware: virtio device refused: it has no notification structure\n",
    );
  });

  it("reads a capability list that goes in circles to an end", () => {
    const { code, vm } = bound((config) => config.writeUInt8(0x40, 0x7c + 1));
    expect(code).toBe(0);
    expect(vm.configTrace.length).toBeLessThan(600);
  });

  it.each<[string, (config: Buffer) => void, string]>([
    ["has no capability list", (config) => config.writeUInt16LE(0, 0x06), "it has no common configuration"],
    ["has too short a common configuration", (c) => c.writeUInt32LE(55, 0x40 + 12), "it has no common configuration"],
    ["has an empty notification structure", (c) => c.writeUInt32LE(0, 0x7c + 12), "it has no notification structure"],
    ["lacks a device configuration", (c) => c.writeUInt8(9, 0x68 + 3), "its device configuration is too short"],
    [
      "has too short a device configuration",
      (c) => c.writeUInt32LE(39, 0x68 + 12),
      "its device configuration is too short",
    ],
  ])("refuses a device that %s", (_, change, reason) => {
    expect(bound(change)).toMatchObject({ code: 1, stderr: `firmware: virtio device refused: ${reason}\n` });
  });
});
