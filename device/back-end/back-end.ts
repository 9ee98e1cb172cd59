// Who serves rings: a vhost-user back-end process, or the kernel. What its control side and its data plane share lives in
// sync memory, out of the guest's reach and common to all threads: the state of the rings, and of the connection.

import type { GuestMemory } from "../../vm/memory.js";
import type { Descriptors } from "../../vm/sync/descriptors.js";
import type { Doorbell } from "../../vm/sync/doorbell.js";
import type { EventFd } from "../../vm/sync/eventfd.js";
import { Lock } from "../../vm/sync/lock.js";
import type { Actor } from "../../vm/sync/op.js";
import { SharedRecord } from "../../vm/sync/record.js";
import type { Note } from "../../vm/sync/trace.js";
import type { SyncMemory } from "../../vm/sync/words.js";
import { Word } from "../../vm/sync/words.js";
import type { Channel } from "../vhost-user/channel.js";
import type { Chain, RingExports } from "../virtqueue.js";
import { SharedMemTable } from "./mem-table.js";

/** What a back-end keeps of a ring. `kick`, `call`, `err` are descriptor numbers, 0 = none; areas are RAM offsets. */
const VRING_FIELDS = [
  "ready",
  "enabled",
  "kick",
  "call",
  "err",
  "size",
  "desc",
  "avail",
  "used",
  "nextAvail",
  "nextUsed",
  "eventIdx",
  "indirect",
  "broken",
] as const;
export type VringField = (typeof VRING_FIELDS)[number];
export type VringState = Readonly<Record<VringField, number>>;

export interface Vring {
  readonly index: number;
  readonly lock: Lock;
  readonly state: SharedRecord<VringField>;
  /** libvhost-user's queue thread: 1 while it exists. Of ring 0 elsewhere: 1 while the worker has been told to end. */
  readonly thread: Word;
}

const CONNECTION_FIELDS = ["features", "featuresHigh", "protocolFeatures"] as const;

/** How rings are served: what the data plane and whoever builds it have to know. */
export interface Serving {
  /** `dispatch`: one lock round every message (libvhost-user with virtiofsd's dispatch lock). `ring`: one a ring. */
  readonly locking: "dispatch" | "ring";
  /** Data-plane threads: one for all queues, or one a queue. */
  readonly workers: "one" | "one a queue";
  /** Without EVENT_IDX: signal every used buffer, or only where avail.flags does not say NO_INTERRUPT. */
  readonly callSuppression: "event-idx only" | "full";
}

/**
 * A released back-end's behaviour. One record an occupant; the control plane and the data plane call it where released
 * programs differ.
 */
export interface Variant extends Serving {
  /** The virtio features it offers, with bit 30. */
  readonly features: bigint;
  readonly protocolFeatures: bigint;
  /** The virtio features without which it refuses SET_FEATURES. */
  readonly demandedFeatures: bigint;
  /** With which message a ring takes over whether EVENT_IDX and INDIRECT_DESC were accepted. */
  readonly ringFeaturesAt: "SET_FEATURES" | "SET_VRING_BASE";
  setFeatures(backEnd: BackEnd, features: bigint): Actor;
  /** SET_VRING_KICK and SET_VRING_CALL, after validation; `fd` 0 = none (polling mode). */
  setKick(backEnd: BackEnd, ring: Vring, fd: number): Actor;
  /** Is SET_VRING_KICK for this ring, as it is now, an assertion that fails? Then the process aborts. Absent: never. */
  abortsAtKick?(backEnd: BackEnd, ring: Vring): Actor<boolean>;
  setCall(backEnd: BackEnd, ring: Vring, fd: number): Actor;
  setEnable(backEnd: BackEnd, ring: Vring, enable: boolean): Actor;
  /** GET_VRING_BASE: stops the ring. @returns its next avail index, or undefined when the request fails */
  stopRing(backEnd: BackEnd, ring: Vring): Actor<number | undefined>;
  resetOwner(backEnd: BackEnd): Actor;
  resetDevice(backEnd: BackEnd): Actor;
  /** The process ends in order, with its connection: its data-plane threads are told to, and joined. */
  endWorkers(backEnd: BackEnd): Actor;
  /** One round of a data-plane thread. @returns false when the thread's function has returned: it is gone */
  work(backEnd: BackEnd, worker: number): Actor<boolean>;
}

/** A slot of a doorbell. */
export interface Watched {
  readonly slot: number;
  readonly eventfd: EventFd;
}

/** The eventfds that a queue's data-plane thread may watch. */
export interface QueueEvents {
  readonly doorbell: Doorbell;
  /** Every kick eventfd that the front-end may hand over for this queue. */
  readonly kicks: readonly Watched[];
  /** libvhost-user's kill_fd, vhost-user-backend's exit event: by it the control plane ends the thread. */
  readonly kill: Watched;
}

export interface RingServerParts {
  readonly sync: SyncMemory;
  readonly ram: GuestMemory;
  readonly descriptors: Descriptors;
  /** One a data-plane thread: what it blocks on. */
  readonly doorbells: readonly Doorbell[];
  /** One a queue. */
  readonly events: readonly QueueEvents[];
  readonly variant: Serving;
  readonly ring: RingExports;
  /** As Virtqueue takes it. Not so where a front-end ends a device's reset while the device still serves. */
  readonly exclusive: boolean;
  /** The device behind the rings. @returns the bytes written into the chain's writable segments */
  readonly serve: (chain: Chain, queue: number, note: Note) => number;
}

export interface BackEndParts extends RingServerParts {
  readonly channel: Channel;
  readonly variant: Variant;
}

export class RingServer {
  readonly rings: readonly Vring[];
  readonly dispatch: Lock;
  readonly memory: SharedMemTable;
  /** Where remarks of the thread that is running go. */
  note: Note = () => {};
  /** Notes, one a ring: what became of the last count that a worker took out of its kick eventfd. For hang reports. */
  readonly #lastKick: number;

  constructor(readonly parts: RingServerParts) {
    const { sync, variant } = parts;
    this.#lastKick = sync.allocateNotes(parts.events.length);
    this.dispatch = new Lock(sync, "dispatch");
    this.memory = new SharedMemTable(sync, "mem-table", variant.locking === "dispatch" ? this.dispatch : undefined);
    this.rings = parts.events.map((_, index) => {
      const lock = new Lock(sync, `q${index}.lock`);
      const owner = variant.locking === "ring" ? lock : this.dispatch;
      return {
        index,
        lock,
        state: new SharedRecord(sync, `q${index}`, VRING_FIELDS, owner),
        thread: new Word(sync, `q${index}.thread`),
      };
    });
  }

  /** A setter of the control plane: takes and drops the ring's lock by itself, where rings have locks. */
  *set(ring: Vring, values: Partial<Record<VringField, number>>): Actor {
    if (this.parts.variant.locking === "ring") yield* ring.lock.lock();
    yield* ring.state.set(values);
    if (this.parts.variant.locking === "ring") yield* ring.lock.unlock();
  }

  /** The kick descriptor's eventfd with its doorbell, or undefined for 0 and for what is no eventfd. */
  kickOf(fd: number): (Watched & { readonly doorbell: Doorbell }) | undefined {
    const descriptor = this.parts.descriptors.get(fd);
    return descriptor?.kind === "kick" ? descriptor : undefined;
  }

  /** Writes 1 to a call or error descriptor, if it is an eventfd. */
  *signal(fd: number): Actor {
    const descriptor = this.parts.descriptors.get(fd);
    if (descriptor?.kind === "eventfd") yield* descriptor.eventfd.add(1);
  }

  /** Says that a worker took `count` out of a ring's kick eventfd and did not look at the ring. */
  kickDropped(ring: Vring, count: number): void {
    this.parts.sync.setNote(this.#lastKick + ring.index, KickFate.DROPPED);
    this.note("kick dropped", `q${ring.index}: count ${count} consumed while the ring is disabled`);
  }

  /** Says that a worker took the count and goes on to look at the ring. */
  kickTaken(ring: Vring): void {
    this.parts.sync.setNote(this.#lastKick + ring.index, KickFate.TAKEN);
  }

  kickFate(ring: Vring): KickFate {
    return this.parts.sync.note(this.#lastKick + ring.index);
  }
}

/** A vhost-user back-end process. */
export class BackEnd extends RingServer {
  readonly connection: SharedRecord<(typeof CONNECTION_FIELDS)[number]>;

  constructor(override readonly parts: BackEndParts) {
    super(parts);
    this.connection = new SharedRecord(parts.sync, "connection", CONNECTION_FIELDS, "one actor");
  }
}

export const enum KickFate {
  NONE = 0,
  DROPPED = 1,
  TAKEN = 2,
}
