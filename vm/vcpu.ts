// The vCPU: what KVM_RUN returns with, and what is done about it. A guest leaves the processor only through these
// exits; each is an actor, so a trapped write holds the guest until whatever it started has been answered.

import type { Bus } from "./bus.js";
import type { InterruptController } from "./irq.js";
import type { GuestMemory } from "./memory.js";
import { type Actor, passTime } from "./sync/op.js";

/** Exits by name; the names and arguments are the guests' imports. Arguments arrive as i32. */
export type Exits = Readonly<
  Record<"mmio_read" | "mmio_write" | "ram_load16" | "ram_store16" | "stall" | "sleep" | "wfi", Exit>
>;
export type Exit = (...args: number[]) => Actor<number>;

/** The guest trapped, or asked for a 16-bit word that its RAM does not have. The firmware's own fault: it ends the guest. */
export class GuestFault extends Error {
  override name = "GuestFault";
}

export function exitsOf(bus: Bus, ram: GuestMemory, irq: InterruptController): Exits {
  const word = (pointer: number): number => {
    const offset = pointer >>> 0;
    if (offset % 2 !== 0 || offset + 2 > ram.bytes.length)
      throw new GuestFault(`no 16-bit word at 0x${offset.toString(16)}`);
    return offset;
  };
  return {
    *mmio_read(lo = 0, hi = 0, width = 0) {
      return yield* bus.read(lo >>> 0, hi >>> 0, width);
    },
    *mmio_write(lo = 0, hi = 0, width = 0, value = 0) {
      yield* bus.write(lo >>> 0, hi >>> 0, width, value >>> 0);
      return 0;
    },
    *ram_load16(pointer = 0) {
      return yield* ram.words.load16(word(pointer));
    },
    *ram_store16(pointer = 0, value = 0) {
      yield* ram.words.store16(word(pointer), value & 0xffff);
      return 0;
    },
    *stall(micros = 0, pointer = 0, seen = 0) {
      return yield* ram.words.poll(word(pointer), seen & 0xffff, micros >>> 0);
    },
    *sleep(micros = 0) {
      return yield* passTime(micros >>> 0);
    },
    *wfi() {
      return yield* irq.wfi();
    },
  };
}
