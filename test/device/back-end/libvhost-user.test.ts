// The C virtiofsd step by step (protocol.md 5): a thread a started ring, ended by its kill eventfd; the dispatch lock round
// every message; SET_VRING_ENABLE without effect.

import { describe, expect, it, test } from "vitest";
import { C_VIRTIOFSD } from "../../../device/back-end/libvhost-user.js";
import {
  VHOST_USER_GET_VRING_BASE,
  VHOST_USER_SET_FEATURES,
  VHOST_USER_SET_VRING_CALL,
  VHOST_USER_SET_VRING_ENABLE,
  VHOST_USER_SET_VRING_KICK,
  VHOST_USER_SET_VRING_NUM,
} from "../../../device/spec/vhost-user.js";
import { CLOSED } from "../../../device/vhost-user/channel.js";
import { vringFd } from "../../../device/vhost-user/message.js";
import { EVENT_IDX, FEATURES, perform, QUEUE_SIZE, Rig } from "./rig.js";

const dispatched = (...steps: string[]) => ["dispatch.lock", ...steps, "dispatch.unlock"];

/** Ring 1 configured; its kick eventfd has `count`. */
function configured({ features = FEATURES, count = 1 } = {}): Rig {
  const all = new Rig(C_VIRTIOFSD).connect({ features }).configure(1);
  perform(all.queues[1]!.kicks[0]!.eventfd.create(count));
  return all;
}

function kicked(options = {}): Rig {
  const all = configured(options);
  all.vringFdOf(VHOST_USER_SET_VRING_KICK, 1, all.queues[1]!.kicks[0]!.fd);
  all.control.run();
  return all;
}

describe("control loop", () => {
  test("one message under the dispatch lock, the reply included", () => {
    const all = new Rig(C_VIRTIOFSD).connect();
    all.send(VHOST_USER_SET_VRING_NUM, all.state(1, 4), { needReply: true });
    expect(all.control.run()).toEqual([
      "to-back-end.receive",
      "to-back-end.receive",
      ...dispatched("q1.store size=4", "connection.protocolFeatures.load", "to-front-end.send SET_VRING_NUM ack 0x0"),
    ]);
  });

  test("SET_VRING_KICK: store fd, started, kill eventfd, pthread_create", () => {
    const all = configured();
    const { fd } = all.queues[1]!.kicks[0]!;
    const steps = all.controlSteps(() => all.vringFdOf(VHOST_USER_SET_VRING_KICK, 1, fd));
    expect(steps).toEqual(
      dispatched(
        "q1.thread.load", // none yet
        `q1.store kick=${fd} ready=1 broken=0`,
        "q1.kick.load",
        "q1.kill.create count 0",
        "q1.thread.store = 1",
        "q1.poll.add q1.kill",
        "q1.poll.add q1.kick0",
      ),
    );
  });

  test("GET_VRING_BASE: base, not started; drops the lock, writes kill, joins, takes the lock; closes call and kick", () => {
    const all = kicked();
    all.workers[1]!.run();
    const steps = all.controlSteps(() => all.send(VHOST_USER_GET_VRING_BASE, all.state(1, 0)));
    expect(all.control.next).toBe("q1.thread.await");
    expect(all.control.step()).toBe(false); // joined, not only told
    all.workers[1]!.run();
    steps.push(...all.control.run());
    expect(steps.filter((step) => !/^(to-|connection)/.test(step))).toEqual(
      dispatched(
        "q1.nextAvail.load",
        "q1.store ready=0",
        "q1.thread.load",
        "dispatch.unlock",
        "q1.kill.add +1",
        "q1.thread.await",
        "dispatch.lock",
        "q1.store call=0 kick=0",
      ),
    );
  });

  test('SET_VRING_CALL: store fd and write 1 to it ("I/O hang after reconnecting")', () => {
    const all = new Rig(C_VIRTIOFSD).connect();
    const { fd, eventfd } = all.queues[1]!.maskedCall;
    const steps = all.controlSteps(() => all.vringFdOf(VHOST_USER_SET_VRING_CALL, 1, fd));
    expect(steps).toEqual(dispatched(`q1.store call=${fd}`, "q1.masked-call.add +1"));
    expect(eventfd.count()).toBe(1);
  });

  test("SET_FEATURES: the mask tested is 30, not bit 30: all rings are enabled though bit 30 is set", () => {
    const all = new Rig(C_VIRTIOFSD);
    const send = () => all.send(VHOST_USER_SET_FEATURES, { kind: "u64", value: FEATURES });
    expect(all.controlSteps(send)).toEqual(dispatched("q0.store enabled=1", "q1.store enabled=1"));
  });

  test("SET_FEATURES requires VERSION_1", () => {
    const all = new Rig(C_VIRTIOFSD).connect();
    expect(all.ack(VHOST_USER_SET_FEATURES, { kind: "u64", value: 0x4000_0000n })).toBe(1n);
    expect(all.ack(VHOST_USER_SET_FEATURES, { kind: "u64", value: 0x1_4000_0000n })).toBe(0n);
  });

  test("SET_VRING_ENABLE is stored and never read: a disabled ring is served", () => {
    const all = kicked();
    const disable = () => all.send(VHOST_USER_SET_VRING_ENABLE, all.state(1, 0));
    expect(all.controlSteps(disable)).toEqual(dispatched("q1.store enabled=0"));
    all.settle();
    expect(all.roundTrip(1)).toBe(true);
  });
});

describe("queue thread", () => {
  test("ppoll, eventfd_read, pop till empty under the read lock; then each request inline, used and notify under it", () => {
    const all = kicked({ count: 0 });
    all.offer(1);
    all.kick(1);
    const shared = (...steps: string[]) => ["dispatch.read-lock", ...steps, "dispatch.read-unlock"];
    expect(all.workers[1]!.run()).toEqual([
      "q1.poll.wait",
      "q1.kick.load", // which descriptor is it (our thread keeps no local)
      "q1.kick0.read",
      ...shared(
        "q1.load",
        "mem-table.load",
        "q1.avail.idx",
        "q1.chain",
        "q1.store nextAvail=1",
        "q1.avail.idx", // empty now
      ),
      ...shared(
        "q1.nextUsed.load",
        "q1.serve",
        "q1.used.element id 0 len 5",
        "q1.used.idx = 1",
        "q1.avail.flags",
        "q1.call.load",
        "q1.call.add +1",
        "q1.store nextUsed=1",
      ),
    ]);
  });

  test("the eventfd's initial count 1 makes the new thread scan the ring once at start", () => {
    const all = kicked({ count: 1 });
    all.offer(1); // and no kick
    all.workers[1]!.run();
    expect(all.usedIdx(1)).toBe(1);
  });

  test("kill is checked before kick: the thread quits, the kick stays in the eventfd", () => {
    const all = kicked();
    all.offer(1);
    all.kick(1);
    all.send(VHOST_USER_GET_VRING_BASE, all.state(1, 0));
    all.control.run();
    const steps = all.workers[1]!.run();
    expect(steps.slice(0, 2)).toEqual(["q1.poll.wait", "q1.kill.read"]);
    expect(steps).not.toContain("q1.kick0.read");
    expect(all.queues[1]!.kicks[0]!.eventfd.count()).toBe(2);
    expect(all.usedIdx(1)).toBe(0);
  });

  test("avail.flags NO_INTERRUPT suppresses the call", () => {
    const all = kicked({ count: 0 });
    perform(all.queues[1]!.call.eventfd.read());
    all.view.setUint16(all.areas(1).avail, 1, true);
    expect(all.roundTrip(1)).toBe(true);
    expect(all.queues[1]!.call.eventfd.count()).toBe(0);
  });

  // vu_queue_notify looks vq->call_fd up when it notifies; the lock was dropped since the request was popped.
  test("SET_VRING_CALL between pop and notify: the new descriptor is called", () => {
    const all = kicked({ count: 0 });
    const { call, maskedCall } = all.queues[1]!;
    perform(call.eventfd.read());
    const thread = all.workers[1]!;
    all.offer(1);
    all.kick(1);
    thread.run("q1.chain");
    thread.run("dispatch.read-lock");
    all.vringFdOf(VHOST_USER_SET_VRING_CALL, 1, maskedCall.fd);
    all.control.run();
    perform(maskedCall.eventfd.read()); // what SET_VRING_CALL itself has written
    thread.run();
    expect(all.usedIdx(1)).toBe(1);
    expect([call.eventfd.count(), maskedCall.eventfd.count()]).toEqual([0, 1]);
  });

  test("with EVENT_IDX it names the next entry with each pop, so that the driver's next offer is kicked", () => {
    const all = kicked({ features: FEATURES | EVENT_IDX });
    const availEvent = () => all.view.getUint16(all.areas(1).used + 4 + 8 * QUEUE_SIZE, true);
    expect(all.roundTrip(1)).toBe(true);
    expect(availEvent()).toBe(1);
    expect(all.roundTrip(1)).toBe(true);
    expect(availEvent()).toBe(2);
  });

  it("takes no more than the queue's size before it has given anything back (libvhost-user: Virtqueue size exceeded)", () => {
    const all = kicked({ count: 0 });
    for (let i = 0; i < QUEUE_SIZE; i++) all.offer(1);
    all.kick(1);
    const thread = all.workers[1]!;
    for (let i = 0; i < QUEUE_SIZE; i++) thread.run("q1.chain") && thread.step();
    all.publish(1, 0); // one more than there can be, while the thread still pops
    thread.run();
    expect(all.served).toHaveLength(QUEUE_SIZE);
    expect(all.vring(1).broken).not.toBe(0);
  });
});

// fuse_virtio.c, fv_queue_set_started: "assert(vud->qi[qidx]->kick_fd == -1)"; seen with 7.2.22.
describe("a second SET_VRING_KICK on a started ring", () => {
  const again = (all: Rig) =>
    all.ask(VHOST_USER_SET_VRING_KICK, vringFd(1, "fd"), { fds: [all.queues[1]!.kicks[1]!.fd] });

  it("aborts the process: the connection ends without an answer", () => {
    const all = kicked();
    all.workers[1]!.run();
    expect(again(all)).toBe(CLOSED);
  });

  it("is none after GET_VRING_BASE", () => {
    const all = kicked();
    all.settle();
    all.stop(1);
    expect(again(all)).toBe("none");
    expect(all.roundTrip(1, "new eventfd", 1)).toBe(true);
  });
});
