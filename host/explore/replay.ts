// One schedule again: under the scheduler, or on real threads of which each waits for its turn before every op.

import { UserError } from "../errors.js";
import { BOOT_RAM_BYTES } from "../scenario/boot-machine.js";
import type { ReplayResult } from "../scenario/outcome.js";
import type { Scenario } from "../scenario/scenario.js";
import { diagnose } from "../scenario/verdict.js";
import type { Job } from "../threads/job.js";
import { Lab } from "../threads/lab.js";
import type { Platform } from "../threads/platform.js";
import { Execution, type World } from "./execution.js";
import { createWorld } from "./explore.js";
import { parseSchedule } from "./schedule.js";

export interface ReplayOptions {
  readonly threads: boolean;
  readonly times: number;
}

/** @throws UserError for a string that is no schedule, or that orders what cannot happen */
export async function replay(
  platform: Platform,
  schedule: string,
  { threads, times }: ReplayOptions,
): Promise<ReplayResult[]> {
  const { scenario, order } = parseSchedule(schedule);
  const world = await createWorld(platform, scenario);
  const explored = replayExplored(world, order);
  if (threads) return await replayOnThreads(platform, scenario, order, times);
  return [explored, ...Array.from({ length: times - 1 }, () => replayExplored(world, order))];
}

/** After the schedule's end the lowest actor that can move goes on, until none can. */
function replayExplored(world: World, order: readonly number[]): ReplayResult {
  const execution = new Execution(world, true);
  for (const [at, actor] of order.entries()) {
    if (!execution.next(actor)?.enabled()) {
      const what = execution.next(actor)?.name ?? "anything more";
      throw new UserError(`step ${at + 1} of the schedule cannot happen: that actor cannot do ${what} then`);
    }
    execution.step(actor);
  }
  for (let [actor] = execution.enabled(); actor !== undefined; [actor] = execution.enabled()) execution.step(actor);
  const events = [...execution.events]; // the diagnosis goes on from here
  if (execution.answered) return { outcome: "answered", events };
  return { outcome: "hang", report: diagnose(execution.system, execution.positions(), "first", 1), events };
}

/** Each replay is the first boot of a new machine. */
async function replayOnThreads(
  platform: Platform,
  scenario: Scenario,
  order: readonly number[],
  times: number,
): Promise<ReplayResult[]> {
  const lab = new Lab(platform, scenario.guest, BOOT_RAM_BYTES);
  const job: Job = { scenario, share: { kind: "memory" }, boots: 1, guestArgs: [], trace: true, schedule: order };
  const results: ReplayResult[] = [];
  try {
    while (results.length < times) {
      const { hang, undecided, events, dropped } = await lab.live(job);
      const outcome = undecided ? "undecided" : hang ? "hang" : "answered";
      results.push({ outcome, ...(hang && { report: hang }), events, ...(dropped && { dropped }) });
    }
    return results;
  } finally {
    await lab.close();
  }
}
