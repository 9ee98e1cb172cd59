// Descriptor tables as a hostile driver writes them: mostly sound, with one lie in a few fields.

import fc from "fast-check";
import * as virtq from "../../device/spec/virtq.js";
import type { Desc } from "../model/chain-rules.js";
import { TABLES } from "./raw-queue.js";

function descriptor(size: number, lies: readonly bigint[]): fc.Arbitrary<Desc> {
  const { VIRTQ_DESC_F_NEXT: NEXT, VIRTQ_DESC_F_WRITE: WRITE, VIRTQ_DESC_F_INDIRECT: INDIRECT } = virtq;
  return fc.record({
    addr: fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom(...TABLES) },
      { weight: 1, arbitrary: fc.constantFrom(0n, (1n << 64n) - 16n, ...lies) },
    ),
    len: fc.oneof(
      { weight: 8, arbitrary: fc.integer({ min: 1, max: size }).map((entries) => 16 * entries) },
      { weight: 1, arbitrary: fc.constantFrom(0, 1, 17, 16 * (size + 1), 0x7fffffff, 0x80000000, 0xffffffff) },
    ),
    flags: fc.oneof(
      { weight: 8, arbitrary: fc.constantFrom(0, NEXT, NEXT, NEXT, WRITE, NEXT | WRITE, INDIRECT, INDIRECT | WRITE) },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: 0xffff }) },
    ),
    next: fc.oneof(
      { weight: 12, arbitrary: fc.nat(size - 1) },
      { weight: 1, arbitrary: fc.constantFrom(size, size + 1, 0x7fff, 0xffff) },
    ),
  });
}

/** A queue's table, those at TABLES, and the head that is offered. @param lies addresses that are wrong for the test, too */
export function hostileTable(lies: readonly bigint[] = []) {
  return fc.constantFrom(1, 2, 4, 8, 16).chain((size) => {
    const table = fc.array(descriptor(size, lies), { minLength: size, maxLength: size });
    return fc.record({
      size: fc.constant(size),
      table,
      tables: fc.tuple(table, table, table),
      head: fc.oneof({ weight: 12, arbitrary: fc.nat(size - 1) }, { weight: 1, arbitrary: fc.nat(0xffff) }),
      indirect: fc.boolean(),
    });
  });
}
