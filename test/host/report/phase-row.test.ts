import { describe, expect, it } from "vitest";
import { broken, expectationOf, phaseRows } from "../../../host/report/phase-row.js";
import type { PhaseCount } from "../../../host/scenario/outcome.js";
import { ROWS } from "../../../host/scenario/rows.js";
import { FRONT_END_DEFAULTS, type Scenario } from "../../../host/scenario/scenario.js";

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
  effects: {},
  otherHangs: {},
  undecided: 0,
  ...change,
});

describe("what is expected of a scenario", () => {
  it("is what its row says", () => {
    for (const row of ROWS) expect(expectationOf(row.scenario)).toBe(row.expected);
  });

  it("is not the published hang before another guest", () => {
    expect(expectationOf(scenario({ guest: "linux" }))).toBeUndefined();
    expect(expectationOf(scenario({ guest: "linux", frontEnd: "qemu-8.2" }))).toBe("never");
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
    [undefined, { hangs: 3 }, true],
    ["hangs", { hangs: 1, undecided: 1 }, false],
    ["never", { undecided: 1 }, false],
    [undefined, { undecided: 1 }, false],
    ["never", { boots: 0 }, false],
  ] as const)("expected %s, counted %o: %s", (expected, counted, held) => {
    expect(broken(expected, count(counted)) === undefined).toBe(held);
  });
});

describe("whether a masked row held: against the unmasked one, by disjoint 95 % intervals", () => {
  // Wilson: 10 of 100 is 5.52 to 17.44 %.
  const unmasked = count({ hangs: 10 });
  it.each([
    [0, 100, true], // up to 3.7 %
    [1, 200, true], // up to 2.78 %
    [0, 60, false], // up to 6.02 %: too few boots show nothing
    [4, 100, false], // 4 % is less than 10 %, but up to 9.84 %
    [10, 100, false],
    [50, 100, false],
  ])("%i of %i beside 10 of 100: %s", (hangs, boots, held) => {
    expect(broken("masked", count({ hangs, boots }), unmasked) === undefined).toBe(held);
  });

  it("names both ends that overlap", () => {
    expect(broken("masked", count({ hangs: 10 }), unmasked)).toBe(
      "expected to hang less often than seed: up to 17.4 %, where that is from 5.5 %",
    );
  });

  it("does not hold without anything to hold it against", () => {
    expect(broken("masked", count())).toBe("row seed was not run beside it");
  });

  it("phase by phase", () => {
    const none = { counts: { first: count(), reboot: count() }, hangs: [], seconds: 1 };
    const seed = { ...none, counts: { first: count({ hangs: 1 }), reboot: count({ hangs: 30 }) } };
    const rows = phaseRows({ id: "linux", scenario: scenario({ guest: "linux" }), expected: "masked" }, none, seed);
    expect(rows.map(({ phase, held }) => [phase, held])).toEqual([
      ["first", false],
      ["reboot", true],
    ]);
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
