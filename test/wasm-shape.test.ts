// The guests' built modules as the explorer needs them: whatever another actor may see of a guest is a call to the engine.
// Their imports and exports: guest-fw/shape.test.ts; ring.wasm and driver.wasm: device/ring/shape.test.ts.

import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { GUESTS } from "../host/scenario/occupants.js";

const PREFIX = 0xfe;
const LAST_OPCODE = 0x4e;
/** notify, wait32, wait64, fence; then loads, stores and read-modify-writes: i32, i64, and the narrow ones of both. */
const FIRST_ALIGNMENTS = [2, 2, 3, 0];
const FIRST_ACCESS = 0x10;
const ALIGNMENTS = [2, 3, 0, 1, 0, 1, 2];
const CONSTANTS = [0x41, 0x42]; // i32.const, i64.const

/** As a power of two: an atomic instruction has the natural one, or the module is not valid. */
function alignment(opcode: number): number | undefined {
  return opcode < FIRST_ACCESS ? FIRST_ALIGNMENTS[opcode] : ALIGNMENTS[(opcode - FIRST_ACCESS) % ALIGNMENTS.length];
}

/**
 * The opcodes of a module's atomic instructions. Read byte by byte, without decoding what lies between: an instruction is
 * the prefix, an opcode and an alignment; a constant that begins with the prefix's byte is none.
 */
function atomics(name: string): number[] {
  const bytes = readFileSync(new URL(`../dist/wasm/${name}.wasm`, import.meta.url));
  return [...bytes.keys()]
    .filter((at) => bytes[at] === PREFIX && !CONSTANTS.includes(bytes[at - 1]!))
    .filter((at) => bytes[at + 1]! <= LAST_OPCODE && bytes[at + 2] === alignment(bytes[at + 1]!))
    .map((at) => bytes[at + 1]!);
}

it.each([...GUESTS, ...GUESTS.map((guest) => `${guest}.explored`)])(
  "%s.wasm waits for nothing and reaches no shared word itself",
  (name) => {
    expect(atomics(name)).toEqual([]);
  },
);

it("the same reading finds the accesses of ring.wasm: 16-bit loads and stores, one of each of its six steps", () => {
  const LOAD16 = 0x13;
  const STORE16 = 0x1a;
  expect(new Set(atomics("ring"))).toEqual(new Set([LOAD16, STORE16]));
  expect(atomics("ring").length).toBeGreaterThanOrEqual(6);
});
