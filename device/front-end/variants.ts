// The front-ends that can take the front-end's seat: what differs between QEMU versions in hw/virtio/vhost-user.c and
// vhost.c, as far as a vhost-user-fs device shows it.

export interface FrontEndVariant {
  /** Protocol features it knows (VHOST_USER_PROTOCOL_FEATURE_MASK; CONFIG is dropped: no config notifier here). */
  readonly protocolFeatures: bigint;
  /**
   * SET_VRING_ENABLE: sent and forgotten, or waited for, by an ACK where REPLY_ACK is negotiated and by a GET_FEATURES
   * exchange elsewhere (vhost_user_write_sync).
   */
  readonly waitsForEnable: boolean;
  /** RESET_DEVICE at every virtio reset, if negotiated. */
  readonly resetsDevice: boolean;
}

const bits = (last: number): bigint => (1n << BigInt(last + 1)) - 1n;
const CONFIG = 1n << 9n;

export const FRONT_END_VARIANTS = {
  /** 7.2 to 8.1. Knows protocol features up to STATUS (16). */
  "qemu-8.1": { protocolFeatures: bits(16) & ~CONFIG, waitsForEnable: false, resetsDevice: false },
  /** 8.2 and later. Knows protocol features up to DEVICE_STATE (19). */
  "qemu-8.2": { protocolFeatures: bits(19) & ~CONFIG, waitsForEnable: true, resetsDevice: true },
} as const satisfies Record<string, FrontEndVariant>;
