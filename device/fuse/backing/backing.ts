// What the FUSE server serves: the operations of a file system on nodes, below nodeids, handles and guest RAM. Names that
// come in have passed ArgumentReader.name, and each node is of a type that the operation is for. Whatever goes wrong with
// a guest's wish is returned as -errno; a throw is a mistake of this program.

import type { Failed } from "../failed.js";
import type { NewFile } from "./new-file.js";

/** One file, directory or other thing. Held from the operation that gave it until `forget`. */
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

/** A node looked up or made, which is thereby held. */
export interface Found {
  readonly node: Node;
  readonly attr: Attr;
}

/** Nanoseconds since 1970, or the backing's clock. */
export type Time = bigint | "now";

/** What a file is opened for. */
export interface Access {
  readonly read: boolean;
  readonly write: boolean;
  /** Cut the file to 0 bytes. */
  readonly truncate: boolean;
}

/** An open regular file. It outlives the last name of the file and its node. */
export interface OpenFile {
  readonly access: Access;
  /** Fills `buffers` one after the other from byte `offset` on. Returns the bytes read, fewer only at the end of file. */
  read(buffers: readonly Uint8Array[], offset: number): number | Failed;
  /** Writes `buffers` one after the other to byte `offset` on. Returns the bytes written, fewer only when space ran out. */
  write(buffers: readonly Uint8Array[], offset: number): number | Failed;
  truncate(size: number): 0 | Failed;
  /** fsync(2), or fdatasync(2). */
  sync(dataOnly: boolean): 0 | Failed;
  close(): void;
}

/** `parent` is always a directory. */
export interface Backing {
  readonly root: Node;
  /** The last symlink is not followed: it is the node. */
  lookup(parent: Node, name: Uint8Array): Found | Failed;
  getattr(node: Node): Attr | Failed;
  forget(node: Node): void;
  /** Forgets `again`, the same file as `held` but found later, and maybe by another name: that name is the one to use. */
  merge(held: Node, again: Node): void;

  /** Any node but a symlink. */
  chmod(node: Node, mode: number): 0 | Failed;
  /** undefined leaves owner or group as it is. */
  chown(node: Node, uid: number | undefined, gid: number | undefined): 0 | Failed;
  /** A regular file. */
  truncate(node: Node, size: number): 0 | Failed;
  /** undefined leaves a time as it is. */
  utimes(node: Node, atime: Time | undefined, mtime: Time | undefined): 0 | Failed;
  /** The target of a symlink. */
  readlink(node: Node): Uint8Array | Failed;

  /** Makes and opens a regular file that does not exist yet. */
  create(parent: Node, name: Uint8Array, asked: NewFile, access: Access): (Found & { open: OpenFile }) | Failed;
  mkdir(parent: Node, name: Uint8Array, asked: NewFile): Found | Failed;
  symlink(parent: Node, name: Uint8Array, asked: NewFile, target: Uint8Array): Found | Failed;
  /** Gives anything but a directory one more name. ESTALE: it needs a name of now; look one up and try again. */
  link(node: Node, parent: Node, name: Uint8Array): 0 | Failed;
  unlink(parent: Node, name: Uint8Array): 0 | Failed;
  rmdir(parent: Node, name: Uint8Array): 0 | Failed;
  /** Replaces what has the new name, as rename(2), or, where it is not to, fails with EEXIST. */
  rename(parent: Node, name: Uint8Array, newParent: Node, newName: Uint8Array, replace: boolean): 0 | Failed;

  /** Opens a regular file. */
  open(node: Node, access: Access): OpenFile | Failed;
  /** The names in a directory, without `.` and `..`. */
  readdir(node: Node): Uint8Array[] | Failed;
  /** fsync(2) of a directory. */
  syncDirectory(node: Node): 0 | Failed;

  statfs(): Statfs | Failed;
  syncfs(): 0 | Failed;
  /** Gives back the root and whatever else is still held. */
  close(): void;
}
