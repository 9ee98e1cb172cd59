// The rows of `vhostlab hang`: scenarios whose hangs are counted, each for a claim.

import { type Expected, FRONT_END_DEFAULTS, type Scenario } from "./scenario.js";

export interface Row {
  readonly id: string;
  readonly expected: Expected;
  readonly scenario: Scenario;
}

const scenario = (change: Partial<Scenario>): Scenario => ({
  guest: "ovmf",
  frontEnd: "qemu-8.1",
  backEnd: "rust-0.10",
  ...FRONT_END_DEFAULTS,
  delays: [],
  script: "first",
  ...change,
});

/** The published bug. */
export const SEED: Row = { id: "seed", expected: "hangs", scenario: scenario({}) };

/** The published bug, its published fix, the back-end that never had it, and our own. */
export const ROWS: readonly Row[] = [
  SEED,
  { id: "fix", expected: "never", scenario: scenario({ frontEnd: "qemu-8.2" }) },
  { id: "c", expected: "never", scenario: scenario({ backEnd: "c" }) },
  { id: "rekick", expected: "never", scenario: scenario({ backEnd: "rekick" }) },
];
