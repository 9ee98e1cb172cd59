// The front-ends that can take the front-end's seat: what differs between QEMU versions in hw/virtio/vhost-user.c and
// vhost.c, as far as a vhost-user-fs device shows it.

export interface FrontEndVariant {
  /** Protocol features it knows (VHOST_USER_PROTOCOL_FEATURE_MASK; CONFIG is dropped: no config notifier here). */
  readonly protocolFeatures: bigint;
  /**
   * SET_FEATURES carries bit 30, so that rings are enabled and disabled by SET_VRING_ENABLE. Without it there is no such
   * message: the back-end enables its rings at SET_FEATURES.
   */
  readonly enablesRings: boolean;
  /**
   * SET_VRING_ENABLE: sent and forgotten, or waited for, by an ACK where REPLY_ACK is negotiated and by a GET_FEATURES
   * exchange elsewhere (vhost_user_write_sync).
   */
  readonly waitsForEnable: boolean;
  /** RESET_DEVICE at every virtio reset, if negotiated. */
  readonly resetsDevice: boolean;
}

const bits = (last: number): bigint => (1n << BigInt(last + 1)) - 1n;
const REPLY_ACK = 1n << 3n;
const CONFIG = 1n << 9n;

/** 8.2 and later. Knows protocol features up to DEVICE_STATE (19). */
const QEMU_8_2: FrontEndVariant = {
  protocolFeatures: bits(19) & ~CONFIG,
  enablesRings: true,
  waitsForEnable: true,
  resetsDevice: true,
};

export const FRONT_END_VARIANTS = {
  /** Up to 7.1. Knows protocol features up to CONFIGURE_MEM_SLOTS (15). */
  "qemu-7.1": { protocolFeatures: bits(15) & ~CONFIG, enablesRings: false, waitsForEnable: false, resetsDevice: false },
  /** 7.2 to 8.1. Knows protocol features up to STATUS (16). */
  "qemu-8.1": { protocolFeatures: bits(16) & ~CONFIG, enablesRings: true, waitsForEnable: false, resetsDevice: false },
  "qemu-8.2": QEMU_8_2,
  /** As it behaves with a back-end that does not offer REPLY_ACK, whichever it has. */
  "qemu-8.2-no-reply-ack": { ...QEMU_8_2, protocolFeatures: QEMU_8_2.protocolFeatures & ~REPLY_ACK },
} as const satisfies Record<string, FrontEndVariant>;
