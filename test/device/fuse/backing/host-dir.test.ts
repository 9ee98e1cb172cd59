// A real directory, served through a FuseSession. Linux only, as the backing is.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { HostDirBacking } from "../../../../device/fuse/backing/host-dir.js";
import { FuseSession } from "../../../../device/fuse/session.js";
import { bytes, dirents, Guest, u32, u64 } from "../guest.js";

const GETATTR = 3;
const OPEN = 14;
const STATFS = 17;
const READDIR = 28;
const READDIRPLUS = 44;
const ENOENT = -2;
const ENXIO = -6;
const EBADF = -9;
const EXDEV = -18;
const ENOTDIR = -20;
const EINVAL = -22;
const ELOOP = -40;

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

function contentOf(...names: (string | Uint8Array)[]): string {
  const nodeid = guest.walk(...names);
  const { body } = guest.ok(guest.read(nodeid, guest.open(nodeid), 0n, 4096));
  return String.fromCharCode(...new Uint8Array(body.buffer, body.byteOffset, body.byteLength));
}

describe("a share that cannot be served is one clear line", () => {
  it("missing", () => {
    const missing = path.join(top, "missing");
    expect(() => new HostDirBacking(missing)).toThrow(
      `The share ${missing} does not exist: name a directory that does.`,
    );
  });

  it("a file", () => {
    const file = path.join(top, "secret");
    expect(() => new HostDirBacking(file)).toThrow(
      `The share ${file} is not a directory: name the directory that holds it.`,
    );
  });

  it("leaves no descriptor behind", () => {
    const before = openFds();
    expect(() => new HostDirBacking(path.join(top, "secret"))).toThrow();
    expect(openFds()).toBe(before);
  });
});

describe("names are bytes", () => {
  it.each<[string, Uint8Array]>([
    ["non-ASCII", new TextEncoder().encode("grüße 文件")],
    ["not UTF-8", Uint8Array.of(0xff, 0xfe, 0x80)],
    ["255 bytes", new Uint8Array(255).fill(0x6e)],
    ["255 bytes of UTF-8", new TextEncoder().encode("文".repeat(85))],
    ["newline and backslash", new TextEncoder().encode("a\n\\b")],
  ])("%s", (_title, name) => {
    fs.writeFileSync(Buffer.concat([Buffer.from(`${share}/`), name]), "found");
    expect(contentOf(name)).toBe("found");
    const { body } = guest.ok(guest.readdir(READDIRPLUS, 1n, guest.open(1n, 27), 0n, 4096));
    expect(dirents(READDIRPLUS, body)[2]!.name).toBe(String.fromCharCode(...name));
  });
});

describe("attributes are those of the host", () => {
  it("GETATTR equals stat(2)", () => {
    const file = path.join(share, "file");
    fs.writeFileSync(file, "x".repeat(5000), { mode: 0o640 });
    // Before 1970: seconds -2, nanoseconds 500 000 000.
    fs.utimesSync(file, new Date(-1500), new Date(1_700_000_000_250));
    const stat = fs.statSync(file, { bigint: true });
    const { body } = guest.ok(guest.send(GETATTR, bytes(u32(0), u32(0), u64(0n)), { nodeid: guest.walk("file") }));
    expect(body.getBigUint64(16, true)).toBe(stat.ino);
    expect(body.getBigUint64(24, true)).toBe(5000n);
    expect(body.getBigUint64(32, true)).toBe(stat.blocks);
    expect([body.getBigInt64(40, true), body.getUint32(64, true)]).toEqual([-2n, 500_000_000]);
    expect([body.getBigInt64(48, true), body.getUint32(68, true)]).toEqual([1_700_000_000n, 250_000_000]);
    expect(body.getBigInt64(56, true) * 1_000_000_000n + BigInt(body.getUint32(72, true))).toBe(stat.ctimeNs);
    expect(body.getUint32(76, true)).toBe(Number(stat.mode));
    expect(body.getUint32(80, true)).toBe(1); // nlink
    expect(body.getUint32(84, true)).toBe(Number(stat.uid));
    expect(body.getUint32(88, true)).toBe(Number(stat.gid));
    expect(body.getUint32(96, true)).toBe(Number(stat.blksize));
  });

  it("STATFS equals statfs(2) in what does not move", () => {
    const statfs = fs.statfsSync(share, { bigint: true });
    const { body } = guest.ok(guest.send(STATFS));
    expect(body.getBigUint64(0, true)).toBe(statfs.blocks);
    expect(body.getUint32(40, true)).toBe(Number(statfs.bsize));
    expect(body.getUint32(44, true)).toBe(255);
  });

  it("hard links are one node", () => {
    fs.writeFileSync(path.join(share, "a"), "");
    fs.linkSync(path.join(share, "a"), path.join(share, "b"));
    expect(guest.walk("a")).toBe(guest.walk("b"));
    expect(guest.session.inodes.size).toBe(2);
  });
});

describe("READ", () => {
  /** Numbers that no chunk border repeats. */
  const content = Uint8Array.from({ length: 3 * 1048576 + 17 }, (_, at) => (at * 31 + (at >> 10)) & 0xff);

  it.each<[string, number, number | undefined]>([
    ["1 MiB in one descriptor", 1048576, undefined],
    ["1 MiB in pages", 1048576, 4096],
    ["100 000 bytes in 1500 descriptors, more than preadv takes", 100_000, 67],
  ])("a file of 3 MiB comes through in chunks of %s", (_title, size, split) => {
    fs.writeFileSync(path.join(share, "big"), content);
    const nodeid = guest.walk("big");
    const fh = guest.open(nodeid);
    const hash = createHash("sha256");
    let total = 0;
    for (;;) {
      const { body } = guest.ok(guest.read(nodeid, fh, BigInt(total), size, { ...(split && { split }) }));
      // Short of the size only at the end of the file: a guest takes a short read for just that.
      expect(body.byteLength).toBe(Math.min(size, content.length - total));
      if (body.byteLength === 0) break;
      hash.update(new Uint8Array(body.buffer, body.byteOffset, body.byteLength));
      total += body.byteLength;
    }
    expect(total).toBe(content.length);
    expect(hash.digest("hex")).toBe(createHash("sha256").update(content).digest("hex"));
  });

  it("at an offset of 2^53 - 1 - size is the end of the file, not its beginning", () => {
    fs.writeFileSync(path.join(share, "file"), "x");
    const nodeid = guest.walk("file");
    expect(guest.read(nodeid, guest.open(nodeid), 2n ** 53n - 1n - 100n, 100).used).toBe(16);
  });

  it("reads what was opened after the name is gone", () => {
    fs.writeFileSync(path.join(share, "file"), "still here");
    const nodeid = guest.walk("file");
    fs.unlinkSync(path.join(share, "file"));
    const { body } = guest.read(nodeid, guest.open(nodeid), 0n, 100);
    expect(body.byteLength).toBe(10);
    expect(guest.lookup(1n, "file").error).toBe(ENOENT);
  });
});

describe("nothing outside the share is ever reached", () => {
  it.each(["..", "../secret", "/etc/passwd", "."])("the name %s is EINVAL", (name) => {
    expect(guest.lookup(1n, name).error).toBe(EINVAL);
  });

  it("a symlink out of the share is a symlink: neither opened (ELOOP) nor walked through (ENOTDIR)", () => {
    fs.symlinkSync(path.join(top, "secret"), path.join(share, "file-link"));
    fs.symlinkSync(top, path.join(share, "dir-link"));
    const link = guest.walk("file-link");
    expect(guest.send(OPEN, bytes(u32(0), u32(0)), { nodeid: link }).error).toBe(ELOOP);
    expect(guest.lookup(guest.walk("dir-link"), "secret").error).toBe(ENOTDIR);
  });

  it("a directory that becomes a symlink under the guest's hand is still the old directory", () => {
    const dir = path.join(share, "dir");
    fs.mkdirSync(dir);
    fs.writeFileSync(path.join(dir, "secret"), "inside");
    const nodeid = guest.walk("dir");
    fs.renameSync(dir, path.join(share, "moved"));
    fs.symlinkSync(top, dir);
    const secret = guest.ok(guest.lookup(nodeid, "secret")).body.getBigUint64(0, true);
    const { body } = guest.read(secret, guest.open(secret), 0n, 100);
    expect(new TextDecoder().decode(body)).toBe("inside");
  });

  it("a file that becomes a symlink between LOOKUP and OPEN is still the old file", () => {
    fs.writeFileSync(path.join(share, "file"), "inside");
    const nodeid = guest.walk("file");
    fs.unlinkSync(path.join(share, "file"));
    fs.symlinkSync(path.join(top, "secret"), path.join(share, "file"));
    const { body } = guest.read(nodeid, guest.open(nodeid), 0n, 100);
    expect(new TextDecoder().decode(body)).toBe("inside");
  });

  it("another file system inside the share is EXDEV", () => {
    const root = new Guest(new FuseSession(new HostDirBacking("/")));
    root.init();
    expect(root.lookup(1n, "proc").error).toBe(EXDEV);
    root.session.close();
  });

  it("F21: a FIFO is never opened (which would block)", () => {
    execFileSync("mkfifo", [path.join(share, "fifo")]);
    expect(guest.send(OPEN, bytes(u32(0), u32(0)), { nodeid: guest.walk("fifo") }).error).toBe(ENXIO);
  });
});

describe("descriptors", () => {
  it("balance: looked up, opened, listed, forgotten and released, none is left but the root's", () => {
    for (let at = 0; at < 50; at += 1) fs.writeFileSync(path.join(share, `f${at}`), "x");
    const before = openFds();
    const held: bigint[] = [];
    for (let round = 0; round < 2; round += 1) {
      for (let at = 0; at < 50; at += 1) {
        const nodeid = guest.walk(`f${at}`);
        held.push(nodeid);
        guest.release(18, nodeid, guest.open(nodeid));
      }
    }
    const dir = guest.open(1n, 27);
    const { body } = guest.ok(guest.readdir(READDIRPLUS, 1n, dir, 0n, 65536));
    held.push(...dirents(READDIRPLUS, body).map(({ nodeid }) => nodeid));
    guest.ok(guest.readdir(READDIR, 1n, dir, 0n, 65536));
    guest.ok(guest.release(29, 1n, dir));
    expect([guest.session.inodes.size, openFds()]).toEqual([51, before + 50]);
    for (const nodeid of held) guest.forget(nodeid, 1n);
    expect([guest.session.inodes.size, guest.session.handles.size, openFds()]).toEqual([1, 0, before]);
  });

  it("a second INIT and close() give all back", () => {
    fs.writeFileSync(path.join(share, "file"), "x");
    const before = openFds();
    const other = new Guest(new FuseSession(new HostDirBacking(share)));
    other.init();
    other.open(other.walk("file"));
    expect(openFds()).toBe(before + 3);
    other.init();
    expect(openFds()).toBe(before + 1);
    other.open(other.walk("file"));
    other.session.close();
    expect(openFds()).toBe(before);
  });

  it("a node forgotten is EBADF, though its descriptor number may live on as another node", () => {
    fs.writeFileSync(path.join(share, "a"), "");
    fs.writeFileSync(path.join(share, "b"), "");
    const a = guest.walk("a");
    guest.forget(a, 1n);
    expect(guest.walk("b")).not.toBe(a);
    expect(guest.send(OPEN, bytes(u32(0), u32(0)), { nodeid: a }).error).toBe(EBADF);
  });
});
