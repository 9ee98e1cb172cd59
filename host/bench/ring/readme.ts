// `npm run bench`: the README's table of the ring, measured anew and put in its place.

import { readFileSync, writeFileSync } from "node:fs";
import { packageRoot } from "../../package.js";
import { describeMachine, machineInfo } from "../../report/machine.js";
import { ringTable } from "../../report/ring-table.js";
import { nodePlatform } from "../../threads/spawn.js";
import type { RingCase } from "./measure.js";
import { type RingOptions, ringOptions } from "./options.js";
import { runCase } from "./run.js";

const MEASURING = { seconds: 0.1, runs: 15 };
const PLAIN = { ring: 256, features: [], chain: 1, payload: 0, notify: "poll", queues: 1 } as const;

const CASES: readonly Partial<RingOptions>[] = [
  { batch: 1 },
  { batch: 32 },
  { batch: 64 },
  { batch: 1, outstanding: 1 },
  { batch: 32, features: ["event_idx"] },
  { batch: 32, features: ["indirect"], chain: 4 },
  { ring: 1024, batch: 64 },
  { ring: 1024, batch: 64, features: ["in_order"] },
  { batch: 32, queues: 64 },
  ...[64, 1024, 4096, 65536].map((payload) => ({ payload })),
];

const README = new URL("README.md", packageRoot);
const PLACE = /(?<=<!-- result: bench-ring -->\n).*?(?=<!-- \/result: bench-ring -->)/s;

const measured: RingCase[] = [];
for (const each of CASES) {
  measured.push(await runCase(nodePlatform, ringOptions({ ...PLAIN, ...each }), "native", MEASURING));
  console.log(ringTable(measured.slice(-1)).split("\n").at(-2));
}
const readme = readFileSync(README, "utf8");
if (!PLACE.test(readme)) throw new Error("README.md has no place for the table");
writeFileSync(README, readme.replace(PLACE, `${ringTable(measured)}\n${describeMachine(machineInfo())}\n`));
