// A scenario: which occupant sits in which seat, and which delays are injected. An engine runs it.

export const GUESTS = ["ovmf", "linux", "linux-probe", "shell"] as const;
export const FRONT_ENDS = ["qemu-8.1", "qemu-8.2"] as const;
export const BACK_ENDS = ["rekick", "rust-0.10", "c"] as const;

/** What the environment does to the machine: one file each under catalog/. */
export const SCRIPTS = ["first", "reboot", "reset-in-flight", "resume", "resume-uncharged", "toggle"] as const;

export type GuestName = (typeof GUESTS)[number];
export type FrontEndName = (typeof FRONT_ENDS)[number];
export type BackEndName = (typeof BACK_ENDS)[number];
export type ScriptName = (typeof SCRIPTS)[number];

/** A delay before one kind of op of one actor, on real threads. */
export interface Delay {
  readonly point: string;
  readonly micros: number;
}

export interface Scenario {
  readonly guest: GuestName;
  readonly frontEnd: FrontEndName;
  readonly backEnd: BackEndName;
  /** Where the ring messages leave: inside the DRIVER_OK write as QEMU does, or in the queue_enable write. */
  readonly enableAt: "driver-ok" | "queue-enable";
  readonly delays: readonly Delay[];
  readonly script: ScriptName;
}

/** `first`: the first boot of a new machine. `reboot`: after a machine reset. */
export type Phase = "first" | "reboot";

/** What is expected of a row: it hangs, it hangs less than the unmasked one, or it never hangs by the seed's cause. */
export type Expected = "hangs" | "masked" | "never";

/** The rows of `vhostlab hang`. */
export interface Row {
  readonly id: string;
  readonly expected: Expected;
  readonly scenario: Scenario;
}

const scenario = (frontEnd: FrontEndName, backEnd: BackEndName): Scenario => ({
  guest: "ovmf",
  frontEnd,
  backEnd,
  enableAt: "driver-ok",
  delays: [],
  script: "first",
});

/** The published bug, its published fix, the back-end that never had it, and our own. */
export const ROWS: readonly Row[] = [
  { id: "seed", expected: "hangs", scenario: scenario("qemu-8.1", "rust-0.10") },
  { id: "fix", expected: "never", scenario: scenario("qemu-8.2", "rust-0.10") },
  { id: "c", expected: "never", scenario: scenario("qemu-8.1", "c") },
  { id: "rekick", expected: "never", scenario: scenario("qemu-8.1", "rekick") },
];
