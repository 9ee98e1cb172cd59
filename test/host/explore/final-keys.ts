// Final states of a search as keys: the schedules that lead to them, executed.

import { Execution, type World } from "../../../host/explore/execution.js";
import type { Search } from "../../../host/explore/visited.js";

/** Comparable between searches of one world: it numbers histories. */
export function finalKeys(world: World, { ends }: Search): Set<string> {
  return new Set(
    ends.map(({ order }) => {
      const execution = new Execution(world);
      for (const actor of order) execution.step(actor);
      return execution.key();
    }),
  );
}
