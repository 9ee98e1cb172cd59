// A request: its fuse_in_header, checked against what the transport really brought, and its arguments.

import { EINVAL, ENOMEM } from "../spec/errno.js";
import { FuseInHeader } from "../spec/fuse.js";
import * as opcodes from "../spec/fuse-opcode.js";
import { VIRTIO_FS_MAX_REQUEST } from "../spec/virtio-fs.js";
import { ArgumentReader } from "./argument.js";
import type { Failed } from "./failed.js";
import { Cursor, type ScatterGather } from "./scatter-gather.js";

export interface RequestHeader {
  /** As claimed by the guest, in bytes. */
  readonly len: number;
  readonly opcode: number;
  readonly unique: bigint;
  readonly nodeid: bigint;
  readonly uid: number;
  readonly gid: number;
  /** Length of the extensions behind the arguments, in bytes. */
  readonly extensions: number;
}

export interface Request {
  readonly nodeid: bigint;
  /** Owner and group of what the request makes. The guest checks permissions: they give no rights here. */
  readonly uid: number;
  readonly gid: number;
  readonly argument: ArgumentReader;
}

/** The header at the cursor, copied once; undefined when there are fewer bytes than a header has. */
export function readHeader(cursor: Cursor): RequestHeader | undefined {
  if (cursor.remaining < FuseInHeader.SIZEOF) return undefined;
  const view = new DataView(cursor.copy(FuseInHeader.SIZEOF).buffer);
  return {
    len: view.getUint32(FuseInHeader.LEN, true),
    opcode: view.getUint32(FuseInHeader.OPCODE, true),
    unique: view.getBigUint64(FuseInHeader.UNIQUE, true),
    nodeid: view.getBigUint64(FuseInHeader.NODEID, true),
    uid: view.getUint32(FuseInHeader.UID, true),
    gid: view.getUint32(FuseInHeader.GID, true),
    extensions: view.getUint16(FuseInHeader.TOTAL_EXTLEN, true) * 8,
  };
}

/** The request behind `header`, whose arguments begin at `cursor`. The length that it claims must be the true one. */
export function readRequest(header: RequestHeader, cursor: Cursor): Request | Failed {
  if (header.len > VIRTIO_FS_MAX_REQUEST) return -ENOMEM;
  if (header.len !== FuseInHeader.SIZEOF + cursor.remaining) return -EINVAL;
  if (header.extensions > cursor.remaining) return -EINVAL;
  cursor.limit(cursor.remaining - header.extensions);
  const { nodeid, uid, gid } = header;
  return { nodeid, uid, gid, argument: new ArgumentReader(cursor) };
}

const OPCODE_NAMES = new Map<number, string>(Object.entries(opcodes).map(([name, opcode]) => [opcode, name]));

/** One short line on a request for a timeline, such as `FUSE_LOOKUP unique=2 nodeid=1`; it takes no decision. */
export function describeRequest(message: ScatterGather): string {
  const cursor = new Cursor(message.memory, message.readable);
  const header = readHeader(cursor);
  if (header === undefined) return `truncated FUSE request of ${cursor.remaining} bytes`;
  const name = OPCODE_NAMES.get(header.opcode) ?? `FUSE opcode ${header.opcode}`;
  return `${name} unique=${header.unique}${header.nodeid === 0n ? "" : ` nodeid=${header.nodeid}`}`;
}
