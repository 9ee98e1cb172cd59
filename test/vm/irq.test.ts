import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InterruptController, type Irqfd, type Route } from "../../vm/irq.js";
import type { Actor, Op } from "../../vm/sync/op.js";
import { SyncMemory, Word } from "../../vm/sync/words.js";
import { interleavings } from "./interleavings.js";
import { run } from "./run.js";

const edge = (interrupt: number): Route => ({ interrupt, trigger: "edge" });
const level = (interrupt: number): Route => ({ interrupt, trigger: "level" });
const perform = (op: Op<number>): number => run(op[Symbol.iterator]());

function controller(names: readonly string[] = ["call"]) {
  const memory = SyncMemory.create();
  const irq = new InterruptController(memory);
  const irqfds = names.map((name) => irq.irqfd(name));
  /** wfi's answer, or 0 where it would wait. */
  const wfi = (): number => {
    const op = irq.wfi();
    return op.enabled() ? perform(op) : 0;
  };
  return { memory, irq, irqfds, call: irqfds[0]!, wfi };
}

describe("wfi", () => {
  it("gives each pending edge once, and all that are pending", () => {
    const { irq, call, wfi } = controller();
    perform(call.setRoute(edge(1)));
    expect(wfi()).toBe(0);
    perform(call.add(1));
    perform(call.add(1));
    perform(irq.raise(0));
    expect(wfi()).toBe(0b11);
    expect(wfi()).toBe(0);
    perform(call.add(1));
    expect(wfi()).toBe(0b10);
  });

  it("gives a level as long as it is asserted: by a line, or by a count until somebody reads it", () => {
    const { irq, call, wfi } = controller();
    perform(call.setRoute(level(31)));
    perform(call.add(1));
    expect([wfi(), wfi()]).toEqual([0x80000000, 0x80000000]);
    expect(perform(call.read())).toBe(1);
    expect(wfi()).toBe(0);
    perform(irq.setLine(31, true));
    perform(irq.setLine(4, true));
    expect([wfi(), wfi()]).toEqual([0x80000010, 0x80000010]);
    perform(irq.setLine(31, false));
    expect(wfi()).toBe(0x10);
  });

  it("says what it waits for, and an onlooker can ask the same", () => {
    const { irq, call } = controller();
    const op = irq.wfi();
    expect(op.attempt()).toBeUndefined();
    expect(irq.blocked()).toBe(true);
    expect(irq.describe()).toBe("an interrupt (no irqfd is routed)");
    perform(call.setRoute(edge(1)));
    expect(irq.describe()).toBe("an interrupt (call count 0)");
    perform(call.add(1));
    expect(irq.blocked()).toBe(false);
  });

  it("a machine reset forgets what was latched", () => {
    const { irq, wfi } = controller();
    perform(irq.raise(3));
    perform(irq.reset());
    expect(wfi()).toBe(0);
  });
});

describe("irqfd (KVM_IRQFD)", () => {
  it("a count that is there when it is assigned is pending", () => {
    const { call, wfi } = controller();
    perform(call.add(1));
    expect(wfi()).toBe(0);
    perform(call.setRoute(edge(5)));
    expect(wfi()).toBe(1 << 5);
  });

  it("what had come before it is deassigned or moved is delivered where it was bound to; what comes later is not", () => {
    const { call, wfi } = controller();
    perform(call.setRoute(edge(1)));
    perform(call.add(1));
    perform(call.setRoute(edge(2)));
    expect(wfi()).toBe(0b010);
    perform(call.add(1));
    perform(call.setRoute(undefined));
    perform(call.add(1));
    expect(wfi()).toBe(0b100);
    expect(call.count()).toBe(1);
  });

  it("wakes who waits: its watchers are the controller's", () => {
    const { irq, call } = controller();
    expect(call.watchers).toBe(irq.queue);
  });
});

/** KVM, plainly: an edge is injected at the write. */
class Model {
  readonly latch = new Set<number>();
  readonly lines = new Set<number>();
  readonly fds: { count: number; route: Route | undefined }[];

  constructor(count: number) {
    this.fds = Array.from({ length: count }, () => ({ count: 0, route: undefined }));
  }

  add(i: number): void {
    this.fds[i]!.count++;
    this.#inject(i);
  }

  route(i: number, route: Route | undefined): void {
    this.fds[i]!.route = route;
    this.#inject(i);
  }

  #inject(i: number): void {
    const fd = this.fds[i]!;
    if (fd.route?.trigger !== "edge" || fd.count === 0) return;
    this.latch.add(fd.route.interrupt);
    fd.count = 0;
  }

  wfi(): number {
    const levels = this.fds.flatMap(({ count, route }) =>
      route?.trigger === "level" && count ? [route.interrupt] : [],
    );
    const pending = new Set([...this.latch, ...this.lines, ...levels]);
    this.latch.clear();
    return [...pending].reduce((bits, n) => bits + 2 ** n, 0);
  }

  get state(): string {
    const sorted = (set: Set<number>): number[] => [...set].sort((a, b) => a - b);
    return JSON.stringify([sorted(this.latch), sorted(this.lines), this.fds]);
  }
}

describe("against a plain model of KVM's irqchip", () => {
  const FDS = 3;
  const interrupt = fc.constantFrom(0, 1, 2, 30, 31);
  const fd = fc.nat(FDS - 1);
  const route = fc.option(fc.record({ interrupt, trigger: fc.constantFrom("edge", "level") }), { nil: undefined });
  const command = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant("add" as const), fd }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("route" as const), fd, route }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("wfi" as const) }) },
    fc.record({ do: fc.constant("raise" as const), interrupt }),
    fc.record({ do: fc.constant("line" as const), interrupt, on: fc.boolean() }),
    fc.record({ do: fc.constant("read" as const), fd }),
  );

  it("wfi answers the same, and states are equal by key exactly when the model's are", () => {
    const keyOf = new Map<string, string>();
    const stateOf = new Map<string, string>();
    let answers = 0;
    fc.assert(
      fc.property(fc.array(command, { minLength: 20, maxLength: 60 }), (commands) => {
        const { memory, irq, irqfds, wfi } = controller(["a", "b", "c"]);
        const model = new Model(FDS);
        for (const each of commands) {
          if (each.do === "add") {
            perform(irqfds[each.fd]!.add(1));
            model.add(each.fd);
          } else if (each.do === "route") {
            perform(irqfds[each.fd]!.setRoute(each.route));
            model.route(each.fd, each.route);
          } else if (each.do === "raise") {
            perform(irq.raise(each.interrupt));
            model.latch.add(each.interrupt);
          } else if (each.do === "line") {
            perform(irq.setLine(each.interrupt, each.on));
            if (each.on) model.lines.add(each.interrupt);
            else model.lines.delete(each.interrupt);
          } else if (each.do === "read") {
            if (model.fds[each.fd]!.route?.trigger === "edge") continue; // nobody reads an eventfd that KVM consumes
            expect(perform(irqfds[each.fd]!.read())).toBe(model.fds[each.fd]!.count);
            model.fds[each.fd]!.count = 0;
          } else {
            const answer = wfi();
            expect(answer).toBe(model.wfi());
            if (answer) answers++;
          }
          const key: number[] = [];
          memory.foldAll(key);
          expect(stateOf.get(key.join()) ?? model.state).toBe(model.state);
          expect(keyOf.get(model.state) ?? key.join()).toBe(key.join());
          stateOf.set(key.join(), model.state);
          keyOf.set(model.state, key.join());
        }
      }),
      { seed: 41, numRuns: 300 },
    );
    expect(answers).toBeGreaterThan(500);
    expect(keyOf.size).toBeGreaterThan(1000);
  });
});

describe("no interrupt is lost between the look and the wait, in all interleavings", () => {
  const WORK = 2;

  /**
   * A device that publishes work and calls for each piece, and a driver. Whatever the driver does: it must come to know
   * of all the work.
   */
  function pair(
    driver: (parts: { irq: InterruptController; call: Irqfd; used: Word }) => Actor<number>,
    { route = edge(1), callFirst = false }: { route?: Route; callFirst?: boolean } = {},
  ): Map<string, number> {
    return interleavings(() => {
      const { memory, irq, call } = controller();
      const used = new Word(memory, "used");
      perform(call.setRoute(route));
      let seen = 0;
      return {
        actors: [
          (function* () {
            seen = yield* driver({ irq, call, used });
          })(),
          (function* () {
            for (let i = 1; i <= WORK; i++) {
              if (callFirst) yield* call.add(1);
              yield* used.store(i);
              if (!callFirst) yield* call.add(1);
            }
          })(),
        ],
        end: (stuck) => (stuck ? "stuck" : `saw ${seen}`),
      };
    });
  }

  it("look, then wait", () => {
    const ends = pair(function* ({ irq, used }) {
      for (;;) {
        const seen = yield* used.load();
        if (seen === WORK) return seen;
        yield* irq.wfi();
      }
    });
    expect([...ends.keys()]).toEqual(["saw 2"]);
    expect(ends.get("saw 2")).toBeGreaterThan(10);
  });

  it("wait, acknowledge the level, then look", () => {
    const ends = pair(
      function* ({ irq, call, used }) {
        for (;;) {
          yield* irq.wfi();
          yield* call.read();
          const seen = yield* used.load();
          if (seen === WORK) return seen;
        }
      },
      { route: level(31) },
    );
    expect([...ends.keys()]).toEqual(["saw 2"]);
  });

  it("with the irqfd deassigned and assigned again between look and wait", () => {
    const ends = pair(function* ({ irq, call, used }) {
      for (;;) {
        const seen = yield* used.load();
        if (seen === WORK) return seen;
        yield* call.setRoute(undefined);
        yield* call.setRoute(edge(2));
        yield* irq.wfi();
      }
    });
    expect([...ends.keys()]).toEqual(["saw 2"]);
  });

  it("is lost where it is acknowledged after the look: the search finds it", () => {
    const ends = pair(
      function* ({ irq, call, used }) {
        for (;;) {
          yield* irq.wfi();
          const seen = yield* used.load();
          if (seen === WORK) return seen;
          yield* call.read();
        }
      },
      { route: level(31) },
    );
    expect([...ends.keys()].sort()).toEqual(["saw 2", "stuck"]);
  });

  it("is lost where the device calls before it publishes: the search finds it", () => {
    const driver = function* ({ irq, used }: { irq: InterruptController; used: Word }): Actor<number> {
      for (;;) {
        const seen = yield* used.load();
        if (seen === WORK) return seen;
        yield* irq.wfi();
      }
    };
    expect([...pair(driver, { callFirst: true }).keys()].sort()).toEqual(["saw 2", "stuck"]);
  });
});

describe("footprints", () => {
  it("name every word that an op touches, blocked or not", () => {
    const { memory, irq, irqfds } = controller(["a", "b"]);
    const [a, b] = irqfds as [Irqfd, Irqfd];
    const wrong: string[] = [];
    let touched = 0;
    const watch = (op: Op<number>): void => {
      const { reads, writes } = op.footprint;
      memory.observer = (cell, write) => {
        touched++;
        if (!writes.includes(cell) && (write || !reads.includes(cell))) wrong.push(`${op.name} ${write} ${cell}`);
      };
      op.enabled();
      op.attempt();
      memory.observer = undefined;
    };
    watch(irq.wfi());
    watch(a.setRoute(edge(1)));
    watch(b.setRoute(level(31)));
    for (const op of [a.add(1), b.add(1), irq.raise(2), irq.setLine(3, true)]) watch(op);
    watch(irq.wfi());
    watch(a.add(1));
    watch(a.setRoute(undefined));
    watch(b.setRoute(undefined));
    watch(irq.reset());
    expect(wrong).toEqual([]);
    expect(touched).toBeGreaterThan(30);
  });
});
