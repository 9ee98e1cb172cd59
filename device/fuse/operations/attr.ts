// fuse_attr, fuse_attr_out and fuse_entry_out as bytes.

import { FuseAttr, FuseAttrOut, FuseEntryOut } from "../../spec/fuse.js";
import type { Attr } from "../backing/backing.js";
import type { Held } from "../inode-table.js";
import type { Reply } from "../reply.js";

/** How long the guest may trust a name or attributes, in seconds: virtiofsd's cache policy "auto". */
const VALID_SECONDS = 1n;

const NANOSECONDS = 1_000_000_000n;

function putAttr(view: DataView, at: number, attr: Attr): void {
  view.setBigUint64(at + FuseAttr.INO, attr.ino, true);
  view.setBigUint64(at + FuseAttr.SIZE, attr.size, true);
  view.setBigUint64(at + FuseAttr.BLOCKS, attr.blocks, true);
  putTime(view, at + FuseAttr.ATIME, at + FuseAttr.ATIMENSEC, attr.atime);
  putTime(view, at + FuseAttr.MTIME, at + FuseAttr.MTIMENSEC, attr.mtime);
  putTime(view, at + FuseAttr.CTIME, at + FuseAttr.CTIMENSEC, attr.ctime);
  view.setUint32(at + FuseAttr.MODE, attr.mode, true);
  view.setUint32(at + FuseAttr.NLINK, attr.nlink, true);
  view.setUint32(at + FuseAttr.UID, attr.uid, true);
  view.setUint32(at + FuseAttr.GID, attr.gid, true);
  view.setUint32(at + FuseAttr.RDEV, attr.rdev, true);
  view.setUint32(at + FuseAttr.BLKSIZE, attr.blksize, true);
}

/** The entry by which the guest learns of a node. */
export function putEntry(view: DataView, at: number, { inode, attr }: Held): void {
  view.setBigUint64(at + FuseEntryOut.NODEID, inode.nodeid, true);
  view.setBigUint64(at + FuseEntryOut.ENTRY_VALID, VALID_SECONDS, true);
  view.setBigUint64(at + FuseEntryOut.ATTR_VALID, VALID_SECONDS, true);
  putAttr(view, at + FuseEntryOut.ATTR, attr);
}

/** A reply that is a fuse_entry_out. */
export function replyEntry(reply: Reply, held: Held): 0 {
  const output = new DataView(new ArrayBuffer(FuseEntryOut.SIZEOF));
  putEntry(output, 0, held);
  reply.put(output);
  return 0;
}

/** A reply that is a fuse_attr_out. */
export function replyAttr(reply: Reply, attr: Attr): 0 {
  const output = new DataView(new ArrayBuffer(FuseAttrOut.SIZEOF));
  output.setBigUint64(FuseAttrOut.ATTR_VALID, VALID_SECONDS, true);
  putAttr(output, FuseAttrOut.ATTR, attr);
  reply.put(output);
  return 0;
}

/** Seconds count down before 1970, nanoseconds always up. */
function putTime(view: DataView, secondsAt: number, nanosecondsAt: number, time: bigint): void {
  const nanoseconds = ((time % NANOSECONDS) + NANOSECONDS) % NANOSECONDS;
  view.setBigInt64(secondsAt, (time - nanoseconds) / NANOSECONDS, true);
  view.setUint32(nanosecondsAt, Number(nanoseconds), true);
}
