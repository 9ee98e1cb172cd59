// One connection on which a rule is tried: messages one by one, a ring, and what comes back.

import { memoryRegions, vringAddr } from "../../device/front-end/address-space.js";
import { Messenger, state, u64 } from "../../device/front-end/messenger.js";
import {
  VHOST_USER_F_PROTOCOL_FEATURES,
  VHOST_USER_GET_FEATURES,
  VHOST_USER_GET_PROTOCOL_FEATURES,
  VHOST_USER_GET_VRING_BASE,
  VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS,
  VHOST_USER_PROTOCOL_F_MQ,
  VHOST_USER_PROTOCOL_F_REPLY_ACK,
  VHOST_USER_PROTOCOL_F_RESET_DEVICE,
  VHOST_USER_SET_FEATURES,
  VHOST_USER_SET_MEM_TABLE,
  VHOST_USER_SET_OWNER,
  VHOST_USER_SET_PROTOCOL_FEATURES,
  VHOST_USER_SET_VRING_ADDR,
  VHOST_USER_SET_VRING_BASE,
  VHOST_USER_SET_VRING_CALL,
  VHOST_USER_SET_VRING_ENABLE,
  VHOST_USER_SET_VRING_KICK,
  VHOST_USER_SET_VRING_NUM,
} from "../../device/spec/vhost-user.js";
import { VIRTIO_F_VERSION_1 } from "../../device/spec/virtio.js";
import { VIRTIO_FS_QUEUE_REQUEST } from "../../device/spec/virtio-fs.js";
import { Channel } from "../../device/vhost-user/channel.js";
import { type Message, type Payload, request, vringFd } from "../../device/vhost-user/message.js";
import { hasFeature } from "../../device/vhost-user/table.js";
import { GuestMemory } from "../../vm/memory.js";
import type { Actor, Op } from "../../vm/sync/op.js";
import { SyncMemory } from "../../vm/sync/words.js";
import { NativeEventFd } from "../native/eventfd.js";
import { NativePerformer } from "../native/performer.js";
import type { NativeSocket } from "../native/socket.js";
import { BareQueue } from "./bare-queue.js";
import type { Stage } from "./trial.js";

const bit = (feature: number): bigint => 1n << BigInt(feature);
export const PROTOCOL_FEATURES = bit(VHOST_USER_F_PROTOCOL_FEATURES);
const VERSION_1 = bit(VIRTIO_F_VERSION_1);
/** What is asked for, if it is offered. */
const WANTED = [
  VHOST_USER_PROTOCOL_F_MQ,
  VHOST_USER_PROTOCOL_F_REPLY_ACK,
  VHOST_USER_PROTOCOL_F_RESET_DEVICE,
  VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS,
]
  .map(bit)
  .reduce((sum, next) => sum | next);

/** How long an answer is waited for, and how long it is watched that none comes. Milliseconds. */
const ANSWER_MS = 1000;
const QUIET_MS = 100;
const LOOK_MICROS = 200;

export class Peer {
  /** The ring that the rules are tried on. */
  readonly index: number;
  readonly ram: GuestMemory;
  readonly kick: NativeEventFd;
  readonly call: NativeEventFd;
  readonly messenger: Messenger;
  readonly queue: BareQueue;
  features = 0n;
  offeredProtocolFeatures = 0n;
  readonly #performer: NativePerformer;

  constructor(
    readonly stage: Stage,
    readonly socket: NativeSocket,
  ) {
    const { libc, ram, driver, otherQueue } = stage;
    this.index = otherQueue ?? VIRTIO_FS_QUEUE_REQUEST;
    GuestMemory.clear(ram.memory);
    this.ram = new GuestMemory(ram.memory, SyncMemory.create());
    this.queue = new BareQueue(ram.memory, driver, otherQueue === undefined ? "FUSE_INIT" : "nothing");
    this.kick = new NativeEventFd(libc, "kick");
    this.call = new NativeEventFd(libc, "call");
    this.messenger = new Messenger(new Channel(socket.outgoing, socket.incoming));
    this.#performer = new NativePerformer(libc, "rule", (op: Op) => {
      throw new Error(`${op.name} waits for nobody`);
    });
  }

  run<R>(actor: Actor<R>): R {
    return this.#performer.run(actor);
  }

  // Messages.

  send(id: number, payload?: Payload, fds: readonly number[] = []): void {
    this.run(this.messenger.send(id, payload, fds));
  }

  get(id: number): bigint {
    return this.run(this.messenger.get(id));
  }

  exchange(message: Message): Message {
    return this.run(this.messenger.exchange(message));
  }

  /** Asks for an ACK (REPLY_ACK is negotiated). @returns its number */
  ask(id: number, payload?: Payload, fds: readonly number[] = []): bigint {
    const ack = this.exchange(request(id, payload, { needReply: true, fds }));
    return ack.payload.kind === "u64" ? ack.payload.value : 0n;
  }

  has(feature: number): boolean {
    return hasFeature(this.offeredProtocolFeatures, feature);
  }

  // What comes before a ring can be used.

  /** @param without protocol features that are not asked for */
  negotiate(without = 0n): void {
    this.features = this.get(VHOST_USER_GET_FEATURES);
    if (this.features & PROTOCOL_FEATURES) {
      this.offeredProtocolFeatures = this.get(VHOST_USER_GET_PROTOCOL_FEATURES);
      const asked = this.offeredProtocolFeatures & WANTED & ~without;
      this.send(VHOST_USER_SET_PROTOCOL_FEATURES, u64(asked));
      this.messenger.protocolFeatures = asked;
    }
    this.send(VHOST_USER_SET_OWNER);
  }

  /** @param bit30 whether VHOST_USER_F_PROTOCOL_FEATURES is among them */
  setFeatures(bit30 = true): void {
    this.send(VHOST_USER_SET_FEATURES, u64(VERSION_1 | (bit30 ? this.features & PROTOCOL_FEATURES : 0n)));
  }

  setMemory(): void {
    const regions = memoryRegions(this.ram);
    const fds = regions.map(() => this.stage.ram.fd);
    this.run(this.messenger.sendAcked(VHOST_USER_SET_MEM_TABLE, { kind: "memoryTable", regions }, fds));
  }

  /** Everything of a ring but its kick. */
  placeRing(base = 0): void {
    this.send(VHOST_USER_SET_VRING_NUM, state(this.index, this.queue.areas.size));
    this.send(VHOST_USER_SET_VRING_BASE, state(this.index, base));
    this.send(VHOST_USER_SET_VRING_ADDR, { kind: "vringAddr", ...vringAddr(this.index, this.queue.areas) });
    this.send(VHOST_USER_SET_VRING_CALL, vringFd(this.index, "fd"), [this.call.fd]);
  }

  startRing(base = 0): void {
    this.placeRing(base);
    this.send(VHOST_USER_SET_VRING_KICK, vringFd(this.index, "fd"), [this.kick.fd]);
  }

  enable(enable: 0 | 1): void {
    this.send(VHOST_USER_SET_VRING_ENABLE, state(this.index, enable));
    this.fence();
  }

  /** Messages are handled in order: what was sent before has been handled. */
  fence(): void {
    this.get(VHOST_USER_GET_FEATURES);
  }

  /** All of it: the ring is started and enabled. */
  serve(): void {
    this.negotiate();
    this.setFeatures();
    this.setMemory();
    this.startRing();
    if (this.features & PROTOCOL_FEATURES) this.enable(1);
    this.fence();
  }

  getBase(): number {
    const { payload } = this.exchange(request(VHOST_USER_GET_VRING_BASE, state(this.index, 0)));
    return payload.kind === "vringState" ? payload.num : -1;
  }

  // Requests.

  /** @returns whether a request is answered, with its kick */
  answers(): boolean {
    this.queue.offer();
    this.kick.write(1);
    return this.awaits(() => this.queue.answered(), ANSWER_MS);
  }

  /** @returns whether a request, with its kick, has no answer as long as it is watched */
  keepsQuiet(): boolean {
    this.queue.offer();
    this.kick.write(1);
    return !this.awaits(() => this.queue.answered(), QUIET_MS);
  }

  awaits(condition: () => boolean, ms = ANSWER_MS): boolean {
    for (const end = performance.now() + ms; ; this.stage.libc.sleep(LOOK_MICROS)) {
      if (condition()) return true;
      if (performance.now() > end) return false;
    }
  }

  close(): void {
    this.socket.close();
    this.kick.close();
    this.call.close();
  }
}
