import { describe, expect, it } from "vitest";
import { broken, expectationOf, phaseRows } from "../../../host/report/phase-row.js";
import type { PhaseCount } from "../../../host/scenario/outcome.js";
import { FRONT_END_DEFAULTS, ROWS, type Scenario } from "../../../host/scenario/scenario.js";

const scenario = (change: Partial<Scenario> = {}): Scenario => ({
  guest: "ovmf",
  frontEnd: "qemu-8.1",
  backEnd: "rust-0.10",
  ...FRONT_END_DEFAULTS,
  script: "first",
  delays: [],
  ...change,
});
const count = (change: Partial<PhaseCount> = {}): PhaseCount => ({
  boots: 100,
  hangs: 0,
  otherHangs: {},
  undecided: 0,
  ...change,
});

describe("what is expected of a scenario", () => {
  it("is what its row says", () => {
    for (const row of ROWS) expect(expectationOf(row.scenario)).toBe(row.expected);
  });

  it("stays `never` under a delay and with the messages elsewhere", () => {
    const delays = [{ point: "before-kick", micros: 50 }];
    expect(expectationOf(scenario({ frontEnd: "qemu-8.2", delays }))).toBe("never");
    expect(expectationOf(scenario({ backEnd: "rekick", enableAt: "queue-enable" }))).toBe("never");
  });

  it("is nothing for the published pair under other conditions than the published ones", () => {
    expect(expectationOf(scenario({ delays: [{ point: "before-kick", micros: 50 }] }))).toBeUndefined();
    expect(expectationOf(scenario({ enableAt: "queue-enable" }))).toBeUndefined();
    expect(expectationOf(scenario({ memory: "table" }))).toBeUndefined();
    expect(expectationOf(scenario({ kickCount: 0 }))).toBeUndefined();
    expect(expectationOf(scenario({ eventIdx: false }))).toBeUndefined();
  });

  it("is nothing for a pair of no row", () => {
    expect(expectationOf(scenario({ frontEnd: "qemu-8.2", backEnd: "c" }))).toBeUndefined();
  });
});

describe("whether a row held", () => {
  it.each([
    ["hangs", { hangs: 1 }, true],
    ["hangs", { hangs: 0 }, false],
    ["hangs", { hangs: 0, otherHangs: { "worker-died": 4 } }, false],
    ["never", { hangs: 0 }, true],
    ["never", { hangs: 1 }, false],
    ["never", { otherHangs: { "no-reply": 2 } }, true],
    ["masked", { hangs: 3 }, true],
    [undefined, { hangs: 3 }, true],
    ["hangs", { hangs: 1, undecided: 1 }, false],
    ["never", { undecided: 1 }, false],
    [undefined, { undecided: 1 }, false],
    ["never", { boots: 0 }, false],
  ] as const)("expected %s, counted %o: %s", (expected, counted, held) => {
    expect(broken(expected, count(counted)) === undefined).toBe(held);
  });
});

describe("the rows of a result", () => {
  it("are its two phases, with rate and interval of the published cause alone", () => {
    const result = {
      counts: { first: count({ otherHangs: { other: 1 } }), reboot: count({ hangs: 10 }) },
      hangs: [],
      seconds: 1,
    };
    const [first, reboot] = phaseRows({ id: "seed", scenario: scenario(), expected: "hangs" }, result);
    expect(first).toMatchObject({ id: "seed", phase: "first", rate: 0, held: false, otherHangs: { other: 1 } });
    expect(reboot).toMatchObject({ id: "seed", phase: "reboot", rate: 0.1, held: true });
    expect(reboot!.ci95[0]).toBeCloseTo(0.0552, 4);
  });
});
