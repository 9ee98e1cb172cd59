// Our own back-end: the three rules of its head comment. Each has a scenario that goes wrong in a variant without the
// rule. Rule 3 alone repairs most of what the other two prevent (every enabling looks at the ring), so the variants that
// show rules 1 and 2 are without it as well; that those two suffice for kicks that are made is shown first.

import { describe, expect, it, test } from "vitest";
import type { BackEnd, Variant, Vring } from "../../../device/back-end/back-end.js";
import { REKICK } from "../../../device/back-end/rekick.js";
import { RUST_0_10 } from "../../../device/back-end/rust.js";
import {
  VHOST_USER_GET_VRING_BASE,
  VHOST_USER_RESET_DEVICE,
  VHOST_USER_SET_FEATURES,
  VHOST_USER_SET_VRING_ENABLE,
  VHOST_USER_SET_VRING_KICK,
} from "../../../device/spec/vhost-user.js";
import type { Actor } from "../../../vm/sync/op.js";
import { EVENT_IDX, FEATURES, held, QUEUE_SIZE, Rig } from "./rig.js";

/** Does `change`, then takes back what it added to the ring's kick eventfd. Only for a control plane that runs alone. */
function* withoutOwnKick(backEnd: BackEnd, ring: Vring, fd: number, change: Actor): Actor {
  const before = backEnd.kickOf(fd)?.eventfd.count() ?? 0;
  yield* change;
  yield* backEnd.kickOf(fd)?.eventfd.create(before) ?? ring.thread.load();
}

/** Rules 1 and 2. */
const WITHOUT_3: Variant = {
  ...REKICK,
  setKick: (backEnd, ring, fd) => withoutOwnKick(backEnd, ring, fd, REKICK.setKick(backEnd, ring, fd)),
  setEnable: (backEnd, ring, enable) =>
    withoutOwnKick(backEnd, ring, ring.state.peek().kick, REKICK.setEnable(backEnd, ring, enable)),
};
/** Rule 1 only: the worker reads, then tests, as the published one does. */
const WITHOUT_2_3: Variant = { ...WITHOUT_3, work: RUST_0_10.work };
/** Rule 2 only: the descriptor is watched from KICK on. */
const WITHOUT_1_3: Variant = { ...REKICK, setKick: RUST_0_10.setKick, setEnable: RUST_0_10.setEnable };

function kicked(variant: Variant, count: number): Rig {
  const all = new Rig(variant).connect().configure(1).setKick(1, { count });
  all.control.run();
  return all;
}

/** The request and its kick come before ENABLE, and the worker runs in between: the published hang's order. */
function early(variant: Variant): boolean {
  const all = kicked(variant, 1);
  all.offer(1);
  all.kick(1);
  all.workers[0]!.run();
  all.enable(1, 1);
  all.settle();
  return all.usedIdx(1) === 1;
}

/** The worker has the kick in its event list when the ring is disabled; later it is enabled again. */
function stale(variant: Variant): boolean {
  const all = kicked(variant, 1);
  all.enable(1, 1);
  all.settle();
  all.offer(1);
  all.kick(1);
  all.workers[0]!.step();
  all.enable(1, 0);
  all.workers[0]!.run();
  all.enable(1, 1);
  all.settle();
  return all.usedIdx(1) === 1;
}

/** The request is in the ring before the start, nobody kicks, and the front-end does not charge its eventfd. */
function resumed(variant: Variant): boolean {
  const all = kicked(variant, 0);
  all.offer(1);
  all.enable(1, 1);
  all.settle();
  return all.usedIdx(1) === 1;
}

describe("no request is lost", () => {
  test.each([
    ["kick before ENABLE", early],
    ["kick in the event list of a ring that is then disabled", stale],
    ["no kick at all", resumed],
  ])("%s", (_, scenario) => {
    expect(scenario(REKICK)).toBe(true);
  });

  test("rules 1 and 2 alone keep every kick that is made", () => {
    expect([early(WITHOUT_3), stale(WITHOUT_3)]).toEqual([true, true]);
  });

  test("without rule 3 (no kick of its own) a request that nobody kicks for is lost", () => {
    expect(resumed(WITHOUT_3)).toBe(false);
  });

  test("without rule 2 (the worker reads, then tests) a stale event takes the kick away", () => {
    expect(stale(WITHOUT_2_3)).toBe(false);
  });

  test("without rule 1 (watched while disabled) the worker cannot come to rest: the kick that it may not take wakes it", () => {
    expect(() => early(WITHOUT_1_3)).toThrow("does not come to rest");
  });

  test("without all three it is the published hang", () => {
    expect(early({ ...WITHOUT_1_3, work: RUST_0_10.work })).toBe(false);
  });
});

describe("steps", () => {
  test("flags, registration and its own kick change under one hold of the ring's lock", () => {
    const all = new Rig(REKICK).connect().configure(1);
    const { fd } = all.queues[1]!.kicks[0]!;
    expect(all.controlSteps(() => all.vringFdOf(VHOST_USER_SET_VRING_KICK, 1, fd))).toEqual(
      held(1, "q1.load", `q1.store kick=${fd} ready=1 broken=0`),
    );
    expect(all.controlSteps(() => all.send(VHOST_USER_SET_VRING_ENABLE, all.state(1, 1)))).toEqual(
      held(1, "q1.load", "q1.store enabled=1", "epoll.add q1.kick0", "q1.kick0.add +1"),
    );
    expect(all.controlSteps(() => all.send(VHOST_USER_SET_VRING_ENABLE, all.state(1, 0)))).toEqual(
      held(1, "q1.load", "q1.store enabled=0", "epoll.del q1.kick0"),
    );
  });

  test("the worker tests both flags before it reads the eventfd, in the same hold", () => {
    const all = kicked(REKICK, 0);
    all.enable(1, 1);
    expect(all.workers[0]!.run().slice(0, 4)).toEqual(["epoll.wait", "q1.lock.lock", "q1.load", "q1.kick0.read"]);
  });

  test("SET_FEATURES without bit 30 enables all rings at once; with it they keep what ENABLE said (3)", () => {
    const all = new Rig(REKICK).connect();
    all.enable(1, 1);
    all.send(VHOST_USER_SET_FEATURES, { kind: "u64", value: FEATURES });
    all.control.run();
    expect([all.vring(0).enabled, all.vring(1).enabled]).toEqual([0, 1]);
    all.send(VHOST_USER_SET_FEATURES, { kind: "u64", value: 0x1_0000_0000n });
    all.control.run();
    expect([all.vring(0).enabled, all.vring(1).enabled]).toEqual([1, 1]);
  });

  test("RESET_DEVICE disables all rings (3)", () => {
    const all = kicked(REKICK, 1);
    all.enable(1, 1);
    expect(all.ack(VHOST_USER_RESET_DEVICE)).toBe(0n);
    expect(all.vring(1).enabled).toBe(0);
    all.offer(1);
    all.kick(1);
    all.settle();
    expect(all.usedIdx(1)).toBe(0); // started and disabled: no side effects
  });
});

it("gives the control plane a turn after a ring's worth of requests, under a driver that never stops offering", () => {
  const all = new Rig(REKICK).connect({ features: FEATURES | EVENT_IDX }).start(1);
  all.onServe = () => all.publish(1, 0);
  all.offer(1);
  all.kick(1);
  const worker = all.workers[0]!;
  for (let i = 0; i < 10; i++) {
    worker.run("q1.lock.unlock");
    worker.step();
    expect(all.served.length).toBeLessThanOrEqual((i + 1) * QUEUE_SIZE);
  }
  all.send(VHOST_USER_GET_VRING_BASE, all.state(1, 0));
  all.control.run();
  expect(all.answer(VHOST_USER_GET_VRING_BASE)).toMatchObject({ payload: { index: 1 } });
  const { length } = all.served;
  worker.run();
  expect(all.served).toHaveLength(length);
});
