// The nodes of a tree in memory. Their attributes change as Linux changes those of a file of its own; where Linux looks at
// the process, it is root.

import { ENOSPC } from "../../spec/errno.js";
import { S_IFDIR, S_IFLNK, S_IFREG, S_ISGID, S_ISUID, S_IXGRP } from "../../spec/fuse.js";
import type { Failed } from "../failed.js";
import type { Attr, Node } from "./backing.js";
import type { NewFile } from "./new-file.js";

export const PAGE = 4096;

/** Pages of data, and nodes. */
export interface Room {
  pages: number;
  nodes: number;
}

export abstract class MemoryNode implements Node {
  readonly key: string;
  mode: number;
  uid: number;
  gid: number;
  atime: bigint;
  mtime: bigint;
  ctime: bigint;
  /** References of the server: lookups not forgotten and open files. */
  held = 0;

  constructor(
    readonly ino: bigint,
    readonly type: number,
    { mode, uid, gid }: NewFile,
    now: bigint,
  ) {
    this.key = String(ino);
    this.mode = mode;
    this.uid = uid;
    this.gid = gid;
    this.atime = this.mtime = this.ctime = now;
  }

  /** Names that lead to it; 0 when it has been removed. */
  abstract readonly nlink: number;
  abstract readonly size: number;

  get pages(): number {
    return 0;
  }

  get attr(): Attr {
    const { ino, atime, mtime, ctime, nlink, uid, gid } = this;
    const blocks = BigInt(this.pages * (PAGE / 512));
    const size = BigInt(this.size);
    return {
      ino,
      size,
      blocks,
      atime,
      mtime,
      ctime,
      mode: this.type | this.mode,
      nlink,
      uid,
      gid,
      rdev: 0,
      blksize: PAGE,
    };
  }

  /** chown(2): "When the owner or group of an executable file is changed [...] the S_ISUID and S_ISGID mode bits are cleared" */
  own(uid = this.uid, gid = this.gid): void {
    this.uid = uid;
    this.gid = gid;
    if (this.type === S_IFDIR) return;
    this.mode &= ~S_ISUID;
    if ((this.mode & S_IXGRP) !== 0) this.mode &= ~S_ISGID;
  }
}

export class DirectoryNode extends MemoryNode {
  /** By name, one character a byte; in the order in which they came. */
  readonly entries = new Map<string, { readonly name: Uint8Array; readonly node: MemoryNode }>();
  /** Its `..`; undefined for the root. */
  parent: DirectoryNode | undefined;
  subdirectories = 0;
  removed = false;

  constructor(ino: bigint, start: NewFile, now: bigint, parent: DirectoryNode | undefined) {
    super(ino, S_IFDIR, start, now);
    this.parent = parent;
  }

  /** Its own `.`, its name, and the `..` of each directory in it. */
  get nlink(): number {
    return this.removed ? 0 : 2 + this.subdirectories;
  }

  get size(): number {
    return 0;
  }

  /** Whether `node` is this directory or lies somewhere below it. */
  contains(node: MemoryNode): boolean {
    let at: MemoryNode | undefined = node;
    while (at instanceof DirectoryNode && at !== this) at = at.parent;
    return at === this;
  }

  add(name: Uint8Array, node: MemoryNode, now: bigint): void {
    this.entries.set(keyOf(name), { name, node });
    if (node instanceof DirectoryNode) {
      node.parent = this;
      this.subdirectories += 1;
    }
    this.mtime = this.ctime = now;
  }

  remove(name: Uint8Array, node: MemoryNode, now: bigint): void {
    this.entries.delete(keyOf(name));
    if (node instanceof DirectoryNode) this.subdirectories -= 1;
    this.mtime = this.ctime = now;
  }
}

export class SymlinkNode extends MemoryNode {
  nlink = 1;

  constructor(
    ino: bigint,
    start: NewFile,
    now: bigint,
    readonly target: Uint8Array,
  ) {
    super(ino, S_IFLNK, { ...start, mode: 0o777 }, now);
  }

  get size(): number {
    return this.target.length;
  }
}

/** Its content is a page for each 4096 bytes that were ever written; holes are zeros, so no size costs memory. */
export class FileNode extends MemoryNode {
  nlink = 1;
  size = 0;
  readonly #pages = new Map<number, Uint8Array>();
  readonly #room: Room;

  constructor(ino: bigint, start: NewFile, now: bigint, room: Room) {
    super(ino, S_IFREG, start, now);
    this.#room = room;
  }

  override get pages(): number {
    return this.#pages.size;
  }

  read(buffers: readonly Uint8Array[], offset: number): number {
    const end = Math.max(offset, this.size);
    let at = offset;
    for (const buffer of buffers) {
      for (const { part, page, from } of pieces(buffer.subarray(0, Math.min(buffer.length, end - at)), at)) {
        const source = this.#pages.get(page);
        if (source === undefined) part.fill(0);
        else part.set(source.subarray(from, from + part.length));
        at += part.length;
      }
    }
    return at - offset;
  }

  write(buffers: readonly Uint8Array[], offset: number): number | Failed {
    let at = offset;
    for (const buffer of buffers) {
      for (const { part, page, from } of pieces(buffer, at)) {
        const target = this.#page(page);
        if (target === undefined) return at === offset ? -ENOSPC : at - offset;
        target.set(part, from);
        at += part.length;
        this.size = Math.max(this.size, at);
      }
    }
    return at - offset;
  }

  truncate(size: number): void {
    if (size < this.size) {
      for (const page of this.#pages.keys()) {
        if (page * PAGE < size) continue;
        this.#pages.delete(page);
        this.#room.pages += 1;
      }
      // What grows again later grows with zeros.
      this.#pages.get(Math.floor(size / PAGE))?.fill(0, size % PAGE);
    }
    this.size = size;
  }

  #page(index: number): Uint8Array | undefined {
    const known = this.#pages.get(index);
    if (known !== undefined || this.#room.pages === 0) return known;
    this.#room.pages -= 1;
    const page = new Uint8Array(PAGE);
    this.#pages.set(index, page);
    return page;
  }
}

/** Cuts `buffer`, which stands for the bytes from `offset` on, where pages begin. */
function* pieces(buffer: Uint8Array, offset: number): Generator<{ part: Uint8Array; page: number; from: number }> {
  for (let taken = 0; taken < buffer.length; ) {
    const at = offset + taken;
    const from = at % PAGE;
    const part = buffer.subarray(taken, taken + PAGE - from);
    yield { part, page: Math.floor(at / PAGE), from };
    taken += part.length;
  }
}

/** A name as a Map key: one character a byte. */
export function keyOf(name: Uint8Array): string {
  return String.fromCharCode(...name);
}
