// What is played against a back-end: a script of the catalog, and an order of messages and kicks.

import type { ScriptName } from "../scenario/scenario.js";
import type { SocketFrontEnd } from "./machine.js";
import { asSent, kickOvertakes, kickWhileDisabled, type Order, racing, racingStop } from "./order.js";

export type StoryGuest = "ovmf" | "shell";
/** It sends FUSE_INIT and nothing else. */
export const GUEST_DEFAULT: StoryGuest = "ovmf";

export interface Story {
  /** In a line. */
  readonly about: string;
  /** By default GUEST_DEFAULT. */
  readonly guest?: StoryGuest;
  /** What the guest reads from its console. */
  readonly input?: string;
  readonly script: ScriptName;
  /** A new one for each trial. @param random numbers from 0 up to 1 */
  order(random: () => number): Order;
  /** With the front-ends that can have it so. */
  readonly frontEnds: readonly SocketFrontEnd[];
  /** So many times the trials of the others: it waits for a coincidence. */
  readonly times?: number;
}

export const SOCKET_FRONT_ENDS = [
  "qemu-7.1",
  "qemu-8.1",
  "qemu-8.2",
  "qemu-8.2-no-reply-ack",
  "cloud-hypervisor",
] as const satisfies readonly SocketFrontEnd[];

/** Who sends SET_VRING_ENABLE: since 7.2 all. */
const ENABLING = SOCKET_FRONT_ENDS.filter((name) => name !== "qemu-7.1");
const REQUESTS = 1000;
/** Longer than a thread takes to wake, so that either side can be first. */
const RACE_MICROS = 100;

export const STORIES = {
  "kick-before-enable": {
    about: "a first request, whose kick is taken before SET_VRING_ENABLE 1 comes",
    script: "first",
    order: () => kickOvertakes(1),
    frontEnds: ["qemu-8.1"], // the others wait for SET_VRING_ENABLE, or send none
  },
  "kick-before-enable-again": {
    about: "the same at the start after a reset",
    script: "reboot",
    order: () => kickOvertakes(2),
    frontEnds: ["qemu-8.1"],
  },
  first: {
    about: "a first start and a request, as the front-end does it",
    script: "first",
    order: () => asSent,
    frontEnds: SOCKET_FRONT_ENDS,
  },
  reboot: {
    about: "a reset with nothing in flight, and a second start",
    script: "reboot",
    order: () => asSent,
    frontEnds: SOCKET_FRONT_ENDS,
  },
  "reset-in-flight": {
    about: "a reset while a request is pending, and a second start",
    script: "reset-in-flight",
    order: kickWhileDisabled,
    frontEnds: ENABLING,
  },
  resume: {
    about: "stop and cont while a request is pending, whose kick is taken while the ring is disabled",
    script: "resume",
    order: kickWhileDisabled,
    frontEnds: ENABLING,
  },
  toggle: {
    about: "SET_VRING_ENABLE 0 and 1 around a kick, which is taken in between",
    script: "toggle",
    order: kickWhileDisabled,
    frontEnds: ENABLING,
  },
  requests: {
    about: `${REQUESTS} requests one after another, each with its kick, by Linux's driver with EVENT_IDX and interrupts`,
    guest: "shell",
    input: "df\n".repeat(REQUESTS), // a FUSE_STATFS each
    script: "first",
    order: () => asSent,
    frontEnds: ["qemu-8.2"],
  },
  race: {
    about: `two starts, each kick somewhere among the messages, with pauses of up to ${RACE_MICROS} us`,
    script: "reboot",
    order: (random) => racing(random, RACE_MICROS),
    frontEnds: ["qemu-7.1", "qemu-8.1"], // who waits for the answer does not race
    times: 5,
  },
  "stop-race": {
    about: `stop and cont as the first request is on its way: its kick up to ${RACE_MICROS} us before GET_VRING_BASE`,
    script: "resume",
    order: (random) => racingStop(random, RACE_MICROS),
    frontEnds: ENABLING.filter((name) => name !== "cloud-hypervisor"), // it sends no GET_VRING_BASE
    times: 5,
  },
} as const satisfies Record<string, Story>;

export type StoryName = keyof typeof STORIES;
export const STORY_NAMES = Object.keys(STORIES) as StoryName[];
