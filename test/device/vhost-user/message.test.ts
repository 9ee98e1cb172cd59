// The bytes of each family of messages, from vhost-user.rst ("Header", "Payload"), request and reply.

import { describe, expect, test } from "vitest";
import * as vu from "../../../device/spec/vhost-user.js";
import { ack, encode, type Message, reply, request, vringFd, vringIndex } from "../../../device/vhost-user/message.js";
import { bytes, receive } from "./fixture.js";

const region = { gpa: 0x8000_0000n, size: 0xa_0000n, uaddr: 0x7f12_3456_7000n, offset: 0x1000n };

const REGION = [
  [0x00, 0x00, 0x00, 0x80, 0, 0, 0, 0], // guest address 0x80000000
  [0x00, 0x00, 0x0a, 0x00, 0, 0, 0, 0], // size 0xa0000
  [0x00, 0x70, 0x56, 0x34, 0x12, 0x7f, 0, 0], // user address 0x7f1234567000
  [0x00, 0x10, 0x00, 0x00, 0, 0, 0, 0], // mmap offset 0x1000
];

interface Fixture {
  readonly title: string;
  readonly message: Message;
  readonly wire: Uint8Array;
}

const FIXTURES: readonly Fixture[] = [
  {
    title: "none: SET_OWNER",
    message: request(vu.VHOST_USER_SET_OWNER),
    wire: bytes(
      [3, 0, 0, 0], // request
      [1, 0, 0, 0], // flags: version 1
      [0, 0, 0, 0], // size
    ),
  },
  {
    title: "none with a descriptor: SET_BACKEND_REQ_FD that wants an ACK",
    message: request(vu.VHOST_USER_SET_BACKEND_REQ_FD, { kind: "none" }, { needReply: true, fds: [9] }),
    wire: bytes(
      [21, 0, 0, 0], // request
      [9, 0, 0, 0], // flags: version 1, need_reply
      [0, 0, 0, 0], // size
    ),
  },
  {
    title: "u64: SET_FEATURES",
    message: request(vu.VHOST_USER_SET_FEATURES, { kind: "u64", value: 0x1_4000_0000n }),
    wire: bytes(
      [2, 0, 0, 0], // request
      [1, 0, 0, 0], // flags
      [8, 0, 0, 0], // size
      [0, 0, 0, 0x40, 1, 0, 0, 0], // VIRTIO_F_VERSION_1 (32), VHOST_USER_F_PROTOCOL_FEATURES (30)
    ),
  },
  {
    title: "u64 reply: GET_PROTOCOL_FEATURES",
    message: reply(vu.VHOST_USER_GET_PROTOCOL_FEATURES, { kind: "u64", value: 0xa42bn }),
    wire: bytes(
      [15, 0, 0, 0], // request
      [5, 0, 0, 0], // flags: version 1, reply
      [8, 0, 0, 0], // size
      [0x2b, 0xa4, 0, 0, 0, 0, 0, 0], // what Rust virtiofsd 1.13.2 and QEMU 7.2 agree on
    ),
  },
  {
    title: "ACK of SET_VRING_ENABLE: a failure",
    message: ack(vu.VHOST_USER_SET_VRING_ENABLE, 1n),
    wire: bytes(
      [18, 0, 0, 0], // the request's id
      [5, 0, 0, 0], // flags: version 1, reply
      [8, 0, 0, 0], // size
      [1, 0, 0, 0, 0, 0, 0, 0], // non-zero: failure
    ),
  },
  {
    title: "vring fd: SET_VRING_KICK of ring 1 with its eventfd",
    message: request(vu.VHOST_USER_SET_VRING_KICK, vringFd(1, "fd"), { fds: [7] }),
    wire: bytes(
      [12, 0, 0, 0], // request
      [1, 0, 0, 0], // flags
      [8, 0, 0, 0], // size
      [1, 0, 0, 0, 0, 0, 0, 0], // bits 0-7: index 1; bit 8 clear: one fd
    ),
  },
  {
    title: "vring fd: SET_VRING_CALL of ring 255 without one",
    message: request(vu.VHOST_USER_SET_VRING_CALL, vringFd(255, "no fd")),
    wire: bytes(
      [13, 0, 0, 0], // request
      [1, 0, 0, 0], // flags
      [8, 0, 0, 0], // size
      [0xff, 1, 0, 0, 0, 0, 0, 0], // bits 0-7: index 255; bit 8 set: no fd
    ),
  },
  {
    title: "vring state: SET_VRING_ENABLE as QEMU from 8.2 on sends it",
    message: request(vu.VHOST_USER_SET_VRING_ENABLE, { kind: "vringState", index: 1, num: 1 }, { needReply: true }),
    wire: bytes(
      [18, 0, 0, 0], // request
      [9, 0, 0, 0], // flags: version 1, need_reply
      [8, 0, 0, 0], // size
      [1, 0, 0, 0], // index
      [1, 0, 0, 0], // num
    ),
  },
  {
    title: "vring state reply: GET_VRING_BASE",
    message: reply(vu.VHOST_USER_GET_VRING_BASE, { kind: "vringState", index: 1, num: 0xfffe }),
    wire: bytes(
      [11, 0, 0, 0], // request
      [5, 0, 0, 0], // flags: version 1, reply
      [8, 0, 0, 0], // size
      [1, 0, 0, 0], // index
      [0xfe, 0xff, 0, 0], // num: the next avail index
    ),
  },
  {
    title: "vring address: SET_VRING_ADDR, used before avail",
    message: request(vu.VHOST_USER_SET_VRING_ADDR, {
      kind: "vringAddr",
      index: 1,
      flags: 1,
      desc: 0x7f00_0000_1000n,
      used: 0x7f00_0000_3000n,
      avail: 0x7f00_0000_2000n,
      log: 0x4000n,
    }),
    wire: bytes(
      [9, 0, 0, 0], // request
      [1, 0, 0, 0], // flags
      [40, 0, 0, 0], // size
      [1, 0, 0, 0], // index
      [1, 0, 0, 0], // flags: VHOST_VRING_F_LOG
      [0, 0x10, 0, 0, 0, 0x7f, 0, 0], // descriptor
      [0, 0x30, 0, 0, 0, 0x7f, 0, 0], // used
      [0, 0x20, 0, 0, 0, 0x7f, 0, 0], // available
      [0, 0x40, 0, 0, 0, 0, 0, 0], // log
    ),
  },
  {
    title: "memory table: SET_MEM_TABLE with two regions and their descriptors",
    message: request(
      vu.VHOST_USER_SET_MEM_TABLE,
      { kind: "memoryTable", regions: [region, { gpa: 0n, size: 1n, uaddr: 2n, offset: 3n }] },
      { needReply: true, fds: [4, 5] },
    ),
    wire: bytes(
      [5, 0, 0, 0], // request
      [9, 0, 0, 0], // flags: version 1, need_reply
      [72, 0, 0, 0], // size 8 + 2 * 32
      [2, 0, 0, 0], // num regions
      [0, 0, 0, 0], // padding
      ...REGION,
      [0, 0, 0, 0, 0, 0, 0, 0], // guest address
      [1, 0, 0, 0, 0, 0, 0, 0], // size
      [2, 0, 0, 0, 0, 0, 0, 0], // user address
      [3, 0, 0, 0, 0, 0, 0, 0], // mmap offset
    ),
  },
  {
    title: "single region: ADD_MEM_REG",
    message: request(vu.VHOST_USER_ADD_MEM_REG, { kind: "memoryRegion", region }, { needReply: true, fds: [4] }),
    wire: bytes(
      [37, 0, 0, 0], // request
      [9, 0, 0, 0], // flags: version 1, need_reply
      [40, 0, 0, 0], // size
      [0, 0, 0, 0, 0, 0, 0, 0], // padding
      ...REGION,
    ),
  },
  {
    title: "log: SET_LOG_BASE",
    message: request(vu.VHOST_USER_SET_LOG_BASE, { kind: "log", mmapSize: 0x2000n, mmapOffset: 1n }, { fds: [4] }),
    wire: bytes(
      [6, 0, 0, 0], // request
      [1, 0, 0, 0], // flags
      [16, 0, 0, 0], // size
      [0, 0x20, 0, 0, 0, 0, 0, 0], // log size
      [1, 0, 0, 0, 0, 0, 0, 0], // log offset
    ),
  },
  {
    title: "IOTLB: IOTLB_MSG, an update",
    message: request(vu.VHOST_USER_IOTLB_MSG, {
      kind: "iotlb",
      iova: 0x1000n,
      size: 0x2000n,
      uaddr: 0x3000n,
      perm: 3,
      type: 2,
    }),
    wire: bytes(
      [22, 0, 0, 0], // request
      [1, 0, 0, 0], // flags
      [32, 0, 0, 0], // size of struct vhost_iotlb_msg
      [0, 0x10, 0, 0, 0, 0, 0, 0], // iova
      [0, 0x20, 0, 0, 0, 0, 0, 0], // size
      [0, 0x30, 0, 0, 0, 0, 0, 0], // user address
      [3], // permissions: read, write
      [2], // type: update
      [0, 0, 0, 0, 0, 0], // tail padding of the C struct
    ),
  },
  {
    title: "config: SET_CONFIG",
    message: request(vu.VHOST_USER_SET_CONFIG, { kind: "config", offset: 36, flags: 1, bytes: bytes([7, 8, 9]) }),
    wire: bytes(
      [25, 0, 0, 0], // request
      [1, 0, 0, 0], // flags
      [15, 0, 0, 0], // size 12 + 3
      [36, 0, 0, 0], // offset
      [3, 0, 0, 0], // size
      [1, 0, 0, 0], // flags: live migration
      [7, 8, 9], // configuration space
    ),
  },
  {
    title: "config reply: GET_CONFIG that failed, as libvhost-user says it",
    message: reply(vu.VHOST_USER_GET_CONFIG, { kind: "none" }),
    wire: bytes(
      [24, 0, 0, 0], // request
      [5, 0, 0, 0], // flags: version 1, reply
      [0, 0, 0, 0], // size: "zero length of payload to indicate an error"
    ),
  },
  {
    title: "inflight: SET_INFLIGHT_FD, the C struct with its tail padding",
    message: request(
      vu.VHOST_USER_SET_INFLIGHT_FD,
      { kind: "inflight", mmapSize: 0x1000n, mmapOffset: 0x200n, numQueues: 2, queueSize: 128 },
      { fds: [4] },
    ),
    wire: bytes(
      [32, 0, 0, 0], // request
      [1, 0, 0, 0], // flags
      [24, 0, 0, 0], // size
      [0, 0x10, 0, 0, 0, 0, 0, 0], // mmap size
      [0, 0x02, 0, 0, 0, 0, 0, 0], // mmap offset
      [2, 0], // num queues
      [128, 0], // queue size
      [0, 0, 0, 0], // tail padding of the C struct
    ),
  },
  {
    title: "shared object: GET_SHARED_OBJECT",
    message: request(vu.VHOST_USER_GET_SHARED_OBJECT, { kind: "shared", uuid: bytes([...Array(16).keys()]) }),
    wire: bytes(
      [41, 0, 0, 0], // request
      [1, 0, 0, 0], // flags
      [16, 0, 0, 0], // size
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], // uuid
    ),
  },
  {
    title: "device state: SET_DEVICE_STATE_FD, load while stopped",
    message: request(vu.VHOST_USER_SET_DEVICE_STATE_FD, { kind: "deviceState", direction: 1, phase: 0 }, { fds: [4] }),
    wire: bytes(
      [42, 0, 0, 0], // request
      [1, 0, 0, 0], // flags
      [8, 0, 0, 0], // size
      [1, 0, 0, 0], // transfer direction: load
      [0, 0, 0, 0], // migration phase: stopped
    ),
  },
  {
    title: "opaque: CREATE_CRYPTO_SESSION",
    message: request(vu.VHOST_USER_CREATE_CRYPTO_SESSION, { kind: "opaque", bytes: bytes([1, 2, 3]) }),
    wire: bytes(
      [26, 0, 0, 0], // request
      [1, 0, 0, 0], // flags
      [3, 0, 0, 0], // size
      [1, 2, 3], // the session, as it came
    ),
  },
];

describe.each(FIXTURES)("$title", ({ message, wire }) => {
  const replyTo = (message.flags & 4) === 0 ? undefined : message.request;

  test("encodes to the document's bytes", () => {
    expect(encode(message)).toEqual(wire);
  });

  test("decodes from them, and keeps no reference to the receiver's buffer", () => {
    const buffer = wire.slice();
    const decoded = receive(buffer, message.fds, replyTo);
    buffer.fill(0xee);
    expect(decoded).toEqual(message);
  });

  test("is refused when the peer hangs up anywhere within it (V8)", () => {
    for (let length = 0; length < wire.length; length++) {
      const rule = length < 12 ? "header cut short" : "payload cut short";
      expect(receive(wire.subarray(0, length), message.fds, replyTo)).toMatchObject({ refused: rule });
    }
  });
});

test("a message is decoded from the middle of a larger buffer", () => {
  const wire = bytes([0xee, 0xee, 0xee], [2, 0, 0, 0], [1, 0, 0, 0], [8, 0, 0, 0], [1, 2, 3, 4, 5, 6, 7, 8], [0xee]);
  expect(receive(wire.subarray(3))).toMatchObject({ payload: { kind: "u64", value: 0x0807_0605_0403_0201n } });
});

test("tail padding that a C program left uninitialised is not looked at", () => {
  const wire = bytes(
    [31, 0, 0, 0], // GET_INFLIGHT_FD
    [1, 0, 0, 0], // flags
    [24, 0, 0, 0], // size
    [0, 0, 0, 0, 0, 0, 0, 0], // mmap size
    [0, 0, 0, 0, 0, 0, 0, 0], // mmap offset
    [2, 0], // num queues
    [128, 0], // queue size
    [0xde, 0xad, 0xbe, 0xef], // tail padding
  );
  expect(receive(wire)).toMatchObject({ payload: { kind: "inflight", numQueues: 2, queueSize: 128 } });
});

test("the ring index is in bits 0 to 7 of the u64 (SET_VRING_KICK)", () => {
  expect(vringIndex(0x1ffn)).toBe(255);
  expect(vringIndex(0x100n)).toBe(0);
});

describe("our own mistakes throw", () => {
  const u64 = { kind: "u64", value: 0n } as const;
  const state = { kind: "vringState", index: 0, num: 0 } as const;
  const MISTAKES: Record<string, () => unknown> = {
    "an unknown request": () => encode(request(44)),
    "a payload of another size": () => encode(request(vu.VHOST_USER_SET_FEATURES)),
    "a payload of the same size but another kind": () => encode(request(vu.VHOST_USER_SET_FEATURES, state)),
    "a reply with the request's payload": () => encode(reply(vu.VHOST_USER_GET_FEATURES, { kind: "none" })),
    "a descriptor too many": () => encode(request(vu.VHOST_USER_SET_FEATURES, u64, { fds: [1] })),
    "a no-fd bit with a descriptor": () =>
      encode(request(vu.VHOST_USER_SET_VRING_KICK, vringFd(0, "no fd"), { fds: [1] })),
    "no descriptor without the no-fd bit": () => encode(request(vu.VHOST_USER_SET_VRING_KICK, vringFd(0, "fd"))),
    "flags of another version": () => encode({ request: 1, flags: 2, payload: { kind: "none" }, fds: [] }),
    "a ring index of nine bits": () => vringFd(256, "fd"),
    "a negative u64": () => encode(request(vu.VHOST_USER_SET_FEATURES, { kind: "u64", value: -1n })),
    "a u64 of 65 bits": () => encode(request(vu.VHOST_USER_SET_FEATURES, { kind: "u64", value: 2n ** 64n })),
    "a negative u32": () => encode(request(vu.VHOST_USER_SET_VRING_NUM, { ...state, num: -1 })),
    "a u32 of 33 bits": () => encode(request(vu.VHOST_USER_SET_VRING_NUM, { ...state, num: 2 ** 32 })),
    "a fraction": () => encode(request(vu.VHOST_USER_SET_VRING_NUM, { ...state, num: 0.5 })),
    "a uuid of 15 bytes": () =>
      encode(request(vu.VHOST_USER_GET_SHARED_OBJECT, { kind: "shared", uuid: new Uint8Array(15) })),
    "nine regions": () =>
      encode(
        request(
          vu.VHOST_USER_SET_MEM_TABLE,
          {
            kind: "memoryTable",
            regions: Array.from({ length: 9 }, (_, i) => ({ gpa: BigInt(i), size: 1n, uaddr: 0n, offset: 0n })),
          },
          { fds: [...Array(9).keys()] },
        ),
      ),
  };

  test.each(Object.keys(MISTAKES))("%s", (mistake) => {
    expect(MISTAKES[mistake]).toThrow();
  });
});
