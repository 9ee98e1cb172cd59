// Whatever a driver writes into its descriptor table and avail ring: no throw, no step beyond the queue size, and the
// refusals of the plain judge (test/model/chain-rules.ts).

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as virtq from "../../../device/spec/virtq.js";
import { VIRTQ_REFUSALS } from "../../../device/spec/virtq-refusal.js";
import { hostileTable } from "../../driver/hostile-table.js";
import { RawQueue, TABLES } from "../../driver/raw-queue.js";
import { judgeChain } from "../../model/chain-rules.js";

/** The longest walk: a direct part, its INDIRECT descriptor, and the table; and the step that refuses. */
const bound = (size: number): number => size + 2;

describe("hostile descriptor tables", () => {
  it("are served or refused as the plain judge says (2.7.4.2, 2.7.5; R1-R3, R8, R12-R19)", () => {
    const met = new Map<number | "served", number>();
    fc.assert(
      fc.property(hostileTable(), ({ size, table, tables, head, indirect: indirectDesc }) => {
        const raw = new RawQueue(size, { indirectDesc }).table(table).avail([head]);
        tables.forEach((descs, which) => {
          raw.indirectTable(which, descs);
        });
        const judgement = judgeChain(table, head, indirectDesc, (addr, entries) =>
          tables[TABLES.indexOf(addr)]?.slice(0, entries),
        );
        const taken = raw.device.take()!;
        expect(raw.device.steps).toBeLessThanOrEqual(bound(size));
        if ("refused" in taken) {
          expect("broken" in judgement && [...judgement.broken]).toContain(taken.refused);
        } else {
          expect(judgement).toEqual({ buffers: taken.buffers });
        }
        const key = "refused" in taken ? taken.refused : "served";
        met.set(key, (met.get(key) ?? 0) + 1);
      }),
      { seed: 20, numRuns: 3000 },
    );
    const walkRefusals = Object.keys(VIRTQ_REFUSALS)
      .map(Number)
      .filter((code) => code !== virtq.VIRTQ_REFUSED_AVAIL_IDX && code !== virtq.VIRTQ_REFUSED_BUFFER_ADDRESS);
    expect(["served" as const, ...walkRefusals].filter((key) => (met.get(key) ?? 0) < 5)).toEqual([]);
  });
});

describe("arbitrary bytes", () => {
  it("in every area of the ring: each take is nothing, a chain or a named refusal, in bounded steps (R1-R5)", () => {
    const raw = new RawQueue(64);
    const { desc, avail, used } = raw.areas;
    const ram = new Uint8Array(raw.memory.buffer);
    const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });
    fc.assert(
      fc.property(
        bytes(virtq.virtqDescBytes(64)),
        bytes(virtq.virtqAvailBytes(64)),
        bytes(virtq.virtqUsedBytes(64)),
        fc.nat(0xffff),
        (descBytes, availBytes, usedBytes, nextAvail) => {
          ram.set(descBytes, desc);
          ram.set(availBytes, avail);
          ram.set(usedBytes, used);
          raw.device.startAt(nextAvail);
          for (let takes = 0; takes < 64; takes++) {
            const taken = raw.device.take();
            if (taken === undefined) break;
            if ("refused" in taken) expect(VIRTQ_REFUSALS).toHaveProperty([taken.refused]);
            expect(raw.device.steps).toBeLessThanOrEqual(bound(64));
          }
          for (const head of [0, 1, 63, 64, 0xffff]) {
            const taken = raw.device.walk(head);
            if ("refused" in taken) expect(VIRTQ_REFUSALS).toHaveProperty([taken.refused]);
            expect(raw.device.steps).toBeLessThanOrEqual(bound(64));
          }
        },
      ),
      { seed: 21, numRuns: 200 },
    );
  });
});
