// The rules one by one, held against a device's own ops on a ring and a back-end's on a connection.

import { describe, expect, it } from "vitest";
import {
  VHOST_USER_GET_VRING_BASE,
  VHOST_USER_SET_PROTOCOL_FEATURES,
  VHOST_USER_SET_VRING_ENABLE,
  VHOST_USER_SET_VRING_KICK,
} from "../../../device/spec/vhost-user.js";
import { VIRTQ_DESC_F_NEXT, VIRTQ_DESC_F_WRITE } from "../../../device/spec/virtq.js";
import { Channel } from "../../../device/vhost-user/channel.js";
import { ack, type Message, reply, request, vringFd } from "../../../device/vhost-user/message.js";
import { Chain, Virtqueue } from "../../../device/virtqueue.js";
import { Invariants } from "../../../host/explore/invariants.js";
import type { Broken, Rule } from "../../../host/explore/rules.js";
import { RegionTable } from "../../../vm/regions.js";
import { type Actor, type Op, ramCell, type Result } from "../../../vm/sync/op.js";
import { ByteStream } from "../../../vm/sync/socket.js";
import { SyncMemory } from "../../../vm/sync/words.js";
import { guestRam, instantiateRing } from "../../driver/wasm.js";

const AT = { size: 8, desc: 0x1_0000, avail: 0x2_0000, used: 0x3_0000 };
const REGIONS = new RegionTable([{ lo: 0x8000_0000, hi: 0, size: 0x10_0000, offset: 0 }]);
/** The readable and the writable buffer of the chain that begins at a descriptor. */
const READABLE = (head: number) => ({ offset: 0x5_0000 + 0x100 * head, length: 40 });
const WRITABLE = (head: number) => ({ offset: 0x6_0001 + 0x100 * head, length: 15 });

function rig() {
  const memory = guestRam();
  const view = new DataView(memory.buffer);
  const invariants = new Invariants(instantiateRing(memory), new Uint8Array(memory.buffer));
  const start = invariants.start(2);
  const queue = new Virtqueue(invariants.ring, AT, 1, true);
  const sync = SyncMemory.create();
  const [toBackEnd, toFrontEnd] = [new ByteStream(sync, "to-back-end"), new ByteStream(sync, "to-front-end")];
  let remembered = start;
  const broken: Broken[] = [];

  function perform(op: Op, byDevice = true): Result {
    const result = op.attempt()!;
    remembered = invariants.step(remembered, op, result, byDevice, (rule, detail) => broken.push({ rule, detail }));
    return result;
  }
  function performAll(actor: Actor<unknown>): void {
    for (let step = actor.next(); !step.done; step = actor.next(perform(step.value, false)));
  }
  const frontEnd = new Channel(toBackEnd, toFrontEnd);
  const backEnd = new Channel(toFrontEnd, toBackEnd);
  return {
    /** The driver offers two descriptors from `head` on, at entry `idx`, and moves avail.idx behind it. */
    offer(idx: number, head: number): void {
      const desc = (slot: number, { offset, length }: { offset: number; length: number }, flags: number): void => {
        view.setBigUint64(AT.desc + 16 * slot, BigInt(0x8000_0000 + offset), true);
        view.setUint32(AT.desc + 16 * slot + 8, length, true);
        view.setUint16(AT.desc + 16 * slot + 12, flags, true);
        view.setUint16(AT.desc + 16 * slot + 14, slot + 1, true);
      };
      desc(head, READABLE(head), VIRTQ_DESC_F_NEXT);
      desc(head + 1, WRITABLE(head), VIRTQ_DESC_F_WRITE);
      view.setUint16(AT.avail + 4 + 2 * (idx % AT.size), head, true);
      view.setUint16(AT.avail + 2, idx + 1, true);
    },
    take: (idx: number) => perform(queue.chain(idx, false, REGIONS)),
    serve: (chain: Chain) => perform(queue.serve(chain, () => 15)),
    fill: (idx: number, head: number) => perform(queue.fillUsed(idx, head, 15)),
    publish: (idx: number) => perform(queue.publishUsed(idx)),
    queue,
    perform,
    sends: (message: Message) => performAll(frontEnd.send(message)),
    takesUp: () => performAll(backEnd.receive()),
    answers: (message: Message) => performAll(backEnd.send(message)),
    accepts: () => performAll(backEnd.accept()),
    /** The rules broken since it was last asked. */
    broken: (): Rule[] => broken.splice(0).map(({ rule }) => rule),
    remembersNothing: () => remembered === start,
  };
}

const chainOf = (head: number): Chain => new Chain(head, [READABLE(head)], [WRITABLE(head)]);

describe("a ring", () => {
  it("that is served as it should breaks nothing, and nothing is remembered of it", () => {
    const device = rig();
    device.offer(0, 4);
    device.offer(1, 2);
    for (const [idx, head] of [
      [0, 4],
      [1, 2],
    ] as const)
      expect(device.take(idx)).toEqual(chainOf(head));
    // Out of order (2.7.8: any order), and both elements under one index.
    for (const [idx, head] of [
      [0, 2],
      [1, 4],
    ] as const) {
      device.serve(chainOf(head));
      device.fill(idx, head);
    }
    expect(device.remembersNothing()).toBe(false);
    device.publish(2);
    expect(device.broken()).toEqual([]);
    expect(device.remembersNothing()).toBe(true);
  });

  it("goes on across the wrap of its 16-bit indices", () => {
    const device = rig();
    device.offer(0xffff, 0);
    device.publish(0xffff);
    device.broken();
    device.take(0xffff);
    device.fill(0xffff, 0);
    device.publish(0);
    expect(device.broken()).toEqual([]);
  });

  it("element before index: used.idx covers an element that is not written, or the element is another one", () => {
    const device = rig();
    device.offer(0, 4);
    device.take(0);
    device.publish(1);
    expect(device.broken()).toEqual(["element before index"]);
    device.fill(0, 4);
    expect(device.broken()).toEqual(["element before index"]);
  });

  const once: Rule = "each request answered once";

  it("an entry is taken once, whether it has been answered or not", () => {
    const device = rig();
    device.offer(0, 4);
    device.take(0);
    device.take(0);
    expect(device.broken()).toContain(once);
    const other = rig();
    other.offer(0, 4);
    other.take(0);
    other.fill(0, 4);
    other.publish(1);
    expect(other.broken()).toEqual([]);
    other.take(0);
    expect(other.broken()).toEqual([once]);
  });

  it("an entry is taken in turn, and not before it is offered", () => {
    const device = rig();
    device.offer(0, 4);
    device.offer(1, 2);
    device.take(1);
    expect(device.broken()).toEqual([once]);
    const other = rig();
    other.take(0);
    expect(other.broken()).toEqual([once]);
  });

  it("a head comes back once, and only if it was taken; used.idx does not pass avail.idx", () => {
    const device = rig();
    device.offer(0, 4);
    device.take(0);
    device.fill(0, 3);
    expect(device.broken()).toEqual([once]);
    device.fill(1, 4);
    expect(device.broken()).toEqual([]);
    device.publish(2);
    expect(device.broken()).toEqual([once]);
  });

  it("a descriptor of a chain that is taken is not read again", () => {
    const device = rig();
    device.offer(0, 4);
    device.take(0);
    device.perform(device.queue.serve(chainOf(4), () => Number(device.queue.ring.chainStep(AT.desc, 8, 5, 8, 0, 0))));
    expect(device.broken()).toEqual(["descriptors are read once"]);
  });

  const memory: Rule = "memory of others is not written";

  it("a device writes the writable buffers of what it has taken, and the used ring", () => {
    const device = rig();
    device.offer(0, 4);
    device.take(0);
    device.perform(device.queue.setUsedFlags(1));
    device.perform(device.queue.setAvailEvent(1));
    device.serve(chainOf(4));
    expect(device.broken()).toEqual([]);
    device.serve(new Chain(4, [], [READABLE(4)]));
    expect(device.broken()).toEqual([memory]);
    device.serve(new Chain(4, [], [{ ...WRITABLE(4), length: 16 + 1 }]));
    expect(device.broken()).toEqual([memory]);
    device.fill(0, 4);
    device.serve(chainOf(4)); // the driver's again
    expect(device.broken()).toEqual([memory]);
  });

  it("an op of a device that is no ring's writes no guest RAM; a driver's may", () => {
    const device = rig();
    const store = { name: "store", footprint: { reads: [], writes: [ramCell(0x7_0000)] }, attempt: () => 0 } as unknown;
    device.perform(store as Op, false);
    expect(device.broken()).toEqual([]);
    device.perform(store as Op, true);
    expect(device.broken()).toEqual([memory]);
  });
});

describe("a connection", () => {
  const unasked: Rule = "replies are asked for";
  const enable = (needReply: boolean) =>
    request(VHOST_USER_SET_VRING_ENABLE, { kind: "vringState", index: 1, num: 1 }, { needReply });
  const enabled = ack(VHOST_USER_SET_VRING_ENABLE, 0n);
  const getBase = request(VHOST_USER_GET_VRING_BASE, { kind: "vringState", index: 1, num: 0 });
  const base = reply(VHOST_USER_GET_VRING_BASE, { kind: "vringState", index: 1, num: 0 });
  const REPLY_ACK = request(VHOST_USER_SET_PROTOCOL_FEATURES, { kind: "u64", value: 1n << 3n });

  it("a request with a reply of its own is answered, and once", () => {
    const { sends, takesUp, answers, broken } = rig();
    sends(getBase);
    takesUp();
    answers(base);
    expect(broken()).toEqual([]);
    answers(base);
    expect(broken()).toEqual([unasked]);
  });

  it("an ACK is sent where it is asked for and REPLY_ACK is negotiated, on this connection", () => {
    const { sends, takesUp, answers, accepts, broken } = rig();
    const ackTo = (needReply: boolean): Rule[] => {
      sends(enable(needReply));
      takesUp();
      answers(enabled);
      return broken();
    };
    expect(ackTo(true)).toEqual([unasked]);
    sends(REPLY_ACK);
    takesUp();
    expect(ackTo(true)).toEqual([]);
    expect(ackTo(false)).toEqual([unasked]);
    accepts();
    expect(ackTo(true)).toEqual([unasked]);
  });

  it("an answer belongs to the request that was taken up last, not to one that is still under way", () => {
    const { sends, takesUp, answers, broken } = rig();
    sends(REPLY_ACK);
    sends(enable(false));
    sends(enable(true));
    takesUp();
    takesUp();
    answers(enabled);
    expect(broken()).toEqual([unasked]);
  });

  it("no used entry of a ring from the reply to GET_VRING_BASE to the next SET_VRING_KICK of that ring", () => {
    const { offer, take, fill, publish, sends, takesUp, answers, broken } = rig();
    const kick = (queue: number) => request(VHOST_USER_SET_VRING_KICK, vringFd(queue, "fd"), { fds: [3] });
    offer(0, 4);
    take(0);
    sends(getBase);
    takesUp();
    fill(0, 4);
    publish(1);
    expect(broken()).toEqual([]);
    answers(base);
    publish(1);
    expect(broken()).toContain("a stopped ring is left alone");
    sends(kick(0));
    sends(kick(1));
    takesUp();
    publish(1);
    expect(broken()).toContain("a stopped ring is left alone");
    takesUp();
    publish(1);
    expect(broken()).toEqual(["element before index"]);
  });
});
