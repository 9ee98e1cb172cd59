// MKNOD, MKDIR, SYMLINK and CREATE over a tree in memory.

import { beforeEach, describe, expect, it } from "vitest";
import { MemoryBacking, MemorySymlink } from "../../../device/fuse/backing/memory.js";
import { FuseSession } from "../../../device/fuse/session.js";
import { type Answer, bytes, Guest, nul, type Shape, statOf, u32 } from "./guest.js";

const EPERM = -1;
const ENOENT = -2;
const EBADF = -9;
const EEXIST = -17;
const ENOTDIR = -20;
const EISDIR = -21;
const EINVAL = -22;
const ENFILE = -23;
const ERANGE = -34;
const ENAMETOOLONG = -36;
const ELOOP = -40;

const O_RDWR_CREAT = 0o102;
const O_TRUNC = 0o1000;
const S_IFREG = 0o100000;

type Name = string | Uint8Array;
/** Each with the mode that it is given 0o640 for. */
const MAKERS: [string, number, number, (parent: bigint, name: Name, shape?: Shape) => Answer][] = [
  ["MKNOD", 128, 0o100640, (parent, name, shape) => guest.mknod(parent, name, S_IFREG | 0o640, shape)],
  ["MKDIR", 128, 0o040640, (parent, name, shape) => guest.mkdir(parent, name, 0o640, shape)],
  ["SYMLINK", 128, 0o120777, (parent, name, shape) => guest.symlink(parent, name, "file", shape)],
  ["CREATE", 144, 0o100640, (parent, name, shape) => guest.create(parent, name, undefined, 0o640, shape)],
];

let now: bigint;
let guest: Guest;

function boot(limits = {}): void {
  now = 1_000_000_000n;
  const tree = { file: "content", dir: { inner: "" }, link: new MemorySymlink("file") };
  guest = new Guest(new FuseSession(new MemoryBacking(tree, () => now), limits));
  guest.init();
  now = 2_000_000_000n;
}

beforeEach(() => boot());

describe.each(MAKERS)("%s", (title, body, mode, make) => {
  it("gives an entry of the new node, which the guest holds once, owned by the caller", () => {
    const answer = guest.ok(make(1n, "new", { uid: 1000, gid: 100 }));
    expect(answer.body.byteLength).toBe(body);
    const nodeid = answer.body.getBigUint64(0, true);
    const stat = statOf(answer.body, 40);
    expect(stat).toMatchObject({ mode, uid: 1000, gid: 100, nlink: title === "MKDIR" ? 2 : 1 });
    for (const time of [stat.atime, stat.mtime, stat.ctime]) expect(time).toEqual([2n, 0]);
    expect(guest.walk("new")).toBe(nodeid);
    expect(guest.getattr(nodeid)).toEqual(stat);
    guest.forget(nodeid, 2n);
    expect(guest.session.inodes.size).toBe(1);
  });

  it("changes mtime and ctime of the directory; MKDIR adds its `..`", () => {
    const before = guest.getattr(1n);
    guest.ok(make(1n, "new"));
    const nlink = before.nlink + (title === "MKDIR" ? 1 : 0);
    expect(guest.getattr(1n)).toEqual({ ...before, mtime: [2n, 0], ctime: [2n, 0], nlink });
  });

  it.each(["file", "dir", "link"])("of the name `%s`, which is there, is EEXIST", (name) => {
    expect(make(1n, name).error).toBe(EEXIST);
    expect([guest.session.inodes.size, guest.session.handles.size]).toEqual([1, 0]);
  });

  it.each<[string, Name, number]>([
    ["empty", "", EINVAL],
    ["dot", ".", EINVAL],
    ["dot dot", "..", EINVAL],
    ["with a slash", "dir/new", EINVAL],
    ["absolute", "/new", EINVAL],
    ["of 256 bytes", new Uint8Array(256).fill(0x61), ENAMETOOLONG],
    ["of 1 MiB", new Uint8Array(1048576 - 100).fill(0x61), ENAMETOOLONG],
  ])("F14: a name %s makes nothing", (_title, name, error) => {
    const before = guest.getattr(1n);
    expect(make(1n, name).error).toBe(error);
    expect(guest.getattr(1n)).toEqual(before);
  });

  it("F20: in a file or a symlink is ENOTDIR, F10: in an unknown node EBADF, in a removed directory ENOENT", () => {
    expect(make(guest.walk("file"), "new").error).toBe(ENOTDIR);
    expect(make(guest.walk("link"), "new").error).toBe(ENOTDIR);
    expect(make(99n, "new").error).toBe(EBADF);
    const gone = guest.ok(guest.mkdir(1n, "gone")).body.getBigUint64(0, true);
    guest.ok(guest.rmdir(1n, "gone"));
    expect(make(gone, "new").error).toBe(ENOENT);
  });

  it("F24: makes nothing that the guest could not be given: ENFILE", () => {
    boot({ nodes: 2 });
    guest.walk("file");
    expect(make(1n, "new").error).toBe(ENFILE);
    expect(guest.lookup(1n, "new").error).toBe(ENOENT);
  });

  it("F5: makes nothing without room for the entry: ERANGE", () => {
    expect(make(1n, "new", { writable: 16 + body - 1 }).error).toBe(ERANGE);
    expect(guest.lookup(1n, "new").error).toBe(ENOENT);
  });

  it.each([{ uid: 0xffffffff }, { gid: 0xffffffff }])("for nobody (%o) is EINVAL", (who) => {
    expect(make(1n, "new", who).error).toBe(EINVAL);
    expect(guest.lookup(1n, "new").error).toBe(ENOENT);
  });
});

describe("F23: in a directory with S_ISGID", () => {
  let shared: bigint;

  beforeEach(() => {
    shared = guest.ok(guest.mkdir(1n, "shared", 0o777, { gid: 50 })).body.getBigUint64(0, true);
    guest.ok(guest.setattr(shared, { valid: 1, mode: 0o2777 }));
  });

  it.each(MAKERS)("%s gives the directory's group", (title, _body, mode, make) => {
    const stat = statOf(guest.ok(make(shared, "new", { uid: 1000, gid: 100 })).body, 40);
    expect(stat).toMatchObject({ uid: 1000, gid: 50, mode: title === "MKDIR" ? mode | 0o2000 : mode });
  });

  it.each([
    ["a stranger makes no program of the group (CVE-2022-0358)", { uid: 1000, gid: 100 }, 0o2755, 0o100755],
    ["a member does", { uid: 1000, gid: 50 }, 0o2755, 0o102755],
    ["root does", { uid: 0, gid: 0 }, 0o2755, 0o102755],
    ["S_ISGID without S_IXGRP runs nothing", { uid: 1000, gid: 100 }, 0o2745, 0o102745],
  ])("%s", (_title, who, asked, mode) => {
    const create = guest.ok(guest.create(shared, "a", undefined, asked, who));
    const mknod = guest.ok(guest.mknod(shared, "b", S_IFREG | asked, who));
    expect([statOf(create.body, 40).mode, statOf(mknod.body, 40).mode]).toEqual([mode, mode]);
  });
});

it("F23: MKDIR takes no set-id bits from the guest, as vfs_mkdir() does not", () => {
  expect(statOf(guest.ok(guest.mkdir(1n, "new", 0o7777)).body, 40).mode).toBe(0o041777);
});

describe("F22: MKNOD of", () => {
  it.each([
    ["a FIFO", 0o010644],
    ["a character device", 0o020644],
    ["a directory", 0o040755],
    ["a block device", 0o060644],
    ["a symlink", 0o120777],
    ["a socket", 0o140755],
    ["no type", 0o644],
  ])("%s is EPERM", (_title, mode) => {
    expect(guest.mknod(1n, "new", mode).error).toBe(EPERM);
    expect(guest.lookup(1n, "new").error).toBe(ENOENT);
  });
});

describe("SYMLINK", () => {
  it.each([
    ["a file beside it", "file"],
    ["an absolute path", "/etc/passwd"],
    ["a path out of the share, which only the guest follows", "../.."],
    ["slashes and dots", "./a//b/."],
    ["the longest, 4095 bytes", "x".repeat(4095)],
  ])("to %s", (_title, target) => {
    const nodeid = guest.ok(guest.symlink(1n, "new", target)).body.getBigUint64(0, true);
    expect(guest.readlink(nodeid)).toBe(target);
    expect(guest.getattr(nodeid).size).toBe(BigInt(target.length));
  });

  it.each<[string, Uint8Array, number]>([
    ["F15: one NUL is missing", bytes(nul("new"), Uint8Array.of(0x61)), EINVAL],
    ["F15: the target is missing", nul("new"), EINVAL],
    ["F14: more follows the target", bytes(nul("new"), nul("a"), nul("b")), EINVAL],
    ["symlink(2): the target is empty", bytes(nul("new"), nul("")), ENOENT],
    ["symlink(2): the target is longer than PATH_MAX", bytes(nul("new"), nul("x".repeat(4096))), ENAMETOOLONG],
  ])("%s", (_title, body, error) => {
    expect(guest.send(6, body).error).toBe(error);
    expect(guest.lookup(1n, "new").error).toBe(ENOENT);
  });
});

describe("CREATE", () => {
  it("opens what it makes with the access asked for", () => {
    const writer = guest.created(1n, "w", 0o301);
    expect(guest.wrote(writer.nodeid, writer.fh, 0n, nul("x"))).toBe(2);
    expect(guest.read(writer.nodeid, writer.fh, 0n, 2).error).toBe(EBADF);
    const reader = guest.created(1n, "r", 0o300, 0o200);
    expect(guest.write(reader.nodeid, reader.fh, 0n, nul("x")).error).toBe(EBADF);
    const both = guest.created(1n, "rw", 0o302, 0o400);
    guest.wrote(both.nodeid, both.fh, 0n, nul("x"));
    expect(guest.text(both.nodeid, both.fh)).toBe("x\0");
  });

  it("opens the file of a name that is there when O_EXCL does not forbid it", () => {
    const file = guest.walk("file");
    const { nodeid, fh } = guest.created(1n, "file", O_RDWR_CREAT, 0o777);
    expect(nodeid).toBe(file);
    expect(guest.text(nodeid, fh)).toBe("content");
    expect(guest.getattr(file).mode).toBe(0o100644);
    guest.created(1n, "file", O_RDWR_CREAT | O_TRUNC);
    expect(guest.getattr(file).size).toBe(0n);
  });

  it.each([
    ["dir", EISDIR],
    ["link", ELOOP],
  ])("of the name `%s`, which is there and no file, holds nothing", (name, error) => {
    expect(guest.create(1n, name, O_RDWR_CREAT).error).toBe(error);
    expect([guest.session.inodes.size, guest.session.handles.size]).toEqual([1, 0]);
  });

  it("F21: with an access mode that open(2) does not have is EINVAL", () => {
    expect(guest.create(1n, "new", 0o303).error).toBe(EINVAL);
    expect(guest.lookup(1n, "new").error).toBe(ENOENT);
  });

  it("F24: makes nothing that it has no handle for: ENFILE", () => {
    boot({ handles: 1 });
    guest.open(1n, 27);
    expect(guest.create(1n, "new").error).toBe(ENFILE);
    expect(guest.lookup(1n, "new").error).toBe(ENOENT);
  });

  it("a truncated create_in is EINVAL", () => {
    expect(guest.send(35, bytes(u32(0o302), u32(0o644), u32(0))).error).toBe(EINVAL);
  });
});
