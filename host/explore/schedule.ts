// A schedule as a string: the scenario, then who performs how many ops in a row. For example
// `ovmf:qemu-8.1:rust-0.10:driver-ok:first/v31c4v2d1`.

import { UserError } from "../errors.js";
import { BACK_ENDS, FRONT_ENDS, GUESTS, SCRIPTS, type Scenario } from "../scenario/scenario.js";

/** By actor number: vCPU, control plane, data-plane threads. */
const LETTERS = "vcdefgh";
/** The longest schedule taken from a string: a bound on what a typing error can make us do. */
const MOST_OPS = 1_000_000;

export function formatSchedule(scenario: Scenario, order: readonly number[]): string {
  const { guest, frontEnd, backEnd, enableAt, script } = scenario;
  let runs = "";
  for (let at = 0; at < order.length; ) {
    let end = at;
    while (end < order.length && order[end] === order[at]) end++;
    runs += `${LETTERS[order[at]!]}${end - at}`;
    at = end;
  }
  return `${guest}:${frontEnd}:${backEnd}:${enableAt}:${script}/${runs}`;
}

/** @throws UserError naming what is wrong */
export function parseSchedule(text: string): { scenario: Scenario; order: number[] } {
  const [head = "", runs] = text.split("/");
  const [guest, frontEnd, backEnd, enableAt, script, ...more] = head.split(":");
  if (runs === undefined || more.length > 0 || !/^([a-z]\d{1,6})*$/.test(runs)) {
    throw new UserError(`"${text}" is no schedule; one looks like ovmf:qemu-8.1:rust-0.10:driver-ok:first/v12c3d1`);
  }
  const scenario: Scenario = {
    guest: oneOf("guest", GUESTS, guest),
    frontEnd: oneOf("front-end", FRONT_ENDS, frontEnd),
    backEnd: oneOf("back-end", BACK_ENDS, backEnd),
    enableAt: oneOf("point of enabling", ["driver-ok", "queue-enable"] as const, enableAt),
    delays: [],
    script: oneOf("script", SCRIPTS, script),
  };
  const order: number[] = [];
  for (const [, letter, count] of runs.matchAll(/([a-z])(\d+)/g)) {
    const actor = LETTERS.indexOf(letter!);
    if (actor < 0) throw new UserError(`the schedule has an actor "${letter}"; there are ${[...LETTERS].join(", ")}`);
    if (order.length + Number(count) > MOST_OPS) throw new UserError(`the schedule is longer than ${MOST_OPS} ops`);
    for (let i = 0; i < Number(count); i++) order.push(actor);
  }
  return { scenario, order };
}

function oneOf<T extends string>(what: string, known: readonly T[], name: string | undefined): T {
  const found = known.find((each) => each === name);
  if (found === undefined) throw new UserError(`the schedule's ${what} "${name}" is none of ${known.join(", ")}`);
  return found;
}
