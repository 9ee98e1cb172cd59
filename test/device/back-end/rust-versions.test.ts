// vhost-user-backend after 0.11: what each version does differently from 0.10.1 (rust.test.ts), step by step
// (protocol.md 4.3, 4.5 to 4.7), and what becomes of a kick that comes while the ring is disabled.

import { describe, expect, test } from "vitest";
import type { Variant } from "../../../device/back-end/back-end.js";
import { RUST_0_10, RUST_0_12, RUST_0_13_1, RUST_0_22 } from "../../../device/back-end/rust.js";
import {
  VHOST_USER_GET_VRING_BASE,
  VHOST_USER_RESET_DEVICE,
  VHOST_USER_SET_FEATURES,
  VHOST_USER_SET_VRING_BASE,
  VHOST_USER_SET_VRING_ENABLE,
  VHOST_USER_SET_VRING_KICK,
} from "../../../device/spec/vhost-user.js";
import { EVENT_IDX, FEATURES, held, Rig } from "./rig.js";

const WITHOUT_BIT_30 = 0x1_0000_0000n;

const VERSIONS = { "rust-0.12": RUST_0_12, "rust-0.13.1": RUST_0_13_1, "rust-0.22": RUST_0_22 };

const u64 = (value: bigint) => ({ kind: "u64", value }) as const;

/** update_vring_registration of ring `q`, whose kick descriptor is `kick` (none: nothing to register). */
const update = (q: number, change?: "add" | "del") =>
  held(q, `q${q}.load`, ...(change ? [`epoll.${change} q${q}.kick0`] : []));

/** Ring 1 configured and kicked, not enabled; the worker has not moved. */
function kicked(variant: Variant, { features = FEATURES, count = 1 } = {}): Rig {
  const all = new Rig(variant).connect({ features }).configure(1).setKick(1, { count });
  all.control.run();
  return all;
}

const setFeatures = (all: Rig, features: bigint) =>
  all.controlSteps(() => all.send(VHOST_USER_SET_FEATURES, u64(features)));

describe("SET_FEATURES (4.5, 4.6)", () => {
  const eventIdx = (variant: Variant) =>
    variant === RUST_0_12 ? [] : [0, 1].flatMap((q) => held(q, `q${q}.store eventIdx=0 indirect=0`));

  test.each(Object.entries(VERSIONS))("%s: with bit 30 the rings are left as they are", (_, variant) => {
    const all = kicked(variant);
    all.enable(1, 1);
    expect(setFeatures(all, FEATURES)).toEqual(eventIdx(variant));
    expect([all.vring(0).enabled, all.vring(1).enabled]).toEqual([0, 1]);
  });

  test.each([RUST_0_12, RUST_0_13_1])("without bit 30: every ring is enabled", (variant) => {
    const enabled = [0, 1].flatMap((q) => held(q, `q${q}.store enabled=1`));
    expect(setFeatures(new Rig(variant), WITHOUT_BIT_30)).toEqual([...enabled, ...eventIdx(variant)]);
  });

  test("rust-0.22, without bit 30: every ring is enabled, then its registration updated", () => {
    const all = kicked(RUST_0_22);
    expect(setFeatures(all, WITHOUT_BIT_30)).toEqual([
      ...held(0, "q0.store enabled=1"),
      ...update(0),
      ...held(1, "q1.store enabled=1"),
      ...update(1, "add"),
      ...eventIdx(RUST_0_22),
    ]);
  });

  test.each([
    ["rust-0.12", RUST_0_12, "VRING_BASE", [0, 1]],
    ["rust-0.13.1 (0.16.0 and later)", RUST_0_13_1, "SET_FEATURES", [1, 1]],
    ["rust-0.22", RUST_0_22, "SET_FEATURES", [1, 1]],
  ] as const)("4.3 %s: EVENT_IDX is taken over in %3$s", (_name, variant, _message, expected) => {
    const all = new Rig(variant).connect({ features: FEATURES | EVENT_IDX });
    const before = all.vring(1).eventIdx;
    const steps = all.controlSteps(() => all.send(VHOST_USER_SET_VRING_BASE, all.state(1, 7)));
    expect([before, all.vring(1).eventIdx]).toEqual(expected);
    expect(steps).toEqual(held(1, `q1.store nextAvail=7${before ? "" : " eventIdx=1 indirect=0"}`));
  });
});

describe("SET_VRING_KICK, initialize_vring (4.7)", () => {
  const { fd } = new Rig(RUST_0_10).queues[1]!.kicks[0]!;
  const BEGIN = [...held(1, "q1.kick.load", `q1.store kick=${fd}`), ...held(1, "q1.load")];
  const READY = held(1, "q1.store ready=1 broken=0");

  test.each([
    [
      "rust-0.12: register, disable, ready",
      RUST_0_12,
      [...held(1, "epoll.add q1.kick0"), ...held(1, "q1.store enabled=0"), ...READY],
    ],
    ["rust-0.13.1: register, ready", RUST_0_13_1, [...held(1, "epoll.add q1.kick0"), ...READY]],
    // Not enabled yet: DEL of what is not there, whose error is ignored.
    ["rust-0.22: ready, update", RUST_0_22, [...READY, ...update(1, "del")]],
  ])("%s", (_, variant, steps) => {
    const all = new Rig(variant).connect().configure(1);
    expect(all.controlSteps(() => all.setKick(1))).toEqual([...BEGIN, ...steps]);
  });

  test.each([
    ["rust-0.10", RUST_0_10, 1],
    ["rust-0.12", RUST_0_12, 0],
    ["rust-0.13.1", RUST_0_13_1, 1],
    ["rust-0.22", RUST_0_22, 1],
  ])("%s: a ring that is enabled before its KICK (no bit 30) is enabled after it: %3$i", (_, variant, enabled) => {
    expect(kicked(variant, { features: WITHOUT_BIT_30 }).vring(1)).toMatchObject({ ready: 1, enabled });
  });
});

// 4.2 W6: "iterating a queue whose ready is false returns an error", and the thread ends; 10: "not ready => alive=false".
describe("the worker between the two steps of initialize_vring, on a ring that is enabled already (no bit 30)", () => {
  test.each([
    ["rust-0.10: registered, not ready: the worker ends", RUST_0_10, "epoll.add", true],
    ["rust-0.12: the same", RUST_0_12, "epoll.add", true],
    ["rust-0.13.1: the same", RUST_0_13_1, "epoll.add", true],
    ["rust-0.22: ready, not registered: the worker is not woken", RUST_0_22, "q1.store", false],
  ])("%s", (_, variant, first, ends) => {
    const all = new Rig(variant).connect({ features: WITHOUT_BIT_30 }).configure(1).setKick(1);
    if (first === "q1.store") all.control.run("q1.load"); // the descriptor is stored
    all.control.run(first);
    while (all.control.next !== "q1.lock.unlock") all.control.step();
    all.control.step();
    all.workers[0]!.run();
    expect(all.workers[0]!.ended).toBe(ends);
    all.control.run();
    expect(all.vring(1).ready).toBe(1);
    if (!ends) expect(all.roundTrip(1)).toBe(true);
  });
});

describe("SET_VRING_ENABLE (4.5, 4.6)", () => {
  test.each([RUST_0_12, RUST_0_13_1])("up to 0.21: sets the flag, nothing else", (variant) => {
    const all = kicked(variant);
    const enable = () => all.send(VHOST_USER_SET_VRING_ENABLE, all.state(1, 1));
    expect(all.controlSteps(enable)).toEqual(held(1, "q1.store enabled=1"));
  });

  test("rust-0.22: the flag, then the registration, each under one hold; EEXIST is ignored", () => {
    const all = kicked(RUST_0_22);
    const steps = (num: 0 | 1) => all.controlSteps(() => all.send(VHOST_USER_SET_VRING_ENABLE, all.state(1, num)));
    expect(steps(1)).toEqual([...held(1, "q1.store enabled=1"), ...update(1, "add")]);
    expect(steps(1)).toEqual([...held(1, "q1.store enabled=1"), ...update(1, "add")]);
    expect(all.doorbells[0]!.isRegistered(all.queues[1]!.kicks[0]!.slot)).toBe(true);
    expect(steps(0)).toEqual([...held(1, "q1.store enabled=0"), ...update(1, "del")]);
    expect(all.doorbells[0]!.isRegistered(all.queues[1]!.kicks[0]!.slot)).toBe(false);
  });

  test("rust-0.22, before KICK: there is nothing to register", () => {
    const all = new Rig(RUST_0_22).connect();
    const enable = () => all.send(VHOST_USER_SET_VRING_ENABLE, all.state(1, 1));
    expect(all.controlSteps(enable)).toEqual([...held(1, "q1.store enabled=1"), ...update(1)]);
  });
});

describe("GET_VRING_BASE (4.3, 4.6)", () => {
  const END = [...held(1, "q1.nextAvail.load"), ...held(1, "q1.store kick=0"), ...held(1, "q1.store call=0")];

  test.each([
    ["rust-0.12", RUST_0_12, held(1, "q1.kick.load", "epoll.del q1.kick0")],
    ["rust-0.13.1", RUST_0_13_1, held(1, "q1.kick.load", "epoll.del q1.kick0")],
    ["rust-0.22", RUST_0_22, update(1, "del")],
  ])("%s: ready=false, DEL, next_avail, kick = None, call = None", (_, variant, del) => {
    const all = kicked(variant);
    all.enable(1, 1);
    const stop = () => all.send(VHOST_USER_GET_VRING_BASE, all.state(1, 0));
    expect(all.controlSteps(stop)).toEqual([...held(1, "q1.store ready=0"), ...del, ...END]);
    expect(all.vring(1)).toMatchObject({ enabled: 1, size: 4 });
  });

  test("rust-0.22 ignores an error of DEL", () => {
    const all = kicked(RUST_0_22); // never enabled, never registered
    expect(all.ask(VHOST_USER_GET_VRING_BASE, all.state(1, 0))).toMatchObject({ payload: { index: 1, num: 0 } });
  });
});

describe("RESET_DEVICE (4.3: 0.17.0 and later; 4.6)", () => {
  test.each([
    ["rust-0.13.1", RUST_0_13_1, () => []],
    ["rust-0.22", RUST_0_22, (q: number) => update(q, q === 1 ? "del" : undefined)],
  ] as [string, Variant, (q: number) => string[]][])(
    "%s: every ring disabled; no feature is acked",
    (_, variant, then) => {
      const all = kicked(variant);
      all.enable(1, 1);
      expect(all.controlSteps(() => all.send(VHOST_USER_RESET_DEVICE))).toEqual(
        [0, 1].flatMap((q) => [...held(q, `q${q}.store enabled=0`), ...then(q)]),
      );
      expect(all.ack(VHOST_USER_SET_VRING_ENABLE, all.state(1, 1))).toBe(1n);
      expect(all.ack(VHOST_USER_SET_FEATURES, u64(FEATURES))).toBe(0n);
      expect(all.ack(VHOST_USER_SET_VRING_ENABLE, all.state(1, 1))).toBe(0n);
    },
  );
});

describe("a kick and a ring that is disabled", () => {
  /** The order of the published hang: kick, worker, ENABLE. @returns whether the request is served */
  function early(variant: Variant): Rig {
    const all = kicked(variant);
    all.offer(1);
    all.kick(1);
    all.workers[0]!.run();
    all.enable(1, 1);
    all.settle();
    return all;
  }

  test.each([RUST_0_12, RUST_0_13_1])("4.2, up to 0.21: taken before ENABLE, it is lost", (variant) => {
    const all = early(variant);
    expect(all.usedIdx(1)).toBe(0);
    expect(all.notes).toContain("kick dropped: q1: count 2 consumed while the ring is disabled");
  });

  test("4.6: rust-0.22 leaves it in the eventfd, and the ADD of ENABLE reports it", () => {
    const all = early(RUST_0_22);
    expect(all.usedIdx(1)).toBe(1);
    expect(all.notes).toEqual([]);
  });

  test("4.6: the worker is unchanged, read then check: a kick in its list is lost when the ring is disabled then", () => {
    const all = kicked(RUST_0_22);
    all.enable(1, 1);
    const worker = all.workers[0]!;
    worker.run();
    all.offer(1);
    all.kick(1);
    worker.step(); // epoll_wait has returned the event
    all.enable(1, 0);
    expect(worker.run()).toEqual(held(1, "q1.kick.load", "q1.kick0.read", "q1.enabled.load"));
    all.enable(1, 1);
    all.settle();
    expect(all.usedIdx(1)).toBe(0);
  });

  test("4.6: a request that nobody kicks for is not looked at: ENABLE registers, and makes no kick of its own", () => {
    const all = kicked(RUST_0_22, { count: 0 });
    all.offer(1);
    all.enable(1, 1);
    all.settle();
    expect(all.usedIdx(1)).toBe(0);
    expect(all.roundTrip(1, "two")).toBe(false); // both at once
    expect(all.usedIdx(1)).toBe(2);
  });

  test("4.7: a restart: rust-0.13.1 keeps `enabled` over SET_FEATURES and KICK, rust-0.12 loses it at KICK", () => {
    const restarted = (variant: Variant) => {
      const all = kicked(variant);
      all.enable(1, 1);
      all.settle();
      all.ask(VHOST_USER_GET_VRING_BASE, all.state(1, 0)); // a front-end that does not disable first
      all.send(VHOST_USER_SET_FEATURES, u64(FEATURES));
      all.setKick(1, { generation: 1 });
      all.control.run();
      return all.vring(1).enabled;
    };
    expect([RUST_0_10, RUST_0_12, RUST_0_13_1, RUST_0_22].map(restarted)).toEqual([0, 0, 1, 1]);
  });
});

test("a KICK on a ring that is ready only replaces the descriptor, in every version (4.3)", () => {
  for (const variant of Object.values(VERSIONS)) {
    const all = kicked(variant);
    all.enable(1, 1);
    const second = all.queues[1]!.kicks[1]!;
    all.vringFdOf(VHOST_USER_SET_VRING_KICK, 1, second.fd);
    all.control.run();
    expect(all.vring(1).kick).toBe(second.fd);
    expect(all.doorbells[0]!.isRegistered(second.slot)).toBe(false);
  }
});
