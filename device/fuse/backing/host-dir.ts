// A directory of the host, on Linux: virtiofsd's passthrough file system, made of node:fs alone.
//
// The wall round the share is the walk by descriptor. Each node is an O_PATH descriptor; a name is resolved with O_NOFOLLOW
// below /proc/self/fd/<parent>, which is what openat(2) does, and a node is opened for data through its own magic link. No
// path is ever joined from more than a descriptor and one name, so a directory swapped for a symlink while we look leads
// nowhere: the old directory is still the one that we hold.
//
// What node:fs has no call for is not served: the guest learns it from ENOSYS, or here and there loses a little, which is
// said where it is.

import fs from "node:fs";
import { ENFILE, ENOENT, ENOSYS, ENOTDIR, ESTALE, EXDEV } from "../../spec/errno.js";
import { S_IALLUGO, S_IFDIR, S_IFLNK, S_IFREG, S_IRWXUGO } from "../../spec/fuse.js";
import type { Failed } from "../failed.js";
import type { Access, Attr, Backing, Found, OpenFile, Statfs, Time } from "./backing.js";
import { attempt, done } from "./host-dir/call.js";
import { attrOf, entryOf, type HostNode, isEntry, magicLink, nodeOf } from "./host-dir/node.js";
import { hostFile } from "./host-dir/open-file.js";
import { renameNoReplace } from "./host-dir/rename-no-replace.js";
import { type NewFile, newFile } from "./new-file.js";

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } = fs.constants;
/** Not among node's constants; the same number on all architectures that Node runs on. */
const O_PATH = 0o10000000;

/** Descriptors left to the rest of the process. */
const RESERVED_FDS = 256;

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

  lookup(parent: HostNode, name: Uint8Array): (Found & { node: HostNode }) | Failed {
    return this.#found(this.#open(entryOf(parent, name), O_PATH | O_NOFOLLOW));
  }

  getattr(node: HostNode): Attr | Failed {
    const stat = attempt(() => fs.fstatSync(node.fd, { bigint: true }));
    return typeof stat === "number" ? stat : attrOf(stat);
  }

  forget(node: HostNode): void {
    this.#close(node.fd);
  }

  merge(held: HostNode, again: HostNode): void {
    [held.fd, again.fd] = [again.fd, held.fd];
    this.#close(again.fd);
  }

  chmod(node: HostNode, mode: number): 0 | Failed {
    return done(() => fs.chmodSync(magicLink(node.fd), mode));
  }

  chown(node: HostNode, uid = -1, gid = -1): 0 | Failed {
    return done(() => fs.chownSync(magicLink(node.fd), uid, gid));
  }

  truncate(node: HostNode, size: number): 0 | Failed {
    return done(() => fs.truncateSync(magicLink(node.fd), size));
  }

  /** utimensat(2) is out of node's reach, with UTIME_OMIT and the nanoseconds: a time that is to be kept is set again. */
  utimes(node: HostNode, atime: Time | undefined, mtime: Time | undefined): 0 | Failed {
    const now = BigInt(Date.now()) * 1_000_000n;
    const kept = this.getattr(node);
    if (typeof kept === "number") return kept;
    const [access, modification] = [atime ?? kept.atime, mtime ?? kept.mtime].map((time) =>
      fsTime(time === "now" ? now : time),
    );
    return done(() => fs.utimesSync(magicLink(node.fd), access!, modification!));
  }

  readlink(node: HostNode): Uint8Array | Failed {
    return this.#byName(node, (entry) => attempt(() => fs.readlinkSync(entry, "buffer")));
  }

  create(parent: HostNode, name: Uint8Array, asked: NewFile, access: Access): (Found & { open: OpenFile }) | Failed {
    const start = this.#start(parent, S_IFREG, asked);
    if (typeof start === "number") return start;
    const fd = this.#open(entryOf(parent, name), O_CREAT | O_EXCL | O_NOFOLLOW | flagsOf(access), firstMode(start));
    if (fd < 0) return fd;
    // The node is what has just been made, whatever the name means by now.
    const found = this.#settle(this.#found(this.#open(magicLink(fd), O_PATH)), start);
    if (typeof found !== "number") return { ...found, open: hostFile(fd, access, () => this.#close(fd)) };
    this.#close(fd);
    return found;
  }

  mkdir(parent: HostNode, name: Uint8Array, asked: NewFile): Found | Failed {
    return this.#make(parent, name, S_IFDIR, asked, (entry, mode) => fs.mkdirSync(entry, mode));
  }

  symlink(parent: HostNode, name: Uint8Array, asked: NewFile, target: Uint8Array): Found | Failed {
    return this.#make(parent, name, S_IFLNK, asked, (entry) => fs.symlinkSync(Buffer.from(target), entry));
  }

  link(node: HostNode, parent: HostNode, name: Uint8Array): 0 | Failed {
    const entry = entryOf(parent, name);
    return this.#byName(node, (known) => {
      const error = done(() => fs.linkSync(known, entry));
      if (error !== 0 || isEntry(entry, node)) return error;
      // Between the look and the link the known name has become another file's.
      return done(() => fs.unlinkSync(entry)) || -ESTALE;
    });
  }

  unlink(parent: HostNode, name: Uint8Array): 0 | Failed {
    return done(() => fs.unlinkSync(entryOf(parent, name)));
  }

  rmdir(parent: HostNode, name: Uint8Array): 0 | Failed {
    return done(() => fs.rmdirSync(entryOf(parent, name)));
  }

  rename(parent: HostNode, name: Uint8Array, newParent: HostNode, newName: Uint8Array, replace: boolean): 0 | Failed {
    const [from, to] = [entryOf(parent, name), entryOf(newParent, newName)];
    return replace ? done(() => fs.renameSync(from, to)) : renameNoReplace(from, to);
  }

  open(node: HostNode, access: Access): OpenFile | Failed {
    const fd = this.#open(magicLink(node.fd), flagsOf(access));
    return fd < 0 ? fd : hostFile(fd, access, () => this.#close(fd));
  }

  readdir(node: HostNode): Uint8Array[] | Failed {
    return attempt(() => fs.readdirSync(magicLink(node.fd), { encoding: "buffer" }));
  }

  syncDirectory(node: HostNode): 0 | Failed {
    const fd = this.#open(magicLink(node.fd), O_RDONLY | O_DIRECTORY);
    if (fd < 0) return fd;
    const error = done(() => fs.fsyncSync(fd));
    this.#close(fd);
    return error;
  }

  statfs(): Statfs | Failed {
    const statfs = attempt(() => fs.statfsSync(magicLink(this.root.fd), { bigint: true }));
    return typeof statfs === "number" ? statfs : { ...statfs, bsize: Number(statfs.bsize) };
  }

  /** syncfs(2) is out of node's reach, and nothing less would keep its promise. */
  syncfs(): Failed {
    return -ENOSYS;
  }

  close(): void {
    for (const fd of this.#fds) this.#close(fd);
  }

  /** What a new file of `parent` is to be, when there are descriptors for it: nothing is made that cannot be held. */
  #start(parent: HostNode, type: number, asked: NewFile): NewFile | Failed {
    if (this.#fds.size + 2 > this.#maxFds) return -ENFILE;
    const attr = this.getattr(parent);
    return typeof attr === "number" ? attr : newFile(attr, type, asked);
  }

  /** Makes a directory or symlink with `call`. */
  #make(
    parent: HostNode,
    name: Uint8Array,
    type: number,
    asked: NewFile,
    call: (entry: Buffer, mode: number) => void,
  ): Found | Failed {
    const start = this.#start(parent, type, asked);
    if (typeof start === "number") return start;
    const error = done(() => call(entryOf(parent, name), firstMode(start)));
    if (error !== 0) return error;
    const found = this.lookup(parent, name);
    if (typeof found === "number") return found;
    if (found.node.type === type && found.attr.uid === process.geteuid!()) return this.#settle(found, start);
    // Somebody on the host has put something else there at once: it is not ours to give away.
    this.forget(found.node);
    return -ESTALE;
  }

  /** Gives what has just been made the owner and mode that it is to have: it has those that this process gives. */
  #settle(found: (Found & { node: HostNode }) | Failed, start: NewFile): (Found & { node: HostNode }) | Failed {
    if (typeof found === "number") return found;
    const { node, attr } = found;
    const { uid, gid, mode } = start;
    // Only root can give files away. Without it all belongs to the user who serves the share.
    const given = (attr.uid === uid && attr.gid === gid) || process.geteuid!() !== 0;
    // A mode differs by the umask of this process, by set-id bits held back, or by those that chown has cleared.
    const whole = node.type === S_IFLNK || (attr.mode & S_IALLUGO) === mode;
    let error = given ? 0 : this.chown(node, uid, gid);
    if (error === 0 && !whole) error = this.chmod(node, mode);
    const settled = given && whole ? attr : error || this.getattr(node);
    if (typeof settled !== "number") return { node, attr: settled };
    this.forget(node);
    return settled;
  }

  /**
   * Lets `act` have the entry by which `node` was last found; it is ESTALE when that name is the node's no more. This is
   * for the calls that node:fs cannot do by descriptor. Linux answers ESTALE by a LOOKUP of the name and another try.
   */
  #byName<T>(node: HostNode, act: (entry: Buffer) => T): T | Failed {
    const share = attempt(() => fs.readlinkSync(magicLink(this.root.fd), "latin1"));
    const path = attempt(() => fs.readlinkSync(magicLink(node.fd), "latin1"));
    if (typeof share === "number") return share;
    if (typeof path === "number") return path;
    const top = share === "/" ? share : `${share}/`;
    if (!path.startsWith(top)) return -ESTALE;
    // The kernel tells the path, but it is walked by descriptor like any other.
    const names = path.slice(top.length).split("/");
    const last = Buffer.from(names.pop()!, "latin1");
    let parent = this.root;
    for (const name of names) {
      const next = this.lookup(parent, Buffer.from(name, "latin1"));
      if (parent !== this.root) this.forget(parent);
      if (typeof next === "number") return -ESTALE;
      parent = next.node;
    }
    const entry = entryOf(parent, last);
    const result = isEntry(entry, node) ? act(entry) : -ESTALE;
    if (parent !== this.root) this.forget(parent);
    return result;
  }

  /** The node on the O_PATH descriptor `fd`. */
  #found(fd: number | Failed): (Found & { node: HostNode }) | Failed {
    if (fd < 0) return fd;
    const stat = attempt(() => fs.fstatSync(fd, { bigint: true }));
    // Another file system mounted inside the share is not part of it.
    if (typeof stat === "number" || stat.dev !== this.#dev) {
      this.#close(fd);
      return typeof stat === "number" ? stat : -EXDEV;
    }
    return { node: nodeOf(fd, stat), attr: attrOf(stat) };
  }

  #open(path: string | Buffer, flags: number, mode?: number): number | Failed {
    if (this.#fds.size >= this.#maxFds) return -ENFILE;
    const fd = attempt(() => fs.openSync(path, flags, mode));
    if (fd >= 0) this.#fds.add(fd);
    return fd;
  }

  #close(fd: number): void {
    this.#fds.delete(fd);
    fs.closeSync(fd);
  }
}

function flagsOf({ read, write, truncate }: Access): number {
  const mode = write ? (read ? O_RDWR : O_WRONLY) : O_RDONLY;
  return truncate ? mode | O_TRUNC : mode;
}

/** No set-id bits before the file has its owner: it would run as us. */
function firstMode({ mode }: NewFile): number {
  return mode & S_IRWXUGO;
}

/**
 * A time as node takes it. It goes through a double, of which libuv keeps whole microseconds; the half one more is against
 * rounding. Before 1970 node takes a Date only, and that keeps milliseconds.
 */
function fsTime(nanoseconds: bigint): number | Date {
  if (nanoseconds >= 0n) return (Number(nanoseconds / 1000n) + 0.5) / 1_000_000;
  return new Date(Number((nanoseconds - 999_999n) / 1_000_000n));
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
