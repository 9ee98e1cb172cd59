// The policies.

import type { World } from "../execution.js";
import { search } from "../visited.js";
import { dfs } from "./dfs.js";
import { dpor } from "./dpor.js";
import type { PolicyName } from "./names.js";
import { pct } from "./pct.js";
import type { Found, Limits } from "./policy.js";
import { random } from "./random.js";

export const POLICY: Readonly<Record<PolicyName, (world: World, limits: Limits) => Found>> = {
  visited(world, { maxSchedules, onProgress }) {
    const options = { maxExecutions: maxSchedules, eager: true, onProgress };
    const { states, transitions, paths, ...found } = search(world, options);
    return { ...found, graph: { states, transitions, paths } };
  },
  dpor,
  dfs,
  random,
  pct,
};
