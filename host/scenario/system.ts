// The only place where actors are put together: a scenario becomes shared memory, the machine, the front-end in its
// seat, the back-end in its seat, and the list of actors that an engine runs. Every thread builds the same system over
// the same buffers, and runs its own actor of it.

import { BackEnd, type RingServer, type RingServerParts } from "../../device/back-end/back-end.js";
import { controlPlane } from "../../device/back-end/control-plane.js";
import { restartingControlPlane } from "../../device/back-end/restart.js";
import { KERNEL, Kernel } from "../../device/back-end/kernel.js";
import { BACK_END_VARIANTS } from "../../device/back-end/variants.js";
import { userMemory } from "../../device/front-end/address-space.js";
import { CloudHypervisorFrontEnd } from "../../device/front-end/cloud-hypervisor.js";
import { DeviceCfg } from "../../device/front-end/device-cfg.js";
import { IoctlFrontEnd } from "../../device/front-end/ioctl.js";
import { FRONT_END_VARIANTS } from "../../device/front-end/variants.js";
import type { DeviceParts, Notifier, VhostDevice } from "../../device/front-end/vhost-device.js";
import { VhostUserFrontEnd, type VhostUserParts } from "../../device/front-end/vhost-user.js";
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
import { checkScript, SCRIPT } from "./catalog/index.js";
import type { FrontEndName } from "./occupants.js";
import { checkPair, type Scenario } from "./scenario.js";

/** hiprio and one request queue, QEMU's default num-request-queues; and its default queue-size. */
export const QUEUES = VIRTIO_FS_QUEUE_REQUEST + 1;
export const QUEUE_SIZE = 128;
const TAG = "share";
/** PCI base class and subclass: mass storage, other. */
const CLASS_STORAGE_OTHER = 0x0180;
const SLOT = 1;
/** Kick eventfds of a queue that can be alive at once: the one in use, and the last one until its GET_VRING_BASE. */
export const KICKS = 2;

/** An actor beside the vCPU: a thread that goes round for ever. */
export interface LoopActor {
  readonly name: string;
  /** Data-plane threads alone write guest RAM. */
  readonly plane: "control" | "data";
  readonly record: WaitRecord;
  /** One round: no local of it survives. @returns false when the thread's function has returned */
  round(): Actor<boolean>;
}

export const VCPU = "vcpu";

/** Front-end and back-end, and what runs beside the vCPU. */
interface Pair {
  readonly frontEnd: VhostDevice;
  readonly backEnd: RingServer;
  /** A round of the control plane; the kernel has none, its ioctls run in the vCPU's thread. */
  readonly control?: () => Actor<boolean>;
  /** A round of a data-plane thread. */
  readonly work: (worker: number) => Actor<boolean>;
  /** Where the front-end waits for replies. */
  readonly replies?: ByteStream;
}

export class System {
  readonly steering: Steering;
  readonly machine: Machine;
  readonly frontEnd: VhostDevice;
  readonly backEnd: RingServer;
  /** Where the front-end waits for replies, if it has a channel of messages. */
  readonly replies: ByteStream | undefined;
  readonly transport: VirtioPci;
  readonly vcpu: WaitRecord;
  /** The control plane if there is one, then data-plane threads. The vCPU is actor 0 of a schedule, these are 1, 2, … */
  readonly loops: readonly LoopActor[];
  /** Serves a request. A scheduler puts its own in this place: by the requests it recognises the server's state. */
  serve = (message: ScatterGather): number => this.#sessionOf(this.processesEnded).handle(message);
  readonly #backing: () => Backing;
  /** A note: how many of the back-end's processes have ended. It changes only while there is no data-plane thread. */
  readonly #ended: number;
  #session: { readonly fuse: FuseSession; readonly process: number } | undefined;

  /**
   * @param backing opens what is shared; called by the thread that serves the first request
   * @param note where the front-end's and the FUSE server's remarks go; absent: they are not made
   * @throws UserError for occupants that do not go with one another, or not with the script
   */
  constructor(
    readonly sync: SyncMemory,
    memory: WebAssembly.Memory,
    ring: RingExports,
    readonly scenario: Scenario,
    backing: () => Backing,
    note?: Note,
  ) {
    checkPair(scenario);
    checkScript(scenario);
    this.#backing = backing;
    this.steering = new Steering(sync);
    this.machine = new Machine(sync, memory);
    const descriptors = new Descriptors();
    const serving = scenario.backEnd === "kernel" ? KERNEL : BACK_END_VARIANTS[scenario.backEnd];

    const workers = serving.workers === "one" ? 1 : QUEUES;
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

    this.#ended = sync.allocateNotes(1);
    const server: Omit<RingServerParts, "variant"> = {
      sync,
      ram: this.machine.ram,
      descriptors,
      doorbells,
      events: queues,
      ring,
      // A reset of all others waits for GET_VRING_BASE, or its ioctl.
      exclusive: scenario.frontEnd !== "cloud-hypervisor",
      serve: (chain) => {
        const message = { memory: this.machine.ram.bytes, readable: chain.readable, writable: chain.writable };
        if (note) note("FUSE", describeRequest(message));
        return this.serve(message);
      },
    };
    const device: DeviceParts = {
      ram: this.machine.ram,
      notifiers: queues,
      config: deviceConfig(),
      queueSize: QUEUE_SIZE,
      kickCount: scenario.kickCount,
      eventIdx: scenario.eventIdx,
      inOrder: scenario.inOrder,
      ...(note && { note }),
    };
    const pair = pairOf(scenario, server, device, () => sync.setNote(this.#ended, this.processesEnded + 1));
    this.frontEnd = pair.frontEnd;
    this.backEnd = pair.backEnd;
    this.replies = pair.replies;
    if (note) this.backEnd.note = note;
    this.transport = plug(this.machine, this.frontEnd, scenario, note);

    this.vcpu = new WaitRecord(sync, VCPU);
    const loop = (name: string, plane: LoopActor["plane"], round: LoopActor["round"]): LoopActor => ({
      name,
      plane,
      record: new WaitRecord(sync, name),
      round,
    });
    this.loops = [
      ...(pair.control ? [loop("control", "control", pair.control)] : []),
      ...doorbells.map((_, worker) => {
        // With one a queue, the request queue's thread is the one that a timeline is about.
        const name = workers === 1 || worker === VIRTIO_FS_QUEUE_REQUEST ? "data" : `data-q${worker}`;
        return loop(name, "data", () => pair.work(worker));
      }),
    ];
  }

  /** Power on: the device connects to its back-end (realize), then the machine's first reset. */
  *powerOn(): Actor {
    yield* this.frontEnd.connect();
    yield* this.machine.reset();
  }

  /** The number of the back-end's process that is there, from 0. */
  get processesEnded(): number {
    return this.sync.note(this.#ended);
  }

  /** Closes what the FUSE server of this thread has open. */
  close(): void {
    this.#session?.fuse.close();
    this.#session = undefined;
  }

  /** A process begins without a session. */
  #sessionOf(process: number): FuseSession {
    if (this.#session?.process !== process) this.close();
    this.#session ??= { fuse: new FuseSession(this.#backing()), process };
    return this.#session.fuse;
  }
}

/**
 * Who sits in the two seats of a pair that checkPair has passed.
 * @param onEnd told when a process of the back-end has ended, where the script has another follow
 */
function pairOf(
  scenario: Scenario,
  server: Omit<RingServerParts, "variant">,
  device: DeviceParts,
  onEnd: () => void,
): Pair {
  const { sync, descriptors } = server;
  const socketFd = descriptors.add({ kind: "socket" });
  if (scenario.frontEnd === "ioctl" || scenario.backEnd === "kernel") {
    const kernel = new Kernel({ ...server, variant: KERNEL, userMemory: userMemory(server.ram) });
    const frontEnd = new IoctlFrontEnd({ ...device, vhost: kernel, tapFd: socketFd });
    return { frontEnd, backEnd: kernel, work: () => kernel.work() };
  }
  const toBackEnd = new ByteStream(sync, "to-back-end");
  const toFrontEnd = new ByteStream(sync, "to-front-end");
  const variant = BACK_END_VARIANTS[scenario.backEnd];
  const { restarts } = SCRIPT[scenario.script];
  const backEnd = new BackEnd({ ...server, variant, channel: new Channel(toFrontEnd, toBackEnd) });
  const channel = new Channel(toBackEnd, toFrontEnd);
  const parts = { ...device, channel, ramFd: descriptors.add({ kind: "memory" }), backendReqFd: socketFd };
  return {
    frontEnd: vhostUserFrontEnd(scenario.frontEnd, { ...parts, memory: scenario.memory }),
    backEnd,
    control: () => (restarts ? restartingControlPlane(backEnd, onEnd) : controlPlane(backEnd)),
    work: (worker) => variant.work(backEnd, worker),
    replies: toFrontEnd,
  };
}

/** Who sits in the front-end's seat, where its back-end is at the other end of a channel. */
export function vhostUserFrontEnd(
  name: Exclude<FrontEndName, "ioctl">,
  parts: Omit<VhostUserParts, "variant">,
): CloudHypervisorFrontEnd | VhostUserFrontEnd {
  if (name === "cloud-hypervisor") return new CloudHypervisorFrontEnd(parts);
  return new VhostUserFrontEnd({ ...parts, variant: FRONT_END_VARIANTS[name] });
}

/** Puts the front-end's device into the machine. */
export function plug(
  machine: Machine,
  frontEnd: VhostDevice,
  { enableAt }: Pick<Scenario, "enableAt">,
  note?: Note,
): VirtioPci {
  const transport = new VirtioPci(machine, frontEnd, {
    classDevice: CLASS_STORAGE_OTHER,
    enableAt,
    ...(note && { note }),
  });
  machine.plug(SLOT, transport);
  return transport;
}

/** struct virtio_fs_config: tag, num_request_queues. */
export function deviceConfig(): DeviceCfg {
  const bytes = new Uint8Array(VirtioFsConfig.SIZEOF);
  bytes.set(new TextEncoder().encode(TAG), VirtioFsConfig.TAG);
  new DataView(bytes.buffer).setUint32(VirtioFsConfig.NUM_REQUEST_QUEUES, QUEUES - 1, true);
  return new DeviceCfg(bytes);
}
