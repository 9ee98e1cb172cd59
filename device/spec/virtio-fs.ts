// The virtio file system device (virtio 1.2, 5.11): its queues and configuration space, and the sizes that its
// server keeps (those of Rust virtiofsd). Compiled by tsc and asc: numbers only.

/** 5.11.3 Feature bits. Nobody in the field offers it, so the queue numbers below are those without it. */
export const VIRTIO_FS_F_NOTIFICATION = 0;

/** 5.11.2 Virtqueues. With F_NOTIFICATION 1 would be the notification queue and requests would start at 2. */
export const VIRTIO_FS_QUEUE_HIPRIO = 0;
export const VIRTIO_FS_QUEUE_REQUEST = 1;

/** 5.11.4 Device configuration layout: the tag is UTF-8, padded with NUL, not terminated when it fills its field. */
export const VIRTIO_FS_TAG_SIZE = 36;

export const enum VirtioFsConfig {
  TAG = 0,
  NUM_REQUEST_QUEUES = 36,
  /** Without notify_buf_size, which exists only with F_NOTIFICATION. */
  SIZEOF = 40,
}

/** Largest queue of virtiofsd. */
export const VIRTIO_FS_QUEUE_SIZE_MAX = 32768;

/** Largest `size` of READ and READDIR, and the max_write of FUSE_INIT, in bytes. */
export const VIRTIO_FS_MAX_BUFFER = 1048576;

/** Largest in_header.len: a buffer of that size and one page for header and arguments. */
export const VIRTIO_FS_MAX_REQUEST = VIRTIO_FS_MAX_BUFFER + 4096;
