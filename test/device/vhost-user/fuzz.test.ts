// Arbitrary vhost-user bytes, structured so that many of them are almost valid: whatever a peer sends, the codec refuses
// it or takes it for what it says, and never throws.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as vu from "../../../device/spec/vhost-user.js";
import { decodeHeader, encode, isRefused } from "../../../device/vhost-user/message.js";
import { bytes, receive, u32, u64 } from "./fixture.js";

describe("arbitrary bytes never throw", () => {
  const flagWord = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(1, 5, 9) },
    { weight: 1, arbitrary: fc.nat({ max: 0xffff_ffff }) },
  );
  const word = fc.oneof(fc.constantFrom(0, 1, 4, 5, 8, 9, 40, 0x100, 4096, 0x8000_0000, 0xffff_ffff), fc.nat(48));

  test("every header is a known message of at most 4096 bytes, or refused", () => {
    const seen = { accepted: 0, refused: 0 };
    fc.assert(
      fc.property(word, flagWord, word, fc.boolean(), (id, flags, size, awaited) => {
        const result = decodeHeader(bytes(u32(id), u32(flags), u32(size)), awaited ? id : undefined);
        if (isRefused(result)) {
          seen.refused++;
          expect(result.section).not.toBe("");
        } else {
          seen.accepted++;
          expect(result).toMatchObject({ request: id, flags, size });
          expect(id >= 1 && id <= 43 && size <= 4096).toBe(true);
        }
      }),
      { seed: 1, numRuns: 20_000 },
    );
    expect(seen.accepted).toBeGreaterThan(50);
    expect(seen.refused).toBeGreaterThan(1000);
  });

  test("a valid header with any body gives a message that can be sent on, or is refused", () => {
    const seen = { accepted: 0, refused: 0 };
    const size = fc.constantFrom(0, 8, 12, 16, 24, 32, 40, 72);
    const bodyWord = fc.oneof(word, fc.constantFrom(2, 3, 12, 20, 28));
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 43 }),
        fc.boolean(),
        size,
        fc.array(bodyWord, { minLength: 18, maxLength: 18 }),
        fc.array(fc.nat(99), { maxLength: 3 }),
        (id, isReply, size, words, fds) => {
          const wire = bytes(u32(id), u32(isReply ? 5 : 1), u32(size), words.flatMap(u32).slice(0, size));
          const replyTo = isReply ? id : undefined;
          const decoded = receive(wire, fds, replyTo);
          if (isRefused(decoded)) seen.refused++;
          else {
            seen.accepted++;
            expect(receive(encode(decoded), fds, replyTo)).toEqual(decoded);
          }
        },
      ),
      { seed: 2, numRuns: 20_000 },
    );
    expect(seen.accepted).toBeGreaterThan(500);
    expect(seen.refused).toBeGreaterThan(500);
  });

  test("a valid message with some bytes changed is refused, or means exactly what its bytes say", () => {
    const region = (gpa: bigint) => [gpa, 0x1000n, 0x7f00_0000_0000n, 0n].flatMap(u64);
    const VALID = [
      bytes(u32(vu.VHOST_USER_SET_MEM_TABLE), u32(1), u32(72), u32(2), u32(0), region(0n), region(0x1000n)),
      bytes(u32(vu.VHOST_USER_ADD_MEM_REG), u32(9), u32(40), u64(0n), region(0n)),
      bytes(u32(vu.VHOST_USER_SET_CONFIG), u32(1), u32(16), u32(36), u32(4), u32(0), [1, 2, 3, 4]),
      bytes(u32(vu.VHOST_USER_SET_VRING_CALL), u32(1), u32(8), u64(0x101n)),
    ];
    const seen = { accepted: 0, refused: 0 };
    const change = fc.tuple(fc.nat(83), fc.oneof(fc.constantFrom(0, 1, 2, 3, 0x80, 0xff), fc.nat(255)));
    fc.assert(
      fc.property(
        fc.constantFrom(...VALID),
        fc.array(change, { minLength: 1, maxLength: 3 }),
        fc.constantFrom([], [3], [3, 4]),
        (valid, changes, fds) => {
          const wire = valid.slice();
          for (const [at, value] of changes) wire[at % wire.length] = value;
          const decoded = receive(wire, fds);
          if (isRefused(decoded)) seen.refused++;
          else {
            seen.accepted++;
            expect(encode(decoded)).toEqual(wire);
          }
        },
      ),
      { seed: 3, numRuns: 20_000 },
    );
    expect(seen.accepted).toBeGreaterThan(500);
    expect(seen.refused).toBeGreaterThan(500);
  });
});
