// Is the matrix true on real threads? Each hanging schedule that matrix.json records is replayed; of each cell that never
// hangs, schedules are drawn by random walks, the same ones each time, and replayed. Prints a line for each that does not
// end as it does under the explorer.
//
//   node dist/host/bench/replay-matrix.js [GUEST [SCRIPT [FRONT-END [BACK-END]]]]

import { Execution, type World } from "../explore/execution.js";
import { createWorld } from "../explore/explore.js";
import { MATRIX } from "../explore/matrix.js";
import { replay } from "../explore/replay.js";
import { formatSchedule } from "../explore/schedule.js";
import { draws } from "../random.js";
import { readRecorded } from "../report/recorded-matrix.js";
import type { ReplayResult } from "../scenario/outcome.js";
import { nodePlatform } from "../threads/spawn.js";

const TIMES = 20;
const SAMPLES = 100;

const wanted = process.argv.slice(2);
const recorded = readRecorded().filter(({ guest, script, frontEnd, backEnd }) =>
  wanted.every((name, i) => [guest, script, frontEnd, backEnd][i] === name),
);
let [hanging, answered, different, ended] = [0, 0, 0, 0];

async function expectOnThreads(schedule: string, times: number, outcome: ReplayResult["outcome"]): Promise<void> {
  const results = await replay(nodePlatform, schedule, { threads: true, times });
  const others = results.filter((result) => result.outcome !== outcome);
  different += others.length;
  if (others.length > 0) console.log(`${schedule}: ${others.length} of ${times} are ${others[0]!.outcome}`);
}

for (const cell of recorded) {
  for (const { cause, schedule } of cell.hangs) {
    // On threads the life ends there with the front-end's error, and has no outcome.
    if (cause === "back-end-aborted") {
      ended++;
      continue;
    }
    await expectOnThreads(schedule, TIMES, cause === "driver-gave-up" ? "gave-up" : "hang");
    hanging++;
  }
  if (cell.hangs.length > 0) continue;
  const scenario = MATRIX.find(
    ({ guest, script, frontEnd, backEnd }) =>
      guest === cell.guest && script === cell.script && frontEnd === cell.frontEnd && backEnd === cell.backEnd,
  )!;
  const world = await createWorld(nodePlatform, scenario);
  const draw = draws(answered);
  for (let sample = 0; sample < SAMPLES; sample++) {
    await expectOnThreads(formatSchedule(scenario, walk(world, draw)), 1, "answered");
    answered++;
  }
}
console.log(
  `${hanging} hanging schedules ${TIMES} times each, ${answered} answered ones: ${different} ended otherwise on threads; ` +
    `${ended} in which the back-end aborts were not replayed`,
);

function walk(world: World, draw: (n: number) => number): number[] {
  const execution = new Execution(world);
  const order: number[] = [];
  for (let enabled = execution.enabled(); enabled.length > 0; enabled = execution.enabled()) {
    const actor = enabled[draw(enabled.length)]!;
    execution.step(actor);
    order.push(actor);
  }
  return order;
}
