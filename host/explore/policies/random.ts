// A random walk: each of those that can move is as likely as the other. No share of hangs that it finds is a rate of
// anything real.

import { draws } from "../../random.js";
import type { Explorable, Found, Limits } from "./policy.js";
import { sample } from "./sample.js";

export function random(system: Explorable, limits: Limits): Found {
  const draw = draws(limits.seed);
  return sample(system, limits, () => (enabled) => enabled[draw(enabled.length)]!);
}
