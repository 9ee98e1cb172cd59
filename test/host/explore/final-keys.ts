// Final states as keys: the schedules that lead to them, executed.

import type { End, Explorable } from "../../../host/explore/policies/policy.js";

/** Comparable between explorations of one world: it numbers histories. */
export function finalKeys(system: Explorable, { ends }: { readonly ends: readonly End[] }): Set<string> {
  return new Set(
    ends.map(({ order }) => {
      const run = system.start();
      for (const actor of order) run.step(actor);
      return run.key();
    }),
  );
}
