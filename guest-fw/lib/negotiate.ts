// The beginning of every driver's initialization: virtio 1.4, 3.1.1 "Driver Requirements: Device Initialization", steps
// 1 to 6, one write of the status each, as EDK2's drivers do them.

import {
  VIRTIO_CONFIG_S_ACKNOWLEDGE,
  VIRTIO_CONFIG_S_DRIVER,
  VIRTIO_CONFIG_S_FEATURES_OK,
  VIRTIO_F_VERSION_1,
} from "../../device/spec/virtio";
import { VirtioPci } from "./virtio-pci";

const VERSION_1: u64 = 1 << (VIRTIO_F_VERSION_1 as u64);

/** Returns the status, FEATURES_OK included. `understood` are features beside VIRTIO_F_VERSION_1. */
export function negotiate(device: VirtioPci, understood: u64): u32 {
  // 1. Reset the device.
  let status: u32 = 0;
  device.setStatus(status);

  // 2. Set the ACKNOWLEDGE status bit: the guest OS has noticed the device.
  status |= VIRTIO_CONFIG_S_ACKNOWLEDGE;
  device.setStatus(status);

  // 3. Set the DRIVER status bit: the guest OS knows how to drive the device.
  status |= VIRTIO_CONFIG_S_DRIVER;
  device.setStatus(status);

  // 4. Read device feature bits, and write the subset understood by the driver.
  const features = device.getDeviceFeatures();
  if (!(features & VERSION_1)) device.fail("it does not offer VIRTIO_F_VERSION_1");
  device.setGuestFeatures(features & (VERSION_1 | understood));

  // 5. Set the FEATURES_OK status bit.
  status |= VIRTIO_CONFIG_S_FEATURES_OK;
  device.setStatus(status);

  // 6. Re-read device status to ensure the FEATURES_OK bit is still set.
  if (!(device.getStatus() & VIRTIO_CONFIG_S_FEATURES_OK)) device.fail("it does not accept its own features");
  return status;
}
