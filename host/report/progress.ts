// A progress line on standard error while a terminal is there to show it.

import { Presets, SingleBar } from "cli-progress";
import type { BootsLimits, BootsProgress } from "../scenario/outcome.js";
import type { Phase } from "../scenario/scenario.js";
import type { Output } from "./output.js";

export interface Progress<P> {
  update(progress: P): void;
  stop(): void;
}

/** How far a row of `vhostlab hang` is: a phase ends with its boots, or earlier with enough hangs. */
export function bootsProgress(output: Output, title: string, limits: BootsLimits): Progress<BootsProgress> {
  const seen = new Map<Phase, BootsProgress>();
  const done = ({ boots, hangs }: BootsProgress): number =>
    Math.min(1, Math.max(boots / limits.boots, hangs / limits.enough));
  return bar(output, `${title.padEnd(16)} {bar} {said}`, 2, (progress: BootsProgress) => {
    seen.set(progress.phase, progress);
    const phases = [...seen.values()];
    return {
      value: phases.reduce((sum, phase) => sum + done(phase), 0),
      said: phases.map(({ phase, boots, hangs }) => `${phase}: ${boots} boots, ${hangs} hangs`).join("; "),
    };
  });
}

/** How many of `what` an exploration has met; how many there are is known at its end only. */
export function exploreProgress(output: Output, what: "states" | "schedules"): Progress<number> {
  return bar(output, "exploring {said}", 1, (met: number) => ({ value: 0, said: `${met} ${what}` }));
}

/** How many cells of the matrix are decided. */
export function cellsProgress(output: Output, cells: number): Progress<number> {
  return bar(output, "matrix {bar} {said}", cells, (done: number) => ({
    value: done,
    said: `${done} of ${cells} cells`,
  }));
}

/** What is being done, in words. */
export function lineProgress(output: Output): Progress<string> {
  return bar(output, "{said}", 1, (said: string) => ({ value: 0, said }));
}

function bar<P>(
  output: Output,
  format: string,
  total: number,
  show: (progress: P) => { value: number; said: string },
): Progress<P> {
  if (!output.progress) return { update() {}, stop() {} };
  // linewrap: the bar would switch the terminal's wrapping off and, interrupted, leave it so.
  const options = { format, stream: output.progress, barsize: 12, clearOnComplete: true, linewrap: true };
  const single = new SingleBar(options, Presets.shades_classic);
  single.start(total, 0, { said: "" });
  return {
    update(progress) {
      const { value, said } = show(progress);
      single.update(value, { said });
    },
    stop: () => single.stop(),
  };
}
