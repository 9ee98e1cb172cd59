// A scenario: which occupant sits in which seat, and which delays are injected. An engine runs it.

import { UserError } from "../errors.js";
import { BACK_ENDS, type BackEndName, FRONT_ENDS, type FrontEndName, type GuestName } from "./occupants.js";

/** What the environment does to the machine: one file each under catalog/. */
export const SCRIPTS = [
  "first",
  "reboot",
  "reset-in-flight",
  "resume",
  "resume-uncharged",
  "toggle",
  "two-queues",
  "reconnect",
] as const;

export type ScriptName = (typeof SCRIPTS)[number];

/** A delay before one kind of op of one actor, on real threads. */
export interface Delay {
  readonly point: string;
  readonly micros: number;
}

export const ENABLE_AT = ["driver-ok", "queue-enable"] as const;

/** What differs between front-ends, or between the back-ends they meet, within one occupant. */
export interface FrontEndOptions {
  /** Where the ring messages leave: inside the DRIVER_OK write as QEMU does, or in the queue_enable write. */
  readonly enableAt: (typeof ENABLE_AT)[number];
  /** Guest RAM is made known region by region, what is new; or as one table at every start. */
  readonly memory: "slots" | "table";
  /** What a kick eventfd is born with: 1 as QEMU's are, or 0. */
  readonly kickCount: 0 | 1;
  /** VIRTIO_F_EVENT_IDX is offered, where the back-end has it. A driver that does not know it does as before. */
  readonly eventIdx: boolean;
  /** VIRTIO_F_IN_ORDER is offered, where the back-end has it. Only guest `bench` takes it. */
  readonly inOrder: boolean;
}

/** As QEMU is with every back-end here. */
export const FRONT_END_DEFAULTS: FrontEndOptions = {
  enableAt: "driver-ok",
  memory: "slots",
  kickCount: 1,
  eventIdx: true,
  inOrder: false,
};

export interface Scenario extends FrontEndOptions {
  readonly guest: GuestName;
  readonly frontEnd: FrontEndName;
  readonly backEnd: BackEndName;
  readonly delays: readonly Delay[];
  readonly script: ScriptName;
}

export type Pair = Pick<Scenario, "frontEnd" | "backEnd">;

/** `ioctl` and `kernel` have no channel of messages, all others have nothing else. */
const goTogether = ({ frontEnd, backEnd }: Pair): boolean => (frontEnd === "ioctl") === (backEnd === "kernel");

export const PAIRS: readonly Pair[] = FRONT_ENDS.flatMap((frontEnd) =>
  BACK_ENDS.map((backEnd) => ({ frontEnd, backEnd })),
).filter(goTogether);

/** @throws UserError for a front-end and a back-end that do not go together */
export function checkPair({ frontEnd, backEnd }: Pair): void {
  if (goTogether({ frontEnd, backEnd })) return;
  throw new UserError(
    `front-end "${frontEnd}" does not pair with back-end "${backEnd}": "ioctl" and "kernel" go together`,
  );
}

/** `first`: the first boot of a new machine. `reboot`: after a machine reset. */
export type Phase = "first" | "reboot";

/** What is expected of a row: it hangs, it hangs less often than the unmasked one, or it never hangs by the seed's cause. */
export type Expected = "hangs" | "masked" | "never";
