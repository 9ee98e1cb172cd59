// The only place where actors are put together: a scenario becomes shared memory, the machine, the front-end in its
// seat, the back-end in its seat, and the list of actors that an engine runs. Every thread builds the same system over
// the same buffers, and runs its own actor of it.

import { BackEnd } from "../../device/back-end/back-end.js";
import { controlPlane } from "../../device/back-end/control-plane.js";
import { BACK_END_VARIANTS } from "../../device/back-end/variants.js";
import { DeviceCfg } from "../../device/front-end/device-cfg.js";
import { FRONT_END_VARIANTS } from "../../device/front-end/variants.js";
import { type Notifier, VhostUserFrontEnd } from "../../device/front-end/vhost-user.js";
import { VirtioPci } from "../../device/front-end/virtio-pci.js";
import type { Backing } from "../../device/fuse/backing/backing.js";
import { describeRequest } from "../../device/fuse/request.js";
import type { ScatterGather } from "../../device/fuse/scatter-gather.js";
import { FuseSession } from "../../device/fuse/session.js";
import { VIRTIO_FS_QUEUE_REQUEST, VirtioFsConfig } from "../../device/spec/virtio-fs.js";
import { Channel } from "../../device/vhost-user/channel.js";
import type { RingExports } from "../../device/virtqueue.js";
import { Machine } from "../../vm/machine.js";
import { Descriptors } from "../../vm/sync/descriptors.js";
import { Doorbell } from "../../vm/sync/doorbell.js";
import { EventFd } from "../../vm/sync/eventfd.js";
import type { Actor } from "../../vm/sync/op.js";
import { Steering, WaitRecord } from "../../vm/sync/perform.js";
import { ByteStream } from "../../vm/sync/socket.js";
import type { Note } from "../../vm/sync/trace.js";
import type { SyncMemory } from "../../vm/sync/words.js";
import type { Scenario } from "./scenario.js";

/** hiprio and one request queue, QEMU's default num-request-queues; and its default queue-size. */
const QUEUES = VIRTIO_FS_QUEUE_REQUEST + 1;
const QUEUE_SIZE = 128;
const TAG = "share";
/** PCI base class and subclass: mass storage, other. */
const CLASS_STORAGE_OTHER = 0x0180;
const SLOT = 1;
/** Kick eventfds of a queue that can be alive at once: the one in use, and the last one until its GET_VRING_BASE. */
const KICKS = 2;

/** An actor beside the vCPU: a thread that goes round for ever. */
export interface LoopActor {
  readonly name: string;
  readonly record: WaitRecord;
  /** One round: no local of it survives. @returns false when the thread's function has returned */
  round(): Actor<boolean>;
}

export const VCPU = "vcpu";

export class System {
  readonly steering: Steering;
  readonly machine: Machine;
  readonly frontEnd: VhostUserFrontEnd;
  readonly backEnd: BackEnd;
  readonly transport: VirtioPci;
  readonly vcpu: WaitRecord;
  /** Control plane first, then data-plane threads. The vCPU is actor 0 of a schedule, these are 1, 2, … */
  readonly loops: readonly LoopActor[];
  /** Told of each request before it is served: a scheduler recognises the server's state by them. */
  onRequest: ((message: ScatterGather) => void) | undefined;
  readonly #backing: () => Backing;
  #session: FuseSession | undefined;

  /**
   * @param backing opens what is shared; called by the thread that serves the first request
   * @param note where the front-end's and the FUSE server's remarks go; absent: they are not made
   */
  constructor(
    readonly sync: SyncMemory,
    memory: WebAssembly.Memory,
    ring: RingExports,
    readonly scenario: Scenario,
    backing: () => Backing,
    note?: Note,
  ) {
    this.#backing = backing;
    this.steering = new Steering(sync);
    this.machine = new Machine(sync, memory);
    const descriptors = new Descriptors();
    const toBackEnd = new ByteStream(sync, "to-back-end");
    const toFrontEnd = new ByteStream(sync, "to-front-end");
    const variant = BACK_END_VARIANTS[scenario.backEnd];

    const workers = variant.workers === "one" ? 1 : QUEUES;
    const doorbells = Array.from(
      { length: workers },
      (_, i) => new Doorbell(sync, workers === 1 ? "epoll" : `q${i}.poll`),
    );
    const queues = Array.from({ length: QUEUES }, (_, q) => {
      const doorbell = doorbells[workers === 1 ? 0 : q]!;
      const kicks = Array.from({ length: KICKS }, () => {
        const watched = doorbell.slot(`q${q}.kick`);
        return { ...watched, fd: descriptors.add({ kind: "kick", doorbell, ...watched }) };
      });
      const kill = doorbell.slot(`q${q}.kill`);
      const plain = (name: string): Notifier => {
        const eventfd = new EventFd(sync, `q${q}.${name}`);
        return { fd: descriptors.add({ kind: "eventfd", eventfd }), eventfd };
      };
      const eventfd = this.machine.irq.irqfd(`q${q}.call`);
      const call = { fd: descriptors.add({ kind: "eventfd", eventfd }), eventfd };
      return { doorbell, kicks, kill, call, maskedCall: plain("masked-call"), err: plain("err") };
    });

    this.backEnd = new BackEnd({
      sync,
      ram: this.machine.ram,
      channel: new Channel(toFrontEnd, toBackEnd),
      descriptors,
      doorbells,
      events: queues,
      variant,
      ring,
      serve: (chain) => {
        const message = { memory: this.machine.ram.bytes, readable: chain.readable, writable: chain.writable };
        this.onRequest?.(message);
        if (note) note("FUSE", describeRequest(message));
        return this.#served().handle(message);
      },
    });
    if (note) this.backEnd.note = note;
    this.frontEnd = new VhostUserFrontEnd({
      channel: new Channel(toBackEnd, toFrontEnd),
      ram: this.machine.ram,
      ramFd: descriptors.add({ kind: "memory" }),
      backendReqFd: descriptors.add({ kind: "socket" }),
      notifiers: queues,
      variant: FRONT_END_VARIANTS[scenario.frontEnd],
      memory: scenario.memory,
      kickCount: scenario.kickCount,
      config: deviceConfig(),
      queueSize: QUEUE_SIZE,
      ...(note && { note }),
    });
    this.transport = new VirtioPci(this.machine, this.frontEnd, {
      classDevice: CLASS_STORAGE_OTHER,
      enableAt: scenario.enableAt,
      ...(note && { note }),
    });
    this.machine.plug(SLOT, this.transport);

    this.vcpu = new WaitRecord(sync, VCPU);
    const control = new WaitRecord(sync, "control");
    this.loops = [
      { name: "control", record: control, round: () => controlPlane(this.backEnd) },
      ...doorbells.map((_, worker) => {
        // With one a queue, the request queue's thread is the one that a timeline is about.
        const name = workers === 1 || worker === VIRTIO_FS_QUEUE_REQUEST ? "data" : `data-q${worker}`;
        return { name, record: new WaitRecord(sync, name), round: () => variant.work(this.backEnd, worker) };
      }),
    ];
  }

  /** Power on: the device connects to its back-end (realize), then the machine's first reset. */
  *powerOn(): Actor {
    yield* this.frontEnd.connect();
    yield* this.machine.reset();
  }

  /** Closes what the FUSE server of this thread has open. */
  close(): void {
    this.#session?.close();
    this.#session = undefined;
  }

  #served(): FuseSession {
    this.#session ??= new FuseSession(this.#backing());
    return this.#session;
  }
}

/** struct virtio_fs_config: tag, num_request_queues. */
function deviceConfig(): DeviceCfg {
  const bytes = new Uint8Array(VirtioFsConfig.SIZEOF);
  bytes.set(new TextEncoder().encode(TAG), VirtioFsConfig.TAG);
  new DataView(bytes.buffer).setUint32(VirtioFsConfig.NUM_REQUEST_QUEUES, QUEUES - 1, true);
  return new DeviceCfg(bytes);
}
