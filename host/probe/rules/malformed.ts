// Messages that no front-end may send: cut short, too long, unknown, with descriptors that are too many or missing. A
// back-end may close the connection; it must not fall silent, and it must serve the next one.

import { memoryRegions } from "../../../device/front-end/address-space.js";
import { state } from "../../../device/front-end/messenger.js";
import {
  VHOST_USER_GET_FEATURES,
  VHOST_USER_MAX_PAYLOAD,
  VHOST_USER_REPLY_MASK,
  VHOST_USER_SET_MEM_TABLE,
  VHOST_USER_SET_VRING_ADDR,
  VHOST_USER_SET_VRING_KICK,
  VHOST_USER_SET_VRING_NUM,
  VHOST_USER_VERSION,
  VhostUserHeader,
} from "../../../device/spec/vhost-user.js";
import { encode, request } from "../../../device/vhost-user/message.js";
import type { Peer } from "../peer.js";
import { type Finding, hostile, type Rule } from "./rule.js";

const MAY_CLOSE = "If back-end detects some error such as incompatible features, it may also close the connection.";
const UNKNOWN_REQUEST = 999;
const UNKNOWN_RING = 200;
const HALF_HEADER = 6;
const PAUSE_MICROS = 20_000;

/** A header, and after it what is given. */
function raw(id: number, flags: number, size: number, payload: Uint8Array = new Uint8Array()): Uint8Array {
  const bytes = new Uint8Array(VhostUserHeader.SIZEOF + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(VhostUserHeader.REQUEST, id, true);
  view.setUint32(VhostUserHeader.FLAGS, flags, true);
  view.setUint32(VhostUserHeader.SIZE, size, true);
  bytes.set(payload, VhostUserHeader.SIZEOF);
  return bytes;
}

function attack(id: string, section: string, act: (peer: Peer) => void): Rule {
  return {
    id,
    rule: MAY_CLOSE,
    section,
    check(peer): Finding {
      peer.negotiate();
      peer.setFeatures();
      return hostile(peer, () => act(peer));
    },
  };
}

const vringNum = (peer: Peer): Uint8Array => encode(request(VHOST_USER_SET_VRING_NUM, state(peer.index, 128)));

/** The table of all of guest RAM, as bytes. */
function memTable(peer: Peer): Uint8Array {
  const regions = memoryRegions(peer.ram);
  const fds = regions.map((_, i) => i);
  return encode(request(VHOST_USER_SET_MEM_TABLE, { kind: "memoryTable", regions }, { fds }));
}

export const MALFORMED: readonly Rule[] = [
  attack("version-0", "Header", ({ socket }) => socket.write(raw(VHOST_USER_GET_FEATURES, 0, 0))),
  attack("reply-flag", "Header", ({ socket }) =>
    socket.write(raw(VHOST_USER_GET_FEATURES, VHOST_USER_VERSION | VHOST_USER_REPLY_MASK, 0)),
  ),
  attack("unknown-request", "Front-end message types", ({ socket }) =>
    socket.write(raw(UNKNOWN_REQUEST, VHOST_USER_VERSION, 0)),
  ),
  attack("payload-too-long", "Header", ({ socket }) => {
    const size = VHOST_USER_MAX_PAYLOAD + 8;
    socket.write(raw(VHOST_USER_SET_VRING_NUM, VHOST_USER_VERSION, size, new Uint8Array(size)));
  }),
  attack("size-4-gib", "Header", ({ socket }) =>
    socket.write(raw(VHOST_USER_SET_VRING_NUM, VHOST_USER_VERSION, 2 ** 32 - 1)),
  ),
  attack("payload-too-short", "Payload", ({ socket }) =>
    socket.write(raw(VHOST_USER_SET_VRING_NUM, VHOST_USER_VERSION, 4, new Uint8Array(4))),
  ),
  attack("surplus-descriptors", "Communication", (peer) =>
    peer.socket.write(vringNum(peer), [peer.kick.fd, peer.call.fd]),
  ),
  attack("missing-descriptors", "VHOST_USER_SET_MEM_TABLE", (peer) => peer.socket.write(memTable(peer))),
  attack("too-few-descriptors", "VHOST_USER_SET_MEM_TABLE", (peer) =>
    peer.socket.write(memTable(peer), [peer.stage.ram.fd]),
  ),
  attack("missing-kick-descriptor", "VHOST_USER_SET_VRING_KICK", ({ socket, index }) => {
    const payload = new Uint8Array(8);
    payload[0] = index;
    socket.write(raw(VHOST_USER_SET_VRING_KICK, VHOST_USER_VERSION, payload.length, payload));
  }),
  attack("unknown-ring", "VHOST_USER_SET_VRING_NUM", (peer) =>
    peer.send(VHOST_USER_SET_VRING_NUM, state(UNKNOWN_RING, 128)),
  ),
  attack("address-nowhere", "VHOST_USER_SET_VRING_ADDR", (peer) => {
    peer.setMemory();
    const nowhere = { index: peer.index, flags: 0, desc: 0x1000n, used: 0x3000n, avail: 0x2000n, log: 0n };
    peer.send(VHOST_USER_SET_VRING_ADDR, { kind: "vringAddr", ...nowhere });
  }),
  {
    id: "half-message-and-end",
    rule: "If front-end is unable to send the full message or receives a wrong reply it will close the connection.",
    section: "Communication",
    check(peer) {
      peer.negotiate();
      peer.socket.write(vringNum(peer).subarray(0, -4));
      peer.stage.libc.sleep(PAUSE_MICROS); // for the back-end to read what is there
      return "kept"; // whether it serves the next connection is what is asked
    },
  },
  attack("message-in-pieces", "Message Specification", (peer) => {
    peer.socket.write(vringNum(peer).subarray(0, HALF_HEADER));
    peer.stage.libc.sleep(PAUSE_MICROS); // for the back-end to read what is there
    peer.socket.write(vringNum(peer).subarray(HALF_HEADER));
  }),
];
