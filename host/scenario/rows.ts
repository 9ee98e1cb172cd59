// The rows of `vhostlab hang`: each claim of the mail that published the hang (L. Ersek, qemu-devel, August 2023), and
// of its review, as a scenario whose hangs are counted.

import type { Expected, Scenario } from "./scenario.js";
import { FRONT_END_DEFAULTS } from "./scenario.js";
import type { LoopActor } from "./system.js";

export interface Row {
  readonly id: string;
  /** What it shows, in a sentence. */
  readonly claim: string;
  readonly scenario: Scenario;
  /** Without it the row is counted, and nothing is claimed. */
  readonly expected?: Expected;
  /**
   * Threads of the back-end that are new with each machine, so that none of their code has run when it is powered on:
   * what a new process has, and a Worker that has served other machines has not.
   */
  readonly cold?: readonly LoopActor["plane"][];
}

const scenario = (change: Partial<Scenario>): Scenario => ({
  guest: "ovmf",
  frontEnd: "qemu-8.1",
  backEnd: "rust-0.10",
  ...FRONT_END_DEFAULTS,
  delays: [],
  script: "first",
  ...change,
});

/** The published bug; `masked` rows are held against it. */
export const SEED: Row = {
  id: "seed",
  claim: "OVMF hangs: rarely at first boot, almost certainly at a reboot",
  expected: "hangs",
  scenario: scenario({}),
};

/** The published bug, its published fix, the back-end that never had it, and our own. */
export const ROWS: readonly Row[] = [
  SEED,
  {
    id: "fix",
    claim: "NEED_REPLY on SET_VRING_ENABLE, waited for, prevents it",
    expected: "never",
    scenario: scenario({ frontEnd: "qemu-8.2" }),
  },
  {
    id: "c",
    claim: "the C virtiofsd takes no notice of SET_VRING_ENABLE: never",
    expected: "never",
    scenario: scenario({ backEnd: "c" }),
  },
  {
    id: "rekick",
    claim: "a back-end that leaves an early kick, and looks when enabled: never",
    expected: "never",
    scenario: scenario({ backEnd: "rekick" }),
  },
];

/**
 * The debug message of the mail, at the top of handle_event. It is to outlast what the control plane has still to do,
 * which takes longer in the lab than in a real back-end.
 */
const DEBUG_MESSAGE = { point: "before-handle-event", micros: 1000 };

/** Those, the other claims, and what the two rates of the first one could depend on. */
export const ALL_ROWS: readonly Row[] = [
  ...ROWS,
  {
    id: "fence",
    claim: "a GET_FEATURES exchange after SET_VRING_ENABLE prevents it as well",
    expected: "never",
    scenario: scenario({ frontEnd: "qemu-8.2-no-reply-ack" }),
  },
  {
    id: "ioctl",
    claim: "vhost-net is called by ioctls, which are synchronous: never",
    expected: "never",
    scenario: scenario({ frontEnd: "ioctl", backEnd: "kernel" }),
  },
  {
    id: "linux",
    claim: "Linux sends FUSE_INIT at a mount, long after the probe: masked",
    expected: "masked",
    scenario: scenario({ guest: "linux" }),
  },
  {
    id: "delay",
    claim: "a debug message (1 ms) at the top of handle_event: masked",
    expected: "masked",
    scenario: scenario({ delays: [DEBUG_MESSAGE] }),
  },
  {
    id: "table",
    claim: "seed, with a round trip (SET_MEM_TABLE) at reboots as at first boot",
    scenario: scenario({ memory: "table" }),
  },
  {
    id: "cold",
    claim: "seed, with a control thread new with each machine",
    scenario: scenario({}),
    cold: ["control"],
  },
  {
    id: "cold-table",
    claim: "seed, with both of these",
    scenario: scenario({ memory: "table" }),
    cold: ["control"],
  },
  {
    id: "process",
    claim: "seed, with a back-end new with each machine, as real ones are",
    scenario: scenario({}),
    cold: ["control", "data"],
  },
];
