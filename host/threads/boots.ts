// Boots a machine many times and counts hangs: first boots of new machines, and reboots after a machine reset.

import type { Trace } from "../../vm/sync/trace.js";
import { BOOT_RAM_BYTES } from "../scenario/boot-machine.js";
import type {
  BootsLimits,
  BootsProgress,
  BootsResult,
  Cause,
  Effect,
  HangReport,
  PhaseCount,
  Recording,
} from "../scenario/outcome.js";
import { LabError } from "../errors.js";
import type { Row } from "../scenario/rows.js";
import type { Phase, Scenario } from "../scenario/scenario.js";
import { BOOT_NOTE } from "./job.js";
import { Lab } from "./lab.js";
import type { Platform } from "./platform.js";

/** Reboots after a first boot, while both phases are counted. A machine that hung is not used again. */
const REBOOTS = 9;
/** Between two progress reports. */
const REPORT_EVERY_MS = 100;

export interface BootsOptions {
  readonly trace?: boolean;
  readonly stopAtHang?: boolean;
  /** See Row. */
  readonly cold?: Row["cold"];
  /** Told of both phases, one after the other. */
  readonly onProgress?: (progress: BootsProgress) => void;
}

class Counter {
  boots = 0;
  hangs = 0;
  undecided = 0;
  readonly effects: Partial<Record<Effect, number>> = {};
  readonly otherHangs: Partial<Record<Cause, number>> = {};

  constructor(readonly limits: BootsLimits) {}

  get done(): boolean {
    return this.hangs >= this.limits.enough || this.boots >= this.limits.boots;
  }

  hang({ cause, effect }: HangReport): void {
    if (cause === "kick-consumed-while-disabled") {
      this.hangs++;
      this.effects[effect] = (this.effects[effect] ?? 0) + 1;
    } else this.otherHangs[cause] = (this.otherHangs[cause] ?? 0) + 1;
  }

  count(): PhaseCount {
    const { boots, hangs, effects, otherHangs, undecided } = this;
    return { boots, hangs, effects, otherHangs, undecided };
  }
}

/**
 * Boots until each phase has `limits.enough` hangs by the seed's cause, or `limits.boots` boots. Reboots need a first boot
 * that did not hang: where hardly any does, they end, however few, with the last first boot.
 */
export async function runBoots(
  platform: Platform,
  scenario: Scenario,
  limits: BootsLimits,
  options: BootsOptions = {},
): Promise<BootsResult> {
  const counters: Record<Phase, Counter> = { first: new Counter(limits), reboot: new Counter(limits) };
  const hangs: (Recording & { report: HangReport })[] = [];
  let last: Recording | undefined;
  const lab = new Lab(platform, scenario.guest, BOOT_RAM_BYTES);
  const start = performance.now();
  let reported = 0;
  try {
    while (!counters.first.done || (!counters.reboot.done && counters.first.boots < limits.boots)) {
      const reboots = counters.reboot.done ? 0 : Math.min(REBOOTS, limits.boots - counters.reboot.boots);
      await lab.renew(options.cold ?? []);
      const life = await lab.live({
        scenario,
        share: { kind: "memory" },
        boots: 1 + reboots,
        guestArgs: [],
        trace: options.trace ?? false,
        schedule: [],
      });
      // Nothing may be counted as answered that was not.
      if (life.exitCode !== 0)
        throw new LabError(`a boot that did not hang failed: the guest's exit code is ${life.exitCode}`);
      const boot = lastBoot(life);
      if (options.trace) last = { ...boot, ...(life.hang && { report: life.hang }) };
      const unfinished = life.hang || life.undecided ? 1 : 0;
      const begun = life.completed + unfinished;
      counters.first.boots += Math.min(begun, 1);
      counters.reboot.boots += Math.max(begun - 1, 0);
      const phase: Phase = life.completed === 0 ? "first" : "reboot";
      if (life.undecided) counters[phase].undecided++;
      if (life.hang) {
        counters[phase].hang(life.hang);
        const report = { ...life.hang, phase, boot: counters[phase].boots };
        if (!hangs.some((known) => known.report.cause === report.cause)) {
          hangs.push({ report, ...boot });
        }
        if (options.stopAtHang && report.cause === "kick-consumed-while-disabled") break;
      }
      if (performance.now() - reported > REPORT_EVERY_MS) {
        reported = performance.now();
        for (const each of ["first", "reboot"] as const) {
          const { boots, hangs } = counters[each];
          options.onProgress?.({ phase: each, boots, hangs });
        }
      }
    }
  } finally {
    await lab.close();
  }
  const counts = { first: counters.first.count(), reboot: counters.reboot.count() };
  return { counts, hangs, ...(last && { last }), seconds: (performance.now() - start) / 1000 };
}

/** The events since the last boot began; for a first boot everything since power-on. */
function lastBoot({ events, dropped }: Trace): Trace {
  const begin = events.findLast(({ kind, name }) => kind === "note" && name === BOOT_NOTE);
  const start = begin === undefined || begin.detail === "1" ? Number.NEGATIVE_INFINITY : begin.at;
  const since = events.filter(({ at }) => at >= start);
  // Where there is something from before, nothing is missing since.
  return { events: since, ...(dropped && since.length === events.length && { dropped }) };
}
