// The mounted share as the shell's commands use it.

import { EINVAL, ENOTDIR } from "../../device/spec/errno";
import { FUSE_ATOMIC_O_TRUNC, S_IFDIR } from "../../device/spec/fuse";
import { Bytes } from "../lib/bytes";
import { FuseClient } from "../lib/fuse";
import { Mount } from "../lib/mount-linux";
import { allocatePages } from "../lib/pages";
import { baseOf, Node, parentOf } from "../lib/path";
import { Stdin } from "../lib/stdin";
import { VirtioFsLinux } from "../lib/virtio-fs-linux";

export class Share {
  readonly fuse: FuseClient;
  /** FUSE_OPEN with O_TRUNC truncates. */
  readonly atomicTruncate: bool;
  /** For data, on its way from or to anything. Given out once: the heap takes nothing back. */
  readonly buffer: Bytes;
  /** The path that a command is at: a failure is about it. */
  at: Bytes = new Bytes(0, 0);
  /** walkToParent: the last component of the path. */
  name: Bytes = new Bytes(0, 0);

  constructor(
    readonly fs: VirtioFsLinux,
    mounted: Mount,
    readonly stdin: Stdin,
  ) {
    this.fuse = mounted.fuse;
    this.atomicTruncate = (mounted.flags & FUSE_ATOMIC_O_TRUNC) != 0;
    this.buffer = new Bytes(allocatePages(mounted.maxWrite), mounted.maxWrite);
  }

  /** Takes `node` from the root to a path. Returns 0 or an errno; the node is to be forgotten either way. */
  walk(node: Node, path: Bytes): i32 {
    this.at = path;
    return node.walk(this.fuse, path);
  }

  /** Takes `node` to the directory of a path, whose last component is `name`. */
  walkToParent(node: Node, path: Bytes): i32 {
    this.at = path;
    this.name = baseOf(path);
    if (this.name.length == 0) return EINVAL;
    const error = node.walk(this.fuse, parentOf(path));
    return error == 0 && node.type != S_IFDIR ? ENOTDIR : error;
  }
}
