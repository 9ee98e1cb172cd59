// What a driver can do wrong at a virtio-PCI transport, as data: the rule of virtio 1.4 that it broke. The device goes
// on as the standard lets it (hostile drivers are expected); the remark tells a person why nothing happened.

import type { Note } from "../../vm/sync/trace.js";

export interface DriverBug {
  /** The broken rule, in a short sentence. */
  readonly rule: string;
  /** Section of virtio 1.4. */
  readonly section: string;
}

export const DRIVER_BUGS = {
  STATUS_BIT_CLEARED: { rule: "the driver cleared a device status bit without a reset", section: "2.1.1" },
  STATUS_BIT_RESERVED: {
    rule: "the driver set a device status bit that is the device's or reserved",
    section: "2.1",
  },
  FEATURES: {
    rule: "the driver accepted a feature that was not offered, or did not accept VIRTIO_F_VERSION_1",
    section: "2.2.1, 6.1",
  },
  FEATURES_LATE: { rule: "the driver accepted features after it had set FEATURES_OK", section: "3.1.1" },
  DRIVER_OK_EARLY: { rule: "the driver set DRIVER_OK without FEATURES_OK", section: "3.1.1" },
  RESET_DUE: { rule: "the driver went on although a reset is due", section: "2.1.1" },
  REGISTER_ACCESS: { rule: "no field of this width is at this offset", section: "4.1.3.1" },
  REGISTER_READ_ONLY: { rule: "the driver wrote to a field that is read-only for it", section: "4.1.4.3.2" },
  QUEUE_ABSENT: { rule: "queue_select names no queue of this device", section: "4.1.4.3.1" },
  QUEUE_SIZE: {
    rule: "queue_size is no power of two, or more than the device supports",
    section: "4.1.4.3.2",
  },
  QUEUE_LIVE: { rule: "the driver configured a queue after it had enabled it", section: "4.1.4.3.2" },
  QUEUE_ENABLE: { rule: "the driver wrote something else than 1 to queue_enable", section: "4.1.4.3.2" },
  QUEUE_ENABLE_SIZE: { rule: "the driver enabled a queue whose size was refused", section: "4.1.4.3.2" },
  QUEUE_ALIGNMENT: { rule: "the driver enabled a queue with a misaligned area", section: "2.7" },
  NOTIFY_ADDRESS: { rule: "no queue has its notification address here", section: "4.1.4.4" },
  CONFIG_READ_ONLY: { rule: "the driver wrote to a configuration field that is read-only for it", section: "2.5" },
  PCI_CFG_WINDOW: {
    rule: "cap.bar, cap.length and cap.offset name no aligned bytes of a structure",
    section: "4.1.4.9.2",
  },
} as const satisfies Readonly<Record<string, DriverBug>>;

export function noteDriverBug(note: Note | undefined, bug: DriverBug): void {
  note?.("Driver bug", `${bug.rule} (virtio 1.4, ${bug.section})`);
}
