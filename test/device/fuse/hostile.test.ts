// Hostile inputs, F rows that concern every request: headers, lengths, room for a reply, opcodes. Rows of one operation are
// beside that operation's tests.

import { beforeEach, describe, expect, it } from "vitest";
import { MemoryBacking } from "../../../device/fuse/backing/memory.js";
import { FuseSession } from "../../../device/fuse/session.js";
import { bytes, Guest, nul, u32, u64 } from "./guest.js";

const LOOKUP = 1;
const GETATTR = 3;
const STATFS = 17;
const EINVAL = -22;
const ENOMEM = -12;
const ENOSYS = -38;
const GETATTR_IN = bytes(u32(0), u32(0), u64(0n));

let guest: Guest;
let backing: MemoryBacking;

beforeEach(() => {
  backing = new MemoryBacking({ "hello.txt": "hello" });
  guest = new Guest(new FuseSession(backing));
  guest.init();
});

function expectAlive(): void {
  expect(guest.send(GETATTR, GETATTR_IN).used).toBe(120);
}

describe("F1: a header of which only part is readable", () => {
  it.each([0, 1, 39])("%i bytes: no reply", (readable) => {
    expect(guest.send(GETATTR, GETATTR_IN, { readable }).used).toBe(0);
    expectAlive();
  });

  it("no readable descriptor at all: no reply", () => {
    const writable = [{ offset: 0, length: 4096 }];
    expect(guest.session.handle({ memory: guest.memory, readable: [], writable })).toBe(0);
  });

  it("39 descriptors of one byte and one empty one: no reply", () => {
    const readable = Array.from({ length: 40 }, (_, at) => ({ offset: at, length: at === 20 ? 0 : 1 }));
    expect(guest.session.handle({ memory: guest.memory, readable, writable: [{ offset: 0, length: 99 }] })).toBe(0);
  });

  it("a whole header in descriptors of one byte is served", () => {
    expect(guest.send(GETATTR, GETATTR_IN, { split: 1 }).used).toBe(120);
  });
});

describe("F2: in.len that is not the length of the request", () => {
  it.each([0, 39, 40, 55, 57, 1048576])("%i instead of 56: EINVAL", (len) => {
    const answer = guest.send(GETATTR, GETATTR_IN, { len });
    expect([answer.error, answer.used, answer.len]).toEqual([EINVAL, 16, 16]);
    expectAlive();
  });

  it("arguments cut short of an honest in.len: EINVAL", () => {
    expect(guest.send(GETATTR, GETATTR_IN, { readable: 55 }).error).toBe(EINVAL);
  });

  it("a FORGET with a lying in.len forgets nothing", () => {
    const nodeid = guest.walk("hello.txt");
    guest.send(2, u64(1n), { nodeid, len: 49 });
    expect(guest.session.inodes.size).toBe(2);
  });
});

it.each([1052673, 0x7fffffff, 0xffffffff])("F3: in.len %i, above 1 MiB + 4 KiB: ENOMEM", (len) => {
  expect(guest.send(GETATTR, GETATTR_IN, { len }).error).toBe(ENOMEM);
  expectAlive();
});

it.each([0, 1, 15])("F4: %i writable bytes: nothing is written and nothing is done", (writable) => {
  const behindRequest = 64 + 40 + 10;
  guest.memory.fill(0xa5, behindRequest);
  expect(guest.send(LOOKUP, nul("hello.txt"), { writable }).used).toBe(0);
  expect(guest.memory.subarray(behindRequest).every((byte) => byte === 0xa5)).toBe(true);
  expect(guest.session.inodes.size).toBe(1);
});

it.each([0, 7, 19, 52, 54, 4096, 1048576, 0xffffffff])("F6: opcode %i: ENOSYS", (opcode) => {
  const answer = guest.send(opcode, GETATTR_IN, { unique: 5n });
  expect([answer.error, answer.used, answer.unique]).toEqual([ENOSYS, 16, 5n]);
});

it("F7: the byte-swapped INIT has no reply and changes nothing", () => {
  const body = bytes(u32(7 << 24), u32(31 << 24), u32(0), u32(0));
  expect(guest.send(436207616, body, { len: 56 << 24 }).used).toBe(0);
  expectAlive();
});

it.each([
  ["SETUPMAPPING", 48],
  ["REMOVEMAPPING", 49],
  ["NOTIFY_REPLY", 41],
  ["IOCTL", 39],
  ["POLL", 40],
  ["BMAP", 37],
])("F26: %s: ENOSYS", (_name, opcode) => {
  expect(guest.send(opcode, new Uint8Array(64)).error).toBe(ENOSYS);
});

// virtiofs.md 9: a guest learns from ENOSYS to do without.
it.each([
  ["SETXATTR", 21],
  ["F16 GETXATTR", 22],
  ["LISTXATTR", 23],
  ["REMOVEXATTR", 24],
  ["GETLK", 31],
  ["SETLK", 32],
  ["SETLKW", 33],
  ["ACCESS", 34],
  ["LSEEK", 46],
  ["COPY_FILE_RANGE", 47],
  ["TMPFILE", 51],
])("%s: ENOSYS", (_name, opcode) => {
  expect(guest.send(opcode, new Uint8Array(56)).error).toBe(ENOSYS);
});

it("FALLOCATE: EOPNOTSUPP", () => {
  expect(guest.send(43, new Uint8Array(32)).error).toBe(-95);
});

it.each([0n, 1n, 2n ** 64n - 1n])("F25: INTERRUPT for unique %i has no reply", (unique) => {
  expect(guest.send(36, u64(unique)).used).toBe(0);
  expect(guest.send(36).used).toBe(0);
  expectAlive();
});

describe("F27: extensions", () => {
  it("total_extlen beyond the request: EINVAL", () => {
    expect(guest.send(GETATTR, GETATTR_IN, { extlen: 3 }).error).toBe(EINVAL);
    expect(guest.send(GETATTR, GETATTR_IN, { extlen: 0xffff }).error).toBe(EINVAL);
    expect(guest.send(STATFS, new Uint8Array(0), { extlen: 1 }).error).toBe(EINVAL);
  });

  it("that reach into the arguments leave them too short: EINVAL", () => {
    expect(guest.send(GETATTR, GETATTR_IN, { extlen: 1 }).error).toBe(EINVAL);
  });

  it("are no part of the name before them", () => {
    expect(guest.send(LOOKUP, bytes(nul("hello.txt"), new Uint8Array(8)), { extlen: 1 }).error).toBe(0);
  });
});

it("F28: two requests with one unique are both answered", () => {
  for (const nodeid of [1n, 1n]) {
    expect(guest.send(GETATTR, GETATTR_IN, { nodeid, unique: 9n }).unique).toBe(9n);
  }
});

it("a name that the guest changes after the check stays what was checked", () => {
  const lookup = backing.lookup.bind(backing);
  let seen: Uint8Array | undefined;
  backing.lookup = (parent, name) => {
    guest.memory.fill(0x2e); // "...."
    seen = name.slice();
    return lookup(parent, name);
  };
  expect(guest.lookup(1n, "hello.txt").error).toBe(0);
  expect(seen).toEqual(new TextEncoder().encode("hello.txt"));
});
