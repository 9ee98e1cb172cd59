import { expect, test } from "vitest";
import * as vu from "../../../device/spec/vhost-user.js";
import { ack, describe as line, type Message, reply, request, vringFd } from "../../../device/vhost-user/message.js";

const region = { gpa: 0x8000_0000n, size: 0xa_0000n, uaddr: 0x7f00_0000_0000n, offset: 0n };

const LINES: readonly [line: string, message: Message][] = [
  ["GET_FEATURES", request(vu.VHOST_USER_GET_FEATURES)],
  ["GET_FEATURES reply 0x140000000", reply(vu.VHOST_USER_GET_FEATURES, { kind: "u64", value: 0x1_4000_0000n })],
  [
    "SET_VRING_ENABLE q1 num=1",
    request(vu.VHOST_USER_SET_VRING_ENABLE, { kind: "vringState", index: 1, num: 1 }, { needReply: true }),
  ],
  ["SET_VRING_ENABLE ack 0x0", ack(vu.VHOST_USER_SET_VRING_ENABLE, 0n)],
  ["SET_VRING_KICK q1", request(vu.VHOST_USER_SET_VRING_KICK, vringFd(1, "fd"), { fds: [7] })],
  ["SET_VRING_CALL q0 no-fd", request(vu.VHOST_USER_SET_VRING_CALL, vringFd(0, "no fd"))],
  ["SET_VRING_KICK ack 0x1", ack(vu.VHOST_USER_SET_VRING_KICK, 1n)],
  [
    "SET_VRING_ADDR q1 desc=0x1000 used=0x3000 avail=0x2000",
    request(vu.VHOST_USER_SET_VRING_ADDR, {
      kind: "vringAddr",
      index: 1,
      flags: 0,
      desc: 0x1000n,
      used: 0x3000n,
      avail: 0x2000n,
      log: 0n,
    }),
  ],
  [
    "ADD_MEM_REG gpa=0x80000000 size=0xa0000",
    request(vu.VHOST_USER_ADD_MEM_REG, { kind: "memoryRegion", region }, { fds: [3] }),
  ],
  [
    "SET_MEM_TABLE [gpa=0x80000000 size=0xa0000] [gpa=0x0 size=0x1000]",
    request(
      vu.VHOST_USER_SET_MEM_TABLE,
      { kind: "memoryTable", regions: [region, { gpa: 0n, size: 0x1000n, uaddr: 0n, offset: 0n }] },
      { fds: [3, 4] },
    ),
  ],
  [
    "SET_LOG_BASE size=0x1000 offset=0x0",
    request(vu.VHOST_USER_SET_LOG_BASE, { kind: "log", mmapSize: 0x1000n, mmapOffset: 0n }, { fds: [3] }),
  ],
  [
    "IOTLB_MSG type=2 iova=0x1000 size=0x2000 perm=3",
    request(vu.VHOST_USER_IOTLB_MSG, { kind: "iotlb", iova: 0x1000n, size: 0x2000n, uaddr: 0n, perm: 3, type: 2 }),
  ],
  [
    "GET_CONFIG offset=36 size=4",
    request(vu.VHOST_USER_GET_CONFIG, { kind: "config", offset: 36, flags: 0, bytes: new Uint8Array(4) }),
  ],
  [
    "GET_INFLIGHT_FD size=0x0 queues=2 queue-size=128",
    request(vu.VHOST_USER_GET_INFLIGHT_FD, {
      kind: "inflight",
      mmapSize: 0n,
      mmapOffset: 0n,
      numQueues: 2,
      queueSize: 128,
    }),
  ],
  [
    "GET_SHARED_OBJECT uuid=0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a",
    request(vu.VHOST_USER_GET_SHARED_OBJECT, { kind: "shared", uuid: new Uint8Array(16).fill(10) }),
  ],
  [
    "SET_DEVICE_STATE_FD direction=1 phase=0",
    request(vu.VHOST_USER_SET_DEVICE_STATE_FD, { kind: "deviceState", direction: 1, phase: 0 }, { fds: [3] }),
  ],
  ["SET_DEVICE_STATE_FD reply 0x100", reply(vu.VHOST_USER_SET_DEVICE_STATE_FD, { kind: "u64", value: 0x100n })],
  [
    "CREATE_CRYPTO_SESSION 600 bytes",
    request(vu.VHOST_USER_CREATE_CRYPTO_SESSION, { kind: "opaque", bytes: new Uint8Array(600) }),
  ],
];

test.each(LINES)("a timeline shows %s", (expected, message) => {
  expect(line(message)).toBe(expected);
});
