import { describe, expect, it } from "vitest";
import { GuestMemory, WASM_PAGE } from "../../vm/memory.js";
import type { Segment } from "../../vm/regions.js";
import { RAM_BASE, RAM_HIGH_START, RAM_LOW_SIZE } from "../../vm/spec/board.js";
import { SyncMemory } from "../../vm/sync/words.js";

const MIB = 1024 * 1024;
const guestMemory = (bytes: number): GuestMemory => new GuestMemory(GuestMemory.allocate(bytes), SyncMemory.create());

describe("GuestMemory", () => {
  it.each([0, MIB, 2 * MIB - WASM_PAGE, 2 * MIB + 1, 2 ** 31 + WASM_PAGE, Number.NaN, -2 * MIB])(
    "refuses %d bytes: 2 MiB to 2 GiB, in pages",
    (bytes) => {
      expect(() => GuestMemory.allocate(bytes)).toThrow("guest RAM of");
    },
  );

  it("is shared, of the size asked for", () => {
    const memory = GuestMemory.allocate(2 * MIB + WASM_PAGE);
    expect(memory.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(memory.buffer.byteLength).toBe(2 * MIB + WASM_PAGE);
  });

  it("lies at gpa 2 GiB, in two regions with a hole between them", () => {
    const { table } = guestMemory(3 * MIB);
    const last = RAM_LOW_SIZE - 1;
    expect(table.contiguous(RAM_BASE, 0, 1)).toBe(0);
    expect(table.contiguous(RAM_BASE + last, 0, 1)).toBe(last);
    expect(table.contiguous(RAM_BASE + last, 0, 2)).toBeUndefined();
    expect(table.contiguous(RAM_BASE + RAM_HIGH_START - 1, 0, 1)).toBeUndefined();
    expect(table.contiguous(RAM_BASE + RAM_HIGH_START, 0, 2 * MIB)).toBe(RAM_HIGH_START);
    expect(table.contiguous(RAM_BASE + RAM_HIGH_START, 0, 2 * MIB + 1)).toBeUndefined();
    const across: Segment[] = [];
    expect(table.segments(RAM_BASE + last, 0, 2, across)).toBe(false);
  });

  it.each([
    ["a gpa that is an offset", 0, 0],
    ["just below", RAM_BASE - 1, 0],
    ["just above", RAM_BASE + 3 * MIB, 0],
    ["4 GiB higher", RAM_BASE, 1],
    ["at the top of 64 bits", 0xffffffff, 0xffffffff],
  ])("%s is not in RAM", (_, lo, hi) => {
    expect(guestMemory(3 * MIB).table.contiguous(lo, hi, 1)).toBeUndefined();
  });

  it("clear makes new RAM of it", () => {
    const memory = GuestMemory.allocate(2 * MIB);
    const bytes = new Uint8Array(memory.buffer);
    for (const at of [0, MIB, 2 * MIB - 1]) bytes[at] = 0xa5;
    GuestMemory.clear(memory);
    expect(bytes.every((byte) => byte === 0)).toBe(true);
  });
});
