// Every offset and number of device/spec/virtq.ts against virtio 1.4, section 2.7, written out by hand, and the areas of
// a queue of 128 against EDK2's VirtioRingInit.

import { describe, expect, it } from "vitest";
import * as virtq from "../../../device/spec/virtq.js";
import { VirtqAvail, VirtqDesc, VirtqUsed, VirtqUsedElem } from "../../../device/spec/virtq.js";
import { VIRTQ_REFUSALS } from "../../../device/spec/virtq-refusal.js";
import { DriverQueue } from "../../driver/driver-queue.js";
import { guestRam } from "../../driver/wasm.js";

describe("split virtqueue layout", () => {
  it("2.7.5 struct virtq_desc: le64 addr, le32 len, le16 flags, le16 next", () => {
    expect([VirtqDesc.ADDR, VirtqDesc.LEN, VirtqDesc.FLAGS, VirtqDesc.NEXT]).toEqual([0, 8, 12, 14]);
    expect(VirtqDesc.SIZEOF).toBe(16);
    expect([virtq.VIRTQ_DESC_F_NEXT, virtq.VIRTQ_DESC_F_WRITE, virtq.VIRTQ_DESC_F_INDIRECT]).toEqual([1, 2, 4]);
  });

  it("2.7.6 struct virtq_avail: le16 flags, le16 idx, le16 ring[size], le16 used_event", () => {
    expect([VirtqAvail.FLAGS, VirtqAvail.IDX, VirtqAvail.RING]).toEqual([0, 2, 4]);
    expect(VirtqAvail.RING_ENTRY).toBe(2);
    expect(virtq.VIRTQ_AVAIL_F_NO_INTERRUPT).toBe(1);
    expect(virtq.virtqUsedEventOffset(1)).toBe(6);
    expect(virtq.virtqUsedEventOffset(256)).toBe(516);
  });

  it("2.7.8 struct virtq_used: le16 flags, le16 idx, {le32 id, le32 len} ring[size], le16 avail_event", () => {
    expect([VirtqUsed.FLAGS, VirtqUsed.IDX, VirtqUsed.RING]).toEqual([0, 2, 4]);
    expect([VirtqUsedElem.ID, VirtqUsedElem.LEN, VirtqUsedElem.SIZEOF]).toEqual([0, 4, 8]);
    expect(virtq.VIRTQ_USED_F_NO_NOTIFY).toBe(1);
    expect(virtq.virtqAvailEventOffset(1)).toBe(12);
    expect(virtq.virtqAvailEventOffset(256)).toBe(2052);
  });

  it("2.7: alignment 16, 2, 4; sizes 16 * size, 6 + 2 * size, 6 + 8 * size; size at most 32768", () => {
    expect([virtq.VIRTQ_DESC_ALIGN, virtq.VIRTQ_AVAIL_ALIGN, virtq.VIRTQ_USED_ALIGN]).toEqual([16, 2, 4]);
    expect(virtq.VIRTQ_MAX_SIZE).toBe(32768);
    for (const size of [1, 2, 128, 32768]) {
      expect(virtq.virtqDescBytes(size)).toBe(16 * size);
      expect(virtq.virtqAvailBytes(size)).toBe(6 + 2 * size);
      expect(virtq.virtqUsedBytes(size)).toBe(6 + 8 * size);
    }
  });

  it("EDK2's queue of 128: avail at 2048, used_event 2308, used at 4096, avail_event 5124, 2 pages", () => {
    const { areas, driver } = new DriverQueue(guestRam(), 128, false);
    expect(areas.avail - areas.desc).toBe(2048);
    expect(areas.avail + virtq.virtqUsedEventOffset(128) - areas.desc).toBe(2308);
    expect(areas.used - areas.desc).toBe(4096);
    expect(areas.used + virtq.virtqAvailEventOffset(128) - areas.desc).toBe(5124);
    expect(driver.virtqRingBytes(128)).toBe(8192);
  });

  it("2.7: the driver aligns the areas for every size, and they do not overlap", () => {
    for (let size = 1; size <= 4096; size *= 2) {
      const { areas, driver } = new DriverQueue(guestRam(), size, false);
      expect([areas.desc % 16, areas.avail % 2, areas.used % 4]).toEqual([0, 0, 0]);
      expect(areas.avail).toBeGreaterThanOrEqual(areas.desc + 16 * size);
      expect(areas.used).toBeGreaterThanOrEqual(areas.avail + 6 + 2 * size);
      expect(areas.desc + driver.virtqRingBytes(size)).toBeGreaterThanOrEqual(areas.used + 6 + 8 * size);
    }
  });

  it("every refusal code has its words and a section of 2.7", () => {
    const codes = Object.entries(virtq)
      .filter(([name]) => name.startsWith("VIRTQ_REFUSED_"))
      .map(([, code]) => code as number);
    expect(codes.toSorted((a, b) => a - b)).toEqual(Object.keys(VIRTQ_REFUSALS).map(Number));
    expect(Math.min(...codes)).toBe(virtq.VIRTQ_REFUSED);
    for (const { rule, section } of Object.values(VIRTQ_REFUSALS)) {
      expect(rule).not.toBe("");
      expect(section).toMatch(/^2\.7(\.\d+)+$/);
    }
  });
});
