import { expect, it } from "vitest";
import { describeRequest } from "../../../device/fuse/request.js";
import { bytes, segments, u32, u64 } from "./guest.js";

function line(opcode: number, unique: bigint, nodeid: bigint, length = 40): string {
  const memory = bytes(u32(40), u32(opcode), u64(unique), u64(nodeid), new Uint8Array(16));
  return describeRequest({ memory, readable: segments(0, length, 7), writable: [] });
}

it.each<[string, number, bigint, bigint]>([
  ["FUSE_INIT unique=1", 26, 1n, 0n],
  ["FUSE_READDIRPLUS unique=12 nodeid=1", 44, 12n, 1n],
  ["FUSE_WRITE unique=18446744073709551615 nodeid=9007199254740993", 16, 2n ** 64n - 1n, 2n ** 53n + 1n],
  ["FUSE opcode 7 unique=3", 7, 3n, 0n],
])("describes a request as `%s`", (text, opcode, unique, nodeid) => {
  expect(line(opcode, unique, nodeid)).toBe(text);
});

it("describes what has no whole header", () => {
  expect(line(26, 1n, 0n, 39)).toBe("truncated FUSE request of 39 bytes");
});
