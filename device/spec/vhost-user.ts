// vhost-user, as QEMU's docs/interop/vhost-user.rst defines it: the numbers and layouts of the front-end's requests.
// On a Unix socket they are the bytes between QEMU's hw/virtio/vhost-user.c and virtiofsd. All numbers are in "the
// machine native byte order", which is little-endian on every machine that WebAssembly has.

// Header
export const enum VhostUserHeader {
  REQUEST = 0, // u32
  FLAGS = 4, // u32
  SIZE = 8, // u32: bytes of payload after the header
  SIZEOF = 12,
}
export const VHOST_USER_VERSION_MASK = 0x3;
export const VHOST_USER_VERSION = 0x1;
export const VHOST_USER_REPLY_MASK = 0x4;
export const VHOST_USER_NEED_REPLY_MASK = 0x8;

// Front-end message types
export const VHOST_USER_GET_FEATURES = 1;
export const VHOST_USER_SET_FEATURES = 2;
export const VHOST_USER_SET_OWNER = 3;
export const VHOST_USER_RESET_OWNER = 4;
export const VHOST_USER_SET_MEM_TABLE = 5;
export const VHOST_USER_SET_LOG_BASE = 6;
export const VHOST_USER_SET_LOG_FD = 7;
export const VHOST_USER_SET_VRING_NUM = 8;
export const VHOST_USER_SET_VRING_ADDR = 9;
export const VHOST_USER_SET_VRING_BASE = 10;
export const VHOST_USER_GET_VRING_BASE = 11;
export const VHOST_USER_SET_VRING_KICK = 12;
export const VHOST_USER_SET_VRING_CALL = 13;
export const VHOST_USER_SET_VRING_ERR = 14;
export const VHOST_USER_GET_PROTOCOL_FEATURES = 15;
export const VHOST_USER_SET_PROTOCOL_FEATURES = 16;
export const VHOST_USER_GET_QUEUE_NUM = 17;
export const VHOST_USER_SET_VRING_ENABLE = 18;
export const VHOST_USER_SEND_RARP = 19;
export const VHOST_USER_NET_SET_MTU = 20;
export const VHOST_USER_SET_BACKEND_REQ_FD = 21;
export const VHOST_USER_IOTLB_MSG = 22;
export const VHOST_USER_SET_VRING_ENDIAN = 23;
export const VHOST_USER_GET_CONFIG = 24;
export const VHOST_USER_SET_CONFIG = 25;
export const VHOST_USER_CREATE_CRYPTO_SESSION = 26;
export const VHOST_USER_CLOSE_CRYPTO_SESSION = 27;
export const VHOST_USER_POSTCOPY_ADVISE = 28;
export const VHOST_USER_POSTCOPY_LISTEN = 29;
export const VHOST_USER_POSTCOPY_END = 30;
export const VHOST_USER_GET_INFLIGHT_FD = 31;
export const VHOST_USER_SET_INFLIGHT_FD = 32;
export const VHOST_USER_GPU_SET_SOCKET = 33;
export const VHOST_USER_RESET_DEVICE = 34;
export const VHOST_USER_VRING_KICK = 35;
export const VHOST_USER_GET_MAX_MEM_SLOTS = 36;
export const VHOST_USER_ADD_MEM_REG = 37;
export const VHOST_USER_REM_MEM_REG = 38;
export const VHOST_USER_SET_STATUS = 39;
export const VHOST_USER_GET_STATUS = 40;
export const VHOST_USER_GET_SHARED_OBJECT = 41;
export const VHOST_USER_SET_DEVICE_STATE_FD = 42;
export const VHOST_USER_CHECK_DEVICE_STATE = 43;

// The virtio feature bit (of GET_FEATURES and SET_FEATURES) that carries protocol feature negotiation.
export const VHOST_USER_F_PROTOCOL_FEATURES = 30;

// Protocol features (bit numbers)
export const VHOST_USER_PROTOCOL_F_MQ = 0;
export const VHOST_USER_PROTOCOL_F_LOG_SHMFD = 1;
export const VHOST_USER_PROTOCOL_F_RARP = 2;
export const VHOST_USER_PROTOCOL_F_REPLY_ACK = 3;
export const VHOST_USER_PROTOCOL_F_MTU = 4;
export const VHOST_USER_PROTOCOL_F_BACKEND_REQ = 5;
export const VHOST_USER_PROTOCOL_F_CROSS_ENDIAN = 6;
export const VHOST_USER_PROTOCOL_F_CRYPTO_SESSION = 7;
export const VHOST_USER_PROTOCOL_F_PAGEFAULT = 8;
export const VHOST_USER_PROTOCOL_F_CONFIG = 9;
export const VHOST_USER_PROTOCOL_F_BACKEND_SEND_FD = 10;
export const VHOST_USER_PROTOCOL_F_HOST_NOTIFIER = 11;
export const VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD = 12;
export const VHOST_USER_PROTOCOL_F_RESET_DEVICE = 13;
export const VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS = 14;
export const VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS = 15;
export const VHOST_USER_PROTOCOL_F_STATUS = 16;
export const VHOST_USER_PROTOCOL_F_XEN_MMAP = 17;
export const VHOST_USER_PROTOCOL_F_SHARED_OBJECT = 18;
export const VHOST_USER_PROTOCOL_F_DEVICE_STATE = 19;

// The u64 of SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR
export const VHOST_USER_VRING_IDX_MASK = 0xff;
export const VHOST_USER_VRING_NOFD_MASK = 0x100;

// Maxima. "region0 … region7" is the document's (QEMU: VHOST_MEMORY_BASELINE_NREGIONS); the payload limit is rust-vmm's
// MAX_MSG_SIZE. QEMU's own limit is the size of its largest payload struct, which is smaller.
export const VHOST_MEMORY_BASELINE_NREGIONS = 8;
export const VHOST_USER_MAX_PAYLOAD = 4096;

// Payload
export const enum VhostUserU64 {
  VALUE = 0, // u64
  SIZEOF = 8,
}

export const enum VhostVringState {
  INDEX = 0, // u32
  NUM = 4, // u32
  SIZEOF = 8,
}

export const enum VhostVringAddr {
  INDEX = 0, // u32
  FLAGS = 4, // u32
  DESC = 8, // u64, a front-end virtual address, as are used and avail
  USED = 16, // u64: used comes before avail
  AVAIL = 24, // u64
  LOG = 32, // u64, a guest-physical address
  SIZEOF = 40,
}

export const enum VhostUserMemoryRegion {
  GUEST_PHYS_ADDR = 0, // u64
  MEMORY_SIZE = 8, // u64, bytes
  USERSPACE_ADDR = 16, // u64, a front-end virtual address
  MMAP_OFFSET = 24, // u64, bytes into the region's file
  SIZEOF = 32,
}

export const enum VhostUserMemory {
  NREGIONS = 0, // u32
  PADDING = 4, // u32
  REGIONS = 8, // VhostUserMemoryRegion[NREGIONS]
}

export const enum VhostUserMemRegMsg {
  PADDING = 0, // u64
  REGION = 8, // VhostUserMemoryRegion
  SIZEOF = 40,
}

export const enum VhostUserLog {
  MMAP_SIZE = 0, // u64, bytes
  MMAP_OFFSET = 8, // u64
  SIZEOF = 16,
}

export const enum VhostIotlbMsg {
  IOVA = 0, // u64
  SIZE = 8, // u64
  UADDR = 16, // u64
  PERM = 24, // u8
  TYPE = 25, // u8, then 6 bytes of tail padding
  SIZEOF = 32,
}

export const enum VhostUserConfig {
  OFFSET = 0, // u32, into the device configuration space
  SIZE = 4, // u32, bytes in region
  FLAGS = 8, // u32
  REGION = 12, // u8[SIZE]
}

// The document draws 20 bytes. QEMU, libvhost-user and rust-vmm send and demand the C struct's 24 (they compare the
// header's size with sizeof), so 24 is what the wire carries.
export const enum VhostUserInflight {
  MMAP_SIZE = 0, // u64, bytes
  MMAP_OFFSET = 8, // u64
  NUM_QUEUES = 16, // u16
  QUEUE_SIZE = 18, // u16, then 4 bytes of tail padding
  SIZEOF = 24,
}

export const enum VhostUserShared {
  UUID = 0, // u8[16]
  SIZEOF = 16,
}

export const enum VhostUserTransferDeviceState {
  DIRECTION = 0, // u32: 0 save, 1 load
  PHASE = 4, // u32: 0 stopped
  SIZEOF = 8,
}
