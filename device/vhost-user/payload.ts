// The payloads of vhost-user messages (vhost-user.rst, "Payload"): for each kind a plain object, the header sizes that
// it may have, and its reader and writer. QEMU has them as union VhostUserPayload, rust-vmm as the structs of
// vhost_user/message.rs. Which message carries which kind is in table.ts.

import {
  VHOST_MEMORY_BASELINE_NREGIONS,
  VHOST_USER_MAX_PAYLOAD,
  VHOST_USER_VRING_IDX_MASK,
  VHOST_USER_VRING_NOFD_MASK,
  VhostIotlbMsg,
  VhostUserConfig,
  VhostUserInflight,
  VhostUserLog,
  VhostUserMemory,
  VhostUserMemoryRegion,
  VhostUserMemRegMsg,
  VhostUserShared,
  VhostUserTransferDeviceState,
  VhostUserU64,
  VhostVringAddr,
  VhostVringState,
} from "../spec/vhost-user.js";
import { isRefused, type Refused, refuse } from "./refusal.js";

/** One region of guest RAM: `size` bytes at guest-physical `gpa`, at `uaddr` in the front-end, at `offset` in its file. */
export interface Region {
  readonly gpa: bigint;
  readonly size: bigint;
  readonly uaddr: bigint;
  readonly offset: bigint;
}

/** A payload. 64-bit fields are bigint, all others number; fields are named after the document's. */
export type Payload =
  | { readonly kind: "none" }
  | { readonly kind: "u64"; readonly value: bigint }
  | { readonly kind: "vringState"; readonly index: number; readonly num: number }
  | {
      readonly kind: "vringAddr";
      readonly index: number;
      readonly flags: number;
      readonly desc: bigint;
      readonly used: bigint;
      readonly avail: bigint;
      readonly log: bigint;
    }
  | { readonly kind: "memoryTable"; readonly regions: readonly Region[] }
  | { readonly kind: "memoryRegion"; readonly region: Region }
  | { readonly kind: "log"; readonly mmapSize: bigint; readonly mmapOffset: bigint }
  | {
      readonly kind: "iotlb";
      readonly iova: bigint;
      readonly size: bigint;
      readonly uaddr: bigint;
      readonly perm: number;
      readonly type: number;
    }
  | { readonly kind: "config"; readonly offset: number; readonly flags: number; readonly bytes: Uint8Array }
  | {
      readonly kind: "inflight";
      readonly mmapSize: bigint;
      readonly mmapOffset: bigint;
      readonly numQueues: number;
      readonly queueSize: number;
    }
  | { readonly kind: "shared"; readonly uuid: Uint8Array }
  | { readonly kind: "deviceState"; readonly direction: number; readonly phase: number }
  /** A payload whose layout this project does not need (crypto sessions), kept as it came. */
  | { readonly kind: "opaque"; readonly bytes: Uint8Array };

export type Kind = Payload["kind"];
type Of<K extends Kind> = Extract<Payload, { kind: K }>;

interface Layout<P> {
  /** Whether a header may announce this many bytes. */
  fits(size: number): boolean;
  /** Bytes that `payload` takes. */
  size(payload: P): number;
  /** `view` is the whole payload; its length fits. */
  read(view: DataView): P | Refused;
  /** `view` is `size(payload)` zeroed bytes. Throws a RangeError for a value that its field cannot hold. */
  write(view: DataView, payload: P): void;
}

interface Field<T> {
  read(view: DataView, base: number): T;
  write(view: DataView, base: number, value: T): void;
}

function unsigned(bits: 8 | 16 | 32, at: number): Field<number> {
  const get = { 8: "getUint8", 16: "getUint16", 32: "getUint32" } as const;
  const set = { 8: "setUint8", 16: "setUint16", 32: "setUint32" } as const;
  return {
    read: (view, base) => view[get[bits]](base + at, true),
    write(view, base, value) {
      if (!Number.isInteger(value) || value < 0 || value >= 2 ** bits) throw new RangeError(`${value} is no u${bits}`);
      view[set[bits]](base + at, value, true);
    },
  };
}

const u8 = (at: number) => unsigned(8, at);
const u16 = (at: number) => unsigned(16, at);
const u32 = (at: number) => unsigned(32, at);
const u64 = (at: number): Field<bigint> => ({
  read: (view, base) => view.getBigUint64(base + at, true),
  write(view, base, value) {
    if (BigInt.asUintN(64, value) !== value) throw new RangeError(`${value} is no u64`);
    view.setBigUint64(base + at, value, true);
  },
});

type Fields<T> = { readonly [F in keyof T]: Field<T[F]> };

function readFields<T>(fields: Fields<T>, view: DataView, base: number): T {
  const names = Object.keys(fields) as (keyof T)[];
  return Object.fromEntries(names.map((name) => [name, fields[name].read(view, base)])) as T;
}

function writeFields<T>(fields: Fields<T>, view: DataView, base: number, value: T): void {
  for (const name of Object.keys(fields) as (keyof T)[]) fields[name].write(view, base, value[name]);
}

// A struct of `size` bytes. Tail padding is C's, uninitialised in real peers, and not looked at.
function struct<K extends Kind>(kind: K, size: number, fields: Fields<Omit<Of<K>, "kind">>): Layout<Of<K>> {
  return {
    fits: (n) => n === size,
    size: () => size,
    read: (view) => ({ kind, ...readFields(fields, view, 0) }) as unknown as Of<K>,
    write: (view, payload) => writeFields(fields, view, 0, payload),
  };
}

const REGION: Fields<Region> = {
  gpa: u64(VhostUserMemoryRegion.GUEST_PHYS_ADDR),
  size: u64(VhostUserMemoryRegion.MEMORY_SIZE),
  uaddr: u64(VhostUserMemoryRegion.USERSPACE_ADDR),
  offset: u64(VhostUserMemoryRegion.MMAP_OFFSET),
};

const U64_MAX = 2n ** 64n - 1n;

// The document leaves sizes and overflow unsaid; these are rust-vmm's checks (VhostUserMemoryRegion::is_valid), by which
// a region may not even end at 2^64. QEMU's libvhost-user relies on mmap to fail. XEN_MMAP's longer region is not known.
function readRegion(view: DataView, base: number): Region | Refused {
  const region = readFields(REGION, view, base);
  if (region.size === 0n) return refuse("region size is 0");
  for (const start of [region.gpa, region.uaddr, region.offset]) {
    if (start + region.size > U64_MAX) return refuse("region overflows 64 bits");
  }
  return region;
}

const overlap = (a: Region, b: Region) => a.gpa < b.gpa + b.size && b.gpa < a.gpa + a.size;

// rust-vmm takes 32 regions (MAX_ATTACHED_FD_ENTRIES) and leaves overlaps to vm-memory; QEMU and this codec take the
// document's 8. The bound on the payload's size, held before the body was read, bounds the loop as well.
const memoryTable: Layout<Of<"memoryTable">> = {
  fits(size) {
    const regions = (size - VhostUserMemory.REGIONS) / VhostUserMemoryRegion.SIZEOF;
    return Number.isInteger(regions) && regions >= 1 && regions <= VHOST_MEMORY_BASELINE_NREGIONS;
  },
  size: ({ regions }) => VhostUserMemory.REGIONS + regions.length * VhostUserMemoryRegion.SIZEOF,
  read(view) {
    const count = view.getUint32(VhostUserMemory.NREGIONS, true);
    if (view.getUint32(VhostUserMemory.PADDING, true) !== 0) return refuse("padding is not zero");
    if (count < 1 || count > VHOST_MEMORY_BASELINE_NREGIONS) return refuse("number of regions is not 1 to 8");
    if (VhostUserMemory.REGIONS + count * VhostUserMemoryRegion.SIZEOF !== view.byteLength) {
      return refuse("number of regions does not match the payload size");
    }
    const regions: Region[] = [];
    for (let i = 0; i < count; i++) {
      const region = readRegion(view, VhostUserMemory.REGIONS + i * VhostUserMemoryRegion.SIZEOF);
      if (isRefused(region)) return region;
      if (regions.some((other) => overlap(region, other))) return refuse("regions overlap");
      regions.push(region);
    }
    return { kind: "memoryTable", regions };
  },
  write(view, { regions }) {
    u32(VhostUserMemory.NREGIONS).write(view, 0, regions.length);
    regions.forEach((region, i) => {
      writeFields(REGION, view, VhostUserMemory.REGIONS + i * VhostUserMemoryRegion.SIZEOF, region);
    });
  },
};

const memoryRegion: Layout<Of<"memoryRegion">> = {
  fits: (size) => size === VhostUserMemRegMsg.SIZEOF,
  size: () => VhostUserMemRegMsg.SIZEOF,
  read(view) {
    if (view.getBigUint64(VhostUserMemRegMsg.PADDING, true) !== 0n) return refuse("padding is not zero");
    const region = readRegion(view, VhostUserMemRegMsg.REGION);
    return isRefused(region) ? region : { kind: "memoryRegion", region };
  },
  write: (view, { region }) => writeFields(REGION, view, VhostUserMemRegMsg.REGION, region),
};

const bytesOf = (view: DataView, at: number) => new Uint8Array(view.buffer, view.byteOffset + at, view.byteLength - at);

// The object has no `size`: it is the length of `bytes`. QEMU bounds the bytes by VHOST_USER_MAX_CONFIG_SIZE (256),
// rust-vmm by its message size, as here.
const config: Layout<Of<"config">> = {
  fits: (size) => size >= VhostUserConfig.REGION && size <= VHOST_USER_MAX_PAYLOAD,
  size: ({ bytes }) => VhostUserConfig.REGION + bytes.length,
  read(view) {
    const bytes = bytesOf(view, VhostUserConfig.REGION).slice();
    if (view.getUint32(VhostUserConfig.SIZE, true) !== bytes.length) {
      return refuse("config size does not match the payload size");
    }
    const offset = view.getUint32(VhostUserConfig.OFFSET, true);
    return { kind: "config", offset, flags: view.getUint32(VhostUserConfig.FLAGS, true), bytes };
  },
  write(view, { offset, flags, bytes }) {
    u32(VhostUserConfig.OFFSET).write(view, 0, offset);
    u32(VhostUserConfig.SIZE).write(view, 0, bytes.length);
    u32(VhostUserConfig.FLAGS).write(view, 0, flags);
    bytesOf(view, VhostUserConfig.REGION).set(bytes);
  },
};

const shared: Layout<Of<"shared">> = {
  fits: (size) => size === VhostUserShared.SIZEOF,
  size: ({ uuid }) => uuid.length,
  read: (view) => ({ kind: "shared", uuid: bytesOf(view, VhostUserShared.UUID).slice() }),
  write: (view, { uuid }) => bytesOf(view, VhostUserShared.UUID).set(uuid),
};

const opaque: Layout<Of<"opaque">> = {
  fits: (size) => size <= VHOST_USER_MAX_PAYLOAD,
  size: ({ bytes }) => bytes.length,
  read: (view) => ({ kind: "opaque", bytes: bytesOf(view, 0).slice() }),
  write: (view, { bytes }) => bytesOf(view, 0).set(bytes),
};

const LAYOUTS: { readonly [K in Kind]: Layout<Of<K>> } = {
  none: struct("none", 0, {}),
  u64: struct("u64", VhostUserU64.SIZEOF, { value: u64(VhostUserU64.VALUE) }),
  vringState: struct("vringState", VhostVringState.SIZEOF, {
    index: u32(VhostVringState.INDEX),
    num: u32(VhostVringState.NUM),
  }),
  vringAddr: struct("vringAddr", VhostVringAddr.SIZEOF, {
    index: u32(VhostVringAddr.INDEX),
    flags: u32(VhostVringAddr.FLAGS),
    desc: u64(VhostVringAddr.DESC),
    used: u64(VhostVringAddr.USED),
    avail: u64(VhostVringAddr.AVAIL),
    log: u64(VhostVringAddr.LOG),
  }),
  memoryTable,
  memoryRegion,
  log: struct("log", VhostUserLog.SIZEOF, {
    mmapSize: u64(VhostUserLog.MMAP_SIZE),
    mmapOffset: u64(VhostUserLog.MMAP_OFFSET),
  }),
  iotlb: struct("iotlb", VhostIotlbMsg.SIZEOF, {
    iova: u64(VhostIotlbMsg.IOVA),
    size: u64(VhostIotlbMsg.SIZE),
    uaddr: u64(VhostIotlbMsg.UADDR),
    perm: u8(VhostIotlbMsg.PERM),
    type: u8(VhostIotlbMsg.TYPE),
  }),
  config,
  inflight: struct("inflight", VhostUserInflight.SIZEOF, {
    mmapSize: u64(VhostUserInflight.MMAP_SIZE),
    mmapOffset: u64(VhostUserInflight.MMAP_OFFSET),
    numQueues: u16(VhostUserInflight.NUM_QUEUES),
    queueSize: u16(VhostUserInflight.QUEUE_SIZE),
  }),
  shared,
  deviceState: struct("deviceState", VhostUserTransferDeviceState.SIZEOF, {
    direction: u32(VhostUserTransferDeviceState.DIRECTION),
    phase: u32(VhostUserTransferDeviceState.PHASE),
  }),
  opaque,
};

/** The reader, writer and size rule of payloads of `kind`. */
export function layoutOf(kind: Kind): Layout<Payload> {
  return LAYOUTS[kind];
}

/** The payload of SET_VRING_KICK, SET_VRING_CALL and SET_VRING_ERR for ring `index`, sent with one fd or with none. */
export function vringFd(index: number, fd: "fd" | "no fd"): Payload {
  if (index !== (index & VHOST_USER_VRING_IDX_MASK)) throw new RangeError(`ring index ${index} does not fit in 8 bits`);
  return { kind: "u64", value: BigInt(fd === "fd" ? index : index | VHOST_USER_VRING_NOFD_MASK) };
}

/** The ring index in such a payload's u64. Whether there is an fd is told by the message's `fds`; bits 9-63 mean nothing. */
export function vringIndex(value: bigint): number {
  return Number(value & BigInt(VHOST_USER_VRING_IDX_MASK));
}
