// One random sequence of operations, three file systems: the tree in memory and the host directory through a FuseSession
// each, and node:fs on a plain directory. All three must answer the same and hold the same in the end.
//
// A guest here is what the kernel is over FUSE: it walks paths by LOOKUP, and forgets what it walked.

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { Backing } from "../../../device/fuse/backing/backing.js";
import { HostDirBacking } from "../../../device/fuse/backing/host-dir.js";
import { MemoryBacking } from "../../../device/fuse/backing/memory.js";
import { FuseSession } from "../../../device/fuse/session.js";
import { type Answer, dirents, Guest } from "./guest.js";

const SEED = 0xd1ff;
/** For a machine that does other things meanwhile, in ms. */
const PATIENCE = 120_000;

const MODE = 1 << 0;
const SIZE = 1 << 3;
const ATIME = 1 << 4;
const MTIME = 1 << 5;
const ENOENT = -2;
const EEXIST = -17;
const ENOTDIR = -20;

type Path = readonly string[];

/** Few names and little depth, so that operations meet. */
const name = fc.constantFrom("a", "b", "c");
const where = fc.array(name, { minLength: 1, maxLength: 3 });
/** With all rights for the owner, so that a server that is not root can go on. */
const mode = fc.nat(0o7077).map((bits) => bits | 0o700);
const size = fc.constantFrom(0, 1, 5, 4095, 4096, 4097, 9000);

const operation = fc.oneof(
  fc.record({ op: fc.constant("create" as const), at: where, mode }),
  fc.record({ op: fc.constant("mkdir" as const), at: where, mode }),
  fc.record({ op: fc.constant("symlink" as const), at: where, target: fc.constantFrom("a", "../b", "/nowhere") }),
  fc.record({ op: fc.constant("link" as const), at: where, to: where }),
  fc.record({ op: fc.constant("unlink" as const), at: where }),
  fc.record({ op: fc.constant("rmdir" as const), at: where }),
  {
    weight: 3,
    arbitrary: fc.record({ op: fc.constant("rename" as const), at: where, to: where, replace: fc.boolean() }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ op: fc.constant("write" as const), at: where, offset: size, size, byte: fc.nat(255) }),
  },
  fc.record({ op: fc.constant("read" as const), at: where, offset: size, size }),
  fc.record({ op: fc.constant("truncate" as const), at: where, size }),
  fc.record({ op: fc.constant("chmod" as const), at: where, mode }),
  fc.record({ op: fc.constant("utimes" as const), at: where, atime: fc.nat(2 ** 31 - 1), mtime: fc.nat(2 ** 31 - 1) }),
  fc.record({ op: fc.constant("readlink" as const), at: where }),
  fc.record({ op: fc.constant("readdir" as const), at: where }),
);
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

/** -errno, or what the operation brought. */
type Result = number | string | readonly string[];

/** What a path means in the end. */
type Tree = Record<string, unknown>;

/** The paths of the guest, over one of the backings. */
class FuseTree {
  readonly guest: Guest;

  constructor(backing: Backing) {
    this.guest = new Guest(new FuseSession(backing), 4);
    this.guest.init();
  }

  do(o: Operation): Result {
    const { guest } = this;
    switch (o.op) {
      case "create":
        return this.#in(o.at, (dir, last) => {
          const answer = guest.create(dir, last, undefined, o.mode);
          if (answer.error !== 0) return answer.error;
          const nodeid = answer.body.getBigUint64(0, true);
          guest.ok(guest.release(18, nodeid, answer.body.getBigUint64(128, true)));
          return this.#forgotten(answer);
        });
      case "mkdir":
        return this.#in(o.at, (dir, last) => this.#forgotten(guest.mkdir(dir, last, o.mode)));
      case "symlink":
        return this.#in(o.at, (dir, last) => this.#forgotten(guest.symlink(dir, last, o.target)));
      case "link":
        return this.#on(o.at, (node) => this.#in(o.to, (dir, last) => this.#forgotten(guest.link(node, dir, last))));
      case "unlink":
        return this.#in(o.at, (dir, last) => guest.unlink(dir, last).error);
      case "rmdir":
        return this.#in(o.at, (dir, last) => guest.rmdir(dir, last).error);
      case "rename":
        return this.#in(o.at, (dir, last) =>
          this.#in(o.to, (to, new_) =>
            o.replace ? guest.rename(dir, last, to, new_).error : guest.rename2(dir, last, to, new_).error,
          ),
        );
      case "write":
        return this.#open(o.at, 2, (node, fh) => {
          const data = new Uint8Array(o.size).fill(o.byte);
          return guest.wrote(node, fh, BigInt(o.offset), data);
        });
      case "read":
        return this.#open(o.at, 0, (node, fh) => latin1(guest.ok(guest.read(node, fh, BigInt(o.offset), o.size)).body));
      case "truncate":
        return this.#on(o.at, (node) => guest.setattr(node, { valid: SIZE, size: BigInt(o.size) }).error);
      case "chmod":
        return this.#on(o.at, (node) => guest.setattr(node, { valid: MODE, mode: o.mode }).error);
      case "utimes": {
        const [atime, mtime] = [o.atime, o.mtime].map((time) => [BigInt(time), 0] as [bigint, number]);
        return this.#on(o.at, (node) => {
          guest.ok(guest.setattr(node, { valid: ATIME | MTIME, atime: atime!, mtime: mtime! }));
          const after = guest.getattr(node);
          return `${after.atime} ${after.mtime}`;
        });
      }
      case "readlink":
        return this.#on(o.at, (node) => {
          const answer = guest.send(5, undefined, { nodeid: node });
          return answer.error || latin1(answer.body);
        });
      case "readdir":
        return this.#on(o.at, (node) => this.#names(node));
    }
  }

  /** Everything below the root, by path. */
  tree(): Tree {
    const tree: Tree = {};
    const walk = (node: bigint, at: Path): void => {
      for (const last of this.#names(node) as string[]) {
        const here = [...at, last];
        this.#on(here, (child) => {
          const { mode: bits, nlink, size: bytes } = this.guest.getattr(child);
          const directory = bits >>> 12 === 4;
          tree[here.join("/")] = directory
            ? { mode: bits }
            : { mode: bits, nlink, size: bytes, content: this.#content(child, bits) };
          if (directory) walk(child, here);
          return 0;
        });
      }
    };
    walk(1n, []);
    return tree;
  }

  #content(node: bigint, bits: number): string {
    if (bits >>> 12 === 10) return this.guest.readlink(node);
    const fh = this.guest.open(node);
    const content = latin1(this.guest.ok(this.guest.read(node, fh, 0n, 65536)).body);
    this.guest.ok(this.guest.release(18, node, fh));
    return content;
  }

  #names(node: bigint): Result {
    const answer = this.guest.send(27, new Uint8Array(8), { nodeid: node });
    if (answer.error !== 0) return answer.error;
    const fh = answer.body.getBigUint64(0, true);
    const { body } = this.guest.ok(this.guest.readdir(28, node, fh, 0n, 65536));
    this.guest.ok(this.guest.release(29, node, fh));
    return dirents(28, body)
      .slice(2)
      .map((dirent) => dirent.name)
      .sort();
  }

  /** Lets `act` have the node of a path. */
  #on(at: Path, act: (node: bigint) => Result): Result {
    return this.#in(at, (dir, last) => {
      const answer = this.guest.lookup(dir, last);
      if (answer.error !== 0) return answer.error;
      const node = answer.body.getBigUint64(0, true);
      const result = act(node);
      this.guest.forget(node, 1n);
      return result;
    });
  }

  /** Lets `act` have the directory of a path, and its last name. That it is one, the kernel sees by itself. */
  #in(at: Path, act: (dir: bigint, last: string) => Result): Result {
    const last = at.at(-1)!;
    if (at.length === 1) return act(1n, last);
    return this.#on(at.slice(0, -1), (dir) => (this.guest.getattr(dir).mode >>> 12 === 4 ? act(dir, last) : ENOTDIR));
  }

  #open(at: Path, flags: number, act: (node: bigint, fh: bigint) => Result): Result {
    return this.#on(at, (node) => {
      const body = new Uint8Array(8);
      body[0] = flags;
      const answer = this.guest.send(14, body, { nodeid: node });
      if (answer.error !== 0) return answer.error;
      const fh = answer.body.getBigUint64(0, true);
      const result = act(node, fh);
      this.guest.ok(this.guest.release(18, node, fh));
      return result;
    });
  }

  #forgotten(answer: Answer): number {
    if (answer.error === 0) this.guest.forget(answer.body.getBigUint64(0, true), 1n);
    return answer.error;
  }
}

/** The same by plain system calls on `root`, where nobody interferes. */
class PlainTree {
  constructor(readonly root: string) {}

  do(o: Operation): Result {
    try {
      return this.#do(o);
    } catch (error) {
      return (error as { errno: number }).errno;
    }
  }

  #do(o: Operation): Result {
    const at = path.join(this.root, ...o.at);
    // A symlink on the way is the guest's to follow, and this one does not.
    for (let depth = 1; depth < o.at.length; depth += 1) this.#directory(o.at.slice(0, depth));
    if ("to" in o) {
      if (o.op === "link") fs.lstatSync(at);
      else this.#directory(o.at.slice(0, -1));
      for (let depth = 1; depth < o.to.length; depth += 1) this.#directory(o.to.slice(0, depth));
    }
    switch (o.op) {
      case "create":
        fs.closeSync(fs.openSync(at, "wx", 0));
        fs.chmodSync(at, o.mode);
        return 0;
      case "mkdir":
        fs.mkdirSync(at);
        fs.chmodSync(at, o.mode & 0o1777);
        return 0;
      case "symlink":
        return this.#void(fs.symlinkSync(o.target, at));
      case "link":
        return this.#void(fs.linkSync(at, path.join(this.root, ...o.to)));
      case "unlink":
        return this.#void(fs.unlinkSync(at));
      case "rmdir":
        return this.#void(fs.rmdirSync(at));
      case "rename":
        fs.lstatSync(at);
        if (!o.replace && fs.lstatSync(path.join(this.root, ...o.to), { throwIfNoEntry: false })) return EEXIST;
        return this.#void(fs.renameSync(at, path.join(this.root, ...o.to)));
      case "write":
        return this.#open(at, fs.constants.O_RDWR, (fd) =>
          fs.writeSync(fd, new Uint8Array(o.size).fill(o.byte), 0, o.size, o.offset),
        );
      case "read":
        return this.#open(at, fs.constants.O_RDONLY, (fd) => {
          const buffer = Buffer.alloc(o.size);
          return buffer.toString("latin1", 0, fs.readSync(fd, buffer, 0, o.size, o.offset));
        });
      case "truncate":
        // truncate(2) follows a symlink; SETATTR of one is EINVAL.
        return fs.lstatSync(at).isSymbolicLink() ? -22 : this.#void(fs.truncateSync(at, o.size));
      case "chmod":
        // chmod(2) follows a symlink; SETATTR of one is EOPNOTSUPP.
        return fs.lstatSync(at).isSymbolicLink() ? -95 : this.#void(fs.chmodSync(at, o.mode));
      case "utimes":
        fs.lutimesSync(at, o.atime, o.mtime);
        return `${o.atime},0 ${o.mtime},0`;
      case "readlink":
        return fs.readlinkSync(at);
      case "readdir":
        return fs.lstatSync(at).isSymbolicLink() ? ENOTDIR : fs.readdirSync(at).sort();
    }
  }

  #directory(at: Path): void {
    if (at.length > 0 && !fs.lstatSync(path.join(this.root, ...at)).isDirectory()) throw { errno: ENOTDIR };
  }

  #open(at: string, flags: number, act: (fd: number) => Result): Result {
    if (fs.lstatSync(at).isDirectory()) return -21; // EISDIR also for reading, as a kernel over FUSE never asks
    const fd = fs.openSync(at, flags | fs.constants.O_NOFOLLOW);
    try {
      return act(fd);
    } finally {
      fs.closeSync(fd);
    }
  }

  #void(_: unknown): 0 {
    return 0;
  }
}

function latin1(body: DataView): string {
  return Buffer.from(body.buffer as ArrayBuffer, body.byteOffset, body.byteLength).toString("latin1");
}

let top: string;

beforeEach(() => {
  top = fs.mkdtempSync(path.join(os.tmpdir(), "vhostlab-differential-"));
});

afterEach(() => fs.rmSync(top, { recursive: true }));

it(
  "memory, host directory and node:fs answer the same to the same operations, and end as the same tree",
  () => {
    let run = 0;
    const errors = new Map<string, Set<number>>();
    fc.assert(
      fc.property(fc.array(operation, { minLength: 20, maxLength: 60, size: "max" }), (operations) => {
        run += 1;
        const [share, plain] = ["share", "plain"].map((kind) => path.join(top, `${run}-${kind}`));
        fs.mkdirSync(share!);
        fs.mkdirSync(plain!);
        const memory = new FuseTree(new MemoryBacking({}));
        const host = new FuseTree(new HostDirBacking(share!));
        const direct = new PlainTree(plain!);
        for (const o of operations) {
          const expected = direct.do(o);
          expect([memory.do(o), host.do(o)], JSON.stringify(o)).toEqual([expected, expected]);
          const seen = errors.get(o.op) ?? new Set();
          errors.set(o.op, seen.add(typeof expected === "number" && expected < 0 ? expected : 0));
        }
        const tree = memory.tree();
        expect(host.tree()).toEqual(tree);
        // The plain directory, seen through a server of its own.
        const seen = new FuseTree(new HostDirBacking(plain!));
        expect(seen.tree()).toEqual(tree);
        for (const { guest } of [memory, host, seen]) {
          expect([guest.session.inodes.size, guest.session.handles.size]).toEqual([1, 0]);
          guest.session.close();
        }
      }),
      { seed: SEED, numRuns: 60 },
    );
    // Each operation has succeeded, and has failed in more ways than by a name that is not there.
    for (const [op, seen] of errors) {
      expect([...seen], op).toContain(0);
      expect([...seen], op).toContain(ENOENT);
      expect(seen.size, op).toBeGreaterThan(2);
    }
    expect(errors.size).toBe(14);
  },
  PATIENCE,
);
