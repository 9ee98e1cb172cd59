// How the command line's values are read. Each parser throws commander's own error, which becomes one line and exit 2.

import { type Command, InvalidArgumentError, Option } from "commander";
import { POLICY_ABOUT, POLICY_NAMES } from "./explore/policies/names.js";
import { SCRIPT } from "./scenario/catalog/index.js";
import { DELAY_POINTS } from "./scenario/delays.js";
import { BACK_ENDS, FRONT_ENDS, GUESTS } from "./scenario/occupants.js";
import {
  type Delay,
  ENABLE_AT,
  FRONT_END_DEFAULTS,
  type FrontEndOptions,
  SCRIPTS,
  type Scenario,
} from "./scenario/scenario.js";

export type Seats = Pick<Scenario, "guest" | "frontEnd" | "backEnd">;

/** Who sits where when nothing is said: our own back-end, behind the front-end that most people have. */
const DEFAULT_SEATS: Seats = { guest: "ovmf", frontEnd: "qemu-8.1", backEnd: "rekick" };

/** Commander adds one option a call. */
export function addOptions(command: Command, ...options: readonly Option[]): Command {
  return options.reduce((to, option) => to.addOption(option), command);
}

export function seatOptions(guest = DEFAULT_SEATS.guest): Option[] {
  return [
    new Option("--guest <guest>", "who takes the guest's seat").choices(GUESTS).default(guest),
    new Option("--front-end <vmm>", "who takes the front-end's seat; ioctl goes with kernel")
      .choices(FRONT_ENDS)
      .default(DEFAULT_SEATS.frontEnd),
    new Option("--back-end <daemon>", "who takes the back-end's seat; kernel goes with ioctl")
      .choices(BACK_ENDS)
      .default(DEFAULT_SEATS.backEnd),
  ];
}

/** Parsed, they are the FrontEndOptions of a scenario. */
export function frontEndOptions(): Option[] {
  const { enableAt, memory, kickCount, inOrder } = FRONT_END_DEFAULTS;
  return [
    new Option("--enable-at <write>", "the register write in which the ring messages leave")
      .choices(ENABLE_AT)
      .default(enableAt),
    new Option("--memory <messages>", "guest RAM by ADD_MEM_REG, once, or by SET_MEM_TABLE at every start")
      .choices(["slots", "table"])
      .default(memory),
    new Option("--kick-count <n>", "what kick eventfds are born with")
      .choices(["0", "1"])
      .argParser(parseKickCount)
      .default(kickCount),
    new Option("--no-event-idx", "the device does not offer VIRTIO_F_EVENT_IDX"),
    new Option("--in-order", "the device offers VIRTIO_F_IN_ORDER, which guest bench takes").default(inOrder),
  ];
}

/** What of a command's options belongs to the scenario. */
export function chosenFrontEnd({ enableAt, memory, kickCount, eventIdx, inOrder }: FrontEndOptions): FrontEndOptions {
  return { enableAt, memory, kickCount, eventIdx, inOrder };
}

function parseKickCount(text: string): 0 | 1 {
  if (text !== "0" && text !== "1") throw new InvalidArgumentError("Allowed choices are 0, 1.");
  return text === "1" ? 1 : 0;
}

export function scriptOption(): Option {
  return new Option("--script <story>", "what the environment does to the machine").choices(SCRIPTS).default("first");
}

/** For the help: each script, a line each. */
export function scriptsHelp(): string {
  const width = Math.max(...SCRIPTS.map((name) => name.length));
  return SCRIPTS.map((name) => `  ${name.padEnd(width)}  ${SCRIPT[name].about}`).join("\n");
}

export function policyOption(): Option {
  return new Option("--policy <policy>", "which interleavings are tried").choices(POLICY_NAMES).default("visited");
}

/** For the help: each policy, a line each. */
export function policiesHelp(): string {
  return POLICY_NAMES.map((name) => {
    const { about, maxSchedules } = POLICY_ABOUT[name];
    return `  ${name.padEnd(8)}  ${String(maxSchedules).padStart(7)}  ${about}`;
  }).join("\n");
}

export function seedOption(): Option {
  return new Option("--seed <n>", "of the policies that draw").argParser(parseCount).default(1);
}

export function delayOption(): Option {
  return new Option("--delay <point=time>", "wait 50us, 2ms or 1s before each such step; repeatable, points below")
    .argParser((text: string, before: readonly Delay[]) => [...before, parseDelay(text)])
    .default([], "none");
}

/** For the help: each point of `--delay`, a line each. */
export function delayPointsHelp(): string {
  const points = Object.entries(DELAY_POINTS);
  const width = Math.max(...points.map(([point]) => point.length));
  return points.map(([point, { about }]) => `  ${point.padEnd(width)}  ${about}`).join("\n");
}

export function jsonOption(): Option {
  return new Option("--json", "data on standard output");
}

/** @param what is traced */
export function traceOption(what: string): Option {
  return new Option("--trace <file>", `write ${what} as a trace, to open at https://ui.perfetto.dev`);
}

const MICROS: Readonly<Record<string, number>> = { us: 1, ms: 1_000, s: 1_000_000 };

/** @param text `POINT=TIME`, for example `before-kick=50us` */
/** Well below the watchdog of a machine in which nobody moves. */
const MAX_DELAY_MICROS = 1_000_000;

function parseDelay(text: string): Delay {
  const [, point = "", number, unit = ""] = /^([^=]*)=(\d+(?:\.\d+)?)(us|ms|s)$/.exec(text) ?? [];
  if (number === undefined) throw new InvalidArgumentError("Write POINT=TIME, with a TIME like 50us, 2ms or 1s.");
  if (!Object.hasOwn(DELAY_POINTS, point)) {
    throw new InvalidArgumentError(`No such point; there are ${Object.keys(DELAY_POINTS).join(", ")}.`);
  }
  const micros = Number(number) * MICROS[unit]!;
  if (micros > MAX_DELAY_MICROS)
    throw new InvalidArgumentError("A delay is 1s at the most: beyond, nothing is decided.");
  return { point, micros };
}

/** The number of a queue. */
export function parseIndex(text: string): number {
  const index = Number(text);
  if (!/^\d+$/.test(text) || index > 255) throw new InvalidArgumentError("A whole number from 0 to 255 is wanted.");
  return index;
}

/** A whole number from 1. */
export function parseCount(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || count < 1 || !Number.isSafeInteger(count)) {
    throw new InvalidArgumentError("A whole number from 1 is wanted.");
  }
  return count;
}
