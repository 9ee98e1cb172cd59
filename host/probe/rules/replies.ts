// Which messages are answered, and how.

import { state, u64 } from "../../../device/front-end/messenger.js";
import {
  VHOST_USER_GET_FEATURES,
  VHOST_USER_GET_PROTOCOL_FEATURES,
  VHOST_USER_GET_QUEUE_NUM,
  VHOST_USER_NEED_REPLY_MASK,
  VHOST_USER_PROTOCOL_F_MQ,
  VHOST_USER_PROTOCOL_F_REPLY_ACK,
  VHOST_USER_SET_OWNER,
  VHOST_USER_SET_PROTOCOL_FEATURES,
  VHOST_USER_SET_VRING_NUM,
} from "../../../device/spec/vhost-user.js";
import { request } from "../../../device/vhost-user/message.js";
import { type Peer, PROTOCOL_FEATURES } from "../peer.js";
import { brokenIf, type Rule } from "./rule.js";

const acks = (peer: Peer): boolean => peer.has(VHOST_USER_PROTOCOL_F_REPLY_ACK);
const REPLY_ACK = 1n << BigInt(VHOST_USER_PROTOCOL_F_REPLY_ACK);
const UNKNOWN_RING = 200;

export const REPLIES: readonly Rule[] = [
  {
    id: "features-reply",
    rule: "Bit 2 is the reply flag - needs to be sent on each reply from the back-end",
    section: "Header",
    check(peer) {
      // The codec refuses a reply with other flags, another request or another size.
      peer.get(VHOST_USER_GET_FEATURES);
      return "kept";
    },
  },
  {
    id: "protocol-features-early",
    rule: "Back-ends that report VHOST_USER_F_PROTOCOL_FEATURES must support this message even before VHOST_USER_SET_FEATURES was called.",
    section: "VHOST_USER_GET_PROTOCOL_FEATURES",
    applies: (peer) => (peer.features & PROTOCOL_FEATURES) !== 0n,
    check(peer) {
      peer.get(VHOST_USER_GET_FEATURES);
      peer.send(VHOST_USER_SET_PROTOCOL_FEATURES, u64(peer.get(VHOST_USER_GET_PROTOCOL_FEATURES) & REPLY_ACK));
      peer.fence();
      return "kept";
    },
  },
  {
    id: "queue-num",
    rule: "Query how many queues the back-end supports.",
    section: "VHOST_USER_GET_QUEUE_NUM",
    applies: (peer) => peer.has(VHOST_USER_PROTOCOL_F_MQ),
    check(peer) {
      peer.negotiate();
      const queues = peer.get(VHOST_USER_GET_QUEUE_NUM);
      return brokenIf(queues < 1n, `${queues} queues`);
    },
  },
  {
    id: "no-reply-unasked",
    rule: "Most of the requests don't require replies. Here is a list of the ones that do",
    section: "Communication",
    check(peer) {
      peer.negotiate();
      for (const size of [64, 128, 256]) peer.send(VHOST_USER_SET_VRING_NUM, state(peer.index, size));
      peer.fence(); // whose answer would not be the next
      return "kept";
    },
  },
  {
    id: "ack-success",
    rule: "The payload should be set to zero on success or non-zero on failure",
    section: "VHOST_USER_PROTOCOL_F_REPLY_ACK",
    applies: acks,
    check(peer) {
      peer.negotiate();
      const ack = peer.ask(VHOST_USER_SET_VRING_NUM, state(peer.index, 128));
      return brokenIf(ack !== 0n, `a queue size of 128 is acknowledged with ${ack}`);
    },
  },
  {
    id: "ack-any-command",
    rule: "the sender (QEMU) can set the need_reply [Bit 3] flag to any command. This indicates that the back-end MUST respond",
    section: "VHOST_USER_PROTOCOL_F_REPLY_ACK",
    applies: acks,
    check(peer) {
      peer.negotiate();
      peer.ask(VHOST_USER_SET_OWNER); // a second time: success or failure
      return "kept";
    },
  },
  {
    id: "ack-failure",
    rule: "The payload should be set to zero on success or non-zero on failure",
    section: "VHOST_USER_PROTOCOL_F_REPLY_ACK",
    applies: acks,
    check(peer) {
      peer.negotiate();
      const message = request(VHOST_USER_SET_VRING_NUM, state(UNKNOWN_RING, 128), { needReply: true });
      peer.run(peer.messenger.channel.send(message));
      const answer = peer.run(peer.messenger.channel.receive(VHOST_USER_SET_VRING_NUM));
      if (answer === "closed") return "refused";
      if ("refused" in answer) return { broken: answer.refused };
      const ack = answer.payload.kind === "u64" ? answer.payload.value : 0n;
      return ack === 0n
        ? { broken: `the size of ring ${UNKNOWN_RING}, which it has not, is acknowledged with 0` }
        : "refused";
    },
  },
  {
    id: "need-reply-with-own-reply",
    rule: "For the message types that already solicit a reply from the back-end, the presence of VHOST_USER_PROTOCOL_F_REPLY_ACK or need_reply bit being set brings no behavioural change.",
    section: "VHOST_USER_PROTOCOL_F_REPLY_ACK",
    applies: acks,
    check(peer) {
      peer.negotiate();
      peer.exchange(request(VHOST_USER_GET_FEATURES, undefined, { needReply: true }));
      peer.fence(); // no ACK came after the reply
      return "kept";
    },
  },
  {
    id: "need-reply-not-negotiated",
    rule: "With this protocol extension negotiated, the sender (QEMU) can set the need_reply [Bit 3] flag to any command.",
    section: "VHOST_USER_PROTOCOL_F_REPLY_ACK",
    check(peer) {
      peer.negotiate(REPLY_ACK);
      const { flags, ...rest } = request(VHOST_USER_SET_VRING_NUM, state(peer.index, 128));
      peer.run(peer.messenger.channel.send({ ...rest, flags: flags | VHOST_USER_NEED_REPLY_MASK }));
      peer.fence();
      return "kept";
    },
  },
];
