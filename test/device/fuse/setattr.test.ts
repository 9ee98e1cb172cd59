// SETATTR over a tree in memory.

import { beforeEach, describe, expect, it } from "vitest";
import { MemoryBacking, MemorySymlink } from "../../../device/fuse/backing/memory.js";
import { FuseSession } from "../../../device/fuse/session.js";
import { bytes, Guest, setattrIn, statOf } from "./guest.js";

const SETATTR = 4;
const EBADF = -9;
const EISDIR = -21;
const EINVAL = -22;
const EOPNOTSUPP = -95;

const MODE = 1 << 0;
const UID = 1 << 1;
const GID = 1 << 2;
const SIZE = 1 << 3;
const ATIME = 1 << 4;
const MTIME = 1 << 5;
const FH = 1 << 6;
const ATIME_NOW = 1 << 7;
const MTIME_NOW = 1 << 8;

const O_RDWR = 2;

let now: bigint;
let guest: Guest;
let file: bigint;

beforeEach(() => {
  now = 10n * 1_000_000_000n + 1n;
  const tree = { file: "content", dir: {}, link: new MemorySymlink("file") };
  guest = new Guest(new FuseSession(new MemoryBacking(tree, () => now)));
  guest.init();
  file = guest.walk("file");
  now = 20n * 1_000_000_000n + 2n;
});

describe("each field alone changes what it names, and ctime", () => {
  it.each([
    ["MODE", { valid: MODE, mode: 0o100600, uid: 7, gid: 7, size: 1n }, { mode: 0o100600 }],
    ["UID", { valid: UID, mode: 0, uid: 1000, gid: 7, size: 1n }, { uid: 1000 }],
    ["GID", { valid: GID, mode: 0, uid: 7, gid: 1000, size: 1n }, { gid: 1000 }],
    ["SIZE", { valid: SIZE, mode: 0, uid: 7, size: 3n }, { size: 3n, mtime: [20n, 2] }],
    ["ATIME", { valid: ATIME, atime: [5n, 6], mtime: [7n, 8] }, { atime: [5n, 6] }],
    ["MTIME", { valid: MTIME, atime: [5n, 6], mtime: [-7n, 8] }, { mtime: [-7n, 8] }],
    ["ATIME and ATIME_NOW", { valid: ATIME | ATIME_NOW, atime: [5n, 6] }, { atime: [20n, 2] }],
    ["MTIME and MTIME_NOW", { valid: MTIME | MTIME_NOW, mtime: [5n, 6] }, { mtime: [20n, 2] }],
  ] as const)("%s", (_title, fields, changed) => {
    const before = guest.getattr(file);
    const { used, body } = guest.ok(guest.send(SETATTR, setattrIn(fields as never), { nodeid: file }));
    expect(used).toBe(16 + 104);
    const expected = { ...before, ctime: [20n, 2], ...changed };
    expect(statOf(body, 16)).toEqual(expected);
    expect(guest.getattr(file)).toEqual(expected);
  });

  it("none at all changes nothing; ATIME_NOW alone asks for nothing", () => {
    const before = guest.getattr(file);
    guest.ok(guest.setattr(file, { valid: 0, mode: 1, size: 1n }));
    guest.ok(guest.setattr(file, { valid: ATIME_NOW | MTIME_NOW }));
    expect(guest.getattr(file)).toEqual(before);
  });
});

describe("SIZE", () => {
  it("cuts, and grows with zeros where something was before", () => {
    guest.ok(guest.setattr(file, { valid: SIZE, size: 3n }));
    guest.ok(guest.setattr(file, { valid: SIZE, size: 9n }));
    expect(guest.text(file, guest.open(file))).toBe("con\0\0\0\0\0\0");
  });

  it("to 2^53 - 1 costs no memory and no blocks", () => {
    guest.ok(guest.setattr(file, { valid: SIZE, size: 2n ** 53n - 1n }));
    expect(guest.getattr(file)).toMatchObject({ size: 2n ** 53n - 1n, blocks: 8n });
    expect(guest.text(file, guest.open(file), 2n ** 53n - 1n - 8n, 8)).toBe("\0".repeat(8));
  });

  it.each([2n ** 53n, 2n ** 63n, 2n ** 64n - 1n])("F18: of %i is EINVAL", (size) => {
    expect(guest.setattr(file, { valid: SIZE, size }).error).toBe(EINVAL);
    expect(guest.getattr(file).size).toBe(7n);
  });

  it("of a directory is EISDIR, of a symlink EINVAL", () => {
    expect(guest.setattr(1n, { valid: SIZE, size: 0n }).error).toBe(EISDIR);
    expect(guest.setattr(guest.walk("link"), { valid: SIZE, size: 0n }).error).toBe(EINVAL);
  });

  it("through an fh that is open for writing", () => {
    const fh = guest.open(file, 14, O_RDWR);
    guest.ok(guest.setattr(file, { valid: SIZE | FH, fh, size: 1n }));
    expect(guest.getattr(file).size).toBe(1n);
  });

  it("through an fh that is open for reading only is EBADF", () => {
    const fh = guest.open(file);
    expect(guest.setattr(file, { valid: SIZE | FH, fh, size: 1n }).error).toBe(EBADF);
    expect(guest.getattr(file).size).toBe(7n);
  });
});

describe("owner and mode", () => {
  it("chown(2): a new owner clears the set-id bits of a program, not those of a directory", () => {
    const dir = guest.walk("dir");
    for (const nodeid of [file, dir]) {
      guest.ok(guest.setattr(nodeid, { valid: MODE, mode: 0o6755 }));
      guest.ok(guest.setattr(nodeid, { valid: UID, uid: 5 }));
    }
    expect(guest.getattr(file).mode).toBe(0o100755);
    expect(guest.getattr(dir).mode).toBe(0o046755);
  });

  it("S_ISGID without S_IXGRP means mandatory locking and stays", () => {
    guest.ok(guest.setattr(file, { valid: MODE, mode: 0o6745 }));
    guest.ok(guest.setattr(file, { valid: GID, gid: 5 }));
    expect(guest.getattr(file).mode).toBe(0o102745);
  });

  it("together give both as asked", () => {
    guest.ok(guest.setattr(file, { valid: MODE | UID, mode: 0o4755, uid: 5 }));
    expect(guest.getattr(file)).toMatchObject({ mode: 0o104755, uid: 5 });
  });

  it("the type of the file is not the guest's to change", () => {
    guest.ok(guest.setattr(file, { valid: MODE, mode: 0xffffffff }));
    expect(guest.getattr(file).mode).toBe(0o107777);
  });

  it("the mode of a symlink is EOPNOTSUPP", () => {
    expect(guest.setattr(guest.walk("link"), { valid: MODE, mode: 0o600 }).error).toBe(EOPNOTSUPP);
  });
});

describe("refused, and nothing of it is done", () => {
  it.each([
    ["uid (uid_t) -1", { valid: MODE | UID, uid: 0xffffffff }, EINVAL],
    ["gid (gid_t) -1", { valid: MODE | GID, gid: 0xffffffff }, EINVAL],
    ["10^9 nanoseconds", { valid: MODE | ATIME, atime: [0n, 1_000_000_000] }, EINVAL],
    ["seconds beyond every calendar", { valid: MODE | MTIME, mtime: [2n ** 63n - 1n, 0] }, EINVAL],
    ["seconds before every calendar", { valid: MODE | MTIME, mtime: [-(2n ** 63n), 0] }, EINVAL],
    ["F18: a size of 2^63", { valid: MODE | SIZE, size: 2n ** 63n }, EINVAL],
    ["F13: an fh that is not open", { valid: MODE | FH, fh: 99n }, EBADF],
  ] as const)("%s", (_title, fields, error) => {
    const before = guest.getattr(file);
    expect(guest.setattr(file, { mode: 0, ...fields } as never).error).toBe(error);
    expect(guest.getattr(file)).toEqual(before);
  });

  it("F13: an fh of another node", () => {
    const fh = guest.open(1n, 27);
    expect(guest.setattr(file, { valid: MODE | FH, fh, mode: 0 }).error).toBe(EBADF);
    guest.ok(guest.setattr(1n, { valid: MODE | FH, fh, mode: 0o700 }));
  });

  it("F10: a node that the guest does not hold; a truncated setattr_in", () => {
    expect(guest.setattr(99n, { valid: MODE }).error).toBe(EBADF);
    expect(guest.send(SETATTR, setattrIn({ valid: MODE }).subarray(0, 87), { nodeid: file }).error).toBe(EINVAL);
    expect(guest.send(SETATTR, bytes(), { nodeid: file }).error).toBe(EINVAL);
    expect(guest.getattr(file).mode).toBe(0o100644);
  });
});
