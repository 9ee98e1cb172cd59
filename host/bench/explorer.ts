// What `npm run bench` measures of the explorer: how many ops a second one core performs in a search.

import { median } from "simple-statistics";
import { createWorld } from "../explore/explore.js";
import { Memoised } from "../explore/memoised.js";
import { search } from "../explore/visited.js";
import { describeMachine, machineInfo } from "../report/machine.js";
import { FRONT_END_DEFAULTS, type Scenario } from "../scenario/scenario.js";
import { nodePlatform } from "../threads/spawn.js";

const RUNS = 7;
const SCENARIOS: readonly Scenario[] = (["first", "reboot", "reset-in-flight"] as const).map((script) => ({
  guest: "ovmf",
  frontEnd: "qemu-8.1",
  backEnd: "rust-0.10",
  ...FRONT_END_DEFAULTS,
  delays: [],
  script,
}));

console.log(describeMachine(machineInfo()));
for (const scenario of SCENARIOS) {
  const world = await createWorld(nodePlatform, scenario);
  const rates: number[] = [];
  let operations = 0;
  for (let run = 0; run <= RUNS; run++) {
    const before = process.cpuUsage();
    ({ operations } = search(new Memoised(world), { maxExecutions: Number.POSITIVE_INFINITY, eager: true }));
    const { user, system } = process.cpuUsage(before);
    if (run > 0) rates.push((1e6 * operations) / (user + system)); // the first one warms up
  }
  const [low, mid, high] = [Math.min(...rates), median(rates), Math.max(...rates)].map((rate) => rate.toFixed(0));
  console.log(
    `${scenario.script}: ${operations} ops, ${mid} a second of processor time [${low}..${high}], ${RUNS} runs`,
  );
}
