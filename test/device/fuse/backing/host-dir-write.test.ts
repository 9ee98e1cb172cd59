// What the write side leaves on a real directory. Linux only, as the backing is.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { HostDirBacking } from "../../../../device/fuse/backing/host-dir.js";
import { FuseSession } from "../../../../device/fuse/session.js";
import { bytes, Guest, statOf, u32, u64 } from "../guest.js";

const ENOENT = -2;
const EEXIST = -17;
const EXDEV = -18;
const ENOTDIR = -20;
const EINVAL = -22;
const EFBIG = -27;
const ENOSYS = -38;
const ELOOP = -40;
const ESTALE = -116;

const MODE = 1 << 0;
const SIZE = 1 << 3;
const ATIME = 1 << 4;
const MTIME = 1 << 5;
const FH = 1 << 6;
const ATIME_NOW = 1 << 7;
const MTIME_NOW = 1 << 8;
const O_RDWR = 2;
const S_IFREG = 0o100000;

const isRoot = process.geteuid!() === 0;

let top: string;
let share: string;
let guest: Guest;

beforeEach(() => {
  top = fs.mkdtempSync(path.join(os.tmpdir(), "vhostlab-share-"));
  share = path.join(top, "share");
  fs.mkdirSync(share);
  fs.writeFileSync(path.join(top, "secret"), "outside");
  guest = new Guest(new FuseSession(new HostDirBacking(share)), 96);
  guest.init();
});

afterEach(() => {
  guest.session.close();
  fs.rmSync(top, { recursive: true });
});

function openFds(): number {
  return fs.readdirSync("/proc/self/fd").length;
}

function on(...names: string[]): string {
  return path.join(share, ...names);
}

function made(answer: ReturnType<Guest["mkdir"]>): bigint {
  return guest.ok(answer).body.getBigUint64(0, true);
}

describe("a new file", () => {
  it.each([0o000, 0o077])("has the mode that the guest asks for, whatever the umask of the server (%i)", (mask) => {
    const before = process.umask(mask);
    try {
      guest.created(1n, "create", undefined, 0o666);
      guest.ok(guest.mknod(1n, "mknod", S_IFREG | 0o4777));
      guest.ok(guest.mkdir(1n, "mkdir", 0o1777));
      guest.ok(guest.symlink(1n, "symlink", "x"));
    } finally {
      process.umask(before);
    }
    const modes = ["create", "mknod", "mkdir", "symlink"].map((name) => fs.lstatSync(on(name)).mode);
    expect(modes).toEqual([0o100666, 0o104777, 0o041777, 0o120777]);
  });

  it.runIf(isRoot)("belongs to the caller when the server is root", () => {
    const who = { uid: 1234, gid: 2345 };
    guest.created(1n, "create", undefined, 0o6755, who);
    guest.ok(guest.mknod(1n, "mknod", S_IFREG | 0o644, who));
    guest.ok(guest.mkdir(1n, "mkdir", 0o755, who));
    guest.ok(guest.symlink(1n, "symlink", "../secret", who));
    for (const name of ["create", "mknod", "mkdir", "symlink"]) {
      expect(fs.lstatSync(on(name)), name).toMatchObject(who);
    }
    expect(fs.statSync(on("create")).mode).toBe(0o106755);
    expect(fs.statSync(path.join(top, "secret")).uid).toBe(0);
  });

  it.runIf(isRoot)("F23: of a directory with S_ISGID gets its group, a directory also the bit", () => {
    fs.mkdirSync(on("shared"));
    fs.chownSync(on("shared"), 0, 50);
    fs.chmodSync(on("shared"), 0o2777);
    const who = { uid: 1000, gid: 100 };
    const shared = guest.walk("shared");
    guest.created(shared, "program", undefined, 0o2755, who);
    guest.ok(guest.mkdir(shared, "dir", 0o755, who));
    expect(fs.statSync(on("shared", "program"))).toMatchObject({ uid: 1000, gid: 50, mode: 0o100755 });
    expect(fs.statSync(on("shared", "dir"))).toMatchObject({ uid: 1000, gid: 50, mode: 0o042755 });
  });

  it("is what the reply says it is", () => {
    const { body } = guest.ok(guest.create(1n, "file", undefined, 0o640));
    const stat = fs.statSync(on("file"), { bigint: true });
    expect(statOf(body, 40)).toMatchObject({ ino: stat.ino, mode: 0o100640, uid: Number(stat.uid), nlink: 1 });
    expect(guest.walk("file")).toBe(body.getBigUint64(0, true));
  });

  it.each<[string, Uint8Array]>([
    ["not UTF-8", Uint8Array.of(0xff, 0xfe, 0x80)],
    ["255 bytes", new Uint8Array(255).fill(0x6e)],
    ["newline and backslash", new TextEncoder().encode("a\n\\b")],
  ])("has a name of any bytes: %s", (_title, name) => {
    guest.created(1n, name);
    guest.ok(guest.rename(1n, name, made(guest.mkdir(1n, "dir")), name));
    expect(fs.readdirSync(on("dir"), { encoding: "buffer" })).toEqual([Buffer.from(name)]);
    const link = made(guest.symlink(1n, name, "target"));
    expect(guest.readlink(link)).toBe("target");
  });
});

describe("WRITE", () => {
  const content = Uint8Array.from({ length: 3 * 1048576 + 17 }, (_, at) => (at * 31 + (at >> 10)) & 0xff);

  it.each<[string, number, number | undefined]>([
    ["1 MiB in one descriptor", 1048576, undefined],
    ["1 MiB in pages", 1048576, 4096],
    ["100 000 bytes in 1500 descriptors, more than pwritev takes", 100_000, 67],
  ])("a file of 3 MiB goes through in chunks of %s", (_title, size, split) => {
    const { nodeid, fh } = guest.created(1n, "big");
    for (let at = 0; at < content.length; at += size) {
      const chunk = content.subarray(at, at + size);
      expect(guest.wrote(nodeid, fh, BigInt(at), chunk, { ...(split && { split }) })).toBe(chunk.length);
    }
    const hash = (data: Uint8Array) => createHash("sha256").update(data).digest("hex");
    expect(hash(fs.readFileSync(on("big")))).toBe(hash(content));
  });

  it("F18: beyond what the file system holds is EFBIG, not the beginning of the file", () => {
    const { nodeid, fh } = guest.created(1n, "file");
    expect(guest.write(nodeid, fh, 2n ** 53n - 1n - 1n, Uint8Array.of(1)).error).toBe(EFBIG);
    expect(guest.setattr(nodeid, { valid: SIZE, size: 2n ** 53n - 1n }).error).toBe(EFBIG);
    expect(fs.statSync(on("file")).size).toBe(0);
  });

  it("and READ and SETATTR reach a file that has been unlinked", () => {
    const { nodeid, fh } = guest.created(1n, "file");
    guest.ok(guest.unlink(1n, "file"));
    guest.wrote(nodeid, fh, 0n, new TextEncoder().encode("still here"));
    guest.ok(guest.setattr(nodeid, { valid: SIZE, size: 5n }));
    guest.ok(guest.setattr(nodeid, { valid: MODE, mode: 0o600 }));
    expect(guest.text(nodeid, fh)).toBe("still");
    expect(guest.text(nodeid, guest.open(nodeid))).toBe("still");
    expect(guest.getattr(nodeid)).toMatchObject({ nlink: 0, mode: 0o100600, size: 5n });
    expect(fs.readdirSync(share)).toEqual([]);
  });

  it("is synced by FSYNC and FSYNCDIR; SYNCFS is ENOSYS, since node has no syncfs(2)", () => {
    const { nodeid, fh } = guest.created(1n, "file");
    const fds = openFds();
    for (const flags of [0, 1]) guest.ok(guest.send(20, bytes(u64(fh), u32(flags), u32(0)), { nodeid }));
    guest.ok(guest.send(30, bytes(u64(guest.open(1n, 27)), u32(0), u32(0))));
    expect(guest.send(50, u64(0n)).error).toBe(ENOSYS);
    expect(openFds()).toBe(fds);
  });
});

describe("SETATTR of times", () => {
  const NS = 1_000_000_000n;
  /** What stat(2) says, in nanoseconds. */
  const times = () => {
    const { atimeNs, mtimeNs } = fs.lstatSync(on("file"), { bigint: true });
    return [atimeNs, mtimeNs];
  };

  it.each<[bigint, number, bigint]>([
    [0n, 0, 0n],
    [1_700_000_000n, 123_456_789, 1_700_000_000n * NS + 123_456_000n],
    [1_700_000_000n, 999_999_999, 1_700_000_000n * NS + 999_999_000n],
    [1_234_567_890n, 1_000, 1_234_567_890n * NS + 1_000n],
    [4_294_967_295n, 7_001, 4_294_967_295n * NS + 7_000n],
    [-1n, 500_000_000, -NS / 2n],
    [-1_000_000n, 0, -1_000_000n * NS],
  ])("%i s and %i ns keep whole microseconds", (seconds, nanoseconds, expected) => {
    const { nodeid } = guest.created(1n, "file");
    const time: [bigint, number] = [seconds, nanoseconds];
    guest.ok(guest.setattr(nodeid, { valid: ATIME | MTIME, atime: time, mtime: time }));
    expect(times()).toEqual([expected, expected]);
  });

  it("of one leaves the other, to the microsecond", () => {
    const { nodeid } = guest.created(1n, "file");
    guest.ok(guest.setattr(nodeid, { valid: ATIME | MTIME, atime: [5n, 6000], mtime: [7n, 8000] }));
    guest.ok(guest.setattr(nodeid, { valid: ATIME, atime: [9n, 0] }));
    guest.ok(guest.setattr(nodeid, { valid: MTIME, mtime: [10n, 0] }));
    expect(times()).toEqual([9n * NS, 10n * NS]);
  });

  it("to now is the clock of the host", () => {
    const { nodeid } = guest.created(1n, "file");
    guest.ok(guest.setattr(nodeid, { valid: ATIME | MTIME, atime: [5n, 0], mtime: [5n, 0] }));
    const before = BigInt(Date.now()) * 1_000_000n;
    guest.ok(guest.setattr(nodeid, { valid: ATIME | ATIME_NOW | MTIME | MTIME_NOW }));
    for (const time of times()) expect(time).toBeGreaterThanOrEqual(before);
  });

  it("of a symlink are its own, not those of what it points to", () => {
    const secret = fs.statSync(path.join(top, "secret")).mtimeMs;
    const link = made(guest.symlink(1n, "file", "../secret"));
    guest.ok(guest.setattr(link, { valid: MTIME, mtime: [5n, 0] }));
    expect(times()[1]).toBe(5n * NS);
    expect(fs.statSync(path.join(top, "secret")).mtimeMs).toBe(secret);
  });
});

describe("RENAME2 with RENAME_NOREPLACE", () => {
  beforeEach(() => {
    fs.mkdirSync(on("dir", "sub"), { recursive: true });
    fs.writeFileSync(on("file"), "content");
    fs.symlinkSync("nowhere", on("link"));
  });

  it.each(["file", "dir", "link"])("moves %s to a free name, as it is, and its node with it", (name) => {
    const node = guest.walk(name);
    const before = fs.lstatSync(on(name), { bigint: true });
    guest.ok(guest.rename2(1n, name, 1n, "new"));
    const after = fs.lstatSync(on("new"), { bigint: true });
    expect([after.ino, after.mode, after.nlink]).toEqual([before.ino, before.mode, before.nlink]);
    expect(fs.existsSync(on(name))).toBe(false);
    expect(guest.walk("new")).toBe(node);
    if (name === "link") expect(guest.readlink(node)).toBe("nowhere");
  });

  it.each(["file", "dir", "link"])("to the name of %s is EEXIST, of whatever, and moves nothing", (name) => {
    const before = fs.readdirSync(share, { recursive: true }).sort();
    for (const from of ["file", "dir", "link"]) expect(guest.rename2(1n, from, 1n, name).error).toBe(EEXIST);
    expect(fs.readdirSync(share, { recursive: true }).sort()).toEqual(before);
    expect(fs.readFileSync(on("file"), "utf8")).toBe("content");
  });

  it("that fails leaves nothing at the new name", () => {
    const before = fs.readdirSync(share, { recursive: true }).sort();
    expect(guest.rename2(1n, "absent", 1n, "new").error).toBe(ENOENT);
    expect(guest.rename2(1n, "dir", guest.walk("dir", "sub"), "new").error).toBe(EINVAL);
    expect(fs.readdirSync(share, { recursive: true }).sort()).toEqual(before);
  });
});

describe("LINK and READLINK, which need a name of now", () => {
  it("follow a name that has moved, in the guest or on the host", () => {
    const { nodeid } = guest.created(1n, "file");
    const link = made(guest.symlink(1n, "link", "target"));
    const dir = made(guest.mkdir(1n, "dir"));
    guest.ok(guest.rename(1n, "file", dir, "moved"));
    guest.ok(guest.rename(1n, "link", dir, "link"));
    fs.renameSync(on("dir"), on("renamed"));
    guest.ok(guest.link(nodeid, 1n, "again"));
    expect(guest.readlink(link)).toBe("target");
    expect(fs.statSync(on("again")).ino).toBe(fs.statSync(on("renamed", "moved")).ino);
  });

  it("of a name that is gone is ESTALE; a LOOKUP of another name, as Linux sends it then, heals it", () => {
    const { nodeid } = guest.created(1n, "a");
    guest.ok(guest.link(nodeid, 1n, "b"));
    guest.ok(guest.unlink(1n, "a"));
    expect(guest.link(nodeid, 1n, "c").error).toBe(ESTALE);
    expect(guest.walk("b")).toBe(nodeid);
    guest.ok(guest.link(nodeid, 1n, "c"));
    expect(fs.readdirSync(share).sort()).toEqual(["b", "c"]);
  });

  it("of a name that has become another file is ESTALE and links nothing", () => {
    const { nodeid } = guest.created(1n, "a");
    fs.unlinkSync(on("a"));
    fs.writeFileSync(on("a"), "another");
    expect(guest.link(nodeid, 1n, "b").error).toBe(ESTALE);
    expect(fs.readdirSync(share)).toEqual(["a"]);
  });

  it("of a file that the host has moved out of the share is ESTALE", () => {
    const { nodeid } = guest.created(1n, "a");
    const link = made(guest.symlink(1n, "l", "target"));
    fs.renameSync(on("a"), path.join(top, "a"));
    fs.renameSync(on("l"), path.join(top, "l"));
    expect(guest.link(nodeid, 1n, "b").error).toBe(ESTALE);
    expect(guest.send(5, undefined, { nodeid: link }).error).toBe(ESTALE);
  });

  it("do not take `share-too` beside the share for the share", () => {
    const { nodeid } = guest.created(1n, "a");
    fs.mkdirSync(`${share}-too`);
    fs.renameSync(on("a"), path.join(`${share}-too`, "a"));
    expect(guest.link(nodeid, 1n, "b").error).toBe(ESTALE);
  });
});

describe("nothing outside the share is ever touched", () => {
  const outside = () => fs.readdirSync(top).sort();

  it.each(["..", ".", "../secret", "/tmp", "sub/../../secret"])("by the name %s: EINVAL", (name) => {
    const file = made(guest.mknod(1n, "file", S_IFREG | 0o644));
    const answers = [
      guest.create(1n, name),
      guest.mknod(1n, name, S_IFREG),
      guest.mkdir(1n, name),
      guest.symlink(1n, name, "x"),
      guest.link(file, 1n, name),
      guest.unlink(1n, name),
      guest.rmdir(1n, name),
      guest.rename(1n, name, 1n, "new"),
      guest.rename(1n, "file", 1n, name),
    ];
    expect(answers.map(({ error }) => error)).toEqual(answers.map(() => EINVAL));
    expect([outside(), fs.readdirSync(share)]).toEqual([["secret", "share"], ["file"]]);
  });

  it("through a directory that has become a symlink under the guest's hand", () => {
    fs.mkdirSync(on("dir"));
    fs.writeFileSync(on("dir", "secret"), "inside");
    const dir = guest.walk("dir");
    fs.renameSync(on("dir"), on("moved"));
    fs.symlinkSync(top, on("dir"));
    guest.created(dir, "file");
    guest.ok(guest.mkdir(dir, "sub"));
    guest.ok(guest.symlink(dir, "link", "x"));
    guest.ok(guest.rename(dir, "file", dir, "renamed"));
    guest.ok(guest.unlink(dir, "secret"));
    expect(outside()).toEqual(["secret", "share"]);
    expect(fs.readdirSync(on("moved")).sort()).toEqual(["link", "renamed", "sub"]);
  });

  it("through a file that has become a symlink: OPEN, SETATTR and WRITE reach the old file", () => {
    const { nodeid, fh } = guest.created(1n, "file");
    fs.unlinkSync(on("file"));
    fs.symlinkSync(path.join(top, "secret"), on("file"));
    guest.wrote(nodeid, fh, 0n, Uint8Array.of(1));
    guest.wrote(nodeid, guest.open(nodeid, 14, O_RDWR), 0n, Uint8Array.of(1));
    guest.ok(guest.setattr(nodeid, { valid: SIZE, size: 0n }));
    guest.ok(guest.setattr(nodeid, { valid: SIZE | FH, fh, size: 0n }));
    guest.ok(guest.setattr(nodeid, { valid: MODE, mode: 0o777 }));
    expect(fs.readFileSync(path.join(top, "secret"), "utf8")).toBe("outside");
    expect(fs.statSync(path.join(top, "secret")).mode & 0o777).not.toBe(0o777);
  });

  it("by CREATE of a name that is a symlink out of the share, whether it leads somewhere or not", () => {
    fs.symlinkSync(path.join(top, "secret"), on("link"));
    fs.symlinkSync(path.join(top, "new"), on("dangling"));
    for (const name of ["link", "dangling"]) {
      expect(guest.create(1n, name, 0o1102).error).toBe(ELOOP); // O_RDWR | O_CREAT | O_TRUNC
      expect(guest.create(1n, name).error).toBe(EEXIST);
      expect(guest.create(guest.walk(name), "x").error).toBe(ENOTDIR);
    }
    expect(outside()).toEqual(["secret", "share"]);
    expect(fs.readFileSync(path.join(top, "secret"), "utf8")).toBe("outside");
  });

  it("by CREATE of a name that is another file system: EXDEV", () => {
    const root = new Guest(new FuseSession(new HostDirBacking("/")));
    root.init();
    expect(root.create(1n, "proc", 0o102).error).toBe(EXDEV);
    root.session.close();
  });

  it("F21: CREATE of a name that is a FIFO does not open it", () => {
    execFileSync("mkfifo", [on("fifo")]);
    expect(guest.create(1n, "fifo", 0o102).error).toBe(-6); // ENXIO
    expect(guest.setattr(guest.walk("fifo"), { valid: SIZE, size: 0n }).error).toBe(EINVAL);
  });
});

describe("descriptors", () => {
  it("balance over every operation that makes, finds or moves something, also when it fails", () => {
    const before = openFds();
    const held: bigint[] = [];
    const hold = (answer: ReturnType<Guest["mkdir"]>) => held.push(made(answer));
    for (let round = 0; round < 20; round += 1) {
      const { nodeid, fh } = guest.created(1n, "file");
      held.push(nodeid);
      hold(guest.mkdir(1n, "dir"));
      const dir = held.at(-1)!;
      hold(guest.symlink(dir, "link", "x"));
      guest.readlink(held.at(-1)!);
      hold(guest.mknod(dir, "node", S_IFREG | 0o600));
      hold(guest.link(nodeid, dir, "hard"));
      expect(guest.create(1n, "file").error).toBe(EEXIST);
      expect(guest.create(1n, "dir", 0o102).error).toBe(-21); // EISDIR
      expect(guest.mkdir(1n, "dir").error).toBe(EEXIST);
      expect(guest.symlink(1n, "dir", "x").error).toBe(EEXIST);
      expect(guest.link(nodeid, dir, "hard").error).toBe(EEXIST);
      expect(guest.unlink(dir, "absent").error).toBe(ENOENT);
      held.push(guest.walk("file"));
      guest.ok(guest.rename(1n, "file", dir, "node"));
      guest.ok(guest.setattr(nodeid, { valid: SIZE | MODE, size: 10n, mode: 0o600 }));
      guest.ok(guest.release(18, nodeid, fh));
      for (const name of ["link", "node", "hard"]) guest.ok(guest.unlink(dir, name));
      guest.ok(guest.rmdir(1n, "dir"));
    }
    for (const nodeid of held) guest.forget(nodeid, 1n);
    expect([guest.session.inodes.size, guest.session.handles.size, openFds()]).toEqual([1, 0, before]);
    expect(fs.readdirSync(share)).toEqual([]);
  });
});
