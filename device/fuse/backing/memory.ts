// A file system in memory, for the explorer and the browser: the same on every run, with no randomness and no clock but
// the one that it is given; inode numbers follow the order in which things are made.

import { EEXIST, EINVAL, EISDIR, ENOENT, ENOSPC, ENOTDIR, ENOTEMPTY } from "../../spec/errno.js";
import { S_IFDIR, S_IFLNK, S_IFREG } from "../../spec/fuse.js";
import type { Failed } from "../failed.js";
import type { Access, Attr, Backing, Found, OpenFile, Statfs, Time } from "./backing.js";
import { DirectoryNode, FileNode, keyOf, type MemoryNode, PAGE, type Room, SymlinkNode } from "./memory-node.js";
import { type NewFile, newFile } from "./new-file.js";

/** A directory, by names; a file's content, text being UTF-8; or a symlink to a path. */
export type MemoryTree = { readonly [name: string]: MemoryTree | Uint8Array | string | MemorySymlink };

export class MemorySymlink {
  readonly target: string;

  constructor(target: string) {
    this.target = target;
  }
}

/** What a guest may make the tree hold: 1 GiB of data. */
const LIMITS: Room = { pages: 262_144, nodes: 262_144 };

const utf8 = new TextEncoder();

export class MemoryBacking implements Backing {
  readonly root: DirectoryNode;
  readonly #clock: () => bigint;
  readonly #limits: Room;
  /** What is left of the limits. */
  readonly #room: Room;
  #lastIno = 1n;

  /** `clock`: the time in nanoseconds since 1970. */
  constructor(tree: MemoryTree, clock: () => bigint = () => 0n, limits: Room = LIMITS) {
    this.#clock = clock;
    this.#limits = limits;
    this.#room = { ...limits, nodes: limits.nodes - 1 };
    this.root = new DirectoryNode(1n, { mode: 0o755, uid: 0, gid: 0 }, clock(), undefined);
    this.#fill(this.root, tree);
  }

  lookup(parent: DirectoryNode, name: Uint8Array): (Found & { node: MemoryNode }) | Failed {
    const entry = parent.entries.get(keyOf(name));
    return entry === undefined ? -ENOENT : hold(entry.node);
  }

  getattr(node: MemoryNode): Attr {
    return node.attr;
  }

  forget(node: MemoryNode): void {
    node.held -= 1;
    this.#reclaim(node);
  }

  merge(_held: MemoryNode, again: MemoryNode): void {
    this.forget(again);
  }

  chmod(node: MemoryNode, mode: number): 0 {
    node.mode = mode;
    node.ctime = this.#clock();
    return 0;
  }

  chown(node: MemoryNode, uid: number | undefined, gid: number | undefined): 0 {
    node.own(uid, gid);
    node.ctime = this.#clock();
    return 0;
  }

  truncate(node: FileNode, size: number): 0 {
    node.truncate(size);
    node.mtime = node.ctime = this.#clock();
    return 0;
  }

  utimes(node: MemoryNode, atime: Time | undefined, mtime: Time | undefined): 0 {
    const now = this.#clock();
    node.atime = atime === "now" ? now : (atime ?? node.atime);
    node.mtime = mtime === "now" ? now : (mtime ?? node.mtime);
    node.ctime = now;
    return 0;
  }

  readlink(node: SymlinkNode): Uint8Array {
    return node.target;
  }

  create(
    parent: DirectoryNode,
    name: Uint8Array,
    asked: NewFile,
    access: Access,
  ): (Found & { open: OpenFile }) | Failed {
    const start = newFile(parent, S_IFREG, asked);
    const made = this.#make(parent, name, (ino) => new FileNode(ino, start, this.#clock(), this.#room));
    return typeof made === "number" ? made : { ...hold(made), open: this.open(made, access) };
  }

  mkdir(parent: DirectoryNode, name: Uint8Array, asked: NewFile): Found | Failed {
    const start = newFile(parent, S_IFDIR, asked);
    const made = this.#make(parent, name, (ino) => new DirectoryNode(ino, start, this.#clock(), parent));
    return typeof made === "number" ? made : hold(made);
  }

  symlink(parent: DirectoryNode, name: Uint8Array, asked: NewFile, target: Uint8Array): Found | Failed {
    const start = newFile(parent, S_IFLNK, asked);
    const made = this.#make(parent, name, (ino) => new SymlinkNode(ino, start, this.#clock(), target));
    return typeof made === "number" ? made : hold(made);
  }

  link(node: FileNode | SymlinkNode, parent: DirectoryNode, name: Uint8Array): 0 | Failed {
    if (parent.removed || node.nlink === 0) return -ENOENT;
    if (parent.entries.has(keyOf(name))) return -EEXIST;
    const now = this.#clock();
    parent.add(name, node, now);
    node.nlink += 1;
    node.ctime = now;
    return 0;
  }

  unlink(parent: DirectoryNode, name: Uint8Array): 0 | Failed {
    const node = parent.entries.get(keyOf(name))?.node;
    if (node === undefined) return -ENOENT;
    if (node instanceof DirectoryNode) return -EISDIR;
    this.#remove(parent, name, node);
    return 0;
  }

  rmdir(parent: DirectoryNode, name: Uint8Array): 0 | Failed {
    const node = parent.entries.get(keyOf(name))?.node;
    if (node === undefined) return -ENOENT;
    if (!(node instanceof DirectoryNode)) return -ENOTDIR;
    if (node.entries.size > 0) return -ENOTEMPTY;
    this.#remove(parent, name, node);
    return 0;
  }

  /** The checks of Linux's do_renameat2() and vfs_rename(), in their order. */
  rename(
    parent: DirectoryNode,
    name: Uint8Array,
    newParent: DirectoryNode,
    newName: Uint8Array,
    replace: boolean,
  ): 0 | Failed {
    const node = parent.entries.get(keyOf(name))?.node;
    if (node === undefined) return -ENOENT;
    const replaced = newParent.entries.get(keyOf(newName))?.node;
    if (!replace && replaced !== undefined) return -EEXIST;
    if (node instanceof DirectoryNode && node.contains(newParent)) return -EINVAL;
    if (replaced instanceof DirectoryNode && replaced.contains(parent)) return -ENOTEMPTY;
    if (replaced === node) return 0;
    if (newParent.removed) return -ENOENT;
    if (replaced instanceof DirectoryNode) {
      if (!(node instanceof DirectoryNode)) return -EISDIR;
      if (replaced.entries.size > 0) return -ENOTEMPTY;
    } else if (replaced !== undefined && node instanceof DirectoryNode) {
      return -ENOTDIR;
    }
    const now = this.#clock();
    if (replaced !== undefined) this.#remove(newParent, newName, replaced);
    parent.remove(name, node, now);
    newParent.add(newName, node, now);
    node.ctime = now;
    return 0;
  }

  open(node: FileNode, access: Access): OpenFile {
    if (access.truncate) this.truncate(node, 0);
    node.held += 1;
    return {
      access,
      read: (buffers, offset) => node.read(buffers, offset),
      write: (buffers, offset) => {
        const written = node.write(buffers, offset);
        if (written > 0) node.mtime = node.ctime = this.#clock();
        return written;
      },
      truncate: (size) => this.truncate(node, size),
      sync: () => 0,
      close: () => this.forget(node),
    };
  }

  readdir(node: DirectoryNode): Uint8Array[] {
    return [...node.entries.values()].map((entry) => entry.name);
  }

  syncDirectory(): 0 {
    return 0;
  }

  statfs(): Statfs {
    const blocks = BigInt(this.#limits.pages);
    const bfree = BigInt(this.#room.pages);
    const files = BigInt(this.#limits.nodes);
    return { blocks, bfree, bavail: bfree, files, ffree: BigInt(this.#room.nodes), bsize: PAGE };
  }

  syncfs(): 0 {
    return 0;
  }

  close(): void {}

  #fill(directory: DirectoryNode, tree: MemoryTree): void {
    const now = this.#clock();
    for (const [text, thing] of Object.entries(tree)) {
      const start = { mode: 0o644, uid: 0, gid: 0 };
      const put = <T extends MemoryNode>(build: (ino: bigint) => T): T =>
        fitting(this.#make(directory, utf8.encode(text), build));
      if (typeof thing === "string" || thing instanceof Uint8Array) {
        const file = put((ino) => new FileNode(ino, start, now, this.#room));
        fitting(file.write([typeof thing === "string" ? utf8.encode(thing) : thing], 0));
      } else if (thing instanceof MemorySymlink) {
        put((ino) => new SymlinkNode(ino, start, now, utf8.encode(thing.target)));
      } else {
        this.#fill(
          put((ino) => new DirectoryNode(ino, { ...start, mode: 0o755 }, now, directory)),
          thing,
        );
      }
    }
  }

  /** Puts what `build` makes of a new inode number where no name is yet. */
  #make<T extends MemoryNode>(parent: DirectoryNode, name: Uint8Array, build: (ino: bigint) => T): T | Failed {
    if (parent.removed) return -ENOENT;
    if (parent.entries.has(keyOf(name))) return -EEXIST;
    if (this.#room.nodes === 0) return -ENOSPC;
    this.#room.nodes -= 1;
    this.#lastIno += 1n;
    const node = build(this.#lastIno);
    parent.add(name, node, this.#clock());
    return node;
  }

  /** Takes a name away: of a file or symlink maybe one of several, of a directory, which is empty, the only one. */
  #remove(parent: DirectoryNode, name: Uint8Array, node: MemoryNode): void {
    const now = this.#clock();
    parent.remove(name, node, now);
    if (node instanceof DirectoryNode) node.removed = true;
    else (node as FileNode | SymlinkNode).nlink -= 1;
    node.ctime = now;
    this.#reclaim(node);
  }

  /** What has no name and is not held is gone. */
  #reclaim(node: MemoryNode): void {
    if (node.nlink > 0 || node.held > 0) return;
    if (node instanceof FileNode) node.truncate(0);
    this.#room.nodes += 1;
  }
}

function hold<T extends MemoryNode>(node: T): { node: T; attr: Attr } {
  node.held += 1;
  return { node, attr: node.attr };
}

/** The tree that a MemoryBacking begins with is ours: what is wrong with it is our mistake. */
function fitting<T>(result: T | Failed): T {
  if (typeof result === "number" && result < 0) throw new Error(`the tree does not fit (errno ${-result})`);
  return result as T;
}
