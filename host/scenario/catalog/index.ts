// The scripts by name.

import type { ScriptName } from "../scenario.js";
import { first } from "./first.js";
import { reboot } from "./reboot.js";
import { resetInFlight } from "./reset-in-flight.js";
import { resume } from "./resume.js";
import { resumeUncharged } from "./resume-uncharged.js";
import type { Script } from "./script.js";
import { toggle } from "./toggle.js";

export const SCRIPT: Readonly<Record<ScriptName, Script>> = {
  first,
  reboot,
  "reset-in-flight": resetInFlight,
  resume,
  "resume-uncharged": resumeUncharged,
  toggle,
};
