import { describe, expect, it } from "vitest";
import { Bus, localRegion } from "../../vm/bus.js";
import { InterruptController } from "../../vm/irq.js";
import { GuestMemory } from "../../vm/memory.js";
import type { Op } from "../../vm/sync/op.js";
import { SyncMemory } from "../../vm/sync/words.js";
import { exitsOf, GuestFault } from "../../vm/vcpu.js";
import { run } from "./run.js";

const BYTES = 2 * 1024 * 1024;

function vcpu() {
  const bus = new Bus();
  const sync = SyncMemory.create();
  const ram = new GuestMemory(GuestMemory.allocate(BYTES), sync);
  const irq = new InterruptController(sync);
  return { bus, ram, irq, exits: exitsOf(bus, ram, irq) };
}

describe("exits", () => {
  it("sleep is one step that waits for nobody, touches nothing, and takes its time on a thread only", () => {
    const op = vcpu().exits.sleep(-1).next().value as Op;
    expect([op.enabled(), op.footprint, op.eager, op.takesMicros]).toEqual([
      true,
      { reads: [], writes: [] },
      true,
      0xffffffff,
    ]);
    expect(op.attempt()).toBe(0);
  });

  it("wfi gives the pending interrupts as bits, and waits while there are none", () => {
    const { irq, exits } = vcpu();
    run(irq.raise(2)[Symbol.iterator]());
    run(irq.setLine(31, true)[Symbol.iterator]());
    expect(run(exits.wfi())).toBe(0x80000004);
    run(irq.setLine(31, false)[Symbol.iterator]());
    expect((exits.wfi().next().value as Op).enabled()).toBe(false);
  });

  it("MMIO addresses and values arrive as i32 and are unsigned", () => {
    const { bus, exits } = vcpu();
    const log: string[] = [];
    const region = localRegion("r", 0x1000, {
      read: (offset, width) => offset + width,
      write: (offset, width, value) => void log.push(`w${width}@${offset}=${value}`),
    });
    bus.map(region, 0xfffff000, 0xffffffff);
    expect(run(exits.mmio_read(0xfffff010 | 0, -1, 4))).toBe(0x14);
    run(exits.mmio_write(0xfffff010 | 0, -1, 4, -1));
    expect(log).toEqual(["w4@16=4294967295"]);
  });

  it("loads and stores of shared words are one op each, cut to 16 bits", () => {
    const { ram, exits } = vcpu();
    const steps: string[] = [];
    run(exits.ram_store16(0x100, 0x1beef), steps);
    expect(run(exits.ram_load16(0x100), steps)).toBe(0xbeef);
    expect([...ram.bytes.subarray(0x100, 0x104)]).toEqual([0xef, 0xbe, 0, 0]);
    expect(steps).toEqual(["ram[0x100].store", "ram[0x100].load"]);
  });

  it("stall polls the word that the guest names, against 16 bits of what it saw", () => {
    const { ram, exits } = vcpu();
    const [op] = exits.stall(-1, 0x100, 0x10007) as Iterable<Op>;
    const { on, a, b, pollMicros } = op!.blocks!;
    expect(on === ram.words).toBe(true);
    expect({ a, b, pollMicros }).toEqual({ a: 0x100, b: 7, pollMicros: 0xffffffff });
  });

  it.each([1, 0x101, BYTES, BYTES - 1, -2, 0x7ffffffe])("a shared word at %d is the guest's fault", (pointer) => {
    const { exits } = vcpu();
    const { ram_load16, ram_store16 } = exits;
    const uses = [() => ram_load16(pointer), () => ram_store16(pointer, 1), () => exits.stall(1, pointer, 0)];
    for (const use of uses) expect(() => use().next()).toThrow(GuestFault);
  });

  it("the last word of RAM is one", () => {
    expect(run(vcpu().exits.ram_load16(BYTES - 2))).toBe(0);
  });
});
