// A small read-only tree in memory, for the explorer and the browser: the same on every run, with no clock and no
// randomness; inode numbers follow the order in which the tree is written down.

import { EINVAL, ENOENT } from "../../spec/errno.js";
import { S_IFDIR, S_IFLNK, S_IFREG } from "../../spec/fuse.js";
import type { Failed } from "../failed.js";
import type { Attr, Backing, Node, OpenFile, Statfs } from "./backing.js";

/** A directory, by names; a file's content, text being UTF-8; or a symlink to a path. */
export type MemoryTree = { readonly [name: string]: MemoryTree | Uint8Array | string | MemorySymlink };

export class MemorySymlink {
  readonly target: string;

  constructor(target: string) {
    this.target = target;
  }
}

interface MemoryNode extends Node {
  readonly attr: Attr;
  readonly content: Uint8Array;
  readonly entries: ReadonlyMap<string, { readonly name: Uint8Array; readonly node: MemoryNode }>;
}

const BLOCK = 4096;
const PERMISSIONS = new Map([
  [S_IFDIR, 0o755],
  [S_IFREG, 0o644],
  [S_IFLNK, 0o777],
]);
const utf8 = new TextEncoder();

export class MemoryBacking implements Backing {
  readonly root: MemoryNode;
  readonly #time: bigint;
  #nodes = 0;
  #blocks = 0n;

  /** `time`: what every time stamp of the tree says, in nanoseconds since 1970. */
  constructor(tree: MemoryTree, time: bigint) {
    this.#time = time;
    this.root = this.#directory(tree);
  }

  lookup(parent: MemoryNode, name: Uint8Array): { node: MemoryNode; attr: Attr } | Failed {
    const entry = parent.entries.get(keyOf(name));
    return entry === undefined ? -ENOENT : { node: entry.node, attr: entry.node.attr };
  }

  getattr(node: MemoryNode): Attr {
    return node.attr;
  }

  forget(): void {}

  open(node: MemoryNode): OpenFile | Failed {
    if (node.type !== S_IFREG) return -EINVAL;
    return { read: (buffers, offset) => copyOut(node.content, buffers, offset), close() {} };
  }

  readdir(node: MemoryNode): Uint8Array[] {
    return [...node.entries.values()].map((entry) => entry.name);
  }

  statfs(): Statfs {
    return { blocks: this.#blocks, bfree: 0n, bavail: 0n, files: BigInt(this.#nodes), ffree: 0n, bsize: BLOCK };
  }

  close(): void {}

  #directory(tree: MemoryTree): MemoryNode {
    const ino = this.#nextIno();
    const entries = new Map<string, { name: Uint8Array; node: MemoryNode }>();
    let nlink = 2;
    for (const [text, thing] of Object.entries(tree)) {
      const name = utf8.encode(text);
      const node = this.#node(thing);
      if (node.type === S_IFDIR) nlink += 1;
      entries.set(keyOf(name), { name, node });
    }
    return this.#made(ino, S_IFDIR, nlink, new Uint8Array(0), entries);
  }

  #node(thing: MemoryTree[string]): MemoryNode {
    if (typeof thing === "string") return this.#leaf(S_IFREG, utf8.encode(thing));
    if (thing instanceof Uint8Array) return this.#leaf(S_IFREG, thing);
    if (thing instanceof MemorySymlink) return this.#leaf(S_IFLNK, utf8.encode(thing.target));
    return this.#directory(thing);
  }

  #leaf(type: number, content: Uint8Array): MemoryNode {
    return this.#made(this.#nextIno(), type, 1, content, new Map());
  }

  #nextIno(): bigint {
    this.#nodes += 1;
    return BigInt(this.#nodes);
  }

  #made(ino: bigint, type: number, nlink: number, content: Uint8Array, entries: MemoryNode["entries"]): MemoryNode {
    const pages = BigInt(Math.ceil(content.length / BLOCK));
    this.#blocks += pages;
    const attr: Attr = {
      ino,
      size: BigInt(content.length),
      blocks: pages * BigInt(BLOCK / 512),
      atime: this.#time,
      mtime: this.#time,
      ctime: this.#time,
      mode: type | PERMISSIONS.get(type)!,
      nlink,
      uid: 0,
      gid: 0,
      rdev: 0,
      blksize: BLOCK,
    };
    return { key: String(ino), type, attr, content, entries };
  }
}

/** A name as a Map key: one character a byte. */
function keyOf(name: Uint8Array): string {
  return String.fromCharCode(...name);
}

function copyOut(content: Uint8Array, buffers: readonly Uint8Array[], offset: number): number {
  let at = Math.min(offset, content.length);
  const start = at;
  for (const buffer of buffers) {
    const part = content.subarray(at, at + buffer.length);
    buffer.set(part);
    at += part.length;
  }
  return at - start;
}
