// The ioctls of a vhost device (include/uapi/linux/vhost.h): what a VMM may ask of /dev/vhost-net. Fields are named as
// the payloads of vhost-user are, which took them over. TypeScript only.

/** VHOST_NET_SET_BACKEND's and the eventfds' "none". */
export const VHOST_FILE_UNBIND = -1;

/** struct vhost_memory_region: `size` bytes at guest-physical `gpa`, mapped by the caller at `uaddr`. */
export interface VhostMemoryRegion {
  readonly gpa: bigint;
  readonly size: bigint;
  readonly uaddr: bigint;
}

/** One call of ioctl(2): the request and what its argument points at. */
export type VhostIoctl =
  | { readonly request: "VHOST_GET_FEATURES" }
  | { readonly request: "VHOST_SET_OWNER" }
  | { readonly request: "VHOST_SET_FEATURES"; readonly features: bigint }
  | { readonly request: "VHOST_SET_MEM_TABLE"; readonly regions: readonly VhostMemoryRegion[] }
  /** struct vhost_vring_state */
  | {
      readonly request: "VHOST_SET_VRING_NUM" | "VHOST_SET_VRING_BASE";
      readonly index: number;
      readonly num: number;
    }
  | { readonly request: "VHOST_GET_VRING_BASE"; readonly index: number }
  /** struct vhost_vring_addr: addresses of the caller's. */
  | {
      readonly request: "VHOST_SET_VRING_ADDR";
      readonly index: number;
      readonly flags: number;
      readonly desc: bigint;
      readonly used: bigint;
      readonly avail: bigint;
      readonly log: bigint;
    }
  /** struct vhost_vring_file */
  | {
      readonly request:
        | "VHOST_SET_VRING_KICK"
        | "VHOST_SET_VRING_CALL"
        | "VHOST_SET_VRING_ERR"
        | "VHOST_NET_SET_BACKEND";
      readonly index: number;
      readonly fd: number;
    };
