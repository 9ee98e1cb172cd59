// Intervals for hang counts: k hangs in n boots under one stated condition are binomial.

const Z95 = 1.96;

/** Wilson score interval, two-sided 95 %. Stays inside [0, 1], also for k = 0 and k = n. Without trials: [0, 1]. */
export function wilson95(hangs: number, boots: number): [low: number, high: number] {
  if (boots === 0) return [0, 1];
  const rate = hangs / boots;
  const z2 = Z95 ** 2 / boots;
  const centre = (rate + z2 / 2) / (1 + z2);
  const half = Math.sqrt(Z95 ** 2 * ((rate * (1 - rate)) / boots + z2 / (4 * boots))) / (1 + z2);
  // At the ends the formula gives 0 and 1 but for rounding.
  return [hangs === 0 ? 0 : centre - half, hangs === boots ? 1 : centre + half];
}

/** One-sided 95 % upper bound of the rate when no boot of `boots` hung. */
export function ruleOfThree(boots: number): number {
  return Math.min(1, 3 / boots);
}

/** A share for people: two significant digits below 1 %, one decimal above. */
export function percent(share: number): string {
  const value = share * 100;
  return `${Number(value < 1 ? value.toPrecision(2) : value.toFixed(1))} %`;
}
