// What every virtio device has, on every transport: status bits and feature bits (virtio 1.4, 2.1, 2.2 and 6; names as
// in Linux include/uapi/linux/virtio_config.h and virtio_ids.h).
// Portable subset: compiled by tsc and by asc (see device/spec/portable.d.ts).

// 2.1, device status.
export const VIRTIO_CONFIG_S_ACKNOWLEDGE = 1;
export const VIRTIO_CONFIG_S_DRIVER = 2;
export const VIRTIO_CONFIG_S_DRIVER_OK = 4;
export const VIRTIO_CONFIG_S_FEATURES_OK = 8;
export const VIRTIO_CONFIG_S_SUSPEND = 16;
export const VIRTIO_CONFIG_S_NEEDS_RESET = 64;
export const VIRTIO_CONFIG_S_FAILED = 128;

// Feature bits are bit numbers: a driver and a device exchange them in 32-bit words (4.1.4.3), and so do we.
export const VIRTIO_F_INDIRECT_DESC = 28;
export const VIRTIO_F_EVENT_IDX = 29;
export const VIRTIO_F_VERSION_1 = 32;
export const VIRTIO_F_ACCESS_PLATFORM = 33;
export const VIRTIO_F_IN_ORDER = 35;

/** 5.11: file system device. */
export const VIRTIO_ID_FS = 26;

/** Is feature `bit` (0 to 63) set in the words `low` (bits 0 to 31) and `high` (32 to 63)? */
export function virtioHasFeature(low: u32, high: u32, bit: u32): bool {
  return (((bit < 32 ? low : high) >>> (bit & 31)) & 1) !== 0;
}
