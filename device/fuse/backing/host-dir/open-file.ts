// Open files of a host directory: a descriptor for data each.

import fs from "node:fs";
import type { Failed } from "../../failed.js";
import type { Access, OpenFile } from "../backing.js";
import { attempt, done } from "./call.js";

/** preadv(2) and pwritev(2) take no more buffers at once; libuv would silently leave out the others. */
const IOV_MAX = 1024;

/** An open regular file on the descriptor `fd`, which `close` gives back. */
export function hostFile(fd: number, access: Access, close: () => void): OpenFile {
  return {
    access,
    // Straight into and out of guest RAM: node takes views of a SharedArrayBuffer.
    read: (buffers, offset) => transfer(buffers, offset, (batch, at) => fs.readvSync(fd, batch, at)),
    write: (buffers, offset) => transfer(buffers, offset, (batch, at) => fs.writevSync(fd, batch, at)),
    truncate: (size) => done(() => fs.ftruncateSync(fd, size)),
    sync: (dataOnly) => done(() => (dataOnly ? fs.fdatasyncSync(fd) : fs.fsyncSync(fd))),
    close,
  };
}

/** `offset` stays a number, since node silently takes a bigint for "wherever the file stands". */
function transfer(
  buffers: readonly Uint8Array[],
  offset: number,
  call: (batch: Uint8Array[], at: number) => number,
): number | Failed {
  let total = 0;
  for (let first = 0; first < buffers.length; first += IOV_MAX) {
    const batch = buffers.slice(first, first + IOV_MAX);
    const wanted = batch.reduce((sum, buffer) => sum + buffer.length, 0);
    const count = attempt(() => call(batch, offset + total));
    if (count < 0) return count;
    total += count;
    if (count < wanted) break;
  }
  return total;
}
