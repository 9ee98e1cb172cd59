// What `npm run bench` measures of the threads engine: boots a second, memory over many boots, and what tracing does to
// the hang rate. Several runs each, median with minimum and maximum; the machine is named. Figures of a shared machine:
// compare within one run.

import { median } from "simple-statistics";
import { describeMachine, machineInfo } from "../report/machine.js";
import { percent, wilson95 } from "../report/wilson.js";
import { BOOT_RAM_BYTES } from "../scenario/boot-machine.js";
import { ROWS } from "../scenario/rows.js";
import type { Scenario } from "../scenario/scenario.js";
import { runBoots } from "../threads/boots.js";
import type { Job } from "../threads/job.js";
import { Lab } from "../threads/lab.js";
import { nodePlatform } from "../threads/spawn.js";

const RUNS = 7;
const BOOTS_A_RUN = 500;
const SOME_BOOTS = 1_000;
const MANY_BOOTS = 10_000;
/** A life of a machine in the memory measurement. */
const BOOTS_A_LIFE = 100;
const HANG_ROUNDS = 5;
const HANG_BOOTS = 100;

const scenarioOf = (id: string): Scenario => ROWS.find((row) => row.id === id)!.scenario;
const job = (boots: number): Job => ({
  scenario: scenarioOf("rekick"),
  share: { kind: "memory" },
  boots,
  guestArgs: [],
  trace: false,
  schedule: [],
});

async function bootsPerSecond(): Promise<void> {
  const lab = new Lab(nodePlatform, "ovmf", BOOT_RAM_BYTES);
  const rates: number[] = [];
  await lab.live(job(BOOTS_A_RUN)); // warm-up
  for (let run = 0; run < RUNS; run++) {
    const start = performance.now();
    const { completed } = await lab.live(job(BOOTS_A_RUN));
    rates.push(completed / ((performance.now() - start) / 1000));
  }
  await lab.close();
  const [low, mid, high] = [Math.min(...rates), median(rates), Math.max(...rates)].map((rate) => rate.toFixed(0));
  console.log(`boots to an answered FUSE_INIT: ${mid}/s [${low}..${high}], ${RUNS} runs of ${BOOTS_A_RUN} boots`);
}

async function memory(): Promise<void> {
  const lab = new Lab(nodePlatform, "ovmf", BOOT_RAM_BYTES);
  const mib = (): number => process.memoryUsage().rss / 2 ** 20;
  let some = 0;
  for (let boots = 0; boots < MANY_BOOTS; boots += BOOTS_A_LIFE) {
    if (boots === SOME_BOOTS) some = mib();
    await lab.live(job(BOOTS_A_LIFE));
  }
  const many = mib();
  await lab.close();
  console.log(
    `resident memory: ${some.toFixed(0)} MiB after ${SOME_BOOTS} boots, ${many.toFixed(0)} MiB after ${MANY_BOOTS}: ` +
      `${(many / some).toFixed(2)}x`,
  );
}

async function tracing(): Promise<void> {
  const limits = { boots: HANG_BOOTS, enough: HANG_BOOTS };
  console.log(`hang rate of row seed, ${HANG_ROUNDS} rounds of each in turn, 95 % Wilson intervals:`);
  const counts = new Map<string, { boots: number; hangs: number }>();
  for (let round = 0; round < HANG_ROUNDS; round++) {
    for (const trace of [false, true]) {
      const result = await runBoots(nodePlatform, scenarioOf("seed"), limits, { trace });
      for (const phase of ["first", "reboot"] as const) {
        const key = `${phase}, tracing ${trace ? "on" : "off"}`;
        const sum = counts.get(key) ?? { boots: 0, hangs: 0 };
        const { boots, hangs } = result.counts[phase];
        counts.set(key, { boots: sum.boots + boots, hangs: sum.hangs + hangs });
      }
    }
  }
  for (const [key, { boots, hangs }] of [...counts].sort()) {
    const [low, high] = wilson95(hangs, boots);
    console.log(`  ${key}: ${hangs} of ${boots}, ${percent(hangs / boots)} [${percent(low)}..${percent(high)}]`);
  }
}

console.log(describeMachine(machineInfo()));
await bootsPerSecond();
await memory();
await tracing();
