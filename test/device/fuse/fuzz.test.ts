// Structured random requests (hostile-inputs, section 7): opcodes of the table, boundary words, an honest length with one
// lie in six, names honest and lying. The property of section 1 holds after each.

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Backing } from "../../../device/fuse/backing/backing.js";
import { HostDirBacking } from "../../../device/fuse/backing/host-dir.js";
import { MemoryBacking, MemorySymlink } from "../../../device/fuse/backing/memory.js";
import { FuseSession } from "../../../device/fuse/session.js";
import * as opcodes from "../../../device/spec/fuse-opcode.js";
import { bytes, Guest, nul, segments, setattrIn, u16, u32, u64 } from "./guest.js";

const SEED = 0x5eed;
/** For a machine that does other things meanwhile, in ms. */
const PATIENCE = 120_000;
const RAM_PAGES = 1;
const WRITABLE_AT = 32768;

const word32 = fc.oneof(
  fc.constantFrom(0, 1, 2, 7, 8, 26, 27, 31, 40, 255, 4096, 0x7fffffff, 0x80000000, 0xffffffff, 1048576, 1048577),
  fc.nat(),
);
const word64 = fc.oneof(
  fc.constantFrom(0n, 1n, 2n, 3n, 2n ** 31n, 2n ** 32n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n),
  fc.bigInt(0n, 6n),
);
/** A value from `honest`, or one in six times from `lying`. */
function mostly<T>(honest: fc.Arbitrary<T>, lying: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc.oneof({ weight: 5, arbitrary: honest }, { weight: 1, arbitrary: lying });
}
const none = fc.constant(undefined);

const name = mostly(
  fc.constantFrom("file", "sub", "inner", "link", "empty").map(nul),
  fc.constantFrom(
    ...["absent", "", ".", "..", "sub/inner", "fi\0le"].map(nul),
    new Uint8Array(0),
    Uint8Array.of(0xff),
    new Uint8Array(300).fill(0x61),
  ),
);
const newName = mostly(fc.constantFrom("new", "newer", "inner").map(nul), name);
/** With all rights for the owner, so that a server that is not root can clean up. */
const mode = mostly(fc.constant(0o644), word32).map((bits) => bits | 0o700);
const flags = mostly(fc.constant(0), word32);
const handle = mostly(fc.bigInt(1n, 2n), word64);
const size = mostly(fc.constantFrom(0, 100, 400, 4096), word32);
const offset = mostly(fc.bigInt(0n, 6n), word64);
const major = mostly(fc.constant(7), word32);

// One structure a generator; what is random in it lies one time in six.
const openIn = fc.tuple(flags, word32).map(([open, more]) => bytes(u32(open), u32(more)));
const forgetIn = word64.map(u64);
const batchForgetIn = fc
  .tuple(fc.array(fc.tuple(handle, word64), { maxLength: 4 }), mostly<number | undefined>(none, word32))
  .map(([list, lie]) => bytes(u32(lie ?? list.length), u32(0), ...list.flat().map(u64)));
const initIn = fc.tuple(major, word32, word32, word32).map((words) => bytes(...words.map(u32)));
const getattrIn = fc.tuple(flags, handle).map(([fh, which]) => bytes(u32(fh), u32(0), u64(which)));
const releaseIn = fc.tuple(handle, word64, word64).map((words) => bytes(...words.map(u64)));
const readIn = fc
  .tuple(handle, offset, size)
  .map(([fh, from, count]) => bytes(u64(fh), u64(from), u32(count), new Uint8Array(20)));
const setattr = fc
  .record({
    valid: mostly(fc.nat(0x1ff), word32),
    fh: handle,
    size: mostly(fc.constantFrom(0n, 5n, 5000n), word64),
    atime: fc.tuple(word64, mostly(fc.nat(999_999_999), word32)),
    mtime: fc.tuple(word64, mostly(fc.nat(999_999_999), word32)),
    mode,
    uid: word32,
    gid: word32,
  })
  .map(setattrIn);
const mknodIn = fc
  .tuple(mostly(fc.constant(0o100000), word32), mode, word32, newName)
  .map(([type, bits, rdev, to]) => bytes(u32(type | bits), u32(rdev), u32(0), u32(0), to));
const mkdirIn = fc.tuple(mode, newName).map(([bits, to]) => bytes(u32(bits), u32(0), to));
const symlinkIn = fc.tuple(newName, name).map(([to, target]) => bytes(to, target));
const linkIn = fc.tuple(handle, newName).map(([node, to]) => bytes(u64(node), to));
const renameIn = fc.tuple(handle, name, newName).map(([dir, from, to]) => bytes(u64(dir), from, to));
const rename2In = fc
  .tuple(handle, flags, name, newName)
  .map(([dir, how, from, to]) => bytes(u64(dir), u32(how), u32(0), from, to));
const createIn = fc
  .tuple(mostly(fc.constantFrom(0o102, 0o302, 0o1102), word32), mode, mostly(newName, name))
  .map(([how, bits, to]) => bytes(u32(how), u32(bits), u32(0), u32(0), to));
const writeIn = fc
  .tuple(handle, offset, fc.uint8Array({ maxLength: 100 }), mostly<number | undefined>(none, word32))
  .map(([fh, at, data, lie]) => bytes(u64(fh), u64(at), u32(lie ?? data.length), new Uint8Array(20), data));
const fsyncIn = fc.tuple(handle, word32).map(([fh, how]) => bytes(u64(fh), u32(how), u32(0)));
const nothing = fc.constant(new Uint8Array(0));

const BODIES: [opcode: number, body: fc.Arbitrary<Uint8Array>][] = [
  [opcodes.FUSE_LOOKUP, name],
  [opcodes.FUSE_FORGET, forgetIn],
  [opcodes.FUSE_BATCH_FORGET, batchForgetIn],
  [opcodes.FUSE_GETATTR, getattrIn],
  [opcodes.FUSE_OPEN, openIn],
  [opcodes.FUSE_READ, readIn],
  [opcodes.FUSE_FLUSH, releaseIn],
  [opcodes.FUSE_RELEASE, releaseIn],
  [opcodes.FUSE_OPENDIR, openIn],
  [opcodes.FUSE_READDIR, readIn],
  [opcodes.FUSE_READDIRPLUS, readIn],
  [opcodes.FUSE_RELEASEDIR, releaseIn],
  [opcodes.FUSE_STATFS, nothing],
  [opcodes.FUSE_SETATTR, setattr],
  [opcodes.FUSE_READLINK, nothing],
  [opcodes.FUSE_MKNOD, mknodIn],
  [opcodes.FUSE_MKDIR, mkdirIn],
  [opcodes.FUSE_SYMLINK, symlinkIn],
  [opcodes.FUSE_LINK, linkIn],
  [opcodes.FUSE_UNLINK, name],
  [opcodes.FUSE_RMDIR, name],
  [opcodes.FUSE_RENAME, renameIn],
  [opcodes.FUSE_RENAME2, rename2In],
  [opcodes.FUSE_CREATE, createIn],
  [opcodes.FUSE_WRITE, writeIn],
  [opcodes.FUSE_FSYNC, fsyncIn],
  [opcodes.FUSE_FSYNCDIR, fsyncIn],
  [opcodes.FUSE_SYNCFS, nothing],
  [opcodes.FUSE_FALLOCATE, nothing],
  [opcodes.FUSE_INTERRUPT, forgetIn],
];
const operation = fc.oneof(
  // INIT and DESTROY end all that went before, so they are rarer.
  ...BODIES.map(([opcode, body]) => ({ weight: 3, arbitrary: fc.tuple(fc.constant(opcode), body) })),
  { weight: 1, arbitrary: fc.tuple(fc.constant(opcodes.FUSE_INIT), initIn) },
  { weight: 1, arbitrary: fc.tuple(fc.constant(opcodes.FUSE_DESTROY), nothing) },
  // Any opcode with anything behind it.
  {
    weight: 6,
    arbitrary: fc.tuple(
      fc.constantFrom(0, 7, 0xffffffff, ...Object.values(opcodes)),
      fc.oneof(...BODIES.map(([, body]) => body), fc.uint8Array({ maxLength: 64 })),
    ),
  },
);

interface Request {
  readonly operation: [opcode: number, body: Uint8Array];
  readonly nodeid: bigint;
  readonly unique: bigint;
  /** in_header.len, when it is not the true length. */
  readonly len: number | undefined;
  readonly extlen: number;
  /** Bytes that are readable, when they are not all. */
  readonly readable: number | undefined;
  readonly writable: number;
  readonly split: number;
}

const request: fc.Arbitrary<Request> = fc.record({
  operation,
  nodeid: mostly(fc.bigInt(1n, 5n), word64),
  unique: word64,
  len: mostly<number | undefined>(none, word32),
  extlen: mostly(fc.constant(0), fc.constantFrom(1, 2, 0xffff)),
  readable: mostly<number | undefined>(none, fc.nat(64)),
  writable: mostly(fc.constant(4096), fc.constantFrom(0, 15, 16, 32, 120, 144, 400)),
  split: fc.constantFrom(1, 16, 40, 5000),
});

const requests = fc.array(request, { minLength: 1, maxLength: 40, size: "max" });

function readableBytes(r: Request): Uint8Array {
  const [opcode, body] = r.operation;
  const header = bytes(
    u32(r.len ?? 40 + body.length),
    u32(opcode),
    u64(r.unique),
    u64(r.nodeid),
    new Uint8Array(12),
    u16(r.extlen),
    u16(0),
  );
  return bytes(header, body).subarray(0, r.readable);
}

/** Sends the requests to one session, and checks the property after each and the next well-formed request at the end. */
function check(backing: Backing, list: readonly Request[], seen: Set<number>): void {
  const guest = new Guest(new FuseSession(backing, { nodes: 6, handles: 4, names: 32 }), RAM_PAGES);
  guest.init();
  // What there is to hit, until an INIT or DESTROY: node 2 with fh 1 on it, nodes 3 and 4, and fh 2 on the root.
  guest.open(guest.walk("file"), 14, 2);
  guest.walk("sub");
  guest.walk("link");
  guest.open(1n, 27);
  for (const r of list) {
    const readable = readableBytes(r);
    guest.memory.fill(0xa5);
    guest.memory.set(readable, 64);
    const before = Buffer.from(guest.memory);
    const used = guest.session.handle({
      memory: guest.memory,
      readable: segments(64, readable.length, r.split),
      writable: segments(WRITABLE_AT, r.writable, r.split),
    });

    expect(used === 0 || (used >= 16 && used <= r.writable)).toBe(true);
    if (used > 0) {
      const reply = new DataView(guest.memory.slice(WRITABLE_AT, WRITABLE_AT + 16).buffer);
      expect([reply.getUint32(0, true), reply.getBigUint64(8, true)]).toEqual([used, r.unique]);
      const error = reply.getInt32(4, true);
      expect(error <= 0 && error > -134).toBe(true);
      if (error === 0) seen.add(r.operation[0]);
      else expect(used).toBe(16);
    }
    expect(before.subarray(0, WRITABLE_AT).equals(guest.memory.subarray(0, WRITABLE_AT))).toBe(true);
    const end = WRITABLE_AT + r.writable;
    expect(before.subarray(end).equals(guest.memory.subarray(end))).toBe(true);
    expect(guest.session.inodes.size).toBeLessThanOrEqual(6);
    expect(guest.session.handles.size).toBeLessThanOrEqual(4);
  }
  guest.ok(guest.init());
  guest.getattr(1n);
  expect([guest.session.inodes.size, guest.session.handles.size]).toEqual([1, 0]);
  guest.session.close();
}

let top: string;

beforeAll(() => {
  top = fs.mkdtempSync(path.join(os.tmpdir(), "vhostlab-fuzz-"));
  fs.writeFileSync(path.join(top, "secret"), "outside");
});

afterAll(() => fs.rmSync(top, { recursive: true }));

function makeShare(): string {
  const share = fs.mkdtempSync(path.join(top, "share-"));
  fs.writeFileSync(path.join(share, "file"), "content of the file");
  fs.mkdirSync(path.join(share, "sub"));
  fs.mkdirSync(path.join(share, "empty"));
  fs.writeFileSync(path.join(share, "sub", "inner"), "x");
  fs.symlinkSync("../secret", path.join(share, "link"));
  return share;
}

it(
  "survives and answers hostile requests over a tree in memory, and reaches success of every answered operation",
  () => {
    const tree = { file: "content of the file", sub: { inner: "x" }, empty: {}, link: new MemorySymlink("../secret") };
    const seen = new Set<number>();
    fc.assert(
      fc.property(requests, (list) => {
        check(new MemoryBacking(tree), list, seen);
      }),
      { seed: SEED, numRuns: 600 },
    );
    expect([...seen].sort((a, b) => a - b)).toEqual([
      1, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20, 25, 26, 27, 28, 29, 30, 35, 44, 45, 50,
    ]);
  },
  PATIENCE,
);

it(
  "survives and answers hostile requests over a host directory, leaves no descriptor open, and touches nothing outside",
  () => {
    const before = fs.readdirSync("/proc/self/fd").length;
    const secret = fs.statSync(path.join(top, "secret"));
    fc.assert(
      fc.property(requests, (list) => {
        const share = makeShare();
        check(new HostDirBacking(share), list, new Set());
        fs.rmSync(share, { recursive: true });
        expect(fs.readdirSync(top)).toEqual(["secret"]);
      }),
      { seed: SEED, numRuns: 50 },
    );
    expect(fs.readdirSync("/proc/self/fd").length).toBe(before);
    expect(fs.readFileSync(path.join(top, "secret"), "utf8")).toBe("outside");
    const after = fs.statSync(path.join(top, "secret"));
    expect([after.mode, after.uid, after.mtimeMs]).toEqual([secret.mode, secret.uid, secret.mtimeMs]);
  },
  PATIENCE,
);
