// Hostile vhost-user messages, rows V of the hostile-input table. Rows that need the back-end's state (V3 ring index,
// V4 ring size and features, V6 addresses) are well-formed here, so that the back-end can answer them with an ACK.
// V7 and V10 are not about a message's bytes.

import { describe, expect, test } from "vitest";
import * as vu from "../../../device/spec/vhost-user.js";
import { decodeHeader, encode, expectedReply, request } from "../../../device/vhost-user/message.js";
import { bytes, receive, u32, u64 } from "./fixture.js";

const header = (request: number, flags: number, size: number) => bytes(u32(request), u32(flags), u32(size));

describe("V1 header", () => {
  test.each([0, 2, 3])("version %i is refused", (version) => {
    expect(decodeHeader(header(1, version, 0))).toMatchObject({ refused: "version is not 1", section: "Header" });
  });

  test.each(Array.from({ length: 28 }, (_, i) => i + 4))("reserved flag bit %i is refused", (bit) => {
    expect(decodeHeader(header(1, (1 | (1 << bit)) >>> 0, 0))).toMatchObject({ refused: "reserved flag bit set" });
  });

  test.each([4097, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff])("a payload of %i bytes is refused unread", (size) => {
    for (const id of [vu.VHOST_USER_SET_MEM_TABLE, vu.VHOST_USER_SET_CONFIG, vu.VHOST_USER_CREATE_CRYPTO_SESSION]) {
      expect(decodeHeader(header(id, 1, size))).toMatchObject({ refused: "payload larger than 4096 bytes" });
    }
  });

  test("a payload of 4096 bytes is the largest", () => {
    expect(decodeHeader(header(vu.VHOST_USER_SET_CONFIG, 1, 4096))).toMatchObject({ size: 4096, kind: "config" });
  });

  test.each([
    ["none", vu.VHOST_USER_GET_FEATURES, [1, 8]],
    ["u64", vu.VHOST_USER_SET_FEATURES, [0, 7, 9, 16]],
    ["vring state", vu.VHOST_USER_SET_VRING_ENABLE, [0, 4, 7, 9, 40]],
    ["vring address", vu.VHOST_USER_SET_VRING_ADDR, [0, 39, 41]],
    ["memory table", vu.VHOST_USER_SET_MEM_TABLE, [0, 7, 8, 39, 41, 8 + 9 * 32]],
    ["single region", vu.VHOST_USER_ADD_MEM_REG, [0, 32, 39, 41]],
    ["log", vu.VHOST_USER_SET_LOG_BASE, [0, 8, 15, 17]],
    ["IOTLB", vu.VHOST_USER_IOTLB_MSG, [0, 26, 31, 33]],
    ["config", vu.VHOST_USER_GET_CONFIG, [0, 11]],
    ["inflight", vu.VHOST_USER_GET_INFLIGHT_FD, [0, 20, 23, 25]],
    ["shared object", vu.VHOST_USER_GET_SHARED_OBJECT, [0, 15, 17]],
    ["device state", vu.VHOST_USER_SET_DEVICE_STATE_FD, [0, 4, 12]],
  ])("a size that is wrong for a %s payload is refused before the body is read", (_, id, sizes) => {
    for (const size of sizes) {
      expect(decodeHeader(header(id, 1, size))).toMatchObject({ refused: "payload size wrong for the message" });
    }
  });
});

describe("V2 unknown request", () => {
  test.each([0, 44, 45, 0x7fff_ffff, 0x8000_0001, 0xffff_ffff])("request %i is refused", (id) => {
    expect(decodeHeader(header(id, 1, 0))).toMatchObject({ refused: "unknown request" });
  });
});

describe("V3 ring index out of range, V4 ring size 0: well-formed, for the back-end to answer", () => {
  test.each([vu.VHOST_USER_SET_VRING_NUM, vu.VHOST_USER_SET_VRING_BASE, vu.VHOST_USER_GET_VRING_BASE])(
    "request %i",
    (id) => {
      const wire = bytes(u32(id), u32(9), u32(8), u32(0xffff_ffff), u32(0));
      expect(receive(wire)).toMatchObject({ payload: { kind: "vringState", index: 0xffff_ffff, num: 0 } });
    },
  );

  test.each([
    ["SET_VRING_ENABLE", vu.VHOST_USER_SET_VRING_ENABLE, 1],
    ["SET_VRING_ENDIAN", vu.VHOST_USER_SET_VRING_ENDIAN, 1],
    ["VRING_KICK", vu.VHOST_USER_VRING_KICK, 0],
  ])("but the num of %s is refused above what the document gives it", (_, id, most) => {
    const wire = (num: number) => bytes(u32(id), u32(1), u32(8), u32(0), u32(num));
    expect(receive(wire(most))).toMatchObject({ payload: { num: most } });
    expect(receive(wire(most + 1))).toMatchObject({ refused: "num out of range" });
    expect(receive(wire(0xffff_ffff))).toMatchObject({ refused: "num out of range" });
  });
});

describe("V5 memory regions", () => {
  type Raw = readonly [gpa: bigint, size: bigint, uaddr: bigint, offset: bigint];
  const END = 2n ** 64n;
  const fds = (count: number) => Array.from({ length: count }, (_, i) => i + 3);

  function table(regions: readonly Raw[], { count = regions.length, padding = 0, fdCount = regions.length } = {}) {
    const body = regions.flatMap((region) => region.flatMap(u64));
    const wire = bytes(u32(vu.VHOST_USER_SET_MEM_TABLE), u32(1), u32(8 + body.length), u32(count), u32(padding), body);
    return receive(wire, fds(fdCount));
  }

  const good: Raw = [0x1000n, 0x1000n, 0n, 0n];
  const row = (length: number): Raw[] => Array.from({ length }, (_, i) => [BigInt(i) * 16n, 16n, 0n, 0n]);

  test("1 and 8 regions are taken, end to end", () => {
    expect(table(row(1))).toMatchObject({ fds: [3] });
    expect(table(row(8))).toMatchObject({ payload: { regions: { length: 8 } }, fds: fds(8) });
  });

  test.each([0, 9, 32, 0xffff_ffff])("a count of %i regions is refused", (count) => {
    expect(table([good], { count })).toMatchObject({ refused: "number of regions is not 1 to 8" });
  });

  test("a count that the payload does not hold is refused", () => {
    expect(table(row(1), { count: 2 })).toMatchObject({ refused: "number of regions does not match the payload size" });
    expect(table(row(3), { count: 2 })).toMatchObject({ refused: "number of regions does not match the payload size" });
  });

  test("padding other than 0 is refused", () => {
    expect(table([good], { padding: 1 })).toMatchObject({ refused: "padding is not zero" });
    const wire = bytes(u32(vu.VHOST_USER_ADD_MEM_REG), u32(1), u32(40), u64(1n << 63n), good.flatMap(u64));
    expect(receive(wire, [3])).toMatchObject({ refused: "padding is not zero" });
  });

  test.each([1, 3, 0])("%i descriptors for 2 regions are refused", (fdCount) => {
    expect(table(row(2), { fdCount })).toMatchObject({ refused: "wrong number of file descriptors" });
  });

  const BAD: readonly [title: string, region: Raw, rule: string][] = [
    ["size 0", [0x1000n, 0n, 0n, 0n], "region size is 0"],
    ["gpa + size beyond 2^64", [END - 1n, 2n, 0n, 0n], "region overflows 64 bits"],
    ["gpa + size of 2^64", [END - 0x1000n, 0x1000n, 0n, 0n], "region overflows 64 bits"],
    ["uaddr + size beyond 2^64", [0n, 0x1000n, END - 0xfffn, 0n], "region overflows 64 bits"],
    ["offset + size beyond 2^64", [0n, END - 1n, 0n, 1n], "region overflows 64 bits"],
  ];

  test.each(BAD)("a region with %s is refused in SET_MEM_TABLE, ADD_MEM_REG and REM_MEM_REG", (_, region, rule) => {
    expect(table([[0n, 1n, 0n, 0n], region])).toMatchObject({ refused: rule });
    for (const [id, fdCount] of [
      [vu.VHOST_USER_ADD_MEM_REG, 1],
      [vu.VHOST_USER_REM_MEM_REG, 0],
    ] as const) {
      const wire = bytes(u32(id), u32(1), u32(40), u64(0n), region.flatMap(u64));
      expect(receive(wire, fds(fdCount))).toMatchObject({ refused: rule });
    }
  });

  test("the last region below 2^64 - 1 is taken", () => {
    expect(table([[0n, END - 1n, 0n, 0n]])).toMatchObject({ payload: { regions: [{ size: END - 1n }] } });
  });

  test.each([
    ["the same region twice", good],
    ["its first byte", [0n, 0x1001n, 0n, 0n]],
    ["its last byte", [0x1fffn, 1n, 0n, 0n]],
    ["all of it", [0n, 0x10_0000n, 0n, 0n]],
  ] as [string, Raw][])("a region that overlaps another is refused, in either order: %s", (_, other) => {
    expect(table([good, other])).toMatchObject({ refused: "regions overlap" });
    expect(table([other, good])).toMatchObject({ refused: "regions overlap" });
  });

  test("regions of one file at one user address may share those, not their gpa", () => {
    expect(table([good, [0x2000n, 0x1000n, 0n, 0n]])).toMatchObject({ payload: { regions: { length: 2 } } });
  });
});

describe("V9 file descriptors", () => {
  const vringFd = (value: bigint, fdCount: number) =>
    receive(bytes(u32(vu.VHOST_USER_SET_VRING_KICK), u32(1), u32(8), u64(value)), Array(fdCount).fill(3));

  test("the no-fd bit must agree with the descriptors", () => {
    expect(vringFd(1n, 1)).toMatchObject({ fds: [3] });
    expect(vringFd(0x101n, 0)).toMatchObject({ fds: [] });
    expect(vringFd(1n, 0)).toMatchObject({ refused: "no-fd bit contradicts the file descriptors" });
    expect(vringFd(0x101n, 1)).toMatchObject({ refused: "no-fd bit contradicts the file descriptors" });
  });

  test("more than one descriptor for a ring is refused", () => {
    expect(vringFd(1n, 2)).toMatchObject({ refused: "wrong number of file descriptors" });
    expect(vringFd(0x101n, 2)).toMatchObject({ refused: "wrong number of file descriptors" });
  });

  test("a descriptor with a message that has none is refused", () => {
    const wire = encode(request(vu.VHOST_USER_SET_OWNER));
    expect(receive(wire, [3])).toMatchObject({ refused: "wrong number of file descriptors" });
  });

  test.each([0, 2, 8])('%i descriptors with ADD_MEM_REG are refused: "Exactly one file descriptor"', (count) => {
    const wire = bytes(u32(vu.VHOST_USER_ADD_MEM_REG), u32(1), u32(40), u64(0n), [0n, 1n, 0n, 0n].flatMap(u64));
    expect(receive(wire, Array(count).fill(3))).toMatchObject({ refused: "wrong number of file descriptors" });
  });

  test("REM_MEM_REG may come with one descriptor, which is handed on to be closed, but not with two", () => {
    const wire = bytes(u32(vu.VHOST_USER_REM_MEM_REG), u32(1), u32(40), u64(0n), [0n, 1n, 0n, 0n].flatMap(u64));
    expect(receive(wire, [])).toMatchObject({ fds: [] });
    expect(receive(wire, [3])).toMatchObject({ fds: [3] });
    expect(receive(wire, [3, 4])).toMatchObject({ refused: "wrong number of file descriptors" });
  });

  test("SET_DEVICE_STATE_FD's reply may not both indicate an error and return a descriptor", () => {
    const reply = (value: bigint, fds: number[]) => {
      const id = vu.VHOST_USER_SET_DEVICE_STATE_FD;
      return receive(bytes(u32(id), u32(5), u32(8), u64(value)), fds, id);
    };
    expect(reply(0n, [3])).toMatchObject({ fds: [3] });
    expect(reply(0x100n, [])).toMatchObject({ fds: [] });
    expect(reply(0x101n, [])).toMatchObject({ fds: [] });
    expect(reply(0n, [])).toMatchObject({ refused: "no-fd bit contradicts the file descriptors" });
    expect(reply(0x100n, [3])).toMatchObject({ refused: "no-fd bit contradicts the file descriptors" });
    expect(reply(1n, [3])).toMatchObject({ refused: "error and file descriptor in one reply" });
  });
});

describe("V11 reply flags", () => {
  test("the reply flag in a request is refused", () => {
    expect(decodeHeader(header(vu.VHOST_USER_GET_FEATURES, 5, 8))).toMatchObject({
      refused: "reply flag in a request",
    });
  });

  test("a reply must have flags of exactly 0x5 and the id of the request", () => {
    const reply = (id: number, flags: number) => decodeHeader(header(id, flags, 8), vu.VHOST_USER_GET_FEATURES);
    expect(reply(1, 5)).toMatchObject({ kind: "u64" });
    expect(reply(1, 1)).toMatchObject({ refused: "no reply flag in a reply" });
    expect(reply(1, 0xd)).toMatchObject({ refused: "need_reply flag in a reply" });
    expect(reply(15, 5)).toMatchObject({ refused: "reply to another request" });
    expect(reply(99, 5)).toMatchObject({ refused: "reply to another request" });
  });

  test("NEED_REPLY without REPLY_ACK negotiated gets no ACK", () => {
    const enable = { request: vu.VHOST_USER_SET_VRING_ENABLE, flags: 9 };
    expect(expectedReply(enable, 0n)).toBe("none");
    expect(expectedReply(enable, ~(1n << BigInt(vu.VHOST_USER_PROTOCOL_F_REPLY_ACK)))).toBe("none");
  });
});

test("the config size must be the length of the bytes that follow", () => {
  const wire = (size: number) =>
    bytes(u32(vu.VHOST_USER_SET_CONFIG), u32(1), u32(14), u32(0), u32(size), u32(0), [7, 8]);
  expect(receive(wire(2))).toMatchObject({ payload: { bytes: bytes([7, 8]) } });
  for (const size of [0, 1, 3, 0xffff_ffff]) {
    expect(receive(wire(size))).toMatchObject({ refused: "config size does not match the payload size" });
  }
});
