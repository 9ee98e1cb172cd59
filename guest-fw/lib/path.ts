// From a path to a node: VirtioFsLookupMostSpecificParentDir of EDK2, and the last lookup after it.

import { FUSE_ROOT_ID, S_IFDIR, S_IFMT } from "../../device/spec/fuse";
import { Bytes } from "./bytes";
import { FuseClient } from "./fuse";

const SLASH: u8 = 0x2f;
const DOT: u8 = 0x2e;

/** A node that the walk has looked up, to be put back by `forget`; the root is always there. */
export class Node {
  id: u64 = FUSE_ROOT_ID;
  private mode: u32 = S_IFDIR;

  /** The S_IFMT part of its mode. */
  get type(): u32 {
    return this.mode & S_IFMT;
  }

  /**
   * Goes from the root along `path`, whose components are raw bytes between slashes; empty ones and "." stay where they
   * are. Each parent is forgotten once its child is known. Returns 0 or an errno; then the node is where it failed.
   */
  walk(fuse: FuseClient, path: Bytes): i32 {
    let end: u32 = 0;
    for (let start: u32 = 0; start < path.length; start = end + 1) {
      end = start;
      while (end < path.length && load<u8>(path.at + end) != SLASH) end++;
      const length = end - start;
      if (length == 0 || (length == 1 && load<u8>(path.at + start) == DOT)) continue;

      const error = fuse.lookup(this.id, path.at + start, length);
      if (error != 0) return error;
      const child = fuse.node;
      const mode = fuse.mode;
      this.forget(fuse);
      this.id = child;
      this.mode = mode;
    }
    return 0;
  }

  forget(fuse: FuseClient): void {
    if (this.id != FUSE_ROOT_ID) fuse.forget(this.id);
  }
}

/** The part of a path before its last component. */
export function parentOf(path: Bytes): Bytes {
  return new Bytes(path.at, lastStart(path));
}

/** The last component of a path, without the slashes behind it; empty when it has none. */
export function baseOf(path: Bytes): Bytes {
  const start = lastStart(path);
  return new Bytes(path.at + start, lastEnd(path) - start);
}

function lastEnd(path: Bytes): u32 {
  let end = path.length;
  while (end > 0 && load<u8>(path.at + end - 1) == SLASH) end--;
  return end;
}

function lastStart(path: Bytes): u32 {
  let start = lastEnd(path);
  while (start > 0 && load<u8>(path.at + start - 1) != SLASH) start--;
  return start;
}
