// FUSE_INIT and the life of a session (rules: linux/fuse.h "Protocol changelog" and INIT negotiation; figures: virtiofsd).

import { beforeEach, expect, it } from "vitest";
import { MemoryBacking } from "../../../device/fuse/backing/memory.js";
import { FuseSession } from "../../../device/fuse/session.js";
import { bytes, Guest, u32, u64 } from "./guest.js";

const INIT = 26;
const GETATTR = 3;
const DESTROY = 38;
const EIO = -5;
const EINVAL = -22;
const ERANGE = -34;
const EPROTO = -71;

let guest: Guest;

beforeEach(() => {
  guest = new Guest(new FuseSession(new MemoryBacking({ "hello.txt": "hello" })));
});

/** fuse_init_in of 16 bytes. */
function initIn(major: number, minor: number, flags = 0, maxReadahead = 0): Uint8Array {
  return bytes(u32(major), u32(minor), u32(maxReadahead), u32(flags));
}

function getattr(): number {
  return guest.send(GETATTR, bytes(u32(0), u32(0), u64(0n))).error;
}

// biome-ignore format: one field a line
const EDK2_INIT = Uint8Array.of(
  56, 0, 0, 0,              // in_header.len: 40 + 16
  26, 0, 0, 0,              // opcode FUSE_INIT
  1, 0, 0, 0, 0, 0, 0, 0,   // unique
  0, 0, 0, 0, 0, 0, 0, 0,   // nodeid
  0, 0, 0, 0,               // uid
  0, 0, 0, 0,               // gid
  1, 0, 0, 0,               // pid
  0, 0,                     // total_extlen
  0, 0,                     // padding
  7, 0, 0, 0,               // init_in.major
  31, 0, 0, 0,              // minor
  0, 0, 0, 0,               // max_readahead
  0, 0x20, 0, 0,            // flags: DO_READDIRPLUS, bit 13
);

// biome-ignore format: one field a line
const EDK2_INIT_REPLY = Uint8Array.of(
  80, 0, 0, 0,              // out_header.len: 16 + 64
  0, 0, 0, 0,               // error
  1, 0, 0, 0, 0, 0, 0, 0,   // unique
  7, 0, 0, 0,               // init_out.major
  38, 0, 0, 0,              // minor
  0, 0, 0, 0,               // max_readahead, echoed
  0, 0x20, 0, 0,            // flags: DO_READDIRPLUS and nothing that was not offered
  0xff, 0xff,               // max_background 65535
  0xfd, 0xbf,               // congestion_threshold 49149
  0, 0, 0x10, 0,            // max_write 1 MiB
  1, 0, 0, 0,               // time_gran 1 ns
  0, 1,                     // max_pages 256
  0, 0,                     // map_alignment
  0, 0, 0, 0,               // flags2
  0, 0, 0, 0,               // max_stack_depth
  0, 0,                     // request_timeout
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // unused
);

it("answers EDK2's FUSE_INIT, four descriptors, byte for byte (used.len 80)", () => {
  guest.memory.set(EDK2_INIT, 0x1000);
  const used = guest.session.handle({
    memory: guest.memory,
    readable: [
      { offset: 0x1000, length: 40 },
      { offset: 0x1028, length: 16 },
    ],
    writable: [
      { offset: 0x3000, length: 16 },
      { offset: 0x2000, length: 64 },
    ],
  });
  expect(used).toBe(80);
  expect(bytes(guest.memory.slice(0x3000, 0x3010), guest.memory.slice(0x2000, 0x2040))).toEqual(EDK2_INIT_REPLY);
});

it("answers EINVAL to EDK2's FUSE_INIT cut one byte short", () => {
  const body = EDK2_INIT.subarray(40, 55);
  expect(guest.send(INIT, body).error).toBe(EINVAL);
});

it("accepts the 64 bytes of init_in that Linux 6.18 sends, and grants only what is offered and wanted", () => {
  const linux = bytes(initIn(7, 45, 0x73fffffb, 131072), u32(0x5fd), new Uint8Array(44));
  const { error, body } = guest.send(INIT, linux);
  expect(error).toBe(0);
  expect(body.getUint32(4, true)).toBe(38);
  expect(body.getUint32(8, true)).toBe(131072);
  // ASYNC_READ 0, ATOMIC_O_TRUNC 3, BIG_WRITES 5, AUTO_INVAL_DATA 12, DO_READDIRPLUS 13, READDIRPLUS_AUTO 14, ASYNC_DIO 15,
  // PARALLEL_DIROPS 18, MAX_PAGES 22
  expect(body.getUint32(12, true)).toBe(
    (1 << 0) | (1 << 3) | (1 << 5) | (1 << 12) | (1 << 13) | (1 << 14) | (1 << 15) | (1 << 18) | (1 << 22),
  );
  expect(body.getUint32(32, true)).toBe(0); // flags2
});

it("grants nothing to a guest that offers nothing", () => {
  expect(guest.send(INIT, initIn(7, 31)).body.getUint32(12, true)).toBe(0);
});

it.each([
  ["major 6", 6, 38],
  ["major 0", 0, 0],
  ["minor 26", 7, 26],
])("F8: refuses %s with EPROTO, and the session has not begun", (_title, major, minor) => {
  const { error, used } = guest.send(INIT, initIn(major, minor));
  expect([error, used]).toEqual([EPROTO, 16]);
  expect(getattr()).toBe(EIO);
});

it("F8: minor 27 is served", () => {
  expect(guest.send(INIT, initIn(7, 27)).error).toBe(0);
  expect(getattr()).toBe(0);
});

it("F8: tells a guest of major 8 its own version, and begins with the second INIT only", () => {
  const { error, body } = guest.send(INIT, initIn(8, 0, 1 << 13));
  expect(error).toBe(0);
  expect([body.getUint32(0, true), body.getUint32(4, true), body.getUint32(12, true)]).toEqual([7, 38, 0]);
  expect(getattr()).toBe(EIO);
  guest.ok(guest.init());
  expect(getattr()).toBe(0);
});

it("F8: answers EIO to requests before INIT", () => {
  expect(getattr()).toBe(EIO);
  expect(guest.lookup(1n, "hello.txt").error).toBe(EIO);
});

it("F8: a second INIT wipes the nodes and handles of the first", () => {
  guest.init();
  const nodeid = guest.walk("hello.txt");
  const fh = guest.open(nodeid);
  guest.ok(guest.init());
  expect([guest.session.inodes.size, guest.session.handles.size]).toEqual([1, 0]);
  expect(guest.read(nodeid, fh, 0n, 5).error).toBe(-9); // EBADF
  // What the guest remembers of the old session can never name something of the new one.
  expect(guest.walk("hello.txt")).not.toBe(nodeid);
});

it("DESTROY has no reply and drops all nodes and handles", () => {
  guest.init();
  guest.open(guest.walk("hello.txt"));
  expect(guest.send(DESTROY).used).toBe(0);
  expect([guest.session.inodes.size, guest.session.handles.size]).toEqual([1, 0]);
  expect(getattr()).toBe(EIO);
});

it("F5: INIT with room for an init_out of 24 bytes is ERANGE and does not begin the session", () => {
  expect(guest.send(INIT, initIn(7, 31), { writable: 16 + 24 }).error).toBe(ERANGE);
  expect(getattr()).toBe(EIO);
});
