#!/usr/bin/env node
// The package's bin.

import { engines } from "./engines.js";
import { exitWith, processOutput } from "./process.js";
import { run } from "./program.js";

exitWith(await run(process.argv.slice(2), engines, processOutput(), process.stdin));
