// Replies of a FUSE server in bytes, by the tables of virtiofs.md 1.3.

import type { Answer, Request } from "./fake-machine.js";

/** out_header and `body`, to the request `request`. */
export function reply(request: Request, body: Buffer = Buffer.alloc(0), error = 0): Answer {
  const header = Buffer.alloc(16);
  header.writeUInt32LE(16 + body.length, 0); // len
  header.writeInt32LE(error, 4); // error: -errno
  request.bytes.copy(header, 8, 8, 16); // unique
  return { bytes: Buffer.concat([header, body]) };
}

export interface InitOut {
  readonly major?: number;
  readonly minor?: number;
  readonly flags?: number;
  readonly maxWrite?: number;
}

/** init_out, 64 bytes: what Rust virtiofsd grants to VirtioFsDxe, unless told otherwise. */
export function initOut({ major = 7, minor = 38, flags = 1 << 13, maxWrite = 1 << 20 }: InitOut = {}): Buffer {
  const body = Buffer.alloc(64);
  body.writeUInt32LE(major, 0);
  body.writeUInt32LE(minor, 4);
  body.writeUInt32LE(flags, 12); // DO_READDIRPLUS
  body.writeUInt32LE(maxWrite, 20);
  return body;
}
