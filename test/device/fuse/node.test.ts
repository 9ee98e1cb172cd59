// LOOKUP, FORGET, BATCH_FORGET, GETATTR, READLINK and STATFS over a tree in memory.

import { beforeEach, describe, expect, it } from "vitest";
import { MemoryBacking, MemorySymlink } from "../../../device/fuse/backing/memory.js";
import { FuseSession } from "../../../device/fuse/session.js";
import { bytes, Guest, nul, u32, u64 } from "./guest.js";

const LOOKUP = 1;
const GETATTR = 3;
const READLINK = 5;
const STATFS = 17;
const BATCH_FORGET = 42;
const ENOENT = -2;
const EBADF = -9;
const ENOTDIR = -20;
const EINVAL = -22;
const ENFILE = -23;
const ERANGE = -34;
const ENAMETOOLONG = -36;
const U64_MAX = 2n ** 64n - 1n;

/** 2001-09-09T01:46:40 and 5 ns. */
const TIME = 1_000_000_000n * 1_000_000_000n + 5n;

let guest: Guest;

beforeEach(() => {
  const tree = { "hello.txt": "hello", sub: { ünï: "x" }, link: new MemorySymlink("hello.txt") };
  guest = new Guest(new FuseSession(new MemoryBacking(tree, () => TIME), { nodes: 4 }));
  guest.init();
});

function getattr(nodeid: bigint) {
  return guest.send(GETATTR, bytes(u32(0), u32(0), u64(0n)), { nodeid });
}

describe("LOOKUP", () => {
  it("fills the whole fuse_entry_out", () => {
    const { used, len, unique, body } = guest.send(LOOKUP, nul("hello.txt"), { unique: 77n });
    expect([used, len, unique]).toEqual([144, 144, 77n]);
    expect(body.getBigUint64(0, true)).toBe(2n); // nodeid: the first after the root
    expect(body.getBigUint64(8, true)).toBe(0n); // generation
    expect(body.getBigUint64(16, true)).toBe(1n); // entry_valid
    expect(body.getBigUint64(24, true)).toBe(1n); // attr_valid
    expect(body.getBigUint64(32, true)).toBe(0n); // both nsec
    expect(body.getBigUint64(40, true)).toBe(2n); // attr.ino: the root is 1
    expect(body.getBigUint64(48, true)).toBe(5n); // size
    expect(body.getBigUint64(56, true)).toBe(8n); // blocks of 512 bytes
    for (const at of [64, 72, 80]) expect(body.getBigUint64(at, true)).toBe(1_000_000_000n); // atime, mtime, ctime
    for (const at of [88, 92, 96]) expect(body.getUint32(at, true)).toBe(5); // nsec
    expect(body.getUint32(100, true)).toBe(0o100644); // mode
    expect(body.getUint32(104, true)).toBe(1); // nlink
    expect(body.getUint32(120, true)).toBe(4096); // blksize
  });

  it.each([1, 7, 45])("takes the name out of descriptors of %i bytes; their borders mean nothing", (split) => {
    expect(guest.send(LOOKUP, nul("hello.txt"), { split }).error).toBe(0);
  });

  it("finds names of any encoding, at any depth", () => {
    expect(guest.walk("sub", "ünï")).toBe(3n);
    expect(guest.lookup(guest.walk("sub"), "u").error).toBe(ENOENT);
  });

  it("gives one nodeid for two lookups, which lives until both references are forgotten", () => {
    const nodeid = guest.walk("hello.txt");
    expect(guest.walk("hello.txt")).toBe(nodeid);
    guest.forget(nodeid, 1n);
    expect(getattr(nodeid).error).toBe(0);
    guest.forget(nodeid, 1n);
    expect(getattr(nodeid).error).toBe(EBADF);
    expect(guest.session.inodes.size).toBe(1);
  });

  it("F20: refuses a file and a symlink as parent with ENOTDIR", () => {
    expect(guest.lookup(guest.walk("hello.txt"), "x").error).toBe(ENOTDIR);
    expect(guest.lookup(guest.walk("link"), "x").error).toBe(ENOTDIR);
  });

  it("F5: holds nothing when there is no room for the entry", () => {
    expect(guest.send(LOOKUP, nul("hello.txt"), { writable: 16 + 127 }).error).toBe(ERANGE);
    expect(guest.session.inodes.size).toBe(1);
  });

  it("F24: ENFILE at the cap, yet known nodes are found, and forgetting makes room", () => {
    const nodeid = guest.walk("sub");
    guest.walk("sub", "ünï");
    guest.walk("link"); // 4 with the root
    expect(guest.lookup(1n, "hello.txt").error).toBe(ENFILE);
    expect(guest.walk("sub")).toBe(nodeid);
    guest.forget(nodeid, 3n);
    guest.walk("hello.txt");
  });

  const long = new Uint8Array(256).fill(0x61);
  it.each<[string, Uint8Array, number]>([
    ["no name at all", new Uint8Array(0), EINVAL],
    ["an empty name", nul(""), EINVAL],
    ["no NUL", Uint8Array.of(0x61), EINVAL],
    ["an inner NUL", nul("hello.txt\0x"), EINVAL],
    ["a slash", nul("sub/ünï"), EINVAL],
    ["a leading slash", nul("/etc"), EINVAL],
    ["dot", nul("."), EINVAL],
    ["dot dot", nul(".."), EINVAL],
    ["255 bytes", nul(long.subarray(0, 255)), ENOENT],
    ["256 bytes", nul(long), ENAMETOOLONG],
    ["256 bytes and no NUL", long, ENAMETOOLONG],
    ["1 MiB", nul(new Uint8Array(1048576).fill(0x61)), ENAMETOOLONG],
    ["three dots, which are a name", nul("..."), ENOENT],
  ])("F14: name with %s", (_title, name, error) => {
    expect(guest.send(LOOKUP, name).error).toBe(error);
    expect(guest.session.inodes.size).toBe(1);
  });

  it("F10: refuses nodeids that the guest does not hold with EBADF", () => {
    for (const nodeid of [0n, 2n, 2n ** 53n + 1n, 2n ** 63n, U64_MAX]) {
      expect(guest.lookup(nodeid, "hello.txt").error).toBe(EBADF);
      expect(getattr(nodeid).error).toBe(EBADF);
      expect(guest.send(STATFS, undefined, { nodeid }).error).toBe(EBADF);
    }
  });
});

describe("FORGET", () => {
  it("F9: has no reply on any queue, with or without writable descriptors (used.len 0)", () => {
    const nodeid = guest.walk("hello.txt");
    expect(guest.send(2, u64(0n), { nodeid, writable: 0 }).used).toBe(0);
    expect(guest.send(2, u64(1n), { nodeid, writable: 4096 }).used).toBe(0);
    expect(guest.session.inodes.size).toBe(1);
  });

  it("F11: saturates, ignores the unknown, and the root never dies", () => {
    const nodeid = guest.walk("hello.txt");
    guest.forget(U64_MAX, 1n);
    guest.forget(1n, U64_MAX);
    expect(guest.session.inodes.size).toBe(2);
    guest.forget(nodeid, U64_MAX);
    guest.forget(nodeid, 1n);
    expect(guest.session.inodes.size).toBe(1);
    expect(getattr(1n).error).toBe(0);
  });

  it("a truncated FORGET forgets nothing", () => {
    const nodeid = guest.walk("hello.txt");
    expect(guest.send(2, u32(1), { nodeid }).used).toBe(0);
    expect(guest.session.inodes.size).toBe(2);
  });

  it("BATCH_FORGET forgets each of its nodes", () => {
    const file = guest.walk("hello.txt");
    const sub = guest.walk("sub");
    const batch = bytes(u32(2), u32(0), u64(file), u64(1n), u64(sub), u64(1n));
    expect(guest.send(BATCH_FORGET, batch, { writable: 0 }).used).toBe(0);
    expect(guest.session.inodes.size).toBe(1);
  });

  it.each([
    ["0", 0],
    ["one more than the payload", 2],
    ["2^32-1", 0xffffffff],
  ])("F12: BATCH_FORGET with a count of %s forgets nothing and has no reply", (_title, count) => {
    const nodeid = guest.walk("hello.txt");
    const batch = bytes(u32(count), u32(0), u64(nodeid), u64(1n));
    expect(guest.send(BATCH_FORGET, batch).used).toBe(0);
    expect(guest.session.inodes.size).toBe(2);
  });
});

describe("GETATTR", () => {
  it("fills fuse_attr_out", () => {
    const { used, body } = getattr(1n);
    expect(used).toBe(16 + 104);
    expect(body.getBigUint64(0, true)).toBe(1n); // attr_valid
    expect(body.getBigUint64(16, true)).toBe(1n); // attr.ino
    expect(body.getUint32(76, true)).toBe(0o40755); // attr.mode
    expect(body.getUint32(80, true)).toBe(3); // nlink: itself twice and sub's ..
  });

  it("F13: with FUSE_GETATTR_FH the fh must belong to the node", () => {
    const nodeid = guest.walk("hello.txt");
    const fh = guest.open(nodeid);
    const withFh = (node: bigint, handle: bigint) =>
      guest.send(GETATTR, bytes(u32(1), u32(0), u64(handle)), { nodeid: node }).error;
    expect(withFh(nodeid, fh)).toBe(0);
    expect(withFh(nodeid, fh + 1n)).toBe(EBADF);
    expect(withFh(1n, fh)).toBe(EBADF);
  });
});

describe("READLINK", () => {
  it("gives the target without a NUL, over any descriptors", () => {
    const { used, body } = guest.send(READLINK, undefined, { nodeid: guest.walk("link"), split: 7 });
    expect(used).toBe(16 + 9);
    expect(new TextDecoder().decode(body)).toBe("hello.txt");
  });

  it("of what is no symlink is EINVAL, F10: of an unknown node EBADF", () => {
    expect(guest.send(READLINK).error).toBe(EINVAL);
    expect(guest.send(READLINK, undefined, { nodeid: guest.walk("hello.txt") }).error).toBe(EINVAL);
    expect(guest.send(READLINK, undefined, { nodeid: 99n }).error).toBe(EBADF);
  });

  it("F5: gives no half of a target: ERANGE", () => {
    const nodeid = guest.walk("link");
    expect(guest.send(READLINK, undefined, { nodeid, writable: 16 + 8 }).error).toBe(ERANGE);
    expect(guest.send(READLINK, undefined, { nodeid, writable: 16 + 9 }).error).toBe(0);
  });
});

it("STATFS: 1 GiB and 262144 files, less what the tree holds; names have 255 bytes at most", () => {
  const { used, body } = guest.send(STATFS);
  expect(used).toBe(96);
  expect(body.getBigUint64(0, true)).toBe(262_144n); // blocks
  expect(body.getBigUint64(8, true)).toBe(262_142n); // bfree: two files with content, each below 4096 bytes
  expect(body.getBigUint64(16, true)).toBe(262_142n); // bavail
  expect(body.getBigUint64(24, true)).toBe(262_144n); // files
  expect(body.getBigUint64(32, true)).toBe(262_139n); // ffree: the root, hello.txt, sub, ünï, link
  expect(body.getUint32(40, true)).toBe(4096); // bsize
  expect(body.getUint32(44, true)).toBe(255); // namelen
  expect(body.getUint32(48, true)).toBe(4096); // frsize
});
