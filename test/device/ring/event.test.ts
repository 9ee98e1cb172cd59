// The two pure functions over 16-bit indices: the event index rule and the check of avail.idx.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { virtqAvailIdxValid, vringNeedEvent } from "../../../device/spec/virtq.js";
import { passed } from "../../model/split-queue.js";

describe("vringNeedEvent (virtio 1.4, 2.7.7.2 and 2.7.10.1)", () => {
  it("2.7.7.2, note: with used_event 0 the first buffer notifies, and again the 65536th after it", () => {
    expect(vringNeedEvent(0, 1, 0)).toBe(true);
    const early = Array.from({ length: 65535 }, (_, i) => i + 1).filter((used) =>
      vringNeedEvent(0, (used + 1) & 0xffff, used),
    );
    expect(early).toEqual([]);
    expect(vringNeedEvent(0, 65537 & 0xffff, 65536 & 0xffff)).toBe(true);
  });

  it("answers as the standard's sentence does, for every event and indices on both sides of the wrap", () => {
    for (const old of [0, 1, 32767, 32768, 65533, 65535]) {
      for (const added of [0, 1, 2, 3, 128]) {
        for (let event = 0; event < 65536; event++) {
          const want = passed(old, old + added, event);
          if (vringNeedEvent(event, (old + added) & 0xffff, old) !== want)
            expect.fail(`event ${event}, ${added} after ${old}: should be ${want}`);
        }
      }
    }
  });

  it("holds for the longest move, 32768 entries", () => {
    const idx = fc.nat(65535);
    fc.assert(
      fc.property(idx, idx, fc.constantFrom(32767, 32768), (old, event, added) => {
        expect(vringNeedEvent(event, (old + added) & 0xffff, old)).toBe(passed(old, old + added, event));
      }),
      { seed: 27, numRuns: 300 },
    );
  });
});

describe("virtqAvailIdxValid (virtio 1.4, 2.7.6.1)", () => {
  it("R4: avail.idx may be up to the queue size ahead, and not one more", () => {
    expect(virtqAvailIdxValid(0, 0, 128)).toBe(true);
    expect(virtqAvailIdxValid(128, 0, 128)).toBe(true);
    expect(virtqAvailIdxValid(129, 0, 128)).toBe(false);
    expect(virtqAvailIdxValid(32768, 0, 32768)).toBe(true);
    expect(virtqAvailIdxValid(32769, 0, 32768)).toBe(false);
  });

  it("R5: avail.idx that goes backwards is refused", () => {
    expect(virtqAvailIdxValid(9, 10, 128)).toBe(false);
    expect(virtqAvailIdxValid(65535, 0, 128)).toBe(false);
  });

  it("R6: a legal wrap from 65535 to 0 and beyond is accepted", () => {
    expect(virtqAvailIdxValid(0, 65535, 128)).toBe(true);
    expect(virtqAvailIdxValid(127, 65535, 128)).toBe(true);
    expect(virtqAvailIdxValid(128, 65535, 128)).toBe(false);
  });
});
