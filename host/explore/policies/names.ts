// The policies by name, for who only wants to name one.

export const POLICY_NAMES = ["visited", "dpor", "dfs", "random", "pct"] as const;

export type PolicyName = (typeof POLICY_NAMES)[number];

export const POLICY_ABOUT: Readonly<Record<PolicyName, { readonly about: string; readonly maxSchedules: number }>> = {
  visited: { about: "follows each state once; can be complete", maxSchedules: 1_000_000 },
  dpor: { about: "one order of all that only swap ops that commute; can be complete", maxSchedules: 1_000_000 },
  dfs: { about: "every order, depth first; complete in the smallest systems only", maxSchedules: 1_000 },
  random: { about: "a random walk each; never complete", maxSchedules: 1_000 },
  pct: { about: "random priorities each, that change twice; never complete", maxSchedules: 1_000 },
};
