// A back-end process with two queues, guest RAM, and the test in the seats of front-end and driver: it sends messages
// byte for byte, and writes rings as it likes. Nothing moves but by `settle` and by the threads' own `run`.

import { BackEnd, type QueueEvents, type Variant, type VringState } from "../../../device/back-end/back-end.js";
import { controlPlane } from "../../../device/back-end/control-plane.js";
import { restartingControlPlane } from "../../../device/back-end/restart.js";
import {
  VHOST_USER_ADD_MEM_REG,
  VHOST_USER_GET_VRING_BASE,
  VHOST_USER_SET_FEATURES,
  VHOST_USER_SET_PROTOCOL_FEATURES,
  VHOST_USER_SET_VRING_ADDR,
  VHOST_USER_SET_VRING_BASE,
  VHOST_USER_SET_VRING_CALL,
  VHOST_USER_SET_VRING_ENABLE,
  VHOST_USER_SET_VRING_ERR,
  VHOST_USER_SET_VRING_KICK,
  VHOST_USER_SET_VRING_NUM,
} from "../../../device/spec/vhost-user.js";
import { VIRTQ_DESC_F_NEXT, VIRTQ_DESC_F_WRITE, VirtqAvail, VirtqDesc, VirtqUsed } from "../../../device/spec/virtq.js";
import { Channel, CLOSED } from "../../../device/vhost-user/channel.js";
import { isRefused, type Message, request, vringFd } from "../../../device/vhost-user/message.js";
import type { Payload, Region } from "../../../device/vhost-user/payload.js";
import type { Chain } from "../../../device/virtqueue.js";
import { InterruptController, type Irqfd } from "../../../vm/irq.js";
import { GuestMemory } from "../../../vm/memory.js";
import { Descriptors } from "../../../vm/sync/descriptors.js";
import { Doorbell } from "../../../vm/sync/doorbell.js";
import { EventFd } from "../../../vm/sync/eventfd.js";
import type { Op, Result } from "../../../vm/sync/op.js";
import { ByteStream } from "../../../vm/sync/socket.js";
import { SyncMemory } from "../../../vm/sync/words.js";
import { instantiateRing } from "../../driver/wasm.js";
import { run } from "../../vm/run.js";
import { settle, Thread } from "../thread.js";

export const QUEUES = 2;
export const QUEUE_SIZE = 4;
/** VERSION_1 (32) and VHOST_USER_F_PROTOCOL_FEATURES (30); with INDIRECT_DESC (28) or EVENT_IDX (29) added by tests. */
export const FEATURES = 0x1_4000_0000n;
export const EVENT_IDX = 1n << 29n;

/** All of guest RAM as one region: gpa from 2 GiB, another address in the front-end. */
export const RAM_BYTES = 2 * 1024 * 1024;
export const GPA = 0x8000_0000n;
export const UADDR = 0x7f00_0000_0000n;
export const WHOLE_RAM: Region = { gpa: GPA, size: BigInt(RAM_BYTES), uaddr: UADDR, offset: 0n };

/** Offsets of queue q's areas (of at most 1024 entries), and of its buffers. */
const areasOf = (q: number) => {
  const at = 0x10_0000 + q * 0x2_0000;
  return { desc: at, avail: at + 0x8000, used: at + 0x1_0000, buffers: at + 0x1_8000 };
};

export interface Buffer {
  readonly addr: bigint;
  readonly len: number;
  readonly write: boolean;
}

/** Performs one op that is not blocked. */
export function perform<R extends Result>(op: Op<R>): R {
  return run(op[Symbol.iterator]());
}

/** The steps of one hold of a ring's lock. */
export const held = (q: number, ...steps: string[]): string[] => [`q${q}.lock.lock`, ...steps, `q${q}.lock.unlock`];

interface Sent {
  readonly needReply?: boolean;
  readonly fds?: readonly number[];
}

export class Rig {
  readonly sync = SyncMemory.create();
  readonly irq = new InterruptController(this.sync);
  readonly ram: GuestMemory;
  readonly view: DataView;
  readonly descriptors = new Descriptors();
  readonly toBackEnd = new ByteStream(this.sync, "to-back-end");
  readonly toFrontEnd = new ByteStream(this.sync, "to-front-end");
  readonly frontEnd = new Channel(this.toBackEnd, this.toFrontEnd);
  readonly ramFd = this.descriptors.add({ kind: "memory" });
  readonly socketFd = this.descriptors.add({ kind: "socket" });
  readonly doorbells: readonly Doorbell[];
  readonly queues: readonly (QueueEvents & {
    readonly kicks: readonly { readonly fd: number; readonly slot: number; readonly eventfd: EventFd }[];
    readonly call: { readonly fd: number; readonly eventfd: Irqfd };
    readonly maskedCall: { readonly fd: number; readonly eventfd: EventFd };
    readonly err: { readonly fd: number; readonly eventfd: EventFd };
  })[];
  readonly backEnd: BackEnd;
  readonly control: Thread;
  readonly workers: readonly Thread[];
  /** The chains that reached the device, in order: what was readable in them. */
  readonly served: { readonly queue: number; readonly bytes: number[] }[] = [];
  readonly notes: string[] = [];
  /** Called while a chain is being served: what a driver does at the same time. */
  onServe: (queue: number) => void = () => {};

  /** @param restarts the process is started again when its connection has ended */
  constructor(
    readonly variant: Variant,
    restarts = false,
  ) {
    const memory = GuestMemory.allocate(RAM_BYTES);
    this.ram = new GuestMemory(memory, this.sync);
    this.view = new DataView(memory.buffer);
    const one = variant.workers === "one";
    this.doorbells = Array.from(
      { length: one ? 1 : QUEUES },
      (_, i) => new Doorbell(this.sync, one ? "epoll" : `q${i}.poll`),
    );
    this.queues = Array.from({ length: QUEUES }, (_, q) => {
      const doorbell = this.doorbells[one ? 0 : q]!;
      const kicks = Array.from({ length: 2 }, (_, g) => {
        const watched = doorbell.slot(`q${q}.kick${g}`);
        return { ...watched, fd: this.descriptors.add({ kind: "kick", doorbell, ...watched }) };
      });
      const described = <E extends EventFd>(eventfd: E) => ({
        eventfd,
        fd: this.descriptors.add({ kind: "eventfd", eventfd }),
      });
      const plain = (name: string) => described(new EventFd(this.sync, `q${q}.${name}`));
      const kill = doorbell.slot(`q${q}.kill`);
      return {
        doorbell,
        kicks,
        kill,
        call: described(this.irq.irqfd(`q${q}.call`)),
        maskedCall: plain("masked-call"),
        err: plain("err"),
      };
    });
    this.backEnd = new BackEnd({
      sync: this.sync,
      ram: this.ram,
      channel: new Channel(this.toFrontEnd, this.toBackEnd),
      descriptors: this.descriptors,
      doorbells: this.doorbells,
      events: this.queues,
      variant,
      ring: instantiateRing(memory),
      serve: (chain, queue) => this.#serve(chain, queue),
    });
    this.backEnd.note = (name, detail) => this.notes.push(`${name}: ${detail}`);
    this.control = new Thread(
      () => (restarts ? restartingControlPlane(this.backEnd, () => {}) : controlPlane(this.backEnd)),
      true,
    );
    this.workers = this.doorbells.map((_, worker) => new Thread(() => variant.work(this.backEnd, worker), true));
  }

  /** The device: it echoes what it may read into what it may write. */
  #serve({ readable, writable }: Chain, queue: number): number {
    const bytes = readable.flatMap(({ offset, length }) => [...this.ram.bytes.subarray(offset, offset + length)]);
    this.served.push({ queue, bytes });
    this.onServe(queue);
    let at = 0;
    for (const { offset, length } of writable) {
      const part = bytes.slice(at, at + length);
      this.ram.bytes.set(part, offset);
      at += part.length;
    }
    return at;
  }

  settle(): void {
    settle([this.control, ...this.workers]);
  }

  // The front-end's seat.

  send(id: number, payload?: Payload, options?: Sent): void {
    run(this.frontEnd.send(request(id, payload, options)));
  }

  sendBytes(bytes: Uint8Array, fds: readonly number[] = []): void {
    perform(this.toBackEnd.send(bytes, fds));
  }

  hangUp(): void {
    run(this.frontEnd.close());
  }

  /** The back-end's next answer to request `id`, or "none" when nothing is under way. */
  answer(id: number): Message | "none" | typeof CLOSED {
    if (this.toFrontEnd.blocked(1, 0)) return "none";
    const message = run(this.frontEnd.receive(id));
    if (message === CLOSED) return CLOSED;
    if (isRefused(message)) throw new Error(`the back-end answers ${id} with a message that is ${message.refused}`);
    return message;
  }

  /** Sends a request, lets everybody come to rest, and reads the answer. */
  ask(id: number, payload?: Payload, options?: Sent): Message | "none" | typeof CLOSED {
    this.send(id, payload, options);
    this.settle();
    return this.answer(id);
  }

  /** As `ask`, with NEED_REPLY. @returns the ACK's value */
  ack(id: number, payload?: Payload, fds: readonly number[] = []): bigint | "none" | typeof CLOSED {
    const answer = this.ask(id, payload, { needReply: true, fds });
    if (typeof answer === "string") return answer;
    return answer.payload.kind === "u64" ? answer.payload.value : "none";
  }

  state(index: number, num: number): Payload {
    return { kind: "vringState", index, num };
  }

  vringFdOf(id: number, q: number, fd: number): void {
    this.send(id, vringFd(q, "fd"), { fds: [fd] });
  }

  /** Protocol features (all that are offered), features and memory; every message is handled. */
  connect({
    features = FEATURES,
    protocolFeatures = this.variant.protocolFeatures,
    regions = [WHOLE_RAM],
  }: {
    features?: bigint;
    protocolFeatures?: bigint;
    regions?: readonly Region[];
  } = {}): this {
    this.send(VHOST_USER_SET_PROTOCOL_FEATURES, { kind: "u64", value: protocolFeatures });
    this.send(VHOST_USER_SET_FEATURES, { kind: "u64", value: features });
    for (const region of regions)
      this.send(VHOST_USER_ADD_MEM_REG, { kind: "memoryRegion", region }, { fds: [this.ramFd] });
    this.settle();
    return this;
  }

  /** @returns the steps that the control plane does for one message, but for what it does on its connection */
  controlSteps(send: () => void): string[] {
    send();
    return this.control.run().filter((step) => !/^(to-|connection\.)/.test(step));
  }

  /** NUM, BASE, ADDR and CALL, ERR of a queue: all that comes before KICK and ENABLE. */
  configure(q: number, { base = 0, size = QUEUE_SIZE, uaddr = UADDR }: RingPlace = {}): this {
    const { desc, avail, used } = areasOf(q);
    this.send(VHOST_USER_SET_VRING_NUM, this.state(q, size));
    this.send(VHOST_USER_SET_VRING_BASE, this.state(q, base));
    this.send(VHOST_USER_SET_VRING_ADDR, {
      kind: "vringAddr",
      index: q,
      flags: 0,
      desc: uaddr + BigInt(desc),
      used: uaddr + BigInt(used),
      avail: uaddr + BigInt(avail),
      log: 0n,
    });
    this.vringFdOf(VHOST_USER_SET_VRING_CALL, q, this.queues[q]!.call.fd);
    this.vringFdOf(VHOST_USER_SET_VRING_ERR, q, this.queues[q]!.err.fd);
    this.settle();
    return this;
  }

  /** A ring from configuration to ENABLE. The kick eventfd is born with `count`, 1 as QEMU's. */
  start(
    q: number,
    { count = 1, generation = 0, ...place }: RingPlace & { count?: number; generation?: number } = {},
  ): this {
    this.configure(q, place).setKick(q, { count, generation });
    this.send(VHOST_USER_SET_VRING_ENABLE, this.state(q, 1));
    this.settle();
    return this;
  }

  /** Sends SET_VRING_KICK with an eventfd that is born with `count`; nobody moves. */
  setKick(q: number, { count = 1, generation = 0 } = {}): this {
    const kick = this.queues[q]!.kicks[generation]!;
    perform(kick.eventfd.create(count));
    this.vringFdOf(VHOST_USER_SET_VRING_KICK, q, kick.fd);
    return this;
  }

  /** SET_VRING_ENABLE, handled; the workers do not move. */
  enable(q: number, num: 0 | 1): void {
    this.send(VHOST_USER_SET_VRING_ENABLE, this.state(q, num));
    this.control.run();
  }

  /** @returns the next avail index that GET_VRING_BASE gives */
  stop(q: number): number {
    this.send(VHOST_USER_SET_VRING_ENABLE, this.state(q, 0));
    const answer = this.ask(VHOST_USER_GET_VRING_BASE, this.state(q, 0));
    if (typeof answer === "string" || answer.payload.kind !== "vringState") throw new Error("no base");
    return answer.payload.num;
  }

  vring(q: number): VringState {
    return this.backEnd.rings[q]!.state.peek();
  }

  // The driver's seat.

  areas(q: number) {
    return areasOf(q);
  }

  availIdx(q: number): number {
    return this.view.getUint16(areasOf(q).avail + VirtqAvail.IDX, true);
  }

  setAvailIdx(q: number, idx: number): void {
    this.view.setUint16(areasOf(q).avail + VirtqAvail.IDX, idx, true);
  }

  usedIdx(q: number): number {
    return this.view.getUint16(areasOf(q).used + VirtqUsed.IDX, true);
  }

  /** Id and length of a used element. */
  usedElement(q: number, slot: number): [id: number, len: number] {
    const at = areasOf(q).used + VirtqUsed.RING + 8 * slot;
    return [this.view.getUint32(at, true), this.view.getUint32(at + 4, true)];
  }

  /** Where queue q's k-th buffer lies: 256 bytes each. */
  buffer(q: number, k: number): number {
    return areasOf(q).buffers + 256 * k;
  }

  descriptor(q: number, index: number, { addr, len, write }: Buffer, next?: number): void {
    const at = areasOf(q).desc + index * VirtqDesc.SIZEOF;
    this.view.setBigUint64(at + VirtqDesc.ADDR, addr, true);
    this.view.setUint32(at + VirtqDesc.LEN, len, true);
    const flags = (write ? VIRTQ_DESC_F_WRITE : 0) | (next === undefined ? 0 : VIRTQ_DESC_F_NEXT);
    this.view.setUint16(at + VirtqDesc.FLAGS, flags, true);
    this.view.setUint16(at + VirtqDesc.NEXT, next ?? 0, true);
  }

  /** Puts descriptor `head` into the next avail ring entry and publishes it. */
  publish(q: number, head: number, size = QUEUE_SIZE): void {
    const idx = this.availIdx(q);
    this.view.setUint16(areasOf(q).avail + VirtqAvail.RING + VirtqAvail.RING_ENTRY * (idx & (size - 1)), head, true);
    this.setAvailIdx(q, (idx + 1) & 0xffff);
  }

  /** Offers a well-formed request, descriptors 0 and 1: `text` to read, as many bytes to write. No kick. */
  offer(q: number, text = "hello"): void {
    const bytes = new TextEncoder().encode(text);
    this.ram.bytes.set(bytes, this.buffer(q, 0));
    this.ram.bytes.fill(0, this.buffer(q, 1), this.buffer(q, 2));
    this.descriptor(q, 0, { addr: GPA + BigInt(this.buffer(q, 0)), len: bytes.length, write: false }, 1);
    this.descriptor(q, 1, { addr: GPA + BigInt(this.buffer(q, 1)), len: 256, write: true });
    this.publish(q, 0);
  }

  /** What the device wrote as answer to `offer`. */
  reply(q: number, length: number): string {
    return new TextDecoder().decode(this.ram.bytes.slice(this.buffer(q, 1), this.buffer(q, 1) + length));
  }

  kick(q: number, generation = 0): void {
    perform(this.queues[q]!.kicks[generation]!.eventfd.add(1));
  }

  /** New RAM contents for a queue: what a driver's initialisation does. */
  clearRing(q: number): void {
    this.ram.bytes.fill(0, areasOf(q).desc, areasOf(q).desc + 0x2_0000);
  }

  /** Offers a request, kicks, lets everybody come to rest. @returns whether it was answered with its own bytes */
  roundTrip(q: number, text = "hello", generation = 0): boolean {
    const before = this.usedIdx(q);
    this.offer(q, text);
    this.kick(q, generation);
    this.settle();
    return this.usedIdx(q) === ((before + 1) & 0xffff) && this.reply(q, text.length) === text;
  }
}

interface RingPlace {
  readonly base?: number;
  readonly size?: number;
  readonly uaddr?: bigint;
}
