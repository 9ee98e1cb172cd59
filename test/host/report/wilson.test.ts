import { describe, expect, it } from "vitest";
import { percent, ruleOfThree, wilson95 } from "../../../host/report/wilson.js";

describe("Wilson score interval, 95 %", () => {
  // Published check values, as many digits as they are given with.
  it.each([
    [10, 100, 0.0552, 0.1744, 4],
    [0, 100, 0, 0.037, 4],
    [1, 200, 0.00088, 0.0278, 4],
    [50, 300, 0.1288, 0.213, 4],
    [0, 6750, 0, 0.000569, 6],
  ])("is right for %i of %i", (hangs, boots, low, high, digits) => {
    const interval = wilson95(hangs, boots);
    expect(interval[0]).toBeCloseTo(low, digits);
    expect(interval[1]).toBeCloseTo(high, digits);
  });

  it("ends exactly at 0 without a hang and at 1 without anything else", () => {
    for (let boots = 1; boots < 1000; boots++) {
      expect(wilson95(0, boots)[0]).toBe(0);
      expect(wilson95(boots, boots)[1]).toBe(1);
    }
  });

  it("holds the rate, inside [0, 1]", () => {
    for (let hangs = 0; hangs <= 60; hangs++) {
      const [low, high] = wilson95(hangs, 60);
      expect(low).toBeGreaterThanOrEqual(0);
      expect(low).toBeLessThanOrEqual(hangs / 60);
      expect(high).toBeGreaterThanOrEqual(hangs / 60);
      expect(high).toBeLessThanOrEqual(1);
    }
  });

  it("knows nothing without a trial", () => {
    expect(wilson95(0, 0)).toEqual([0, 1]);
  });
});

describe("rule of three", () => {
  it("bounds the rate of what never hung", () => {
    expect(ruleOfThree(6750)).toBeCloseTo(0.000444, 6);
    expect(ruleOfThree(500)).toBe(0.006);
  });

  it("claims no more than certainty", () => {
    expect(ruleOfThree(1)).toBe(1);
  });
});

describe("percent", () => {
  it.each([
    [0, "0 %"],
    [1, "100 %"],
    [0.5, "50 %"],
    [0.909_090_9, "90.9 %"],
    [0.017_4, "1.7 %"],
    [0.006, "0.6 %"],
    [0.000_88, "0.088 %"],
  ])("shows %f as %s", (share, shown) => {
    expect(percent(share)).toBe(shown);
  });
});
