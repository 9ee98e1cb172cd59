// vhost-user-backend 0.10.1 step by step (protocol.md 4.1 to 4.4, 6): which op comes after which, and under which hold of
// the ring's lock. Offsets and descriptor numbers are the rig's. Later versions: rust-versions.test.ts.

import { describe, expect, it, test } from "vitest";
import { RUST_0_10 } from "../../../device/back-end/rust.js";
import {
  VHOST_USER_GET_VRING_BASE,
  VHOST_USER_RESET_OWNER,
  VHOST_USER_SET_FEATURES,
  VHOST_USER_SET_VRING_ADDR,
  VHOST_USER_SET_VRING_BASE,
  VHOST_USER_SET_VRING_CALL,
  VHOST_USER_SET_VRING_ENABLE,
  VHOST_USER_SET_VRING_ERR,
  VHOST_USER_SET_VRING_KICK,
  VHOST_USER_SET_VRING_NUM,
} from "../../../device/spec/vhost-user.js";
import { CLOSED } from "../../../device/vhost-user/channel.js";
import { VIRTQ_AVAIL_F_NO_INTERRUPT } from "../../../device/spec/virtq.js";
import { EVENT_IDX, FEATURES, held, perform, Rig, UADDR } from "./rig.js";

const rig = () => new Rig(RUST_0_10);

/** Ring 1 configured and kicked, not enabled; the worker has not moved. */
function kicked(features = FEATURES): Rig {
  const all = rig().connect({ features }).configure(1).setKick(1);
  all.control.run();
  return all;
}

describe("control messages (4.3, 4.4)", () => {
  test("a message with a body takes two recvmsg calls (2.5); the ACK is sent after the handler has returned", () => {
    const all = rig().connect();
    all.send(VHOST_USER_SET_VRING_NUM, all.state(1, 4), { needReply: true });
    const steps = all.control.run();
    expect(steps).toEqual([
      "to-back-end.receive", // 12 bytes
      "to-back-end.receive", // 8 bytes
      ...held(1, "q1.store size=4"),
      "connection.protocolFeatures.load",
      "to-front-end.send SET_VRING_NUM ack 0x0",
    ]);
  });

  test("SET_FEATURES: every ring, enabled = !(features & bit 30)", () => {
    const steps = (value: bigint) => {
      const all = rig();
      return all.controlSteps(() => all.send(VHOST_USER_SET_FEATURES, { kind: "u64", value }));
    };
    expect(steps(FEATURES)).toEqual([...held(0, "q0.store enabled=0"), ...held(1, "q1.store enabled=0")]);
    expect(steps(0x1_0000_0000n)).toEqual([...held(0, "q0.store enabled=1"), ...held(1, "q1.store enabled=1")]);
  });

  test("VRING_NUM, VRING_BASE (which takes EVENT_IDX over, up to 0.15.0), VRING_ERR", () => {
    const all = rig().connect({ features: FEATURES | EVENT_IDX });
    expect(all.controlSteps(() => all.send(VHOST_USER_SET_VRING_NUM, all.state(1, 8)))).toEqual(
      held(1, "q1.store size=8"),
    );
    expect(all.controlSteps(() => all.send(VHOST_USER_SET_VRING_BASE, all.state(1, 7)))).toEqual(
      held(1, "q1.store nextAvail=7 eventIdx=1 indirect=0"),
    );
    const { fd } = all.queues[1]!.err;
    expect(all.controlSteps(() => all.vringFdOf(VHOST_USER_SET_VRING_ERR, 1, fd))).toEqual(
      held(1, `q1.store err=${fd}`),
    );
  });

  test("VRING_ADDR: translates three addresses; next_used = used.idx read from guest memory", () => {
    const all = rig().connect();
    all.send(VHOST_USER_SET_VRING_NUM, all.state(1, 4));
    all.control.run();
    all.view.setUint16(0x3002, 0x1234, true);
    const addr = { kind: "vringAddr", index: 1, flags: 0, desc: UADDR + 0x1000n, log: 0n } as const;
    const send = () => all.send(VHOST_USER_SET_VRING_ADDR, { ...addr, avail: UADDR + 0x2000n, used: UADDR + 0x3000n });
    expect(all.controlSteps(send)).toEqual([
      "mem-table.load",
      ...held(1, "q1.size.load"),
      "q1.used.idx.load",
      ...held(1, `q1.store desc=${0x1000} avail=${0x2000} used=${0x3000} nextUsed=${0x1234}`),
    ]);
  });

  test('VRING_KICK: store fd; initialize_vring: "register, then ready", each under a hold of its own', () => {
    const all = rig().connect().configure(1);
    const { fd } = all.queues[1]!.kicks[0]!;
    expect(all.controlSteps(() => all.vringFdOf(VHOST_USER_SET_VRING_KICK, 1, fd))).toEqual([
      ...held(1, "q1.kick.load", `q1.store kick=${fd}`),
      ...held(1, "q1.load"), // !ready && kick is Some
      ...held(1, "epoll.add q1.kick0"),
      ...held(1, "q1.store ready=1 broken=0"),
    ]);
  });

  test("VRING_KICK on a ring that is ready only replaces the fd: the new one is not registered", () => {
    const all = kicked();
    const [, second] = all.queues[1]!.kicks;
    const steps = all.controlSteps(() => all.vringFdOf(VHOST_USER_SET_VRING_KICK, 1, second!.fd));
    expect(steps.filter((step) => step.startsWith("epoll.add"))).toEqual([]);
    expect(all.vring(1)).toMatchObject({ kick: second!.fd, ready: 1 });
    expect(all.doorbells[0]!.isRegistered(second!.slot)).toBe(false);
  });

  test("VRING_CALL: store fd, then the same check as KICK, which finds no kick here", () => {
    const all = rig().connect();
    const { fd } = all.queues[1]!.call;
    expect(all.controlSteps(() => all.vringFdOf(VHOST_USER_SET_VRING_CALL, 1, fd))).toEqual([
      ...held(1, `q1.store call=${fd}`),
      ...held(1, "q1.load"),
    ]);
  });

  test("SET_VRING_ENABLE: sets the flag, nothing else; no look at the ring, no kick of its own", () => {
    const all = kicked();
    expect(all.controlSteps(() => all.send(VHOST_USER_SET_VRING_ENABLE, all.state(1, 1)))).toEqual(
      held(1, "q1.store enabled=1"),
    );
  });

  test("SET_VRING_ENABLE is an error unless bit 30 was acked", () => {
    const all = rig().connect({ features: 0x1_0000_0000n });
    expect(all.ack(VHOST_USER_SET_VRING_ENABLE, all.state(1, 1))).toBe(1n);
  });

  test("GET_VRING_BASE: ready=false, DEL, next_avail, kick = None, call = None; `enabled` untouched, no reset", () => {
    const all = kicked();
    all.enable(1, 1);
    expect(all.controlSteps(() => all.send(VHOST_USER_GET_VRING_BASE, all.state(1, 0)))).toEqual([
      ...held(1, "q1.store ready=0"),
      ...held(1, "q1.kick.load", "epoll.del q1.kick0"),
      ...held(1, "q1.nextAvail.load"),
      ...held(1, "q1.store kick=0"),
      ...held(1, "q1.store call=0"),
    ]);
    expect(all.vring(1)).toMatchObject({ enabled: 1, size: 4 });
  });

  test("GET_VRING_BASE: an error of DEL is returned, and no reply can tell it: the connection ends", () => {
    const all = kicked();
    all.vringFdOf(VHOST_USER_SET_VRING_KICK, 1, all.queues[1]!.kicks[1]!.fd); // replaces, is not registered
    all.control.run();
    expect(all.ask(VHOST_USER_GET_VRING_BASE, all.state(1, 0))).toBe(CLOSED);
  });

  test("RESET_OWNER touches no ring, but the acked features are gone: ENABLE is an error until SET_FEATURES", () => {
    const all = kicked();
    expect(all.controlSteps(() => all.send(VHOST_USER_RESET_OWNER))).toEqual([]);
    expect(all.ack(VHOST_USER_SET_VRING_ENABLE, all.state(1, 1))).toBe(1n);
    expect(all.ack(VHOST_USER_SET_FEATURES, { kind: "u64", value: FEATURES })).toBe(0n);
    expect(all.ack(VHOST_USER_SET_VRING_ENABLE, all.state(1, 1))).toBe(0n);
  });

  test("the first start leaves the ring disabled at KICK, and so does a restart: SET_FEATURES clears it (2.5)", () => {
    const all = kicked();
    expect(all.vring(1).enabled).toBe(0);
    all.enable(1, 1);
    all.send(VHOST_USER_SET_FEATURES, { kind: "u64", value: FEATURES });
    all.control.run();
    expect(all.vring(1).enabled).toBe(0);
  });
});

describe("worker (4.2)", () => {
  const READ = ["epoll.wait", ...held(1, "q1.kick.load", "q1.kick0.read", "q1.enabled.load")];

  test("W3, W4: the eventfd is read first, then `enabled` is copied, in one hold; false: back without a look", () => {
    const all = kicked();
    all.offer(1);
    all.kick(1);
    const worker = all.workers[0]!;
    expect(worker.run()).toEqual(READ);
    expect(worker.next).toBe("epoll.wait");
    expect(all.notes).toContain("kick dropped: q1: count 2 consumed while the ring is disabled");
  });

  test("the dropped kick is gone: ENABLE does not look, only another kick brings both requests (stall, or hang)", () => {
    const all = kicked();
    all.offer(1, "one");
    all.kick(1);
    all.workers[0]!.run();
    all.enable(1, 1);
    all.settle();
    expect(all.usedIdx(1)).toBe(0);
    expect(all.roundTrip(1, "two")).toBe(false); // two at once: used.idx goes from 0 to 2
    expect(all.usedIdx(1)).toBe(2);
  });

  test("W5: lock, scan, process, used element, used index, call, all in one hold", () => {
    const all = kicked();
    all.enable(1, 1);
    all.workers[0]!.run();
    all.offer(1);
    all.kick(1);
    expect(all.workers[0]!.run()).toEqual([
      ...READ,
      ...held(
        1,
        "q1.load", // is it ready?
        "q1.load", // iter(): the queue as it is
        "mem-table.load",
        "q1.load",
        "q1.avail.idx",
        "q1.chain",
        "q1.serve",
        "q1.used.element id 0 len 5",
        "q1.used.idx = 1",
        "q1.call.load",
        "q1.call.add +1",
        "q1.store nextAvail=1 nextUsed=1",
        "q1.broken.load", // was there an error?
      ),
    ]);
  });

  test("6: the ring's mutex is held for the whole batch: a message for this ring waits, one for another does not", () => {
    const all = kicked();
    all.enable(1, 1);
    all.offer(1);
    all.workers[0]!.run("q1.used.idx");
    all.enable(0, 1);
    expect(all.vring(0).enabled).toBe(1);
    all.enable(1, 0);
    expect(all.control.next).toBe("q1.lock.lock");
    expect(all.control.step()).toBe(false);
    all.workers[0]!.run();
    all.control.run();
    expect(all.vring(1).enabled).toBe(0);
  });

  test("6: without EVENT_IDX one pass over what avail.idx said; with it, until avail.idx = next_avail", () => {
    const served = (features: bigint) => {
      const all = kicked(features);
      all.enable(1, 1);
      all.workers[0]!.run();
      all.offer(1, "one");
      all.kick(1);
      all.onServe = () => {
        if (all.served.length === 1) all.publish(1, 0); // the driver offers again meanwhile, and does not kick
      };
      all.workers[0]!.run();
      return all.usedIdx(1);
    };
    expect(served(FEATURES)).toBe(1);
    expect(served(FEATURES | EVENT_IDX)).toBe(2);
  });

  test("6: enable_notification names the next entry, then looks again", () => {
    const all = kicked(FEATURES | EVENT_IDX);
    all.enable(1, 1);
    all.offer(1);
    const steps = all.workers[0]!.run();
    const at = steps.indexOf("q1.avail_event");
    expect(steps.slice(at - 1, at + 3)).toEqual(["q1.load", "q1.avail_event", "q1.avail.idx", "q1.broken.load"]);
    expect(all.view.getUint16(all.areas(1).used + 4 + 8 * 4, true)).toBe(1);
  });

  describe("6: an avail index that cannot be is an error of iter()", () => {
    /** Ring 1 with an index behind the one that has been served, as a driver leaves it that begins anew. */
    function behind(features: bigint): Rig {
      const all = kicked(features);
      all.enable(1, 1);
      expect(all.roundTrip(1)).toBe(true);
      all.setAvailIdx(1, 0);
      all.kick(1);
      all.workers[0]!.run();
      return all;
    }

    test("without EVENT_IDX it is returned to run(): the worker ends", () => {
      const all = behind(FEATURES);
      expect(all.workers[0]!.ended).toBe(true);
      expect(all.notes).toContain("worker ends: q1: the queue is broken");
    });

    test("with it the error is logged and the loop goes on, the mutex held, until the driver writes another", () => {
      const all = behind(FEATURES | EVENT_IDX);
      const worker = all.workers[0]!;
      expect([worker.ended, worker.next, worker.step()]).toEqual([false, "q1.avail.idx.poll", false]);
      all.enable(1, 0);
      expect([all.control.next, all.control.step()]).toEqual(["q1.lock.lock", false]);
      all.setAvailIdx(1, 1);
      all.offer(1);
      worker.run();
      all.control.run();
      expect(all.usedIdx(1)).toBe(2);
      expect(all.vring(1)).toMatchObject({ enabled: 0, broken: 0 });
    });
  });

  test("6: without EVENT_IDX every used buffer is signalled, whatever avail.flags says", () => {
    const all = kicked();
    all.enable(1, 1);
    all.view.setUint16(all.areas(1).avail, VIRTQ_AVAIL_F_NO_INTERRUPT, true);
    all.offer(1);
    all.workers[0]!.run();
    expect(all.queues[1]!.call.eventfd.count()).toBe(1);
  });

  test("W3: EAGAIN ends the worker, for all queues, and nothing reports it on the wire", () => {
    const all = kicked();
    all.start(0);
    all.enable(1, 1);
    all.kick(1);
    const worker = all.workers[0]!;
    worker.step(); // epoll_wait has returned the event
    perform(all.queues[1]!.kicks[0]!.eventfd.read());
    worker.run();
    expect(worker.ended).toBe(true);
    expect(all.roundTrip(0)).toBe(false);
    expect(all.ask(VHOST_USER_GET_VRING_BASE, all.state(1, 0))).toMatchObject({ payload: { num: 0 } });
  });

  /** The worker has read and found the ring enabled; before it locks the ring again, GET_VRING_BASE stops it. */
  function stoppedInBetween(features: bigint): Rig {
    const all = kicked(features);
    all.enable(1, 1);
    const worker = all.workers[0]!;
    worker.run("q1.lock.unlock");
    worker.step();
    all.send(VHOST_USER_GET_VRING_BASE, all.state(1, 0));
    all.control.run();
    worker.run();
    return all;
  }

  test("W6: iterating a ring that is not ready ends the worker, without EVENT_IDX", () => {
    const all = stoppedInBetween(FEATURES);
    expect(all.workers[0]!.ended).toBe(true);
    expect(all.notes).toContain("worker ends: q1: the queue is not ready");
  });

  test("6: with EVENT_IDX the error is logged and the worker goes on", () => {
    const all = stoppedInBetween(FEATURES | EVENT_IDX);
    expect(all.workers[0]!.ended).toBe(false);
    expect(all.start(1, { generation: 1 }).roundTrip(1, "again", 1)).toBe(true);
  });

  test("W2, W3: the list goes stale: where kick is None by now nothing is read, and `enabled` decides all the same", () => {
    const all = kicked(FEATURES | EVENT_IDX);
    all.start(0, { count: 0 });
    all.enable(1, 1);
    all.workers[0]!.run();
    all.kick(0);
    all.kick(1);
    const worker = all.workers[0]!;
    worker.run("q0.lock.lock"); // both events are in its list
    all.send(VHOST_USER_GET_VRING_BASE, all.state(1, 0));
    all.control.run();
    const steps = worker.run();
    expect(steps).not.toContain("q1.kick0.read");
    expect(steps).toContain("q1.enabled.load");
    expect(all.queues[1]!.kicks[0]!.eventfd.count()).toBe(1);
  });

  it("is one worker for all queues, waiting before any connection (4.1)", () => {
    const all = rig();
    expect(all.workers).toHaveLength(1);
    expect(all.workers[0]!.next).toBe("epoll.wait");
  });
});
