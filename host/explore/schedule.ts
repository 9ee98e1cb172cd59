// A schedule as a string: the scenario, then who performs how many ops in a row. For example
// `ovmf:qemu-8.1:rust-0.10:driver-ok:first/v31c4v2d1`. Options of the front-end are named where they are not the default:
// `ovmf:qemu-8.1:rust-0.10:driver-ok:first:memory-table:kick-count-0/…`.

import { UserError } from "../errors.js";
import { BACK_ENDS, FRONT_ENDS, GUESTS } from "../scenario/occupants.js";
import { ENABLE_AT, FRONT_END_DEFAULTS, type FrontEndOptions, SCRIPTS, type Scenario } from "../scenario/scenario.js";

/** By actor number: vCPU, control plane, data-plane threads. The kernel has no control plane. */
const lettersOf = ({ backEnd }: Scenario): string => (backEnd === "kernel" ? "vdefgh" : "vcdefgh");
/** What may follow the script, and what it sets. */
export const OPTIONS: Readonly<Record<string, Partial<FrontEndOptions>>> = {
  "memory-table": { memory: "table" },
  "kick-count-0": { kickCount: 0 },
  "no-event-idx": { eventIdx: false },
  "in-order": { inOrder: true },
};
/** The longest schedule taken from a string: a bound on what a typing error can make us do. */
const MOST_OPS = 1_000_000;

export function formatSchedule(scenario: Scenario, order: readonly number[]): string {
  const { guest, frontEnd, backEnd, enableAt, script } = scenario;
  const letters = lettersOf(scenario);
  const options = Object.entries(OPTIONS)
    .filter(([, change]) => Object.entries(change).every(([key, value]) => scenario[key as keyof Scenario] === value))
    .map(([name]) => `:${name}`)
    .join("");
  let runs = "";
  for (let at = 0; at < order.length; ) {
    let end = at;
    while (end < order.length && order[end] === order[at]) end++;
    runs += `${letters[order[at]!]}${end - at}`;
    at = end;
  }
  return `${guest}:${frontEnd}:${backEnd}:${enableAt}:${script}${options}/${runs}`;
}

/** @throws UserError naming what is wrong */
export function parseSchedule(text: string): { scenario: Scenario; order: number[] } {
  const [head = "", runs] = text.split("/");
  const [guest, frontEnd, backEnd, enableAt, script, ...options] = head.split(":");
  if (runs === undefined || !/^([a-z]\d{1,6})*$/.test(runs)) {
    throw new UserError(`"${text}" is no schedule; one looks like ovmf:qemu-8.1:rust-0.10:driver-ok:first/v12c3d1`);
  }
  const scenario: Scenario = {
    guest: oneOf("guest", GUESTS, guest),
    frontEnd: oneOf("front-end", FRONT_ENDS, frontEnd),
    backEnd: oneOf("back-end", BACK_ENDS, backEnd),
    ...FRONT_END_DEFAULTS,
    enableAt: oneOf("point of enabling", ENABLE_AT, enableAt),
    ...Object.assign({}, ...options.map((name) => OPTIONS[oneOf("option", Object.keys(OPTIONS), name)])),
    delays: [],
    script: oneOf("script", SCRIPTS, script),
  };
  const letters = lettersOf(scenario);
  const order: number[] = [];
  for (const [, letter, count] of runs.matchAll(/([a-z])(\d+)/g)) {
    const actor = letters.indexOf(letter!);
    if (actor < 0) throw new UserError(`the schedule has an actor "${letter}"; there are ${[...letters].join(", ")}`);
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
