// What the FUSE server serves: the operations of a file system on nodes, below nodeids, handles and guest RAM. Names that
// come in have passed ArgumentReader.name. Whatever goes wrong with a guest's wish is returned as -errno; a throw is a
// mistake of this program.

import type { Failed } from "../failed.js";

/** One file, directory or other thing. Held from the `lookup` that gave it until `forget`. */
export interface Node {
  /** The same for two nodes exactly if they are the same file, as long as one of them is held. */
  readonly key: string;
  /** The S_IFMT part of its mode, which never changes. */
  readonly type: number;
}

/** struct fuse_attr; times in nanoseconds since 1970, size in bytes, blocks of 512 bytes. */
export interface Attr {
  readonly ino: bigint;
  readonly size: bigint;
  readonly blocks: bigint;
  readonly atime: bigint;
  readonly mtime: bigint;
  readonly ctime: bigint;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  readonly blksize: number;
}

/** struct fuse_kstatfs; blocks of `bsize` bytes. */
export interface Statfs {
  readonly blocks: bigint;
  readonly bfree: bigint;
  readonly bavail: bigint;
  readonly files: bigint;
  readonly ffree: bigint;
  readonly bsize: number;
}

export interface OpenFile {
  /** Fills `buffers` one after the other from byte `offset` on. Returns the bytes read, fewer only at the end of file. */
  read(buffers: readonly Uint8Array[], offset: number): number | Failed;
  close(): void;
}

export interface Backing {
  readonly root: Node;
  /** `parent` is a directory. The last symlink is not followed: it is the node. */
  lookup(parent: Node, name: Uint8Array): { node: Node; attr: Attr } | Failed;
  getattr(node: Node): Attr | Failed;
  forget(node: Node): void;
  /** Opens a regular file for reading. */
  open(node: Node): OpenFile | Failed;
  /** The names in a directory, without `.` and `..`. */
  readdir(node: Node): Uint8Array[] | Failed;
  statfs(): Statfs | Failed;
  /** Gives back the root and whatever else is still held. */
  close(): void;
}
