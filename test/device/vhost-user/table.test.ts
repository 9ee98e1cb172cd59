// Every request of vhost-user.rst ("Front-end message types"), both directions, against a table written from that
// document; and one rule for which replies are owed.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as vu from "../../../device/spec/vhost-user.js";
import {
  encode,
  expectedReply,
  hasFeature,
  type Message,
  messageName,
  type Payload,
  type Region,
  reply,
  request,
  requiredFeature,
} from "../../../device/vhost-user/message.js";
import { receive } from "./fixture.js";

const u16 = fc.oneof(fc.constantFrom(0, 1, 0xffff), fc.nat(0xffff));
const u32 = fc.oneof(fc.constantFrom(0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff), fc.nat(0xffff_ffff));
const u64 = fc.oneof(
  fc.constantFrom(0n, 1n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
);
const fd = fc.nat(1023);
const raw = (maxLength: number) => fc.uint8Array({ maxLength });

// Disjoint by construction: each region lies in its own 2^61 bytes of guest-physical space.
const regionAt = (slot: number): fc.Arbitrary<Region> =>
  fc
    .tuple(fc.bigInt(0n, 2n ** 60n), fc.bigInt(1n, 2n ** 60n - 1n), fc.bigInt(0n, 2n ** 63n), fc.bigInt(0n, 2n ** 63n))
    .map(([base, size, uaddr, offset]) => ({ gpa: BigInt(slot) * 2n ** 61n + base, size, uaddr, offset }));

/** A payload and the descriptors that go with it. */
type Part = fc.Arbitrary<{ payload: Payload; fds: number[] }>;

const withFds = (payload: fc.Arbitrary<Payload>, minLength: number, maxLength = minLength): Part =>
  fc.record({ payload, fds: fc.array(fd, { minLength, maxLength }) });

const PAYLOADS = {
  none: fc.constant<Payload>({ kind: "none" }),
  u64: fc.record({ kind: fc.constant("u64" as const), value: u64 }),
  state: fc.record({ kind: fc.constant("vringState" as const), index: u32, num: u32 }),
  addr: fc.record({
    kind: fc.constant("vringAddr" as const),
    index: u32,
    flags: u32,
    desc: u64,
    used: u64,
    avail: u64,
    log: u64,
  }),
  region: fc.record({ kind: fc.constant("memoryRegion" as const), region: regionAt(0) }),
  log: fc.record({ kind: fc.constant("log" as const), mmapSize: u64, mmapOffset: u64 }),
  iotlb: fc.record({
    kind: fc.constant("iotlb" as const),
    iova: u64,
    size: u64,
    uaddr: u64,
    perm: fc.nat(255),
    type: fc.nat(255),
  }),
  config: fc.record({ kind: fc.constant("config" as const), offset: u32, flags: u32, bytes: raw(4096 - 12) }),
  inflight: fc.record({
    kind: fc.constant("inflight" as const),
    mmapSize: u64,
    mmapOffset: u64,
    numQueues: u16,
    queueSize: u16,
  }),
  shared: fc.record({ kind: fc.constant("shared" as const), uuid: fc.uint8Array({ minLength: 16, maxLength: 16 }) }),
  deviceState: fc.record({ kind: fc.constant("deviceState" as const), direction: u32, phase: u32 }),
  opaque: fc.record({ kind: fc.constant("opaque" as const), bytes: raw(4096) }),
};

const none = withFds(PAYLOADS.none, 0);
const noneWithFd = withFds(PAYLOADS.none, 1);
const value = withFds(PAYLOADS.u64, 0);
const state = withFds(PAYLOADS.state, 0);
const stateUpTo = (most: number) =>
  withFds(fc.record({ kind: fc.constant("vringState" as const), index: u32, num: fc.nat(most) }), 0);
const vringFd: Part = fc.tuple(fc.nat(255), fc.option(fd, { nil: undefined })).map(([index, fd]) => ({
  payload: { kind: "u64", value: BigInt(fd === undefined ? index + 0x100 : index) },
  fds: fd === undefined ? [] : [fd],
}));
const memoryTable: Part = fc.integer({ min: 1, max: 8 }).chain((count) =>
  withFds(
    fc.record({
      kind: fc.constant("memoryTable" as const),
      regions: fc.tuple(...Array.from({ length: count }, (_, slot) => regionAt(slot))),
    }),
    count,
  ),
);

interface Expected {
  readonly name: string;
  readonly request: Part;
  /** The reply that is always owed. */
  readonly reply?: Part;
  readonly feature?: number;
}

const EXPECTED: Record<number, Expected> = {
  1: { name: "GET_FEATURES", request: none, reply: value },
  2: { name: "SET_FEATURES", request: value },
  3: { name: "SET_OWNER", request: none },
  4: { name: "RESET_OWNER", request: none },
  5: { name: "SET_MEM_TABLE", request: memoryTable },
  6: {
    name: "SET_LOG_BASE",
    request: withFds(PAYLOADS.log, 1),
    reply: fc.oneof(value, withFds(PAYLOADS.log, 0)),
    feature: 1,
  },
  7: { name: "SET_LOG_FD", request: noneWithFd },
  8: { name: "SET_VRING_NUM", request: state },
  9: { name: "SET_VRING_ADDR", request: withFds(PAYLOADS.addr, 0) },
  10: { name: "SET_VRING_BASE", request: state },
  11: { name: "GET_VRING_BASE", request: state, reply: state },
  12: { name: "SET_VRING_KICK", request: vringFd },
  13: { name: "SET_VRING_CALL", request: vringFd },
  14: { name: "SET_VRING_ERR", request: vringFd },
  15: { name: "GET_PROTOCOL_FEATURES", request: none, reply: value },
  16: { name: "SET_PROTOCOL_FEATURES", request: value },
  17: { name: "GET_QUEUE_NUM", request: none, reply: value, feature: 0 },
  18: { name: "SET_VRING_ENABLE", request: stateUpTo(1) },
  19: { name: "SEND_RARP", request: value, feature: 2 },
  20: { name: "NET_SET_MTU", request: value, feature: 4 },
  21: { name: "SET_BACKEND_REQ_FD", request: noneWithFd, feature: 5 },
  22: { name: "IOTLB_MSG", request: withFds(PAYLOADS.iotlb, 0), reply: value },
  23: { name: "SET_VRING_ENDIAN", request: stateUpTo(1), feature: 6 },
  24: {
    name: "GET_CONFIG",
    request: withFds(PAYLOADS.config, 0),
    reply: fc.oneof(withFds(PAYLOADS.config, 0), none),
    feature: 9,
  },
  25: { name: "SET_CONFIG", request: withFds(PAYLOADS.config, 0), feature: 9 },
  26: {
    name: "CREATE_CRYPTO_SESSION",
    request: withFds(PAYLOADS.opaque, 0),
    reply: withFds(PAYLOADS.opaque, 0),
    feature: 7,
  },
  27: { name: "CLOSE_CRYPTO_SESSION", request: value, feature: 7 },
  28: { name: "POSTCOPY_ADVISE", request: none, reply: withFds(PAYLOADS.none, 0, 1), feature: 8 },
  29: { name: "POSTCOPY_LISTEN", request: none, feature: 8 },
  30: { name: "POSTCOPY_END", request: none, reply: value, feature: 8 },
  31: {
    name: "GET_INFLIGHT_FD",
    request: withFds(PAYLOADS.inflight, 0),
    reply: withFds(PAYLOADS.inflight, 0, 1),
    feature: 12,
  },
  32: { name: "SET_INFLIGHT_FD", request: withFds(PAYLOADS.inflight, 1), feature: 12 },
  33: { name: "GPU_SET_SOCKET", request: noneWithFd },
  34: { name: "RESET_DEVICE", request: none, feature: 13 },
  35: { name: "VRING_KICK", request: stateUpTo(0), feature: 14 },
  36: { name: "GET_MAX_MEM_SLOTS", request: none, reply: value, feature: 15 },
  37: { name: "ADD_MEM_REG", request: withFds(PAYLOADS.region, 1), feature: 15 },
  38: { name: "REM_MEM_REG", request: withFds(PAYLOADS.region, 0, 1), feature: 15 },
  39: { name: "SET_STATUS", request: value, feature: 16 },
  40: { name: "GET_STATUS", request: none, reply: value, feature: 16 },
  41: {
    name: "GET_SHARED_OBJECT",
    request: withFds(PAYLOADS.shared, 0),
    reply: fc.oneof(withFds(PAYLOADS.none, 0, 1), withFds(PAYLOADS.shared, 0, 1)),
    feature: 18,
  },
  42: {
    name: "SET_DEVICE_STATE_FD",
    request: withFds(PAYLOADS.deviceState, 1),
    reply: fc.oneof(
      fd.map((fd) => ({ payload: { kind: "u64" as const, value: 0n }, fds: [fd] })),
      fc.nat(255).map((error) => ({ payload: { kind: "u64" as const, value: 0x100n + BigInt(error) }, fds: [] })),
    ),
    feature: 19,
  },
  43: { name: "CHECK_DEVICE_STATE", request: none, reply: value, feature: 19 },
};

const ROWS = Object.entries(EXPECTED).map(([id, row]) => ({ id: Number(id), ...row }));

test("the table covers ids 1 to 43", () => {
  expect(ROWS.map(({ id }) => id)).toEqual(Array.from({ length: 43 }, (_, i) => i + 1));
});

describe.each(ROWS)("$id $name", ({ id, name, request: requestPart, reply: replyPart, feature }) => {
  const roundTrip = (message: Message) => {
    const replyTo = (message.flags & 4) === 0 ? undefined : id;
    expect(receive(encode(message), message.fds, replyTo)).toEqual(message);
  };

  test("has the document's id, name and protocol feature", () => {
    expect((vu as unknown as Record<string, number>)[`VHOST_USER_${name}`]).toBe(id);
    expect(messageName(id)).toBe(name);
    expect(requiredFeature(id)).toBe(feature);
  });

  test("request and reply survive encoding and decoding", () => {
    fc.assert(
      fc.property(requestPart, fc.boolean(), ({ payload, fds }, needReply) => {
        roundTrip(request(id, payload, { needReply, fds }));
      }),
      { seed: id },
    );
    fc.assert(
      fc.property(replyPart ?? value, ({ payload, fds }) => roundTrip(reply(id, payload, fds))),
      { seed: 100 + id },
    );
  });

  test("is owed the reply that the document says", () => {
    const REPLY_ACK = 1n << 3n;
    const own = replyPart === undefined ? undefined : "reply";
    expect(expectedReply({ request: id, flags: 0x1 }, 0n)).toBe(own ?? "none");
    expect(expectedReply({ request: id, flags: 0x1 }, REPLY_ACK)).toBe(own ?? "none");
    expect(expectedReply({ request: id, flags: 0x9 }, 0n)).toBe(own ?? "none");
    expect(expectedReply({ request: id, flags: 0x9 }, REPLY_ACK)).toBe(own ?? "ack");
  });
});

test("protocol features have the document's bit numbers: 0xa42b is what Rust virtiofsd 1.13.2 negotiates", () => {
  const names = Object.keys(vu).filter((name) => name.startsWith("VHOST_USER_PROTOCOL_F_"));
  const set = names.filter((name) => hasFeature(0xa42bn, (vu as unknown as Record<string, number>)[name]!));
  expect(set.map((name) => name.slice("VHOST_USER_PROTOCOL_F_".length)).sort()).toEqual([
    "BACKEND_REQ",
    "BACKEND_SEND_FD",
    "CONFIGURE_MEM_SLOTS",
    "LOG_SHMFD",
    "MQ",
    "REPLY_ACK",
    "RESET_DEVICE",
  ]);
  expect(names).toHaveLength(20);
});

test("a request that is not in the table has a name all the same, and needs no feature", () => {
  expect(messageName(44)).toBe("request 44");
  expect(requiredFeature(44)).toBeUndefined();
});
