// stat PATH and df: what is known of a file, and of the file system.

import {
  FUSE_ROOT_ID,
  FuseAttr,
  FuseStatfsOut,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
} from "../../device/spec/fuse";
import { Bytes } from "../lib/bytes";
import { printText } from "../lib/console";
import { Node } from "../lib/path";
import { Share } from "./share";

export function stat(share: Share, path: Bytes): i32 {
  const node = new Node();
  let error = share.walk(node, path);
  if (error == 0) error = share.fuse.getattr(node.id);
  if (error == 0) {
    const attr = share.fuse.attr;
    const mode = load<u32>(attr, FuseAttr.MODE);
    printText(
      "type " + typeName(mode & S_IFMT) + "\n" +
      "mode 0" + (mode & ~S_IFMT).toString(8) + "\n" +
      "links " + load<u32>(attr, FuseAttr.NLINK).toString() + "\n" +
      "owner " + load<u32>(attr, FuseAttr.UID).toString() + ":" + load<u32>(attr, FuseAttr.GID).toString() + "\n" +
      "size " + load<u64>(attr, FuseAttr.SIZE).toString() + "\n" +
      "modified " + load<i64>(attr, FuseAttr.MTIME).toString() + "\n",
    );
  }
  node.forget(share.fuse);
  return error;
}

function typeName(type: u32): string {
  switch (type) {
    case S_IFREG:
      return "file";
    case S_IFDIR:
      return "directory";
    case S_IFLNK:
      return "symlink";
    case S_IFIFO:
      return "fifo";
    case S_IFSOCK:
      return "socket";
    case S_IFCHR:
      return "character device";
    case S_IFBLK:
      return "block device";
    default:
      return "unknown";
  }
}

/** Sizes in bytes. */
export function df(share: Share): i32 {
  const error = share.fuse.statfs(FUSE_ROOT_ID);
  if (error != 0) return error;
  const out = share.fuse.statfsOut;
  const block: u64 = load<u32>(out, FuseStatfsOut.FRSIZE);
  printText(
    "size " + (load<u64>(out, FuseStatfsOut.BLOCKS) * block).toString() + "\n" +
    "free " + (load<u64>(out, FuseStatfsOut.BFREE) * block).toString() + "\n" +
    "available " + (load<u64>(out, FuseStatfsOut.BAVAIL) * block).toString() + "\n" +
    "files " + load<u64>(out, FuseStatfsOut.FILES).toString() + "\n" +
    "free files " + load<u64>(out, FuseStatfsOut.FFREE).toString() + "\n",
  );
  return 0;
}
