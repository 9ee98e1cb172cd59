// The device status register as a pure function (virtio 1.4, 2.1 and 3.1.1; QEMU: virtio_set_status).
//
// Where QEMU takes what the driver writes (it masks a feature that was not offered, grants FEATURES_OK, and lets bits be
// cleared), this follows the standard: FEATURES_OK that cannot be granted reads back clear, a bit once set stays until a
// reset, DRIVER_OK needs FEATURES_OK, and nothing goes forward while a reset is due.

import {
  VIRTIO_CONFIG_S_ACKNOWLEDGE,
  VIRTIO_CONFIG_S_DRIVER,
  VIRTIO_CONFIG_S_DRIVER_OK,
  VIRTIO_CONFIG_S_FAILED,
  VIRTIO_CONFIG_S_FEATURES_OK,
  VIRTIO_CONFIG_S_NEEDS_RESET,
} from "../spec/virtio.js";
import { DRIVER_BUGS, type DriverBug } from "./driver-bug.js";

export type DeviceStatusEvent = "reset" | "features-ok" | "driver-ok" | "failed";

export interface DeviceStatusWrite {
  /** What the register holds once the events have been acted on. */
  readonly next: number;
  /** What the write newly brought about, in the order to act on. */
  readonly events: readonly DeviceStatusEvent[];
  readonly bugs: readonly DriverBug[];
}

/** The bits that a driver may set. SUSPEND (16) would need VIRTIO_F_SUSPEND, which is not offered. */
const DRIVER_BITS =
  VIRTIO_CONFIG_S_ACKNOWLEDGE |
  VIRTIO_CONFIG_S_DRIVER |
  VIRTIO_CONFIG_S_DRIVER_OK |
  VIRTIO_CONFIG_S_FEATURES_OK |
  VIRTIO_CONFIG_S_FAILED;

/**
 * @param old the register
 * @param written the byte that the driver wrote
 * @param context.featuresAcceptable is what the driver has accepted a valid subset of what was offered?
 */
export function writeDeviceStatus(
  old: number,
  written: number,
  context: { readonly featuresAcceptable: boolean },
): DeviceStatusWrite {
  // 2.4.1: "A device MUST reinitialize device status to 0 after receiving a reset."
  if (written === 0) return { next: 0, events: ["reset"], bugs: [] };

  const events: DeviceStatusEvent[] = [];
  const bugs: DriverBug[] = [];
  // 2.1.1: "The driver MUST NOT clear a device status bit."
  if (old & ~written) bugs.push(DRIVER_BUGS.STATUS_BIT_CLEARED);
  const set = written & ~old;
  if (set & ~DRIVER_BITS) bugs.push(DRIVER_BUGS.STATUS_BIT_RESERVED);

  let next = old | (set & (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER));
  if (set & VIRTIO_CONFIG_S_FAILED) {
    next |= VIRTIO_CONFIG_S_FAILED;
    events.push("failed");
  }

  const forward = set & (VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
  // 2.1.1: "If the driver sets the FAILED bit, the driver MUST later reset the device before attempting to re-initialize."
  if (next & (VIRTIO_CONFIG_S_FAILED | VIRTIO_CONFIG_S_NEEDS_RESET)) {
    if (forward) bugs.push(DRIVER_BUGS.RESET_DUE);
    return { next, events, bugs };
  }
  if (forward & VIRTIO_CONFIG_S_FEATURES_OK) {
    // 2.2.2: "The device SHOULD accept any valid subset of features the driver accepts, otherwise it MUST fail to set
    // the FEATURES_OK device status bit when the driver writes it."
    if (context.featuresAcceptable) {
      next |= VIRTIO_CONFIG_S_FEATURES_OK;
      events.push("features-ok");
    } else bugs.push(DRIVER_BUGS.FEATURES);
  }
  if (forward & VIRTIO_CONFIG_S_DRIVER_OK) {
    if (next & VIRTIO_CONFIG_S_FEATURES_OK) {
      next |= VIRTIO_CONFIG_S_DRIVER_OK;
      events.push("driver-ok");
    } else bugs.push(DRIVER_BUGS.DRIVER_OK_EARLY);
  }
  return { next, events, bugs };
}
