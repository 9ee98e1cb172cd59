// Helpers of the vhost-user tests: bytes written field by field, and the receiver's two steps.

import { decodeBody, decodeHeader, isRefused, type Message, type Refused } from "../../../device/vhost-user/message.js";

/** The bytes of a message, one array a field. */
export const bytes = (...fields: readonly (readonly number[])[]) => Uint8Array.from(fields.flat());

/** A little-endian u32, as one field. */
export const u32 = (value: number) => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);

/** A little-endian u64, as one field. */
export const u64 = (value: bigint) => [...u32(Number(value & 0xffffffffn)), ...u32(Number(value >> 32n))];

/** Reads as a receiver does: the header, then the body that the header announces (less if the peer hung up). */
export function receive(wire: Uint8Array, fds: readonly number[] = [], replyTo?: number): Message | Refused {
  const header = decodeHeader(wire.subarray(0, 12), replyTo);
  return isRefused(header) ? header : decodeBody(header, wire.subarray(12, 12 + header.size), fds);
}
