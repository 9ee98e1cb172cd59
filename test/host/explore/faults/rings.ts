// Faults of a device at its ring, and of a driver.

import { RingOp } from "../../../../device/virtqueue.js";
import type { Op, Result } from "../../../../vm/sync/op.js";
import { type Fault, through } from "./fault.js";

/** The used element is written after used.idx covers it. */
export const INDEX_BEFORE_ELEMENT: Fault = {
  actor: "data",
  play: (actor) => {
    let element: Op | undefined;
    return through(actor, function* (op) {
      const does = op instanceof RingOp ? op.step.does : undefined;
      if (does === "fill") {
        element = op;
        return 0;
      }
      const result: Result = yield* op;
      if (does === "publish" && element) yield* element;
      return result;
    });
  },
};

/**
 * After `asks`, by which the other side is told to notify again, `look` is taken as it was found before.
 */
const doesNotLookAgain = (actor: string, asks: string, look: string): Fault => ({
  actor,
  play: (actor) => {
    let asked = false;
    let seen: Result = 0;
    return through(actor, function* (op) {
      if (op.name === look && asked) {
        asked = false;
        return seen;
      }
      const result = yield* op;
      if (op.name === look) seen = result;
      else asked = op.name === asks;
      return result;
    });
  },
});

/** The device allows notifications again (2.7.10.2), and does not look at avail.idx once more. */
export const AVAIL_IDX_NOT_READ_AGAIN = doesNotLookAgain("data", "q1.used.flags", "q1.avail.idx");

/** The driver: after used_event, used.idx (2.7.14). */
export const USED_IDX_NOT_READ_AGAIN = doesNotLookAgain("vcpu", "q1.used_event.store", "q1.used.idx.load");

/** avail_event names the entry after the next one. */
export const EVENT_INDEX_OFF_BY_ONE: Fault = {
  ring: (ring) => ({ setAvailEvent: (used, size, idx) => ring.setAvailEvent(used, size, (idx + 1) & 0xffff) }),
};

/** A descriptor is loaded to be judged, and again to be used. */
export const DESCRIPTOR_READ_TWICE: Fault = {
  ring: (ring) => ({
    chainStep: (...where) => {
      ring.chainStep(...where);
      return ring.chainStep(...where);
    },
  }),
};
