// In which order messages and kicks reach a back-end. A front-end can hold both back, and sees in the kick eventfd's
// count when a kick has been taken: so it can force what the two channels of a real machine only do now and then.

import { VHOST_USER_GET_FEATURES } from "../../device/spec/vhost-user.js";
import type { Messenger } from "../../device/front-end/messenger.js";
import type { NativePerformer } from "../native/performer.js";
import type { Kick, ProbedMachine } from "./machine.js";

/** What an order acts on. */
export interface Reach {
  readonly machine: ProbedMachine;
  readonly performer: NativePerformer;
  readonly messenger: Messenger;
  /** Puts a line into the story of the trial. */
  say(line: string): void;
}

export interface Order {
  /** A message of the front-end is about to go. */
  message(detail: string, reach: Reach): void;
  /** The guest kicks: adds `n` to the eventfd now, or later. */
  kick(kick: Kick, n: number, reach: Reach): void;
  /** The guest has looked for its answer in vain. */
  waits(reach: Reach): void;
}

/**
 * How long a kick is given to be taken. A back-end that does not watch the eventfd while the ring is disabled never
 * takes it; then there is nothing to lose.
 */
const TAKEN_MS = 300;
const LOOK_MICROS = 100;

/** The first message about a ring that is started. */
const STARTS = /^SET_VRING_NUM /;
const ENABLES = /^SET_VRING_ENABLE q(\d+) num=1$/;
const STOPS = /^GET_VRING_BASE /;
const DISABLES = /^SET_VRING_ENABLE q(\d+) num=0$/;

/** As the front-end does it. */
export const asSent: Order = {
  message() {},
  kick: deliver,
  waits() {},
};

/**
 * From the device's `start`-th start on, SET_VRING_ENABLE and what follows it stay in the socket until the back-end has
 * taken the guest's kick.
 */
export function kickOvertakes(start: number): Order {
  let starts = 0;
  return {
    message(detail, { machine }) {
      if (detail.startsWith("SET_FEATURES")) starts++;
      if (starts >= start && ENABLES.test(detail)) machine.socket.hold();
    },
    kick(kick, n, reach) {
      deliver(kick, n, reach);
      if (reach.machine.socket.held === 0) return;
      awaitTaken(kick, reach);
      reach.machine.socket.release();
    },
    waits: ({ machine }) => machine.socket.release(),
  };
}

/**
 * The guest's first kick comes to the back-end while its ring is disabled: after SET_VRING_ENABLE 0 has been handled. It
 * and the count that an eventfd is born with are taken before SET_VRING_ENABLE 1 goes.
 */
export function kickWhileDisabled(): Order {
  let late: { readonly kick: Kick; readonly n: number } | undefined;
  let kicked = false;
  let disabled = false;
  const deliverLate = (reach: Reach): void => {
    if (!late) return;
    const { kick, n } = late;
    late = undefined;
    // Messages are handled in order: a fence, after which the ring is disabled.
    if (disabled) reach.performer.run(reach.messenger.get(VHOST_USER_GET_FEATURES));
    deliver(kick, n, reach);
    awaitTaken(kick, reach);
  };
  return {
    message(detail, reach) {
      if (disabled) deliverLate(reach);
      disabled ||= Number(DISABLES.exec(detail)?.[1] ?? -1) === late?.kick.queue;
      const queue = Number(ENABLES.exec(detail)?.[1] ?? -1);
      if (reach.machine.transport.queues[queue]?.enabled) awaitTaken(reach.machine.kick(queue), reach);
    },
    kick(kick, n, reach) {
      if (kicked) return deliver(kick, n, reach);
      kicked = true;
      late = { kick, n };
    },
    waits: deliverLate,
  };
}

/**
 * A ring is stopped as the guest's first kick comes: the kick, up to `most` microseconds, and GET_VRING_BASE.
 * @param random gives numbers from 0 up to 1
 */
export function racingStop(random: () => number, most: number): Order {
  let late: { readonly kick: Kick; readonly n: number } | undefined;
  let kicked = false;
  const deliverLate = (reach: Reach): void => {
    if (late) deliver(late.kick, late.n, reach);
    late = undefined;
  };
  return {
    message(detail, reach) {
      if (!STOPS.test(detail) || !late) return;
      deliverLate(reach);
      pause(random() * most);
    },
    kick(kick, n, reach) {
      if (kicked) return deliver(kick, n, reach);
      kicked = true;
      late = { kick, n };
    },
    waits: deliverLate,
  };
}

/**
 * The messages of a start and the guest's kick come at once: the kick somewhere among the messages, with pauses of up to
 * `most` microseconds between them. @param random gives numbers from 0 up to 1
 */
export function racing(random: () => number, most: number): Order {
  return {
    message(detail, { machine }) {
      if (STARTS.test(detail)) machine.socket.hold();
    },
    kick(kick, n, reach) {
      const { socket } = reach.machine;
      let before = Math.floor(random() * (socket.held + 1));
      if (socket.held === 0) return deliver(kick, n, reach);
      socket.release(() => {
        pause(random() * most);
        if (before-- === 0) deliver(kick, n, reach);
      });
    },
    waits: ({ machine }) => machine.socket.release(),
  };
}

/** Busy: shorter than what a sleep can be. */
function pause(micros: number): void {
  const end = performance.now() + micros / 1000;
  while (performance.now() < end);
}

function deliver(kick: Kick, n: number, { say }: Reach): void {
  kick.write(n);
  say(`kick ${kick.name}`);
}

function awaitTaken(kick: Kick, { machine, say }: Reach): void {
  const end = performance.now() + TAKEN_MS;
  while (kick.count() > 0 && performance.now() < end) machine.socket.libc.sleep(LOOK_MICROS);
  say(kick.count() > 0 ? `${kick.name} is not taken` : `${kick.name} is taken (eventfd-count 0)`);
}
