// LINK, UNLINK, RMDIR, RENAME and RENAME2 over a tree in memory.

import { beforeEach, describe, expect, it } from "vitest";
import { MemoryBacking, MemorySymlink } from "../../../device/fuse/backing/memory.js";
import { FuseSession } from "../../../device/fuse/session.js";
import { bytes, dirents, Guest, nul, statOf, u32, u64 } from "./guest.js";

const RENAME = 12;
const LINK = 13;
const STATFS = 17;
const RENAME2 = 45;
const EPERM = -1;
const ENOENT = -2;
const EBADF = -9;
const EEXIST = -17;
const ENOTDIR = -20;
const EISDIR = -21;
const EINVAL = -22;
const ERANGE = -34;
const ENAMETOOLONG = -36;
const ENOTEMPTY = -39;

let now: bigint;
let guest: Guest;

beforeEach(() => {
  now = 1_000_000_000n;
  const tree = {
    file: "content",
    other: "something else",
    full: { inner: "", deep: { bottom: {} } },
    empty: {},
    link: new MemorySymlink("file"),
  };
  guest = new Guest(new FuseSession(new MemoryBacking(tree, () => now)));
  guest.init();
  now = 2_000_000_000n;
});

function names(directory = 1n): string[] {
  const fh = guest.open(directory, 27);
  const { body } = guest.ok(guest.readdir(28, directory, fh, 0n, 65536));
  guest.ok(guest.release(29, directory, fh));
  return dirents(28, body)
    .slice(2)
    .map(({ name }) => name);
}

/** Free blocks and free nodes. */
function free(): [bigint, bigint] {
  const { body } = guest.ok(guest.send(STATFS));
  return [body.getBigUint64(8, true), body.getBigUint64(32, true)];
}

describe("UNLINK", () => {
  it("takes a name away, and what it meant when that was the last; blocks and node are free again", () => {
    const before = free();
    guest.ok(guest.unlink(1n, "file"));
    expect(guest.lookup(1n, "file").error).toBe(ENOENT);
    expect(guest.unlink(1n, "file").error).toBe(ENOENT);
    expect(free()).toEqual([before[0] + 1n, before[1] + 1n]);
  });

  it("leaves a file that is open as it is until RELEASE, and its node until FORGET", () => {
    const before = free();
    const nodeid = guest.walk("file");
    const fh = guest.open(nodeid, 14, 2);
    guest.ok(guest.unlink(1n, "file"));
    guest.wrote(nodeid, fh, 7n, nul("more"));
    expect(guest.text(nodeid, fh)).toBe("contentmore\0");
    expect(guest.getattr(nodeid)).toMatchObject({ nlink: 0, size: 12n, ctime: [2n, 0] });
    guest.forget(nodeid, 1n);
    expect(guest.text(nodeid, fh)).toBe("contentmore\0");
    expect(free()).toEqual(before);
    guest.ok(guest.release(18, nodeid, fh));
    expect(free()).toEqual([before[0] + 1n, before[1] + 1n]);
  });

  it("of one name makes room for another file, which is another node", () => {
    const old = guest.walk("file");
    guest.ok(guest.unlink(1n, "file"));
    const { nodeid } = guest.created(1n, "file");
    expect(nodeid).not.toBe(old);
    expect(guest.getattr(nodeid).ino).not.toBe(guest.getattr(old).ino);
    expect(guest.text(old, guest.open(old))).toBe("content");
  });

  it("of a symlink takes the symlink; of a directory is EISDIR", () => {
    guest.ok(guest.unlink(1n, "link"));
    expect(guest.unlink(1n, "empty").error).toBe(EISDIR);
    expect(names()).toEqual(["file", "other", "full", "empty"]);
  });
});

describe("RMDIR", () => {
  it("takes an empty directory, and its `..` from the parent's nlink", () => {
    const empty = guest.walk("empty");
    const { nlink } = guest.getattr(1n);
    guest.ok(guest.rmdir(1n, "empty"));
    expect(guest.getattr(1n)).toMatchObject({ nlink: nlink - 1, mtime: [2n, 0], ctime: [2n, 0] });
    expect(guest.getattr(empty).nlink).toBe(0);
    expect(names(empty)).toEqual([]);
    expect(guest.lookup(empty, "x").error).toBe(ENOENT);
  });

  it.each([
    ["full", ENOTEMPTY],
    ["file", ENOTDIR],
    ["link", ENOTDIR],
    ["absent", ENOENT],
    [".", EINVAL],
    ["..", EINVAL],
  ])("of `%s` is refused", (name, error) => {
    expect(guest.rmdir(1n, name).error).toBe(error);
    expect(names()).toEqual(["file", "other", "full", "empty", "link"]);
  });
});

describe("LINK", () => {
  it("gives a node one more name, and the guest one more reference", () => {
    const file = guest.walk("file");
    const full = guest.walk("full");
    const { body } = guest.ok(guest.link(file, full, "again"));
    expect(body.getBigUint64(0, true)).toBe(file);
    expect(statOf(body, 40)).toMatchObject({ nlink: 2, size: 7n, ctime: [2n, 0] });
    guest.ok(guest.unlink(1n, "file"));
    expect(guest.walk("full", "again")).toBe(file);
    guest.forget(file, 2n);
    expect(guest.getattr(file).nlink).toBe(1);
    guest.forget(file, 1n);
    expect(guest.send(LINK, bytes(u64(file), nul("x"))).error).toBe(EBADF);
  });

  it("links a symlink, not what it points to", () => {
    const link = guest.walk("link");
    guest.ok(guest.link(link, 1n, "again"));
    expect(guest.readlink(guest.walk("again"))).toBe("file");
  });

  it("of a directory is EPERM, to a name that is there EEXIST, of a file without names ENOENT", () => {
    const file = guest.walk("file");
    expect(guest.link(guest.walk("empty"), 1n, "new").error).toBe(EPERM);
    expect(guest.link(file, 1n, "other").error).toBe(EEXIST);
    expect(guest.link(file, file, "new").error).toBe(ENOTDIR);
    guest.ok(guest.unlink(1n, "file"));
    expect(guest.link(file, 1n, "new").error).toBe(ENOENT);
  });

  it("F5: links nothing without room for the entry", () => {
    const nodeid = guest.walk("file");
    expect(guest.send(LINK, bytes(u64(nodeid), nul("new")), { writable: 16 + 127 }).error).toBe(ERANGE);
    expect(guest.getattr(nodeid).nlink).toBe(1);
  });

  it.each(["", ".", "..", "full/new", "/new"])("F14: to the name `%s` is EINVAL", (name) => {
    expect(guest.link(guest.walk("file"), 1n, name).error).toBe(EINVAL);
  });

  it("F15: without a NUL is EINVAL, and so is a truncated link_in", () => {
    const body = bytes(u64(guest.walk("file")), nul("new"));
    expect(guest.send(LINK, body.subarray(0, 11)).error).toBe(EINVAL);
    expect(guest.send(LINK, body.subarray(0, 8)).error).toBe(EINVAL);
    expect(guest.send(LINK, body.subarray(0, 7)).error).toBe(EINVAL);
  });
});

describe("RENAME", () => {
  it("moves a name; nodeids, references and handles stay", () => {
    const file = guest.walk("file");
    const fh = guest.open(file);
    guest.ok(guest.rename(1n, "file", guest.walk("full"), "moved"));
    expect(guest.lookup(1n, "file").error).toBe(ENOENT);
    expect(guest.walk("full", "moved")).toBe(file);
    expect(guest.text(file, fh)).toBe("content");
    expect(guest.getattr(file).ctime).toEqual([2n, 0]);
    guest.forget(file, 2n);
    expect(guest.session.inodes.size).toBe(2);
  });

  it("replaces a file, which lives on while it is open", () => {
    const other = guest.walk("other");
    const fh = guest.open(other);
    const before = free();
    guest.ok(guest.rename(1n, "file", 1n, "other"));
    expect(guest.text(other, fh)).toBe("something else");
    expect(guest.getattr(other).nlink).toBe(0);
    expect(guest.walk("other")).not.toBe(other);
    guest.forget(other, 1n);
    guest.ok(guest.release(18, other, fh));
    expect(free()).toEqual([before[0] + 1n, before[1] + 1n]);
  });

  it("moves a directory with all below, and `..` with it", () => {
    const bottom = guest.walk("full", "deep", "bottom");
    const empty = guest.walk("empty");
    const root = guest.getattr(1n).nlink;
    guest.ok(guest.rename(1n, "full", empty, "full"));
    expect(guest.walk("empty", "full", "deep", "bottom")).toBe(bottom);
    expect([guest.getattr(1n).nlink, guest.getattr(empty).nlink]).toEqual([root - 1, 3]);
    expect(guest.rename(1n, "empty", bottom, "loop").error).toBe(EINVAL);
  });

  it("replaces an empty directory by a directory", () => {
    const full = guest.walk("full");
    const empty = guest.walk("empty");
    guest.ok(guest.rename(1n, "full", 1n, "empty"));
    expect(guest.walk("empty")).toBe(full);
    expect(guest.getattr(empty).nlink).toBe(0);
    expect(guest.rename(1n, "file", empty, "x").error).toBe(ENOENT);
    expect(guest.lookup(1n, "file").error).toBe(0);
  });

  it("to the name itself, or to another name of the file, changes nothing", () => {
    const file = guest.walk("file");
    guest.ok(guest.link(file, 1n, "again"));
    guest.ok(guest.rename(1n, "file", 1n, "file"));
    guest.ok(guest.rename(1n, "file", 1n, "again"));
    expect([guest.walk("file"), guest.walk("again")]).toEqual([file, file]);
    expect(guest.getattr(file).nlink).toBe(2);
  });

  it.each([
    ["what is absent", "absent", "new", ENOENT],
    ["a file over a directory", "file", "empty", EISDIR],
    ["a directory over a file", "empty", "file", ENOTDIR],
    ["a directory over a symlink", "empty", "link", ENOTDIR],
    ["a directory over a full one", "empty", "full", ENOTEMPTY],
  ])("of %s is refused and moves nothing", (_title, from, to, error) => {
    const before = names();
    expect(guest.rename(1n, from, 1n, to).error).toBe(error);
    expect(names()).toEqual(before);
  });

  it("of a directory below itself is EINVAL, over one that it is in ENOTEMPTY, as in rename(2)", () => {
    const full = guest.walk("full");
    const deep = guest.walk("full", "deep");
    expect(guest.rename(1n, "full", full, "x").error).toBe(EINVAL);
    expect(guest.rename(1n, "full", deep, "bottom").error).toBe(EINVAL);
    expect(guest.rename(full, "inner", 1n, "full").error).toBe(ENOTEMPTY);
    expect(guest.walk("full", "deep", "bottom")).toBeGreaterThan(1n);
  });

  it.each(["", ".", "..", "full/x", "/x"])("F14: neither name may be `%s`: EINVAL", (name) => {
    expect(guest.rename(1n, name, 1n, "new").error).toBe(EINVAL);
    expect(guest.rename(1n, "file", 1n, name).error).toBe(EINVAL);
  });

  it("F14: neither name may have 256 bytes: ENAMETOOLONG", () => {
    const long = new Uint8Array(256).fill(0x61);
    expect(guest.rename(1n, long, 1n, "new").error).toBe(ENAMETOOLONG);
    expect(guest.rename(1n, "file", 1n, long).error).toBe(ENAMETOOLONG);
  });

  it("F15: with one NUL missing is EINVAL; F14: so is anything behind the names", () => {
    const body = bytes(u64(1n), nul("file"), nul("new"));
    expect(guest.send(RENAME, body.subarray(0, body.length - 1)).error).toBe(EINVAL);
    expect(guest.send(RENAME, bytes(u64(1n), nul("file"))).error).toBe(EINVAL);
    expect(guest.send(RENAME, bytes(body, nul("x"))).error).toBe(EINVAL);
    expect(guest.send(RENAME, body.subarray(0, 7)).error).toBe(EINVAL);
    expect(guest.lookup(1n, "file").error).toBe(0);
  });

  it("F10, F20: both directories must be held and be directories", () => {
    const file = guest.walk("file");
    expect(guest.rename(99n, "file", 1n, "new").error).toBe(EBADF);
    expect(guest.rename(1n, "file", 99n, "new").error).toBe(EBADF);
    expect(guest.rename(file, "file", 1n, "new").error).toBe(ENOTDIR);
    expect(guest.rename(1n, "file", file, "new").error).toBe(ENOTDIR);
  });
});

describe("RENAME2", () => {
  const rename2 = (flags: number) => guest.rename2(1n, "file", 1n, "new", flags);

  it("without flags is RENAME", () => {
    const file = guest.walk("file");
    guest.ok(rename2(0));
    expect(guest.walk("new")).toBe(file);
  });

  // The one flag that EDK2 sets (virtiofs.md 5).
  it("with RENAME_NOREPLACE is RENAME to a free name, and EEXIST to another, whatever that is", () => {
    const file = guest.walk("file");
    guest.ok(guest.rename2(1n, "file", guest.walk("empty"), "new"));
    expect(guest.walk("empty", "new")).toBe(file);
    const before = names();
    for (const [from, to] of [
      ["other", "link"],
      ["other", "full"],
      ["full", "empty"],
      ["full", "full"],
    ] as const)
      expect(guest.rename2(1n, from, 1n, to).error).toBe(EEXIST);
    expect(guest.rename2(1n, "absent", 1n, "full").error).toBe(ENOENT);
    expect(guest.rename2(1n, "full", guest.walk("full", "deep"), "x").error).toBe(EINVAL);
    expect(names()).toEqual(before);
  });

  it.each([
    ["RENAME_EXCHANGE", 2],
    ["NOREPLACE and EXCHANGE", 3],
    ["RENAME_WHITEOUT", 4],
    ["all bits", 0xffffffff],
  ])("with %s is EINVAL", (_title, flags) => {
    expect(rename2(flags).error).toBe(EINVAL);
    expect(guest.lookup(1n, "file").error).toBe(0);
  });

  it("F15: truncated, or with one NUL missing, is EINVAL", () => {
    const body = bytes(u64(1n), u32(0), u32(0), nul("file"), nul("new"));
    expect(guest.send(RENAME2, body.subarray(0, 15)).error).toBe(EINVAL);
    expect(guest.send(RENAME2, body.subarray(0, body.length - 1)).error).toBe(EINVAL);
  });
});
