// A back-end that breaks down: node fake-back-end.mjs SOCKET REQUEST HOW. It answers what comes like a small virtiofsd,
// up to the first request with the number REQUEST; then it does HOW. Its rings are never served. It listens on.

import { createServer } from "node:net";

const [path, request, how] = process.argv.slice(2);
const HEADER = 12;
const REPLY = 0x5;
const NEED_REPLY = 0x8;

/** What is answered by itself: request -> u64. VERSION_1 and bit 30; MQ and REPLY_ACK; two queues. */
const U64 = { 1: 0x140000000n, 15: 0x9n, 17: 2n };
const GET_VRING_BASE = 11;

function reply(id, payload, { flags = REPLY } = {}) {
  const bytes = Buffer.alloc(HEADER + payload.length);
  bytes.writeUInt32LE(id, 0);
  bytes.writeUInt32LE(flags, 4);
  bytes.writeUInt32LE(payload.length, 8);
  payload.copy(bytes, HEADER);
  return bytes;
}

function u64(value) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
}

const HOW = {
  dies: () => process.kill(process.pid, "SIGKILL"),
  "hangs-up": (connection) => connection.destroy(),
  "says-nothing": () => {},
  "says-garbage": (connection) => connection.write(Buffer.alloc(20, 0xa5)),
  "says-half": (connection, id) => connection.write(reply(id, u64(0n)).subarray(0, 7)),
  "says-half-and-hangs-up": (connection, id) => connection.end(reply(id, u64(0n)).subarray(0, 16)),
  "answers-another-request": (connection, id) => connection.write(reply(id + 1, u64(0n))),
  "sets-need-reply": (connection, id) => connection.write(reply(id, u64(0n), { flags: REPLY | NEED_REPLY })),
  refuses: (connection, id) => connection.write(reply(id, u64(1n))),
};

createServer((connection) => {
  let bytes = Buffer.alloc(0);
  connection.on("error", () => {});
  connection.on("data", (chunk) => {
    bytes = Buffer.concat([bytes, chunk]);
    while (bytes.length >= HEADER) {
      const [id, flags, size] = [0, 4, 8].map((at) => bytes.readUInt32LE(at));
      if (bytes.length < HEADER + size) return;
      const payload = bytes.subarray(HEADER, HEADER + size);
      bytes = bytes.subarray(HEADER + size);
      if (id === Number(request)) HOW[how](connection, id);
      else if (id in U64) connection.write(reply(id, u64(U64[id])));
      else if (id === GET_VRING_BASE) connection.write(reply(id, Buffer.from(payload)));
      else if (flags & NEED_REPLY) connection.write(reply(id, u64(0n)));
    }
  });
}).listen(path);
