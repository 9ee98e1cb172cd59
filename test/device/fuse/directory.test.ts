// OPENDIR, READDIR, READDIRPLUS and RELEASEDIR over a tree in memory.

import { beforeEach, describe, expect, it } from "vitest";
import type { Backing } from "../../../device/fuse/backing/backing.js";
import { MemoryBacking, MemorySymlink } from "../../../device/fuse/backing/memory.js";
import { FuseSession } from "../../../device/fuse/session.js";
import { bytes, type Dirent, dirents, Guest, u32 } from "./guest.js";

const OPENDIR = 27;
const READDIR = 28;
const READDIRPLUS = 44;
const ENOENT = -2;
const EBADF = -9;
const ENOMEM = -12;
const EXDEV = -18;
const ENOTDIR = -20;
const EINVAL = -22;

const TREE = { file: "x", sub: {}, link: new MemorySymlink("file") };
const UNKNOWN_INO = 0xffffffffn;

let guest: Guest;

function boot(backing: Backing, limits = {}): void {
  guest = new Guest(new FuseSession(backing, limits));
  guest.init();
}

beforeEach(() => boot(new MemoryBacking(TREE)));

/** All records, each request having room for `size` bytes. */
function list(opcode: 28 | 44, nodeid: bigint, fh: bigint, size: number): Dirent[] {
  const all: Dirent[] = [];
  for (let offset = 0n; ; offset = all.at(-1)!.off) {
    const { body } = guest.ok(guest.readdir(opcode, nodeid, fh, offset, size));
    if (body.byteLength === 0) return all;
    expect(body.byteLength).toBeLessThanOrEqual(size);
    all.push(...dirents(opcode, body));
  }
}

describe.each<[string, 28 | 44]>([
  ["READDIR", READDIR],
  ["READDIRPLUS", READDIRPLUS],
])("%s", (_name, opcode) => {
  it("lists every name with its inode number, type and the offset behind it", () => {
    const all = list(opcode, 1n, guest.open(1n, 27), 4096);
    expect(all.map(({ name, ino, type, off }) => [name, ino, type, off])).toEqual([
      [".", 1n, 4, 1n],
      ["..", UNKNOWN_INO, 4, 2n],
      ["file", 2n, 8, 3n],
      ["sub", 3n, 4, 4n],
      ["link", 4n, 10, 5n],
    ]);
  });

  it.each([160, 408, 1000])("lists each of 1000 entries once through buffers of %i bytes", (size) => {
    const names = Array.from({ length: 1000 }, (_, at) => `n${at}`);
    boot(new MemoryBacking(Object.fromEntries(names.map((name) => [name, ""]))));
    const all = list(opcode, 1n, guest.open(1n, 27), size);
    expect(all.map(({ name }) => name)).toEqual([".", "..", ...names]);
  });

  it("F5: stops at the writable space when that is less than its size", () => {
    const fh = guest.open(1n, 27);
    const { used, body } = guest.readdir(opcode, 1n, fh, 0n, 4096, { writable: 16 + 320 });
    expect(used).toBeLessThanOrEqual(336);
    expect(dirents(opcode, body).length).toBe(opcode === READDIR ? 5 : 2);
  });

  it("F16: size 0 is empty, room for less than one entry is EINVAL, above 1 MiB is ENOMEM", () => {
    const fh = guest.open(1n, 27);
    expect(guest.readdir(opcode, 1n, fh, 0n, 0).used).toBe(16);
    expect(guest.readdir(opcode, 1n, fh, 0n, 31).error).toBe(EINVAL);
    expect(guest.readdir(opcode, 1n, fh, 0n, 1048577, { writable: 4096 }).error).toBe(ENOMEM);
    expect(guest.readdir(opcode, 1n, fh, 0n, 0xffffffff, { writable: 4096 }).error).toBe(ENOMEM);
  });

  it("F19: a forged offset is the end of the directory, F18: one of 2^53 or more is EINVAL", () => {
    const fh = guest.open(1n, 27);
    expect(guest.readdir(opcode, 1n, fh, 6n, 4096).used).toBe(16);
    expect(guest.readdir(opcode, 1n, fh, 2n ** 53n - 1n, 4096).used).toBe(16);
    expect(guest.readdir(opcode, 1n, fh, 2n ** 53n, 4096).error).toBe(EINVAL);
    expect(guest.readdir(opcode, 1n, fh, 2n ** 63n, 4096).error).toBe(EINVAL);
  });

  it("F13: wants the directory's own fh, and a node that the guest still holds", () => {
    const sub = guest.walk("sub");
    const fh = guest.open(sub, 27);
    const file = guest.walk("file");
    expect(guest.readdir(opcode, 1n, fh, 0n, 4096).error).toBe(EBADF);
    expect(guest.readdir(opcode, file, guest.open(file), 0n, 4096).error).toBe(EBADF);
    guest.forget(sub, 1n);
    expect(guest.readdir(opcode, sub, fh, 0n, 4096).error).toBe(EBADF);
    guest.ok(guest.release(29, sub, fh));
    expect(guest.release(29, sub, fh).error).toBe(EBADF);
  });

  it("passes over names that have gone since OPENDIR and keeps the offsets of the others", () => {
    const backing = new MemoryBacking(TREE);
    const lookup = backing.lookup.bind(backing);
    boot(
      Object.assign(backing, {
        lookup: (parent: typeof backing.root, name: Uint8Array) =>
          name[0] === 0x66 /* f */ ? ENOENT : lookup(parent, name),
      }),
    );
    const all = list(opcode, 1n, guest.open(1n, 27), 4096);
    expect(all.map(({ name, off }) => [name, off])).toEqual([
      [".", 1n],
      ["..", 2n],
      ["sub", 4n],
      ["link", 5n],
    ]);
  });

  it("lists a name that cannot be looked up without a node", () => {
    boot(Object.assign(new MemoryBacking(TREE), { lookup: () => EXDEV }));
    const all = list(opcode, 1n, guest.open(1n, 27), 4096);
    expect(all.slice(2).map(({ name, nodeid, ino, type }) => [name, nodeid, ino, type])).toEqual([
      ["file", 0n, UNKNOWN_INO, 0],
      ["sub", 0n, UNKNOWN_INO, 0],
      ["link", 0n, UNKNOWN_INO, 0],
    ]);
  });
});

it("READDIRPLUS holds one reference on each node but the dot entries, which have nodeid 0", () => {
  const file = guest.walk("file");
  const all = list(READDIRPLUS, 1n, guest.open(1n, 27), 4096);
  expect(all.slice(0, 2).map(({ nodeid }) => nodeid)).toEqual([0n, 0n]);
  expect(all[2]!.nodeid).toBe(file);
  for (const { nodeid } of all) guest.forget(nodeid, 1n);
  expect(guest.session.inodes.size).toBe(2);
  guest.forget(file, 1n);
  expect(guest.session.inodes.size).toBe(1);
});

it("READDIRPLUS gives the mode of the dot entries, by which EDK2 tells directories", () => {
  const { body } = guest.readdir(READDIRPLUS, 1n, guest.open(1n, 27), 0n, 4096);
  expect(body.getUint32(100, true)).toBe(0o040000); // "." : entry_out.attr.mode
  expect(body.getUint32(160 + 100, true)).toBe(0o040000); // ".."
});

it("READDIR holds no references", () => {
  list(READDIR, 1n, guest.open(1n, 27), 4096);
  expect(guest.session.inodes.size).toBe(1);
});

it("READDIRPLUS does not hold an entry that it has no room for", () => {
  // "." and ".." take 160 bytes each; "file" would need 160 more.
  const { body } = guest.readdir(READDIRPLUS, 1n, guest.open(1n, 27), 0n, 479);
  expect(dirents(READDIRPLUS, body).length).toBe(2);
  expect(guest.session.inodes.size).toBe(1);
});

describe("a guest that has read and comes back to offset 0 (rewinddir)", () => {
  let fh: bigint;

  beforeEach(() => {
    const backing = new MemoryBacking(TREE);
    const names = [Uint8Array.of(0x66, 0x69, 0x6c, 0x65)]; // "file", made after the first OPENDIR
    let times = 0;
    boot(
      Object.assign(backing, {
        readdir() {
          times += 1;
          return times === 1 ? [] : names;
        },
      }),
      { names: 5 },
    );
    fh = guest.open(1n, 27);
    expect(list(READDIR, 1n, fh, 4096).map(({ name }) => name)).toEqual([".", ".."]);
  });

  it("reads the names of now", () => {
    expect(list(READDIR, 1n, fh, 4096).map(({ name }) => name)).toEqual([".", "..", "file"]);
  });

  it("F24: has them counted in place of the old ones", () => {
    list(READDIR, 1n, fh, 4096);
    list(READDIR, 1n, fh, 4096); // 3 + 3 would be more than 5
    expect(guest.send(OPENDIR, bytes(u32(0), u32(0))).error).toBe(ENOMEM); // so are 3 + 3, but not 2 + 3
    guest.ok(guest.release(29, 1n, fh));
    guest.open(1n, 27);
  });
});

it("F21: OPENDIR of a file or a symlink is ENOTDIR", () => {
  for (const name of ["file", "link"]) {
    expect(guest.send(OPENDIR, bytes(u32(0), u32(0)), { nodeid: guest.walk(name) }).error).toBe(ENOTDIR);
  }
});

it("F24: snapshots hold a limited number of names; RELEASEDIR makes room", () => {
  boot(new MemoryBacking(TREE), { names: 9 });
  const fh = guest.open(1n, 27); // 5 names with the dots
  expect(guest.send(OPENDIR, bytes(u32(0), u32(0))).error).toBe(ENOMEM);
  guest.ok(guest.release(29, 1n, fh));
  guest.open(1n, 27);
});
