import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Lock } from "../../../vm/sync/lock.js";
import { Op } from "../../../vm/sync/op.js";
import { SyncMemory } from "../../../vm/sync/words.js";
import { run } from "../run.js";

const lock = (): Lock => new Lock(SyncMemory.create(), "q1.lock");

describe("Lock", () => {
  it("is taken by one writer or by many readers, never by both", () => {
    const actors = 3;
    const step = fc.record({ actor: fc.nat(actors - 1), verb: fc.constantFrom("lock", "readLock", "drop") });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const shared = lock();
        const holds = Array<"lock" | "readLock" | undefined>(actors).fill(undefined);
        for (const { actor, verb } of steps) {
          const held = holds[actor];
          if (verb === "drop") {
            if (held) (held === "lock" ? shared.unlock() : shared.readUnlock()).attempt();
            holds[actor] = undefined;
          } else if (!held) {
            const others = holds.filter((each) => each !== undefined);
            const free = verb === "lock" ? others.length === 0 : !others.includes("lock");
            expect(shared[verb]().enabled()).toBe(free);
            expect(shared[verb]().attempt()).toBe(free ? 0 : undefined);
            if (free) holds[actor] = verb;
          }
          const key: number[] = [];
          shared.fold(key);
          expect(key).toEqual([holds.includes("lock") ? -1 : holds.filter((each) => each === "readLock").length]);
        }
      }),
      { seed: 5, numRuns: 200 },
    );
  });

  it.each([
    ["unlock of a free lock", [], "unlock"],
    ["unlock by a reader", ["readLock"], "unlock"],
    ["read-unlock of a free lock", [], "readUnlock"],
    ["read-unlock by the writer", ["lock"], "readUnlock"],
  ] as const)("%s throws: it is our own mistake", (_, before, release) => {
    const shared = lock();
    for (const verb of before) shared[verb]().attempt();
    expect(() => shared[release]().attempt()).toThrow("q1.lock released by who does not hold it");
  });

  it("assertHeld throws unless somebody holds it", () => {
    const shared = lock();
    expect(() => shared.assertHeld("q1.enabled")).toThrow("q1.enabled touched without q1.lock");
    shared.readLock().attempt();
    shared.assertHeld("q1.enabled");
  });

  it("holding runs its body between lock and unlock and gives its result", () => {
    const shared = lock();
    const steps: string[] = [];
    const result = run(
      shared.holding(function* () {
        shared.assertHeld("body");
        return 1 + (yield* new Op("body", { reads: [], writes: [] }, () => 41));
      }),
      steps,
    );
    expect(result).toBe(42);
    expect(steps).toEqual(["q1.lock.lock", "body", "q1.lock.unlock"]);
    expect(shared.lock().enabled()).toBe(true);
  });

  it("unlocks are eager, a reader's too: until then a writer can only wait, and other readers' steps commute with it", () => {
    const shared = lock();
    const eager = [shared.lock(), shared.readLock(), shared.unlock(), shared.readUnlock()].map((op) => op.eager);
    expect(eager).toEqual([false, false, true, true]);
  });
});
