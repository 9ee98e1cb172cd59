// A directory of the host, read-only, on Linux: virtiofsd's passthrough file system, made of node:fs alone.
//
// The wall round the share is the walk by descriptor. Each node is an O_PATH descriptor; a name is resolved with O_NOFOLLOW
// below /proc/self/fd/<parent>, which is what openat(2) does, and a node is opened for data through its own magic link. No
// path is ever joined from more than a descriptor and one name, so a directory swapped for a symlink while we look leads
// nowhere: the old directory is still the one that we hold.

import fs from "node:fs";
import { EINVAL, EIO, ENFILE, ENOENT, ENOTDIR, ERRNO_MAX, EXDEV } from "../../spec/errno.js";
import { S_IFMT, S_IFREG } from "../../spec/fuse.js";
import type { Failed } from "../failed.js";
import type { Attr, Backing, Node, OpenFile, Statfs } from "./backing.js";

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = fs.constants;
/** Not among node's constants; the same number on all architectures that Node runs on. */
const O_PATH = 0o10000000;

/** preadv(2) takes no more buffers at once; libuv would silently leave out the others. */
const IOV_MAX = 1024;

/** Descriptors left to the rest of the process. */
const RESERVED_FDS = 256;

interface HostNode extends Node {
  readonly fd: number;
}

export class HostDirBacking implements Backing {
  readonly root: HostNode;
  readonly #dev: bigint;
  readonly #maxFds: number;
  readonly #fds = new Set<number>();

  /** Throws an Error with one line for a person when `share` cannot be served. */
  constructor(share: string) {
    if (process.platform !== "linux") {
      throw new Error("A host directory can be shared on Linux only (it needs /proc/self/fd): run this on Linux.");
    }
    this.#maxFds = maxOpenFiles() - RESERVED_FDS;
    const fd = this.#open(share, O_PATH | O_DIRECTORY);
    if (fd < 0) throw new Error(whyNot(share, fd));
    const stat = fs.fstatSync(fd, { bigint: true });
    this.#dev = stat.dev;
    this.root = nodeOf(fd, stat);
  }

  lookup(parent: HostNode, name: Uint8Array): { node: HostNode; attr: Attr } | Failed {
    const path = Buffer.concat([Buffer.from(`${magicLink(parent)}/`), name]);
    const fd = this.#open(path, O_PATH | O_NOFOLLOW);
    if (fd < 0) return fd;
    const stat = attempt(() => fs.fstatSync(fd, { bigint: true }));
    // Another file system mounted inside the share is not part of it.
    if (typeof stat === "number" || stat.dev !== this.#dev) {
      this.#close(fd);
      return typeof stat === "number" ? stat : -EXDEV;
    }
    return { node: nodeOf(fd, stat), attr: attrOf(stat) };
  }

  getattr(node: HostNode): Attr | Failed {
    const stat = attempt(() => fs.fstatSync(node.fd, { bigint: true }));
    return typeof stat === "number" ? stat : attrOf(stat);
  }

  forget(node: HostNode): void {
    this.#close(node.fd);
  }

  open(node: HostNode): OpenFile | Failed {
    if (node.type !== S_IFREG) return -EINVAL;
    const fd = this.#open(magicLink(node), O_RDONLY);
    if (fd < 0) return fd;
    return { read: (buffers, offset) => readAt(fd, buffers, offset), close: () => this.#close(fd) };
  }

  readdir(node: HostNode): Uint8Array[] | Failed {
    return attempt(() => fs.readdirSync(magicLink(node), { encoding: "buffer" }));
  }

  statfs(): Statfs | Failed {
    const statfs = attempt(() => fs.statfsSync(magicLink(this.root), { bigint: true }));
    return typeof statfs === "number" ? statfs : { ...statfs, bsize: Number(statfs.bsize) };
  }

  close(): void {
    for (const fd of this.#fds) this.#close(fd);
  }

  #open(path: string | Buffer, flags: number): number | Failed {
    if (this.#fds.size >= this.#maxFds) return -ENFILE;
    const fd = attempt(() => fs.openSync(path, flags));
    if (fd >= 0) this.#fds.add(fd);
    return fd;
  }

  #close(fd: number): void {
    this.#fds.delete(fd);
    fs.closeSync(fd);
  }
}

function magicLink(node: HostNode): string {
  return `/proc/self/fd/${node.fd}`;
}

function nodeOf(fd: number, stat: fs.BigIntStats): HostNode {
  return { fd, key: `${stat.dev}:${stat.ino}`, type: Number(stat.mode) & S_IFMT };
}

/** Owner and group are those of the host. The 32 low bits of a Linux dev_t are what fuse_attr calls rdev. */
function attrOf(stat: fs.BigIntStats): Attr {
  return {
    ino: stat.ino,
    size: stat.size,
    blocks: stat.blocks,
    atime: stat.atimeNs,
    mtime: stat.mtimeNs,
    ctime: stat.ctimeNs,
    mode: Number(stat.mode),
    nlink: Number(BigInt.asUintN(32, stat.nlink)),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    rdev: Number(BigInt.asUintN(32, stat.rdev)),
    blksize: Number(stat.blksize),
  };
}

/**
 * Straight into guest RAM: node takes views of a SharedArrayBuffer. `offset` stays a number, since readv silently takes a
 * bigint for "wherever the file stands".
 */
function readAt(fd: number, buffers: readonly Uint8Array[], offset: number): number | Failed {
  let total = 0;
  for (let first = 0; first < buffers.length; first += IOV_MAX) {
    const batch = buffers.slice(first, first + IOV_MAX);
    const wanted = batch.reduce((sum, buffer) => sum + buffer.length, 0);
    const count = attempt(() => fs.readvSync(fd, batch, offset + total));
    if (count < 0) return count;
    total += count;
    if (count < wanted) break;
  }
  return total;
}

/** Makes a value of a system call's error; any other error is a mistake of ours and goes on. */
function attempt<T>(call: () => T): T | Failed {
  try {
    return call();
  } catch (error) {
    if (!(error instanceof Error && "errno" in error && typeof error.errno === "number")) throw error;
    // libuv gives -errno, and numbers beyond every errno for what is its own.
    return error.errno < 0 && error.errno >= -ERRNO_MAX ? error.errno : -EIO;
  }
}

/** The soft limit of RLIMIT_NOFILE, which Node raises to the hard one when it starts. */
function maxOpenFiles(): number {
  const limits = attempt(() => fs.readFileSync("/proc/self/limits", "latin1"));
  if (typeof limits === "number") {
    throw new Error("A host directory can be shared only where /proc is mounted: mount it and try again.");
  }
  const soft = /^Max open files +(\d+)/m.exec(limits)?.[1];
  return soft === undefined ? Number.MAX_SAFE_INTEGER : Number(soft);
}

function whyNot(share: string, errno: Failed): string {
  if (errno === -ENOENT) return `The share ${share} does not exist: name a directory that does.`;
  if (errno === -ENOTDIR) return `The share ${share} is not a directory: name the directory that holds it.`;
  return `The share ${share} cannot be opened (errno ${-errno}): name a directory that you may read.`;
}
