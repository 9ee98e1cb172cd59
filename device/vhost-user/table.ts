// The front-end's requests, one row each (vhost-user.rst, "Front-end message types"): what request and reply carry, how
// many file descriptors come with them, whether a reply is owed, and the protocol feature that a request needs.

import * as vu from "../spec/vhost-user.js";
import type { Kind } from "./payload.js";

/** How many file descriptors a message carries. "bit 8": one, or none if the u64's VHOST_USER_VRING_NOFD_MASK is set. */
export type FdRule = 0 | 1 | "0 or 1" | "one a region" | "bit 8" | "bit 8, none on error";

/** What one direction of a message may look like. Its kinds differ in size, so that the header's size tells them apart. */
export interface Form {
  readonly kinds: readonly Kind[];
  readonly fds: FdRule;
  /** The largest `num` of a vringState, where the document limits it. */
  readonly maxNum?: number;
}

export interface Row {
  readonly id: number;
  /** Without the prefix VHOST_USER_. */
  readonly name: string;
  readonly request: Form;
  /** The reply that is always owed; without one, the sender may ask for an ACK. */
  readonly reply?: Form;
  /** A bit number VHOST_USER_PROTOCOL_F_… */
  readonly feature?: number;
}

const form = (kind: Kind, fds: FdRule = 0): Form => ({ kinds: [kind], fds });

const NONE = form("none");
const U64 = form("u64");
const VRING_STATE = form("vringState");
const VRING_FD = form("u64", "bit 8");

/** The reply of a request that has no reply of its own: a u64, "zero on success or non-zero on failure". */
export const ACK: Form = U64;

// Not coded: what postcopy adds to SET_MEM_TABLE and ADD_MEM_REG (the table sent back with the back-end's addresses).
const ROWS: readonly Row[] = [
  { id: vu.VHOST_USER_GET_FEATURES, name: "GET_FEATURES", request: NONE, reply: U64 },
  { id: vu.VHOST_USER_SET_FEATURES, name: "SET_FEATURES", request: U64 },
  { id: vu.VHOST_USER_SET_OWNER, name: "SET_OWNER", request: NONE },
  { id: vu.VHOST_USER_RESET_OWNER, name: "RESET_OWNER", request: NONE },
  { id: vu.VHOST_USER_SET_MEM_TABLE, name: "SET_MEM_TABLE", request: form("memoryTable", "one a region") },
  {
    // Without LOG_SHMFD the document has a u64 and no fd. libvhost-user and rust-vmm refuse that form, and so do we.
    // The document has no reply payload: libvhost-user sends a u64, rust-vmm the request's payload.
    id: vu.VHOST_USER_SET_LOG_BASE,
    name: "SET_LOG_BASE",
    request: form("log", 1),
    reply: { kinds: ["u64", "log"], fds: 0 },
    feature: vu.VHOST_USER_PROTOCOL_F_LOG_SHMFD,
  },
  { id: vu.VHOST_USER_SET_LOG_FD, name: "SET_LOG_FD", request: form("none", 1) },
  { id: vu.VHOST_USER_SET_VRING_NUM, name: "SET_VRING_NUM", request: VRING_STATE },
  { id: vu.VHOST_USER_SET_VRING_ADDR, name: "SET_VRING_ADDR", request: form("vringAddr") },
  { id: vu.VHOST_USER_SET_VRING_BASE, name: "SET_VRING_BASE", request: VRING_STATE },
  { id: vu.VHOST_USER_GET_VRING_BASE, name: "GET_VRING_BASE", request: VRING_STATE, reply: VRING_STATE },
  { id: vu.VHOST_USER_SET_VRING_KICK, name: "SET_VRING_KICK", request: VRING_FD },
  { id: vu.VHOST_USER_SET_VRING_CALL, name: "SET_VRING_CALL", request: VRING_FD },
  { id: vu.VHOST_USER_SET_VRING_ERR, name: "SET_VRING_ERR", request: VRING_FD },
  { id: vu.VHOST_USER_GET_PROTOCOL_FEATURES, name: "GET_PROTOCOL_FEATURES", request: NONE, reply: U64 },
  { id: vu.VHOST_USER_SET_PROTOCOL_FEATURES, name: "SET_PROTOCOL_FEATURES", request: U64 },
  {
    id: vu.VHOST_USER_GET_QUEUE_NUM,
    name: "GET_QUEUE_NUM",
    request: NONE,
    reply: U64,
    feature: vu.VHOST_USER_PROTOCOL_F_MQ,
  },
  // "Enable or disable": 1 or 0. rust-vmm refuses any other number, libvhost-user stores it.
  { id: vu.VHOST_USER_SET_VRING_ENABLE, name: "SET_VRING_ENABLE", request: { ...VRING_STATE, maxNum: 1 } },
  { id: vu.VHOST_USER_SEND_RARP, name: "SEND_RARP", request: U64, feature: vu.VHOST_USER_PROTOCOL_F_RARP },
  { id: vu.VHOST_USER_NET_SET_MTU, name: "NET_SET_MTU", request: U64, feature: vu.VHOST_USER_PROTOCOL_F_MTU },
  {
    id: vu.VHOST_USER_SET_BACKEND_REQ_FD,
    name: "SET_BACKEND_REQ_FD",
    request: form("none", 1),
    feature: vu.VHOST_USER_PROTOCOL_F_BACKEND_REQ,
  },
  // "The back-end has to acknowledge the request with sending zero as u64 payload": with and without NEED_REPLY.
  { id: vu.VHOST_USER_IOTLB_MSG, name: "IOTLB_MSG", request: form("iotlb"), reply: U64 },
  {
    // 0 is little-endian, 1 big-endian: "Other values are invalid".
    id: vu.VHOST_USER_SET_VRING_ENDIAN,
    name: "SET_VRING_ENDIAN",
    request: { ...VRING_STATE, maxNum: 1 },
    feature: vu.VHOST_USER_PROTOCOL_F_CROSS_ENDIAN,
  },
  {
    // "Back-end uses zero length of payload to indicate an error": libvhost-user sends no payload at all, rust-vmm one
    // with zero configuration bytes.
    id: vu.VHOST_USER_GET_CONFIG,
    name: "GET_CONFIG",
    request: form("config"),
    reply: { kinds: ["config", "none"], fds: 0 },
    feature: vu.VHOST_USER_PROTOCOL_F_CONFIG,
  },
  {
    id: vu.VHOST_USER_SET_CONFIG,
    name: "SET_CONFIG",
    request: form("config"),
    feature: vu.VHOST_USER_PROTOCOL_F_CONFIG,
  },
  {
    id: vu.VHOST_USER_CREATE_CRYPTO_SESSION,
    name: "CREATE_CRYPTO_SESSION",
    request: form("opaque"),
    reply: form("opaque"),
    feature: vu.VHOST_USER_PROTOCOL_F_CRYPTO_SESSION,
  },
  {
    id: vu.VHOST_USER_CLOSE_CRYPTO_SESSION,
    name: "CLOSE_CRYPTO_SESSION",
    request: U64,
    feature: vu.VHOST_USER_PROTOCOL_F_CRYPTO_SESSION,
  },
  {
    // The reply is the userfaultfd; a back-end that could not open one sends none.
    id: vu.VHOST_USER_POSTCOPY_ADVISE,
    name: "POSTCOPY_ADVISE",
    request: NONE,
    reply: form("none", "0 or 1"),
    feature: vu.VHOST_USER_PROTOCOL_F_PAGEFAULT,
  },
  {
    id: vu.VHOST_USER_POSTCOPY_LISTEN,
    name: "POSTCOPY_LISTEN",
    request: NONE,
    feature: vu.VHOST_USER_PROTOCOL_F_PAGEFAULT,
  },
  {
    id: vu.VHOST_USER_POSTCOPY_END,
    name: "POSTCOPY_END",
    request: NONE,
    reply: U64,
    feature: vu.VHOST_USER_PROTOCOL_F_PAGEFAULT,
  },
  {
    // libvhost-user reports failure by mmap_size 0 and no fd.
    id: vu.VHOST_USER_GET_INFLIGHT_FD,
    name: "GET_INFLIGHT_FD",
    request: form("inflight"),
    reply: form("inflight", "0 or 1"),
    feature: vu.VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD,
  },
  {
    id: vu.VHOST_USER_SET_INFLIGHT_FD,
    name: "SET_INFLIGHT_FD",
    request: form("inflight", 1),
    feature: vu.VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD,
  },
  { id: vu.VHOST_USER_GPU_SET_SOCKET, name: "GPU_SET_SOCKET", request: form("none", 1) },
  {
    id: vu.VHOST_USER_RESET_DEVICE,
    name: "RESET_DEVICE",
    request: NONE,
    feature: vu.VHOST_USER_PROTOCOL_F_RESET_DEVICE,
  },
  {
    // "The state.num field is currently reserved and must be set to 0."
    id: vu.VHOST_USER_VRING_KICK,
    name: "VRING_KICK",
    request: { ...VRING_STATE, maxNum: 0 },
    feature: vu.VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS,
  },
  {
    id: vu.VHOST_USER_GET_MAX_MEM_SLOTS,
    name: "GET_MAX_MEM_SLOTS",
    request: NONE,
    reply: U64,
    feature: vu.VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS,
  },
  {
    id: vu.VHOST_USER_ADD_MEM_REG,
    name: "ADD_MEM_REG",
    request: form("memoryRegion", 1),
    feature: vu.VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS,
  },
  {
    // "The back-end MAY accept messages with one file descriptor. If a file descriptor is passed, the back-end MUST
    // close it without using it otherwise." QEMU sends none; rust-vmm refuses one.
    id: vu.VHOST_USER_REM_MEM_REG,
    name: "REM_MEM_REG",
    request: form("memoryRegion", "0 or 1"),
    feature: vu.VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS,
  },
  { id: vu.VHOST_USER_SET_STATUS, name: "SET_STATUS", request: U64, feature: vu.VHOST_USER_PROTOCOL_F_STATUS },
  {
    id: vu.VHOST_USER_GET_STATUS,
    name: "GET_STATUS",
    request: NONE,
    reply: U64,
    feature: vu.VHOST_USER_PROTOCOL_F_STATUS,
  },
  {
    // The reply is "the fd when the operation is successful, or no fd otherwise"; libvhost-user repeats the uuid in it.
    id: vu.VHOST_USER_GET_SHARED_OBJECT,
    name: "GET_SHARED_OBJECT",
    request: form("shared"),
    reply: { kinds: ["none", "shared"], fds: "0 or 1" },
    feature: vu.VHOST_USER_PROTOCOL_F_SHARED_OBJECT,
  },
  {
    // The reply's bits 0-7 are an error, its bit 8 the invalid FD flag. "The back-end must not both indicate an error
    // and return a file descriptor."
    id: vu.VHOST_USER_SET_DEVICE_STATE_FD,
    name: "SET_DEVICE_STATE_FD",
    request: form("deviceState", 1),
    reply: form("u64", "bit 8, none on error"),
    feature: vu.VHOST_USER_PROTOCOL_F_DEVICE_STATE,
  },
  {
    id: vu.VHOST_USER_CHECK_DEVICE_STATE,
    name: "CHECK_DEVICE_STATE",
    request: NONE,
    reply: U64,
    feature: vu.VHOST_USER_PROTOCOL_F_DEVICE_STATE,
  },
];

const BY_ID: ReadonlyMap<number, Row> = new Map(ROWS.map((row) => [row.id, row]));

export function rowOf(request: number): Row | undefined {
  return BY_ID.get(request);
}

/** The request's name without the prefix VHOST_USER_. */
export function messageName(request: number): string {
  return rowOf(request)?.name ?? `request ${request}`;
}

/**
 * The protocol feature (bit number) without which `request` must not be sent. Two conditions are not protocol features
 * and are the back-end's to know: SET_VRING_ENABLE needs VHOST_USER_F_PROTOCOL_FEATURES negotiated, IOTLB_MSG
 * VIRTIO_F_IOMMU_PLATFORM.
 */
export function requiredFeature(request: number): number | undefined {
  return rowOf(request)?.feature;
}

/** Whether bit `feature` is set in a u64 of virtio or protocol features. */
export function hasFeature(features: bigint, feature: number): boolean {
  return ((features >> BigInt(feature)) & 1n) === 1n;
}

/**
 * What the back-end owes for a request, by the acknowledged protocol features: its own reply ("reply": always, whatever
 * NEED_REPLY says), an ACK ("ack") or nothing. Without VHOST_USER_PROTOCOL_F_REPLY_ACK the flag has no effect: no ACK
 * (hostile input V11).
 */
export function expectedReply(
  { request, flags }: { readonly request: number; readonly flags: number },
  protocolFeatures: bigint,
): "reply" | "ack" | "none" {
  if (rowOf(request)?.reply !== undefined) return "reply";
  const asked = (flags & vu.VHOST_USER_NEED_REPLY_MASK) !== 0;
  return asked && hasFeature(protocolFeatures, vu.VHOST_USER_PROTOCOL_F_REPLY_ACK) ? "ack" : "none";
}
