// The scripts by name.

import { UserError } from "../../errors.js";
import type { Scenario, ScriptName } from "../scenario.js";
import { first } from "./first.js";
import { reboot } from "./reboot.js";
import { reconnect } from "./reconnect.js";
import { resetInFlight } from "./reset-in-flight.js";
import { resume } from "./resume.js";
import { resumeUncharged } from "./resume-uncharged.js";
import type { Script } from "./script.js";
import { toggle } from "./toggle.js";
import { twoQueues } from "./two-queues.js";

export const SCRIPT: Readonly<Record<ScriptName, Script>> = {
  first,
  reboot,
  "reset-in-flight": resetInFlight,
  resume,
  "resume-uncharged": resumeUncharged,
  toggle,
  "two-queues": twoQueues,
  reconnect,
};

/** A script may be for one occupant of a seat only. @throws UserError */
export function checkScript(scenario: Scenario): void {
  const { only } = SCRIPT[scenario.script];
  if (!only || scenario[only.seat] === only.name) return;
  const seat = only.seat === "guest" ? "guest" : "front-end";
  throw new UserError(`script "${scenario.script}" is for ${seat} "${only.name}": ${only.why}`);
}
