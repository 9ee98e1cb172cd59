// Faults of a back-end's control plane.

import { BackEnd } from "../../../../device/back-end/back-end.js";
import { VHOST_USER_GET_VRING_BASE, VHOST_USER_SET_VRING_ENABLE } from "../../../../device/spec/vhost-user.js";
import { ChannelOp } from "../../../../device/vhost-user/channel.js";
import {
  ack,
  decodeBody,
  decodeHeader,
  isRefused,
  type Message,
  reply,
} from "../../../../device/vhost-user/message.js";
import type { Header } from "../../../../device/vhost-user/message.js";
import { type Actor, Received } from "../../../../vm/sync/op.js";
import { type Fault, through } from "./fault.js";

/** A request is answered when it has been read; what it asks for is done after that. */
const answersFirst = (request: number, answer: (backEnd: BackEnd, message: Message) => Actor<Message>): Fault => ({
  actor: "control",
  play: (actor, { backEnd }) => {
    if (!(backEnd instanceof BackEnd)) throw new Error("a kernel has no control plane");
    let header: Header | undefined;
    let answered = false;
    return through(actor, function* (op) {
      if (answered && op instanceof ChannelOp && op.step.does === "send") return 0;
      const result = yield* op;
      if (!(result instanceof Received)) return result;
      if (header) {
        const message = decodeBody(header, result.bytes, []);
        if (isRefused(message)) throw new Error(message.refused);
        answered = true;
        yield* backEnd.parts.channel.send(yield* answer(backEnd, message));
      } else {
        const read = decodeHeader(result.bytes);
        if (!isRefused(read) && read.request === request) header = read;
      }
      return result;
    });
  },
});

/** GET_VRING_BASE, before the ring is stopped. */
export const REPLY_BEFORE_STOP = answersFirst(VHOST_USER_GET_VRING_BASE, function* (backEnd, { payload }) {
  const index = payload.kind === "vringState" ? payload.index : 0;
  const { lock, state } = backEnd.rings[index]!;
  const num = yield* lock.holding(function* () {
    return yield* state.get("nextAvail");
  });
  return reply(VHOST_USER_GET_VRING_BASE, { kind: "vringState", index, num });
});

/** SET_VRING_ENABLE: in force after its ACK. */
// biome-ignore lint/correctness/useYield: an ACK is known without a look
export const ACKNOWLEDGED_THEN_APPLIED = answersFirst(VHOST_USER_SET_VRING_ENABLE, function* () {
  return ack(VHOST_USER_SET_VRING_ENABLE, 0n);
});

/** The ring that is started is not kicked: what was offered and kicked before the stop is forgotten. */
export const KICK_LOST_ON_RESET: Fault = {
  actor: "control",
  play: (actor) =>
    through(actor, function* (op) {
      return op.name === "q1.kick.add" ? 0 : yield* op;
    }),
};
