// The front-end's half of a vhost-user conversation: requests out, replies and ACKs in, and what has been negotiated for
// them. What vhost_user_write_sync and its kin are in QEMU's hw/virtio/vhost-user.c, and Frontend in rust-vmm's vhost.

import type { Actor } from "../../vm/sync/op.js";
import { VHOST_USER_PROTOCOL_F_REPLY_ACK } from "../spec/vhost-user.js";
import { type Channel, CLOSED } from "../vhost-user/channel.js";
import { isRefused, type Message, messageName, request, vringFd } from "../vhost-user/message.js";
import type { Payload } from "../vhost-user/payload.js";
import { hasFeature } from "../vhost-user/table.js";
import { BackEndError, type Notifier } from "./vhost-device.js";

export const u64 = (value: bigint): Payload => ({ kind: "u64", value });
export const state = (index: number, num: number): Payload => ({ kind: "vringState", index, num });

export class Messenger {
  /** What SET_PROTOCOL_FEATURES has said. */
  protocolFeatures = 0n;

  constructor(readonly channel: Channel) {}

  /** Has protocol feature `feature` (bit number) been negotiated? */
  has(feature: number): boolean {
    return hasFeature(this.protocolFeatures, feature);
  }

  /** Sends and forgets. */
  *send(id: number, payload?: Payload, fds: readonly number[] = []): Actor {
    yield* this.channel.send(request(id, payload, { fds }));
  }

  /** SET_VRING_KICK, CALL or ERR with an eventfd, sent and forgotten. */
  *sendFd(id: number, queue: number, { fd }: Notifier): Actor {
    yield* this.send(id, vringFd(queue, "fd"), [fd]);
  }

  /**
   * Waits for the ACK where REPLY_ACK is negotiated; sends and forgets elsewhere.
   * @returns whether it has waited
   */
  *sendAcked(id: number, payload?: Payload, fds: readonly number[] = []): Actor<boolean> {
    if (!this.has(VHOST_USER_PROTOCOL_F_REPLY_ACK)) {
      yield* this.send(id, payload, fds);
      return false;
    }
    const ack = yield* this.exchange(request(id, payload, { needReply: true, fds }));
    if (ack.payload.kind !== "u64" || ack.payload.value !== 0n)
      throw new BackEndError(`the back-end refused ${messageName(id)}`);
    return true;
  }

  /** A request without payload whose reply is a u64. */
  *get(id: number): Actor<bigint> {
    const answer = yield* this.exchange(request(id));
    return answer.payload.kind === "u64" ? answer.payload.value : 0n;
  }

  /** Sends, and waits for the reply. */
  *exchange(message: Message): Actor<Message> {
    yield* this.channel.send(message);
    const answer = yield* this.channel.receive(message.request);
    const name = messageName(message.request);
    if (answer === CLOSED) throw new BackEndError(`the back-end hung up instead of answering ${name}`);
    if (isRefused(answer)) throw new BackEndError(`the back-end's answer to ${name}: ${answer.refused}`);
    return answer;
  }
}
