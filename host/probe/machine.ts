// A machine whose back-end is a real program: guest RAM that it maps, eventfds that it polls, a socket that it reads.
// Guest, transport and front-end are the lab's own. One machine a connection.

import { closeSync } from "node:fs";
import { placeRing } from "../../device/front-end/address-space.js";
import type { VhostDevice } from "../../device/front-end/vhost-device.js";
import type { VirtioPci } from "../../device/front-end/virtio-pci.js";
import { VirtqAvail, VirtqUsed } from "../../device/spec/virtq.js";
import { Channel } from "../../device/vhost-user/channel.js";
import { loadLe } from "../../vm/bus.js";
import type { Irqfd } from "../../vm/irq.js";
import { Machine } from "../../vm/machine.js";
import type { Actor } from "../../vm/sync/op.js";
import type { Note } from "../../vm/sync/trace.js";
import { SyncMemory } from "../../vm/sync/words.js";
import { NativeEventFd } from "../native/eventfd.js";
import type { Libc } from "../native/libc.js";
import type { NativeRam } from "../native/ram.js";
import type { NativeSocket } from "../native/socket.js";
import type { Powered } from "../scenario/catalog/script.js";
import type { FrontEndName } from "../scenario/occupants.js";
import { FRONT_END_DEFAULTS } from "../scenario/scenario.js";
import { deviceConfig, KICKS, plug, QUEUE_SIZE, vhostUserFrontEnd } from "../scenario/system.js";

/** A front-end that speaks over a socket. */
export type SocketFrontEnd = Exclude<FrontEndName, "ioctl">;

/** What a driver and a back-end have in common of one queue. */
export interface RingState {
  readonly queue: number;
  readonly availIdx: number;
  readonly usedIdx: number;
  /** Of the eventfd that the back-end has been given last. */
  readonly kickCount: number;
}

interface QueueEvents {
  readonly kicks: readonly Kick[];
  readonly call: { readonly fd: number; readonly eventfd: Irqfd; readonly native: NativeEventFd };
  readonly maskedCall: NativeEventFd;
  readonly err: NativeEventFd;
}

/** A kick eventfd that tells of the kicks of the guest, and when it was made. */
export class Kick extends NativeEventFd {
  static #births = 0;
  birth = 0;

  constructor(
    libc: Libc,
    readonly queue: number,
    /** Adds the count, now or later. */
    readonly deliver: (kick: Kick, n: number) => void,
  ) {
    super(libc, `q${queue}.kick`);
  }

  override create(initial: number) {
    this.birth = ++Kick.#births;
    return super.create(initial);
  }

  override add(n: number) {
    return this.op("add", `+${n}`, () => {
      this.deliver(this, n);
      return 0;
    });
  }
}

export class ProbedMachine implements Powered {
  readonly machine: Machine;
  readonly frontEnd: VhostDevice;
  readonly transport: VirtioPci;
  readonly #queues: readonly QueueEvents[];
  readonly #backendReq: readonly [number, number];

  /** @param kicked delivers the kicks of the guest */
  constructor(
    libc: Libc,
    readonly ram: NativeRam,
    readonly socket: NativeSocket,
    frontEnd: SocketFrontEnd,
    queues: number,
    kicked: (kick: Kick, n: number) => void,
    note?: Note,
  ) {
    this.machine = new Machine(SyncMemory.create(), ram.memory);
    this.#queues = Array.from({ length: queues }, (_, q) => {
      const native = new NativeEventFd(libc, `q${q}.call`);
      return {
        kicks: Array.from({ length: KICKS }, () => new Kick(libc, q, kicked)),
        call: { fd: native.fd, eventfd: this.machine.irq.irqfd(`q${q}.call`), native },
        maskedCall: new NativeEventFd(libc, `q${q}.masked-call`),
        err: new NativeEventFd(libc, `q${q}.err`),
      };
    });
    this.#backendReq = libc.socketpair();
    this.frontEnd = vhostUserFrontEnd(frontEnd, {
      ram: this.machine.ram,
      notifiers: this.#queues,
      config: deviceConfig(),
      queueSize: QUEUE_SIZE,
      kickCount: FRONT_END_DEFAULTS.kickCount,
      inOrder: false,
      eventIdx: FRONT_END_DEFAULTS.eventIdx,
      memory: FRONT_END_DEFAULTS.memory,
      channel: new Channel(socket.outgoing, socket.incoming),
      ramFd: ram.fd,
      backendReqFd: this.#backendReq[1],
      ...(note && { note }),
    });
    this.transport = plug(this.machine, this.frontEnd, FRONT_END_DEFAULTS, note);
  }

  *powerOn(): Actor {
    yield* this.frontEnd.connect();
    yield* this.machine.reset();
  }

  /** What KVM's irqfds do: counts of the call eventfds become pending interrupts. */
  takeCalls(): void {
    for (const { call } of this.#queues) {
      const count = call.native.take();
      if (count > 0) call.eventfd.add(count).attempt();
    }
  }

  /** The kick eventfd of a queue that the back-end has been given last. */
  kick(queue: number): Kick {
    return this.#queues[queue]!.kicks.reduce((last, kick) => (kick.birth > last.birth ? kick : last));
  }

  /** The queues that hold requests without an answer. */
  pending(): RingState[] {
    return this.transport.queues.flatMap((config, queue) => {
      const areas = config.enabled ? placeRing(this.machine.ram, queue, config.size, config) : undefined;
      if (!areas) return [];
      const { bytes } = this.machine.ram;
      const availIdx = loadLe(bytes, areas.avail + VirtqAvail.IDX, 2);
      const usedIdx = loadLe(bytes, areas.used + VirtqUsed.IDX, 2);
      return availIdx === usedIdx ? [] : [{ queue, availIdx, usedIdx, kickCount: this.kick(queue).count() }];
    });
  }

  close(): void {
    this.socket.close();
    for (const { kicks, call, maskedCall, err } of this.#queues)
      for (const eventfd of [...kicks, call.native, maskedCall, err]) eventfd.close();
    for (const fd of this.#backendReq) closeSync(fd);
  }
}
