// The vhost-user codec: a message is a 12-byte header, a payload and file descriptors (vhost-user.rst, "Message
// Specification"). Both ends use it, as QEMU's vhost_user_write/vhost_user_read and rust-vmm's Endpoint do in reality.
//
// A receiver reads 12 bytes (the descriptors come with them), gives them to decodeHeader, then reads exactly
// `header.size` bytes and gives those to decodeBody. Everything that bounds the body is decided before it is read: a
// refused header costs nothing but its 12 bytes. The bytes must be the receiver's own copy, so that the peer cannot
// change them between a check and its use. Descriptors are numbers that the codec counts and hands on; the receiver
// closes them when it is told of a refusal.

import {
  VHOST_USER_MAX_PAYLOAD,
  VHOST_USER_NEED_REPLY_MASK,
  VHOST_USER_REPLY_MASK,
  VHOST_USER_VERSION,
  VHOST_USER_VERSION_MASK,
  VHOST_USER_VRING_NOFD_MASK,
  VhostUserHeader,
} from "../spec/vhost-user.js";
import { type Kind, layoutOf, type Payload, vringIndex } from "./payload.js";
import { isRefused, type Refused, type Rule, refuse } from "./refusal.js";
import { ACK, type FdRule, type Form, messageName, rowOf } from "./table.js";

// This module is the codec's face: the rest of the folder is reached through it.
export { describe } from "./describe.js";
export { type Payload, type Region, vringFd, vringIndex } from "./payload.js";
export { isRefused, type Refused } from "./refusal.js";
export { expectedReply, hasFeature, messageName, requiredFeature } from "./table.js";

/** A whole message, request or reply by its flags. `fds` are those that travel with it, in order. */
export interface Message {
  readonly request: number;
  readonly flags: number;
  readonly payload: Payload;
  readonly fds: readonly number[];
}

/** A header that decodeHeader accepted: `size` bytes follow, and they are a payload of `kind`. */
export interface Header {
  readonly request: number;
  readonly flags: number;
  readonly size: number;
  readonly kind: Kind;
}

/** A request. `needReply` asks for an ACK, which needs VHOST_USER_PROTOCOL_F_REPLY_ACK negotiated. */
export function request(
  id: number,
  payload: Payload = { kind: "none" },
  { needReply = false, fds = [] }: { readonly needReply?: boolean; readonly fds?: readonly number[] } = {},
): Message {
  return { request: id, flags: VHOST_USER_VERSION | (needReply ? VHOST_USER_NEED_REPLY_MASK : 0), payload, fds };
}

/** The reply to request `id`. */
export function reply(id: number, payload: Payload, fds: readonly number[] = []): Message {
  return { request: id, flags: VHOST_USER_VERSION | VHOST_USER_REPLY_MASK, payload, fds };
}

/** The ACK to request `id`: 0 for success, anything else for failure. */
export function ack(id: number, value: bigint): Message {
  return reply(id, { kind: "u64", value });
}

function formOf(id: number, flags: number): Form | undefined {
  const row = rowOf(id);
  return (flags & VHOST_USER_REPLY_MASK) === 0 ? row?.request : row && (row.reply ?? ACK);
}

/**
 * Decodes the 12 bytes of a header. `replyTo` is the request whose reply is awaited; without it the message must be a
 * request.
 */
export function decodeHeader(bytes: Uint8Array, replyTo?: number): Header | Refused {
  if (bytes.length !== VhostUserHeader.SIZEOF) return refuse("header cut short");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const request = view.getUint32(VhostUserHeader.REQUEST, true);
  const flags = view.getUint32(VhostUserHeader.FLAGS, true);
  const size = view.getUint32(VhostUserHeader.SIZE, true);
  const known = VHOST_USER_VERSION_MASK | VHOST_USER_REPLY_MASK | VHOST_USER_NEED_REPLY_MASK;

  if ((flags & VHOST_USER_VERSION_MASK) !== VHOST_USER_VERSION) return refuse("version is not 1");
  if ((flags & ~known) !== 0) return refuse("reserved flag bit set");
  const isReply = (flags & VHOST_USER_REPLY_MASK) !== 0;
  if (replyTo === undefined && isReply) return refuse("reply flag in a request");
  if (replyTo !== undefined && !isReply) return refuse("no reply flag in a reply");
  // QEMU demands flags of exactly 0x5 in a reply; rust-vmm only looks for the reply flag.
  if (isReply && (flags & VHOST_USER_NEED_REPLY_MASK) !== 0) return refuse("need_reply flag in a reply");
  if (replyTo !== undefined && request !== replyTo) return refuse("reply to another request");
  const form = formOf(request, flags);
  if (form === undefined) return refuse("unknown request");
  if (size > VHOST_USER_MAX_PAYLOAD) return refuse("payload larger than 4096 bytes");
  const kind = form.kinds.find((kind) => layoutOf(kind).fits(size));
  if (kind === undefined) return refuse("payload size wrong for the message");
  return { request, flags, size, kind };
}

/**
 * Decodes the payload that follows `header`. `body` is shorter than `header.size` only when the peer hung up within the
 * message. The result keeps no reference to `body`.
 */
export function decodeBody(header: Header, body: Uint8Array, fds: readonly number[]): Message | Refused {
  if (body.length !== header.size) return refuse("payload cut short");
  const payload = layoutOf(header.kind).read(new DataView(body.buffer, body.byteOffset, body.byteLength));
  if (isRefused(payload)) return payload;
  const form = formOf(header.request, header.flags)!;
  if (payload.kind === "vringState" && payload.num > (form.maxNum ?? payload.num)) return refuse("num out of range");
  const broken = brokenFdRule(form.fds, payload, fds.length);
  if (broken !== undefined) return refuse(broken);
  return { request: header.request, flags: header.flags, payload, fds: [...fds] };
}

function fdRange(rule: FdRule, payload: Payload): readonly [least: number, most: number] {
  if (rule === 0 || rule === 1) return [rule, rule];
  const regions = rule === "one a region" && payload.kind === "memoryTable" ? payload.regions.length : undefined;
  return regions === undefined ? [0, 1] : [regions, regions];
}

function brokenFdRule(rule: FdRule, payload: Payload, count: number): Rule | undefined {
  const [least, most] = fdRange(rule, payload);
  if (count < least || count > most) return "wrong number of file descriptors";
  if (payload.kind !== "u64" || (rule !== "bit 8" && rule !== "bit 8, none on error")) return undefined;
  const noFd = (payload.value & BigInt(VHOST_USER_VRING_NOFD_MASK)) !== 0n;
  if (noFd !== (count === 0)) return "no-fd bit contradicts the file descriptors";
  const error = rule === "bit 8, none on error" && vringIndex(payload.value) !== 0;
  return error && count > 0 ? "error and file descriptor in one reply" : undefined;
}

/**
 * The bytes of `message`, header and payload. Throws for a message that decodeHeader or decodeBody would refuse: what a
 * peer may not send us, we may not send either.
 */
export function encode({ request, flags, payload, fds }: Message): Uint8Array {
  const layout = layoutOf(payload.kind);
  const size = layout.size(payload);
  const bytes = new Uint8Array(VhostUserHeader.SIZEOF + size);
  const view = new DataView(bytes.buffer);
  view.setUint32(VhostUserHeader.REQUEST, request, true);
  view.setUint32(VhostUserHeader.FLAGS, flags, true);
  view.setUint32(VhostUserHeader.SIZE, size, true);
  layout.write(new DataView(bytes.buffer, VhostUserHeader.SIZEOF), payload);

  const replyTo = (flags & VHOST_USER_REPLY_MASK) === 0 ? undefined : request;
  const header = decodeHeader(bytes.subarray(0, VhostUserHeader.SIZEOF), replyTo);
  const decoded = isRefused(header) ? header : decodeBody(header, bytes.subarray(VhostUserHeader.SIZEOF), fds);
  if (isRefused(decoded)) throw new Error(`${messageName(request)}: ${decoded.refused} (${decoded.section})`);
  if (decoded.payload.kind !== payload.kind) throw new Error(`${messageName(request)} carries no ${payload.kind}`);
  return bytes;
}
