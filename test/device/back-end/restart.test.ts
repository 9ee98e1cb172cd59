// A back-end that ends with its connection, and the one that follows. What ends how: protocol.md 4.2, W2 (the exit event)
// and 5 ("kill readable: quit (checked before kick)").

import { describe, expect, it, test } from "vitest";
import { BACK_END_VARIANTS } from "../../../device/back-end/variants.js";
import { Rig } from "./rig.js";

describe.each(Object.entries(BACK_END_VARIANTS))("%s", (name, variant) => {
  const restarting = () => new Rig(variant, true).connect().start(1);

  it("ends with its connection; the next process knows nothing, accepts, and serves", () => {
    const all = restarting();
    expect(all.roundTrip(1, "before")).toBe(true);
    all.hangUp();
    all.settle();
    expect(all.toBackEnd.connected().enabled()).toBe(true);
    expect(new Set(Object.values(all.vring(1)))).toEqual(new Set([0]));
    expect(Object.values(all.backEnd.connection.peek())).toEqual([0, 0, 0]);
    for (const { doorbell, kicks, kill } of all.queues)
      expect([...kicks, kill].filter(({ slot }) => doorbell.isRegistered(slot))).toEqual([]);

    all.connect().start(1, { base: 1, generation: 1 });
    expect(all.roundTrip(1, "after", 1)).toBe(true);
  });

  it("does so a second time", () => {
    const all = restarting();
    for (let base = 0; base < 3; base++) {
      expect(all.roundTrip(1)).toBe(true);
      all.hangUp();
      all.settle();
      all.connect().start(1, { base: base + 1 });
    }
    expect(all.served).toHaveLength(3);
  });

  test("nobody accepts before the workers have ended", () => {
    const all = restarting();
    all.hangUp();
    all.control.run();
    expect([all.control.next?.replace("q1", "q0"), all.control.step()]).toEqual(["q0.thread.await", false]);
    expect(all.toBackEnd.connected().enabled()).toBe(false);
  });

  // An event loop's list is in the order of readiness: the kick came before the exit event.
  test("a kick that came before the end: an event loop serves it, the thread of c sees the kill first", () => {
    const all = restarting();
    all.offer(1);
    all.kick(1);
    all.hangUp();
    all.control.run();
    all.settle();
    expect(all.usedIdx(1)).toBe(name === "c" ? 0 : 1);
  });
});
