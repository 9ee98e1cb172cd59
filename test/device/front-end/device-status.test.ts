import { describe, expect, it } from "vitest";
import { writeDeviceStatus } from "../../../device/front-end/device-status.js";
import { DRIVER_BUGS, type DriverBug } from "../../../device/front-end/driver-bug.js";

// virtio 1.4, 2.1, by hand.
const ACKNOWLEDGE = 1;
const DRIVER = 2;
const DRIVER_OK = 4;
const FEATURES_OK = 8;
const SUSPEND = 16;
const NEEDS_RESET = 64;
const FAILED = 128;

const good = { featuresAcceptable: true };
const bad = { featuresAcceptable: false };

type Row = [
  what: string,
  old: number,
  written: number,
  context: typeof good,
  next: number,
  events: string[],
  bugs: DriverBug[],
];

const TABLE: Row[] = [
  ["step 2: ACKNOWLEDGE", 0, 1, bad, 1, [], []],
  ["step 3: DRIVER", 1, 3, bad, 3, [], []],
  ["step 5: FEATURES_OK", 3, 0x0b, good, 0x0b, ["features-ok"], []],
  ["step 8: DRIVER_OK", 0x0b, 0x0f, good, 0x0f, ["driver-ok"], []],
  ["the same value again: nothing happens", 0x0f, 0x0f, good, 0x0f, [], []],
  ["0 resets, whatever was set", 0xff, 0, bad, 0, ["reset"], []],
  ["0 resets a device that is reset", 0, 0, bad, 0, ["reset"], []],
  [
    "P5: FEATURES_OK reads back clear when the features are not acceptable",
    3,
    0x0b,
    bad,
    3,
    [],
    [DRIVER_BUGS.FEATURES],
  ],
  ["FEATURES_OK once granted is not asked about again", 0x0b, 0x0f, bad, 0x0f, ["driver-ok"], []],
  ["P5: DRIVER_OK without FEATURES_OK", 3, 7, good, 3, [], [DRIVER_BUGS.DRIVER_OK_EARLY]],
  ["both at once, acceptable", 3, 0x0f, good, 0x0f, ["features-ok", "driver-ok"], []],
  ["both at once, not acceptable", 3, 0x0f, bad, 3, [], [DRIVER_BUGS.FEATURES, DRIVER_BUGS.DRIVER_OK_EARLY]],
  ["everything in one write", 0, 0x0f, good, 0x0f, ["features-ok", "driver-ok"], []],
  ["a bit cleared stays set", 0x0f, 0x0b, good, 0x0f, [], [DRIVER_BUGS.STATUS_BIT_CLEARED]],
  ["FAILED", 3, 0x83, good, 0x83, ["failed"], []],
  ["FAILED while running", 0x0f, 0x8f, good, 0x8f, ["failed"], []],
  ["no way forward after FAILED", 0x83, 0x8f, good, 0x83, [], [DRIVER_BUGS.RESET_DUE]],
  ["FAILED and DRIVER_OK at once", 0x0b, 0x8f, good, 0x8b, ["failed"], [DRIVER_BUGS.RESET_DUE]],
  ["no way forward while the device needs a reset", 0x4b, 0x4f, good, 0x4b, [], [DRIVER_BUGS.RESET_DUE]],
  ["the driver cannot set DEVICE_NEEDS_RESET", 0x0f, 0x4f, good, 0x0f, [], [DRIVER_BUGS.STATUS_BIT_RESERVED]],
  ["nor clear it", 0x4f, 0x0f, good, 0x4f, [], [DRIVER_BUGS.STATUS_BIT_CLEARED]],
  ["SUSPEND is not offered", 0x0f, 0x1f, good, 0x0f, [], [DRIVER_BUGS.STATUS_BIT_RESERVED]],
];

describe("device status (virtio 1.4, 2.1 and 3.1.1)", () => {
  it.each(TABLE)("%s", (_, old, written, context, next, events, bugs) => {
    expect(writeDeviceStatus(old, written, context)).toEqual({ next, events, bugs });
  });

  it("keeps the rules for every pair of register and written byte", () => {
    const broken: string[] = [];
    for (let old = 0; old < 256; old++)
      for (let written = 0; written < 256; written++)
        for (const context of [good, bad]) {
          const { next, events } = writeDeviceStatus(old, written, context);
          const set = next & ~old;
          const rule = (holds: boolean, what: string): void => {
            if (!holds) broken.push(`${old} <= ${written}: ${what}`);
          };
          if (written === 0) {
            rule(next === 0 && events.join() === "reset", "0 resets");
            continue;
          }
          rule((old & ~next) === 0, "2.1.1: no bit is cleared but by a reset");
          rule((set & ~written) === 0, "no bit is set that was not written");
          rule((set & ~(ACKNOWLEDGE | DRIVER | DRIVER_OK | FEATURES_OK | FAILED)) === 0, "only the driver's bits");
          rule(!(set & SUSPEND) && !(set & NEEDS_RESET), "SUSPEND, DEVICE_NEEDS_RESET");
          rule(!(set & DRIVER_OK) || (next & FEATURES_OK) !== 0, "3.1.1: DRIVER_OK needs FEATURES_OK");
          rule(!(set & FEATURES_OK) || context.featuresAcceptable, "2.2.2: FEATURES_OK needs acceptable features");
          rule(!(set & (DRIVER_OK | FEATURES_OK)) || !(next & (FAILED | NEEDS_RESET)), "2.1.1: a reset is due");
          rule((written & ~old & (ACKNOWLEDGE | DRIVER | FAILED) & ~next) === 0, "steps that nothing forbids");
          rule(events.includes("driver-ok") === ((set & DRIVER_OK) !== 0), "driver-ok exactly when newly set");
          rule(events.includes("features-ok") === ((set & FEATURES_OK) !== 0), "features-ok likewise");
          rule(events.includes("failed") === ((set & FAILED) !== 0), "failed likewise");
          rule(!events.includes("reset"), "a reset only by 0");
          const again = writeDeviceStatus(next, next, context);
          rule(next === 0 || (again.next === next && again.events.length === 0), "writing it back changes nothing");
        }
    expect(broken).toEqual([]);
  });
});
