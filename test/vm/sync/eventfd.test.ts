import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EventFd } from "../../../vm/sync/eventfd.js";
import { dependent } from "../../../vm/sync/op.js";
import { SyncMemory, WaitQueue } from "../../../vm/sync/words.js";

describe("EventFd (eventfd(2), EFD_NONBLOCK)", () => {
  it("write adds, read takes the whole count and leaves 0; read of 0 is EAGAIN", () => {
    const eventfd = new EventFd(SyncMemory.create(), "kick");
    expect(eventfd.read().attempt()).toBe(0);
    eventfd.add(1).attempt();
    eventfd.add(41).attempt();
    expect(eventfd.count()).toBe(42);
    expect(eventfd.read().attempt()).toBe(42);
    expect(eventfd.read().attempt()).toBe(0);
  });

  it("is born with the count that its maker gives it, whatever was there before", () => {
    const eventfd = new EventFd(SyncMemory.create(), "kick");
    eventfd.add(7).attempt();
    eventfd.create(1).attempt();
    expect(eventfd.count()).toBe(1);
  });

  it("agrees with a number under any sequence of operations", () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant("add" as const), n: fc.integer({ min: 1, max: 1000 }) }),
      fc.record({ do: fc.constant("create" as const), n: fc.integer({ min: 0, max: 3 }) }),
      fc.record({ do: fc.constant("read" as const), n: fc.constant(0) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const eventfd = new EventFd(SyncMemory.create(), "kick");
        let count = 0;
        for (const { do: what, n } of steps) {
          const result = eventfd[what](n).attempt();
          expect(result).toBe(what === "read" ? count : 0);
          count = what === "add" ? count + n : n;
          const key: number[] = [];
          eventfd.fold(key);
          expect(key).toEqual([count]);
        }
      }),
      { seed: 1, numRuns: 100 },
    );
  });

  it("wakes who sleeps on its watchers' queue on write, and only then", () => {
    const memory = SyncMemory.create();
    const watchers = new WaitQueue(memory);
    const eventfd = new EventFd(memory, "kick", watchers);
    const sequence: number[] = [];
    watchers.sleep(() => {
      sequence.push(memory.note(watchers.seq));
      eventfd.read().attempt();
      sequence.push(memory.note(watchers.seq));
      eventfd.add(1).attempt();
      sequence.push(memory.note(watchers.seq));
      return true; // no sleep: there is no other thread to wake it
    });
    expect(sequence).toEqual([0, 0, 1]);
  });

  it("test-and-clear takes the whole count and learns only whether there was one; clear learns nothing", () => {
    const eventfd = new EventFd(SyncMemory.create(), "kick");
    eventfd.add(3).attempt();
    expect([eventfd.testAndClear().attempt(), eventfd.count(), eventfd.testAndClear().attempt()]).toEqual([1, 0, 0]);
    eventfd.add(3).attempt();
    expect([eventfd.clear().attempt(), eventfd.count()]).toEqual([0, 0]);
  });

  it("write and read depend on one another (trap 2), those of two eventfds do not", () => {
    const memory = SyncMemory.create();
    const [one, other] = [new EventFd(memory, "one"), new EventFd(memory, "other")];
    expect(dependent(one.add(1).footprint, one.read().footprint)).toBe(true);
    expect(dependent(one.add(1).footprint, other.read().footprint)).toBe(false);
  });
});
