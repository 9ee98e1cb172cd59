import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Doorbell, EEXIST, ENOENT } from "../../../vm/sync/doorbell.js";
import { dependent } from "../../../vm/sync/op.js";
import { SyncMemory } from "../../../vm/sync/words.js";

function doorbell(slots: number) {
  const memory = SyncMemory.create();
  const bell = new Doorbell(memory, "epoll");
  const eventfds = Array.from({ length: slots }, (_, i) => bell.slot(`kick${i}`).eventfd);
  return { memory, bell, eventfds };
}

const keyOf = (bell: Doorbell): number[] => {
  const key: number[] = [];
  bell.fold(key);
  return key;
};

describe("Doorbell (epoll(7), level-triggered)", () => {
  it("blocks until a registered eventfd has a count, and says so again until somebody reads it", () => {
    const { bell, eventfds } = doorbell(2);
    bell.add(1).attempt();
    eventfds[0]!.add(1).attempt(); // not registered
    expect([bell.wait().enabled(), bell.wait().attempt()]).toEqual([false, undefined]);
    eventfds[1]!.add(1).attempt();
    expect([bell.wait().enabled(), bell.wait().attempt(), bell.wait().attempt()]).toEqual([true, 0b10, 0b10]);
    eventfds[1]!.read().attempt();
    expect([bell.wait().enabled(), bell.wait().attempt()]).toEqual([false, undefined]);
  });

  it("EPOLL_CTL_ADD of an eventfd that has a count makes it ready at once", () => {
    const { bell, eventfds } = doorbell(1);
    eventfds[0]!.add(1).attempt();
    bell.add(0).attempt();
    expect(bell.wait().attempt()).toBe(1);
  });

  it("its list goes stale: what was reported may have been taken by another or be registered no more", () => {
    const { bell, eventfds } = doorbell(2);
    for (const slot of [0, 1]) {
      bell.add(slot).attempt();
      eventfds[slot]!.add(1).attempt();
    }
    const list = bell.wait().attempt();
    eventfds[0]!.read().attempt();
    bell.del(1).attempt();
    expect(list).toBe(0b11);
    expect(eventfds[0]!.read().attempt()).toBe(0); // EAGAIN
    expect(bell.wait().attempt()).toBeUndefined();
  });

  it("ADD twice is EEXIST, DEL twice is ENOENT, and neither changes anything", () => {
    const { bell } = doorbell(2);
    expect(bell.del(0).attempt()).toBe(ENOENT);
    expect([bell.add(0).attempt(), bell.add(0).attempt()]).toEqual([0, EEXIST]);
    expect([bell.isRegistered(0), bell.isRegistered(1)]).toEqual([true, false]);
    expect([bell.del(0).attempt(), bell.del(0).attempt()]).toEqual([0, ENOENT]);
    expect(bell.isRegistered(0)).toBe(false);
  });

  it("agrees with a set and an array of counts, on all 16 slots", () => {
    const slot = fc.nat(15);
    const step = fc.record({ do: fc.constantFrom("add", "del", "write", "read"), slot });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const { bell, eventfds } = doorbell(16);
        const interest = new Set<number>();
        const counts = Array<number>(16).fill(0);
        for (const { do: what, slot } of steps) {
          if (what === "add") expect(bell.add(slot).attempt()).toBe(interest.has(slot) ? EEXIST : 0);
          if (what === "del") expect(bell.del(slot).attempt()).toBe(interest.has(slot) ? 0 : ENOENT);
          if (what === "write") eventfds[slot]!.add(1).attempt();
          if (what === "read") expect(eventfds[slot]!.read().attempt()).toBe(counts[slot]);
          if (what === "add") interest.add(slot);
          if (what === "del") interest.delete(slot);
          if (what === "write") counts[slot]!++;
          if (what === "read") counts[slot] = 0;
          const mask = (list: Iterable<number>): number => [...list].reduce((bits, i) => bits | (1 << i), 0);
          const ready = mask([...interest].filter((i) => counts[i]! > 0));
          expect(bell.wait().attempt()).toBe(ready || undefined);
          expect(bell.wait().enabled()).toBe(ready !== 0);
          expect(keyOf(bell)).toEqual([mask(interest)]);
        }
      }),
      { seed: 2, numRuns: 200 },
    );
  });

  it("has room for 16 eventfds", () => {
    expect(() => doorbell(17)).toThrow("more than 16 slots");
  });

  it("the generation of its interest word wraps: nothing changes after 65,536 calls and more", () => {
    const { bell, eventfds } = doorbell(16);
    bell.add(15).attempt();
    eventfds[15]!.add(1).attempt();
    for (let i = 0; i < 2 * 65536 + 3; i++) {
      if ((i % 2 ? bell.del(0) : bell.add(0)).attempt() !== 0) throw new Error(`call ${i}`);
    }
    expect(keyOf(bell)).toEqual([0x8001]);
    expect(bell.wait().attempt()).toBe(0x8000);
    expect([bell.add(0).attempt(), bell.del(0).attempt(), bell.del(15).attempt()]).toEqual([EEXIST, 0, 0]);
    expect(keyOf(bell)).toEqual([0]);
  });

  it("equal interest sets are one state, however they came about", () => {
    const [one, other] = [doorbell(3).bell, doorbell(3).bell];
    for (const op of [one.add(0), one.add(2), one.del(0)]) op.attempt();
    other.add(2).attempt();
    expect(keyOf(one)).toEqual(keyOf(other));
    other.add(0).attempt();
    expect(keyOf(one)).not.toEqual(keyOf(other));
  });

  it.each([
    ["is unregistered", (bell: Doorbell) => [bell.del(0)]],
    ["is unregistered and registered again", (bell: Doorbell) => [bell.del(0), bell.add(0)]],
  ])("wait looks again when a slot that it has seen ready %s behind it", (_, changes) => {
    const { memory, bell, eventfds } = doorbell(2);
    for (const slot of [0, 1]) bell.add(slot).attempt();
    eventfds[0]!.add(1).attempt();
    // Another thread comes between the looks at slot 0 and at slot 1.
    memory.observer = (cell) => {
      if (cell !== eventfds[1]!.cell) return;
      memory.observer = undefined;
      for (const op of [eventfds[0]!.read(), ...changes(bell)]) op.attempt();
    };
    expect(bell.wait().attempt()).toBeUndefined();
  });

  it("wait depends on ADD, on DEL and on every count (traps 2 and 3)", () => {
    const { bell, eventfds } = doorbell(2);
    const wait = bell.wait().footprint;
    for (const op of [bell.add(0), bell.del(0), ...eventfds.flatMap((each) => [each.add(1), each.read()])]) {
      expect(dependent(wait, op.footprint), op.name).toBe(true);
    }
    expect(dependent(wait, wait)).toBe(false);
  });

  it("says what it watches", () => {
    const { bell, eventfds } = doorbell(2);
    expect(bell.describe()).toBe("epoll, which watches nothing");
    for (const slot of [0, 1]) bell.add(slot).attempt();
    eventfds[1]!.add(3).attempt();
    expect(bell.describe()).toBe("epoll, which watches kick0 (count 0), kick1 (count 3)");
  });
});
