// Engines that answer at once, and an output that keeps what was written.

import pc from "picocolors";
import type { Engines } from "../../host/engines.js";
import { run } from "../../host/program.js";
import type { ProbeResult } from "../../host/probe/result.js";
import { cellOf, nameOf } from "../../host/report/matrix.js";
import type { Output } from "../../host/report/output.js";
import { readRecorded } from "../../host/report/recorded-matrix.js";
import type { BootsLimits, BootsResult, ExploreResult, HangReport, PhaseCount } from "../../host/scenario/outcome.js";
import type { Row } from "../../host/scenario/rows.js";
import type { Scenario } from "../../host/scenario/scenario.js";
import { SEED_HANG } from "./report/events.js";

export const REPORT: HangReport = {
  cause: "kick-consumed-while-disabled",
  effect: "hang",
  curedByKick: true,
  phase: "reboot",
  boot: 3,
  positions: [
    { actor: "vcpu", waitsFor: "the word at RAM offset 0x102882 to change from 0, polling" },
    { actor: "control", waitsFor: "12 bytes from to-back-end, which has 0" },
    { actor: "data", waitsFor: "epoll, which watches q1.kick (count 0)" },
  ],
  ring: { queue: 1, availIdx: 1, usedIdx: 0, nextAvail: 0, ready: true, enabled: true, kickCount: 0 },
  lateMessage: "SET_VRING_ENABLE q1 num=1",
};

export const CLEAN: PhaseCount = { boots: 500, hangs: 0, effects: {}, otherHangs: {}, undecided: 0 };

/** Only the published pair hangs, 2 of 400 at first boot and 20 of 25 at reboot. */
export function hangingAsPublished(frontEnd: string, backEnd: string, trace: boolean): BootsResult {
  if (frontEnd !== "qemu-8.1" || backEnd !== "rust-0.10") {
    return { counts: { first: CLEAN, reboot: CLEAN }, hangs: [], seconds: 1 };
  }
  return {
    counts: {
      first: { ...CLEAN, boots: 400, hangs: 2, effects: { hang: 2 } },
      reboot: { ...CLEAN, boots: 25, hangs: 20, effects: { hang: 20 } },
    },
    hangs: [{ report: REPORT, events: trace ? SEED_HANG : [] }],
    seconds: 1,
  };
}

export const EXPLORED: ExploreResult = {
  verdict: "can",
  causes: ["kick-consumed-while-disabled"],
  complete: true,
  states: 528,
  transitions: 1212,
  executions: 77,
  operations: 9000,
  paths: "88123456789012345678901234567",
  ms: 73,
  hangs: [{ schedule: "ovmf:qemu-8.1:rust-0.10:driver-ok/v12c3w1", report: REPORT }],
  breaches: [],
};

/** Every cell as it is recorded in matrix.json. */
export async function asRecorded(scenarios: readonly Scenario[]): Promise<ExploreResult[]> {
  const recorded = new Map(readRecorded().map((cell) => [nameOf(cell), cell]));
  return scenarios.map((scenario) => {
    const cell = recorded.get(nameOf(cellOf(scenario, EXPLORED)))!;
    const hangs = cell.hangs.map(({ schedule, ...kind }) => ({ schedule, report: { ...REPORT, ...kind } }));
    const text = { text: "a rule", source: "virtio 1.4", section: "2.7" };
    const breaches = (cell.breaches ?? []).map((breach) => ({ ...breach, ...text }));
    return { ...cell, ms: 1, causes: [], hangs, breaches };
  });
}

/** A back-end that answers everything. */
export const PROBED: ProbeResult = {
  backEnd: "/run/back-end.sock",
  scenarios: [
    {
      id: "first/qemu-8.1",
      story: "first",
      frontEnd: "qemu-8.1",
      trials: 20,
      answered: 20,
      slow: 0,
      lost: 0,
      wedged: 0,
      broken: 0,
      rate: 0,
      ci95: [0, 0.16],
    },
  ],
  conformance: [
    { id: "features-reply", rule: "Get the features bitmask.", section: "GET_FEATURES", verdict: "PASS", seen: "" },
  ],
};

const notFaked = async (): Promise<never> => {
  throw new Error("an engine that this test does not expect to be used");
};

export interface Ran {
  readonly exitCode: number;
  readonly data: string;
  readonly talk: string;
}

/** Runs the command line in this process. */
export async function runWith(
  engines: Partial<Engines>,
  argv: readonly string[],
  { colors = false, columns = 120, input = [] as readonly Uint8Array[] } = {},
): Promise<Ran> {
  const written: Record<"data" | "talk", Uint8Array[]> = { data: [], talk: [] };
  const output: Output = {
    data: (chunk) => void written.data.push(Buffer.from(chunk)),
    talk: (chunk) => void written.talk.push(Buffer.from(chunk)),
    columns,
    colors: pc.createColors(colors),
    progress: undefined,
  };
  const all: Engines = {
    runBoots: notFaked,
    bootOnce: notFaked,
    explore: notFaked,
    exploreAll: notFaked,
    replay: notFaked,
    probe: notFaked,
    ...engines,
  };
  const exitCode = await run(argv, all, output, input);
  const text = (chunks: readonly Uint8Array[]): string => Buffer.concat(chunks).toString();
  return { exitCode, data: text(written.data), talk: text(written.talk) };
}

/** What threads count is as published. */
export const published: Pick<Engines, "runBoots"> = {
  runBoots: async (scenario, _limits, { trace = false }) =>
    hangingAsPublished(scenario.frontEnd, scenario.backEnd, trace),
};

/** Engines that note what they were asked to boot. */
export function recording(result: BootsResult = { counts: { first: CLEAN, reboot: CLEAN }, hangs: [], seconds: 1 }) {
  const asked: { scenario: Scenario; limits: BootsLimits; trace: boolean; stopAtHang: boolean; cold: Row["cold"] }[] =
    [];
  const runBoots: Engines["runBoots"] = async (scenario, limits, { trace = false, stopAtHang = false, cold }) => {
    asked.push({ scenario, limits, trace, stopAtHang, cold });
    return result;
  };
  return { asked, runBoots };
}
