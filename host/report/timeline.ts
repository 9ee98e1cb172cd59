// A trace as lanes of text, one an actor, time running down.

import type { TraceEvent } from "../../vm/sync/trace.js";
import { actorTitle, laneOrder } from "./actors.js";
import type { TimeUnit } from "./causes.js";
import type { Colors, Output } from "./output.js";
import { KICK_LOST, type Step, visibleSteps } from "./steps.js";

export interface TimelineOptions extends Pick<Output, "columns" | "colors"> {
  readonly unit: TimeUnit;
}

/** Rows above this are cut off at the beginning: a hang is at the end. */
const MAX_ROWS = 64;
const TIME_WIDTH = 9;
const MARGIN = "  ";
const DROPPED_MARGIN = " ▶";

/** Lines, each ended. */
export function timeline(events: readonly TraceEvent[], options: TimelineOptions): string {
  const { dim, bold, red } = options.colors;
  const steps = visibleSteps(events);
  const indent = "".padStart(TIME_WIDTH) + MARGIN;
  const actors = [...new Set(events.map((event) => event.actor))].sort((a, b) => laneOrder(a) - laneOrder(b));
  const lanes = new Lanes(actors, options.columns - indent.length, options.colors);
  const time = clock(steps, options.unit);
  const dropped = steps.findIndex((step) => step.dropped);
  const start = Math.max(0, Math.min(steps.length - MAX_ROWS, dropped < 0 ? steps.length : dropped));

  const lines = [bold(options.unit.padStart(TIME_WIDTH) + MARGIN + lanes.titles())];
  const before = steps.slice(0, start).reduce((sum, step) => sum + step.folded + 1, 0);
  if (before > 0) lines.push(dim(`${indent}⋮ ${before} steps before`));
  for (const step of steps.slice(start)) {
    lines.push(dim(time(step)) + (step.dropped ? bold(red(DROPPED_MARGIN)) : MARGIN) + lanes.row(step));
  }
  if (steps.some((step) => step.folded > 0)) lines.push(dim(`${indent}(+n): after n more steps of the same lane`));
  if (dropped >= 0) lines.push(red(`${DROPPED_MARGIN.padStart(indent.length)}✗ ${KICK_LOST}`));
  return lines.map((line) => `${line.trimEnd()}\n`).join("");
}

function clock(steps: readonly Step[], unit: TimelineOptions["unit"]): (step: Step) => string {
  const start = Math.min(...steps.map(({ event }) => event.at));
  return ({ event }) => (unit === "µs" ? (event.at - start).toFixed(1) : String(event.at)).padStart(TIME_WIDTH);
}

class Lanes {
  readonly #width: number;

  /** @param space columns for all lanes; the last lane is half as wide again, since its texts cannot run over */
  constructor(
    readonly actors: readonly string[],
    readonly space: number,
    readonly colors: Colors,
  ) {
    this.#width = Math.floor(space / (actors.length + 0.5));
  }

  titles(): string {
    const titles = this.actors.map((actor) => actorTitle(actor).padEnd(this.#width));
    return titles.join("").trimEnd();
  }

  /** A step's text begins in its actor's lane and may run over the lanes to the right. */
  row(step: Step): string {
    const lane = this.actors.indexOf(step.event.actor);
    const tail = step.folded > 0 ? ` (+${step.folded})` : "";
    const text = shorten(`${step.dropped ? "✗" : "●"} ${step.text}`, tail, this.space - lane * this.#width);
    const covered = Math.ceil((text.length + 1) / this.#width); // lanes, with a blank after the text
    const gap = "".padEnd(covered * this.#width - text.length);
    const right = this.#bars(this.actors.length - lane - covered);
    return `${this.#bars(lane)}${this.#paint(step, text)}${right && gap}${right}`;
  }

  #bars(count: number): string {
    return count > 0 ? this.colors.dim("│".padEnd(this.#width).repeat(count)) : "";
  }

  #paint({ event, dropped }: Step, text: string): string {
    const { bold, red, yellow, cyan } = this.colors;
    if (dropped) return bold(red(text));
    if (/kick.*\.(add|read)$/.test(event.name)) return yellow(text);
    return /\.(send|receive)$/.test(event.name) ? cyan(text) : text;
  }
}

/** `text` and `tail` in `room` columns: the text gives way. */
function shorten(text: string, tail: string, room: number): string {
  const left = room - tail.length;
  return (text.length <= left ? text : `${text.slice(0, left - 1)}…`) + tail;
}
