// WRITE, FSYNC, FSYNCDIR and SYNCFS over a tree in memory.

import { beforeEach, describe, expect, it } from "vitest";
import type { Access, Backing, Node } from "../../../device/fuse/backing/backing.js";
import { MemoryBacking } from "../../../device/fuse/backing/memory.js";
import { FuseSession } from "../../../device/fuse/session.js";
import { bytes, Guest, u32, u64 } from "./guest.js";

const WRITE = 16;
const FSYNC = 20;
const FSYNCDIR = 30;
const SYNCFS = 50;
const EIO = -5;
const EBADF = -9;
const ENOMEM = -12;
const EINVAL = -22;
const ENOSPC = -28;
const ERANGE = -34;

const O_WRONLY = 1;
const O_RDWR = 2;
const PAGE = 4096;

/** Numbers that no page repeats. */
const DATA = Uint8Array.from({ length: 10_000 }, (_, at) => (at * 7 + (at >> 8)) & 0xff);

let now: bigint;
let guest: Guest;
let nodeid: bigint;
let fh: bigint;

function boot(backing: Backing): void {
  guest = new Guest(new FuseSession(backing), 96);
  guest.init();
  nodeid = guest.walk("file");
  fh = guest.open(nodeid, 14, O_RDWR);
}

beforeEach(() => {
  now = 1_000_000_000n;
  boot(new MemoryBacking({ file: "content" }, () => now));
  now = 2_000_000_000n;
});

function content(): Uint8Array {
  const size = Number(guest.getattr(nodeid).size);
  const { body } = guest.ok(guest.read(nodeid, fh, 0n, size));
  return new Uint8Array(body.buffer, body.byteOffset, body.byteLength);
}

describe("WRITE", () => {
  it.each([1, 7, 40, 1000])("gathers from descriptors of %i bytes; their borders mean nothing", (split) => {
    const { used, body } = guest.ok(guest.write(nodeid, fh, 0n, DATA, { split }));
    expect([used, body.getUint32(0, true)]).toEqual([24, 10_000]);
    expect(content()).toEqual(DATA);
  });

  it.each([0, 1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE - 1])("at offset %i keeps what is before and behind", (offset) => {
    const before = Uint8Array.from({ length: 5 * PAGE }, (_, at) => (at * 13 + (at >> 9)) & 0xff);
    guest.wrote(nodeid, fh, 0n, before);
    guest.wrote(nodeid, fh, BigInt(offset), DATA.subarray(0, PAGE + 2));
    const expected = before.slice();
    expected.set(DATA.subarray(0, PAGE + 2), offset);
    expect(content()).toEqual(expected);
  });

  it("behind the end leaves a hole of zeros, which takes no blocks", () => {
    guest.wrote(nodeid, fh, BigInt(3 * PAGE + 1), Uint8Array.of(1));
    expect(guest.getattr(nodeid)).toMatchObject({ size: BigInt(3 * PAGE + 2), blocks: 16n });
    expect(content()).toEqual(
      bytes(new TextEncoder().encode("content"), new Uint8Array(3 * PAGE + 1 - 7), Uint8Array.of(1)),
    );
  });

  it("sets mtime and ctime", () => {
    const before = guest.getattr(nodeid);
    guest.wrote(nodeid, fh, 0n, Uint8Array.of(1));
    expect(guest.getattr(nodeid)).toEqual({ ...before, mtime: [2n, 0], ctime: [2n, 0] });
  });

  it("of no bytes writes none", () => {
    const before = guest.getattr(nodeid);
    expect(guest.wrote(nodeid, fh, 100n, new Uint8Array(0))).toBe(0);
    expect(guest.getattr(nodeid)).toEqual(before);
  });

  it("of 1 MiB, the max_write, in one request", () => {
    const data = new Uint8Array(1048576).fill(0x61);
    expect(guest.wrote(nodeid, fh, 0n, data, { split: PAGE })).toBe(1048576);
    expect(guest.getattr(nodeid).size).toBe(1048576n);
  });

  it("goes to the offset in the request, also when the file was opened with O_APPEND", () => {
    const append = guest.open(nodeid, 14, O_WRONLY | 0o2000);
    guest.wrote(nodeid, append, 0n, new TextEncoder().encode("CON"));
    expect(content()).toEqual(new TextEncoder().encode("CONtent"));
  });

  it("F17: a size beyond the payload is EINVAL and writes nothing", () => {
    const before = content();
    for (const size of [101, 4096, 1048576]) {
      expect(guest.write(nodeid, fh, 0n, DATA.subarray(0, 100), { size }).error).toBe(EINVAL);
    }
    expect(content()).toEqual(before);
  });

  it("F17: a size beyond max_write is ENOMEM", () => {
    for (const size of [1048577, 0x80000000, 0xffffffff]) {
      expect(guest.write(nodeid, fh, 0n, DATA.subarray(0, 100), { size }).error).toBe(ENOMEM);
    }
  });

  it("F17: of a payload beyond its size only the size is written", () => {
    expect(guest.wrote(nodeid, fh, 0n, DATA.subarray(0, 100), { size: 3 })).toBe(3);
    expect(content()).toEqual(bytes(DATA.subarray(0, 3), new TextEncoder().encode("tent")));
  });

  it.each<[string, bigint]>([
    ["offset + size of 2^53", 2n ** 53n - 100n],
    ["2^53", 2n ** 53n],
    ["2^53 + 1, which no double holds", 2n ** 53n + 1n],
    ["2^63", 2n ** 63n],
    ["2^64 - 1, where offset + size wraps", 2n ** 64n - 1n],
  ])("F18: offset %s is EINVAL and writes nothing", (_title, offset) => {
    expect(guest.write(nodeid, fh, offset, DATA.subarray(0, 100)).error).toBe(EINVAL);
    expect(guest.getattr(nodeid).size).toBe(7n);
  });

  it("F18: at offset 2^53 - 1 - size costs one page or two", () => {
    guest.wrote(nodeid, fh, 2n ** 53n - 1n - 100n, DATA.subarray(0, 100));
    expect(guest.getattr(nodeid)).toMatchObject({ size: 2n ** 53n - 1n, blocks: 16n });
  });

  it("F13: an fh that is unknown, of another node, of a directory or open for reading is EBADF", () => {
    const dir = guest.open(1n, 27);
    const reader = guest.open(nodeid);
    expect(guest.write(nodeid, 99n, 0n, DATA).error).toBe(EBADF);
    expect(guest.write(1n, fh, 0n, DATA).error).toBe(EBADF);
    expect(guest.write(1n, dir, 0n, DATA).error).toBe(EBADF);
    expect(guest.write(nodeid, reader, 0n, DATA).error).toBe(EBADF);
    expect(guest.getattr(nodeid).size).toBe(7n);
  });

  it("READ through an fh that is open for writing only is EBADF", () => {
    expect(guest.read(nodeid, guest.open(nodeid, 14, O_WRONLY), 0n, 10).error).toBe(EBADF);
  });

  it("F5: writes nothing of which the guest would not hear", () => {
    expect(guest.write(nodeid, fh, 0n, DATA, { writable: 16 + 7 }).error).toBe(ERANGE);
    expect(guest.getattr(nodeid).size).toBe(7n);
  });

  it("a truncated write_in is EINVAL", () => {
    expect(guest.send(WRITE, bytes(u64(fh), u64(0n), u32(0), new Uint8Array(19)), { nodeid }).error).toBe(EINVAL);
  });

  it("F24: a full tree takes what fits, then nothing (ENOSPC), and more again after a truncation", () => {
    boot(new MemoryBacking({ file: "content" }, undefined, { pages: 3, nodes: 2 }));
    expect(guest.wrote(nodeid, fh, BigInt(PAGE), DATA)).toBe(2 * PAGE);
    expect(guest.write(nodeid, fh, BigInt(3 * PAGE), Uint8Array.of(1)).error).toBe(ENOSPC);
    expect(guest.wrote(nodeid, fh, 5n, DATA.subarray(0, 10))).toBe(10);
    expect(guest.getattr(nodeid)).toMatchObject({ size: BigInt(3 * PAGE), blocks: 24n });
    guest.ok(guest.setattr(nodeid, { valid: 1 << 3, size: BigInt(2 * PAGE) }));
    expect(guest.wrote(nodeid, fh, BigInt(100 * PAGE), Uint8Array.of(1))).toBe(1);
    expect(guest.create(1n, "one more").error).toBe(ENOSPC);
    guest.ok(guest.unlink(1n, "file"));
    expect(guest.create(1n, "one more").error).toBe(ENOSPC);
    guest.ok(guest.release(18, nodeid, fh));
    guest.forget(nodeid, 1n);
    guest.created(1n, "one more");
  });
});

describe("FSYNC, FSYNCDIR and SYNCFS", () => {
  const fsyncIn = (handle: bigint, flags = 0) => bytes(u64(handle), u32(flags), u32(0));

  it("want the node's own fh", () => {
    const dir = guest.open(1n, 27);
    expect(guest.send(FSYNC, fsyncIn(fh), { nodeid }).error).toBe(0);
    expect(guest.send(FSYNCDIR, fsyncIn(dir)).error).toBe(0);
    expect(guest.send(FSYNC, fsyncIn(dir)).error).toBe(EBADF);
    expect(guest.send(FSYNCDIR, fsyncIn(fh), { nodeid }).error).toBe(EBADF);
    expect(guest.send(FSYNC, fsyncIn(99n), { nodeid }).error).toBe(EBADF);
    expect(guest.send(FSYNC, fsyncIn(fh).subarray(0, 15), { nodeid }).error).toBe(EINVAL);
    expect(guest.send(FSYNCDIR, fsyncIn(dir).subarray(0, 15)).error).toBe(EINVAL);
    expect(guest.send(SYNCFS, u64(0n)).error).toBe(0);
    expect(guest.send(SYNCFS, u64(0n), { nodeid: 99n }).error).toBe(EBADF);
  });

  it.each([
    [0, false],
    [1, true],
  ])("fsync_flags %i: of the data only is %s", (flags, dataOnly) => {
    const asked: boolean[] = [];
    const sync = (only: boolean) => asked.push(only) && 0;
    boot(
      Object.assign(new MemoryBacking({ file: "" }), {
        open: (_node: Node, access: Access) => ({ access, sync, close() {} }),
      }),
    );
    guest.ok(guest.send(FSYNC, fsyncIn(fh, flags), { nodeid }));
    expect(asked).toEqual([dataOnly]);
  });
});

it("passes on a write error of the backing as a reply without body, and the session lives", () => {
  const open = (_node: Node, access: Access) => ({ access, write: () => EIO, close() {} });
  boot(Object.assign(new MemoryBacking({ file: "" }), { open }));
  const { error, used } = guest.write(nodeid, fh, 0n, DATA);
  expect([error, used]).toEqual([EIO, 16]);
  guest.ok(guest.release(18, nodeid, fh));
});
