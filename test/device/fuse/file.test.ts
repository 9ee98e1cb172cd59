// OPEN, READ, FLUSH and RELEASE over a tree in memory.

import { beforeEach, describe, expect, it } from "vitest";
import type { Access, Backing, Node } from "../../../device/fuse/backing/backing.js";
import { MemoryBacking, MemorySymlink } from "../../../device/fuse/backing/memory.js";
import { FuseSession } from "../../../device/fuse/session.js";
import { bytes, Guest, readIn, u32, u64 } from "./guest.js";

const OPEN = 14;
const READ = 15;
const FLUSH = 25;
const EIO = -5;
const ENXIO = -6;
const EBADF = -9;
const ENOMEM = -12;
const EISDIR = -21;
const EINVAL = -22;
const ENFILE = -23;
const ERANGE = -34;
const ELOOP = -40;

const CONTENT = Uint8Array.from({ length: 10_000 }, (_, at) => (at * 7 + (at >> 8)) & 0xff);
const TREE = { data: CONTENT, other: "x", sub: {}, link: new MemorySymlink("data") };

let guest: Guest;

function boot(backing: Backing): void {
  guest = new Guest(new FuseSession(backing, { handles: 3 }));
  guest.init();
}

beforeEach(() => boot(new MemoryBacking(TREE)));

function open(nodeid: bigint, flags: number) {
  return guest.send(OPEN, bytes(u32(flags), u32(0)), { nodeid });
}

function sizeOf(nodeid: bigint): bigint {
  return guest.ok(guest.send(3, bytes(u32(0), u32(0), u64(0n)), { nodeid })).body.getBigUint64(24, true);
}

function contentOf(body: DataView): Uint8Array {
  return new Uint8Array(body.buffer, body.byteOffset, body.byteLength);
}

describe("OPEN", () => {
  it("F21: a directory is EISDIR, a symlink ELOOP", () => {
    expect(open(guest.walk("sub"), 0).error).toBe(EISDIR);
    expect(open(guest.walk("link"), 0).error).toBe(ELOOP);
  });

  it.each([
    ["FIFO", 0o010000],
    ["character device", 0o020000],
    ["block device", 0o060000],
    ["socket", 0o140000],
  ])("F21: a %s is ENXIO and never reaches the backing", (_title, type) => {
    const backing = new MemoryBacking(TREE);
    const lookup = backing.lookup.bind(backing);
    const special: Backing = Object.assign(backing, {
      lookup(parent: Node, name: Uint8Array) {
        const found = lookup(parent as typeof backing.root, name);
        return typeof found === "number" ? found : { ...found, node: { ...found.node, type } };
      },
      open() {
        throw new Error("opened");
      },
    });
    boot(special);
    expect(open(guest.walk("other"), 0).error).toBe(ENXIO);
  });

  it.each([
    ["O_RDONLY", 0, 0],
    ["O_WRONLY", 0o1, 0],
    ["O_RDWR", 0o2, 0],
    ["no access mode of open(2)", 0o3, EINVAL],
    ["all bits", 0xffffffff, EINVAL],
    ["O_CREAT | O_EXCL, since the file exists", 0o300, 0],
    ["O_DIRECT", 0o40000, 0],
    ["O_PATH", 0o10000000, 0],
    ["O_NONBLOCK | O_NOFOLLOW", 0o404000, 0],
  ])("F21: with %s", (_title, flags, error) => {
    const nodeid = guest.walk("data");
    expect(open(nodeid, flags).error).toBe(error);
    expect(sizeOf(nodeid)).toBe(10_000n);
  });

  it.each([
    ["O_WRONLY", 0o1001],
    ["O_RDONLY, as open(2) does", 0o1000],
  ])("with O_TRUNC cuts the file to 0 bytes (ATOMIC_O_TRUNC), with %s", (_title, flags) => {
    const nodeid = guest.walk("data");
    guest.ok(open(nodeid, flags));
    expect(sizeOf(nodeid)).toBe(0n);
  });

  it("F24: ENFILE at the cap; RELEASE makes room", () => {
    const nodeid = guest.walk("data");
    const fh = guest.open(nodeid);
    guest.open(1n, 27);
    guest.open(nodeid);
    expect(open(nodeid, 0).error).toBe(ENFILE);
    expect(guest.send(27, bytes(u32(0), u32(0))).error).toBe(ENFILE);
    guest.ok(guest.release(18, nodeid, fh));
    guest.open(nodeid);
  });

  it("F5: opens nothing when there is no room for the fh", () => {
    const nodeid = guest.walk("data");
    const answer = guest.send(OPEN, bytes(u32(0), u32(0)), { nodeid, writable: 31 });
    expect([answer.error, guest.session.handles.size]).toEqual([ERANGE, 0]);
  });
});

describe("READ", () => {
  let nodeid: bigint;
  let fh: bigint;

  beforeEach(() => {
    nodeid = guest.walk("data");
    fh = guest.open(nodeid);
  });

  it.each([1, 7, 16, 1000])("scatters over descriptors of %i bytes; their borders mean nothing", (split) => {
    const { used, len, body } = guest.read(nodeid, fh, 100n, 5000, { split });
    expect([used, len]).toEqual([5016, 5016]);
    expect(contentOf(body)).toEqual(CONTENT.slice(100, 5100));
  });

  it("ends at the end of the file", () => {
    expect(contentOf(guest.read(nodeid, fh, 9_990n, 4096).body)).toEqual(CONTENT.slice(9_990));
    expect(guest.read(nodeid, fh, 10_000n, 4096).used).toBe(16);
    expect(guest.read(nodeid, fh, 10_001n, 4096).used).toBe(16);
  });

  it("F5: is shortened to the writable space", () => {
    expect(guest.read(nodeid, fh, 0n, 4096, { writable: 116 }).used).toBe(116);
    expect(guest.read(nodeid, fh, 0n, 4096, { writable: 16 }).used).toBe(16);
  });

  it("F16: size 0 is empty, size above 1 MiB is ENOMEM", () => {
    expect(guest.read(nodeid, fh, 0n, 0).used).toBe(16);
    expect(guest.read(nodeid, fh, 0n, 1048576).used).toBe(10_016);
    expect(guest.read(nodeid, fh, 0n, 1048577, { writable: 4096 }).error).toBe(ENOMEM);
    expect(guest.read(nodeid, fh, 0n, 0xffffffff, { writable: 4096 }).error).toBe(ENOMEM);
  });

  it.each<[string, bigint, number]>([
    ["2^53 - 1 - size", 2n ** 53n - 1n - 4096n, 0],
    ["offset + size of 2^53", 2n ** 53n - 4096n, EINVAL],
    ["2^53", 2n ** 53n, EINVAL],
    ["2^53 + 1, which no double holds", 2n ** 53n + 1n, EINVAL],
    ["2^63", 2n ** 63n, EINVAL],
    ["2^64 - 1, where offset + size wraps", 2n ** 64n - 1n, EINVAL],
  ])("F18: offset %s", (_title, offset, error) => {
    const answer = guest.read(nodeid, fh, offset, 4096);
    expect([answer.error, answer.used]).toEqual([error, 16]);
  });

  it("F13: an fh that is unknown, of another node, of a directory or released is EBADF", () => {
    const other = guest.walk("other");
    const dir = guest.open(1n, 27);
    expect(guest.read(nodeid, 99n, 0n, 10).error).toBe(EBADF);
    expect(guest.read(nodeid, 2n ** 64n - 1n, 0n, 10).error).toBe(EBADF);
    expect(guest.read(other, fh, 0n, 10).error).toBe(EBADF);
    expect(guest.read(1n, dir, 0n, 10).error).toBe(EBADF);
    guest.ok(guest.release(18, nodeid, fh));
    expect(guest.read(nodeid, fh, 0n, 10).error).toBe(EBADF);
    expect(guest.release(18, nodeid, fh).error).toBe(EBADF);
  });

  it("goes on after FORGET, as a file does that has been unlinked", () => {
    guest.forget(nodeid, 1n);
    expect(guest.read(nodeid, fh, 0n, 10).used).toBe(26);
  });

  it("a truncated read_in is EINVAL", () => {
    expect(guest.send(READ, readIn(fh, 0n, 10).subarray(0, 39), { nodeid }).error).toBe(EINVAL);
  });

  it("FLUSH wants the file's own fh", () => {
    const flushIn = (handle: bigint) => bytes(u64(handle), u64(0n), u64(0n));
    expect(guest.send(FLUSH, flushIn(fh), { nodeid }).error).toBe(0);
    expect(guest.send(FLUSH, flushIn(fh + 1n), { nodeid }).error).toBe(EBADF);
  });
});

it("passes on a read error of the backing as a reply without body, and the session lives", () => {
  const broken: Backing = Object.assign(new MemoryBacking(TREE), {
    open: (_node: Node, access: Access) => ({ access, read: () => EIO, close() {} }),
  });
  boot(broken);
  const nodeid = guest.walk("data");
  const fh = guest.open(nodeid);
  const answer = guest.read(nodeid, fh, 0n, 4096);
  expect([answer.error, answer.used, answer.len]).toEqual([EIO, 16, 16]);
  guest.ok(guest.release(18, nodeid, fh));
});
