// fuse_attr and fuse_entry_out as bytes.

import { FuseAttr, FuseEntryOut } from "../../spec/fuse.js";
import type { Attr } from "../backing/backing.js";
import type { Inode } from "../inode-table.js";

/** How long the guest may trust a name or attributes, in seconds: virtiofsd's cache policy "auto". */
export const VALID_SECONDS = 1n;

const NANOSECONDS = 1_000_000_000n;

export function putAttr(view: DataView, at: number, attr: Attr): void {
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

/** The entry by which the guest learns of `inode`. */
export function putEntry(view: DataView, at: number, inode: Inode, attr: Attr): void {
  view.setBigUint64(at + FuseEntryOut.NODEID, inode.nodeid, true);
  view.setBigUint64(at + FuseEntryOut.ENTRY_VALID, VALID_SECONDS, true);
  view.setBigUint64(at + FuseEntryOut.ATTR_VALID, VALID_SECONDS, true);
  putAttr(view, at + FuseEntryOut.ATTR, attr);
}

/** Seconds count down before 1970, nanoseconds always up. */
function putTime(view: DataView, secondsAt: number, nanosecondsAt: number, time: bigint): void {
  const nanoseconds = ((time % NANOSECONDS) + NANOSECONDS) % NANOSECONDS;
  view.setBigInt64(secondsAt, (time - nanoseconds) / NANOSECONDS, true);
  view.setUint32(nanosecondsAt, Number(nanoseconds), true);
}
