// mkdir PATH, rm PATH and mv FROM TO: what changes names.

import { S_IFDIR, S_IFMT } from "../../device/spec/fuse";
import { FUSE_RMDIR, FUSE_UNLINK } from "../../device/spec/fuse-opcode";
import { Bytes } from "../lib/bytes";
import { Node } from "../lib/path";
import { Share } from "./share";

const MODE: u32 = 0o755;

export function mkdir(share: Share, path: Bytes): i32 {
  const parent = new Node();
  let error = share.walkToParent(parent, path);
  if (error == 0) {
    error = share.fuse.mkdir(parent.id, share.name.at, share.name.length, MODE);
    if (error == 0) share.fuse.forget(share.fuse.node);
  }
  parent.forget(share.fuse);
  return error;
}

/** A file, or a directory that is empty. */
export function rm(share: Share, path: Bytes): i32 {
  const fuse = share.fuse;
  const parent = new Node();
  let error = share.walkToParent(parent, path);
  if (error == 0) {
    const name = share.name;
    error = fuse.lookup(parent.id, name.at, name.length);
    if (error == 0) {
      const node = fuse.node;
      const opcode = (fuse.mode & S_IFMT) == S_IFDIR ? FUSE_RMDIR : FUSE_UNLINK;
      error = fuse.remove(opcode, parent.id, name.at, name.length);
      fuse.forget(node);
    }
  }
  parent.forget(fuse);
  return error;
}

/** rename(2): what has the new name is replaced. */
export function mv(share: Share, from: Bytes, to: Bytes): i32 {
  const oldParent = new Node();
  const newParent = new Node();
  let error = share.walkToParent(oldParent, from);
  const name = share.name;
  if (error == 0) {
    error = share.walkToParent(newParent, to);
    if (error == 0) {
      const newName = share.name;
      share.at = from;
      error = share.fuse.rename(oldParent.id, name.at, name.length, newParent.id, newName.at, newName.length);
    }
  }
  newParent.forget(share.fuse);
  oldParent.forget(share.fuse);
  return error;
}
