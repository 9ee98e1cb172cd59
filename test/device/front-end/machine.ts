// A machine with a vhost-user-fs device, its back-end beside it, and a scripted guest: register accesses through the bus.
// Each access runs to its end, the back-end's threads in turn with it while it waits. What passes over the socket is
// written down as the front-end sees it.

import type { Variant } from "../../../device/back-end/back-end.js";
import { DeviceCfg } from "../../../device/front-end/device-cfg.js";
import { CloudHypervisorFrontEnd } from "../../../device/front-end/cloud-hypervisor.js";
import type { FrontEndVariant } from "../../../device/front-end/variants.js";
import type { VhostDevice } from "../../../device/front-end/vhost-device.js";
import { VhostUserFrontEnd, type VhostUserParts } from "../../../device/front-end/vhost-user.js";
import { VirtioPci, type VirtioPciOptions } from "../../../device/front-end/virtio-pci.js";
import { Channel } from "../../../device/vhost-user/channel.js";
import { encode, isRefused, type Message } from "../../../device/vhost-user/message.js";
import { Bus } from "../../../vm/bus.js";
import { HostBridge } from "../../../vm/pci/host-bridge.js";
import type { Actor } from "../../../vm/sync/op.js";
import { Rig } from "../back-end/rig.js";
import { settle, Thread } from "../thread.js";

// By hand: ECAM at 0x30000000, device 1 at + 0x8000; BAR 4 put at 0x40000000; structures a page each, common, ISR,
// device, notify.
const CONFIG = 0x3000_8000;
const BAR = 0x4000_0000;
export const COMMON = BAR;
export const NOTIFY = BAR + 0x3000;

/** Writes down each message when it has been sent, each reply when it has been read. */
class RecordingChannel extends Channel {
  readonly log: { readonly bytes: Uint8Array; readonly fds: readonly number[] }[] = [];

  override *send(message: Message): Actor {
    yield* super.send(message);
    this.log.push({ bytes: encode(message), fds: message.fds });
  }

  override *receive(replyTo?: number) {
    const message = yield* super.receive(replyTo);
    if (typeof message === "object" && !isRefused(message)) this.log.push({ bytes: encode(message), fds: message.fds });
    return message;
  }
}

export class Machine {
  readonly rig: Rig;
  readonly bus = new Bus();
  readonly channel: RecordingChannel;
  readonly frontEnd: VhostDevice;
  readonly pci: VirtioPci;
  readonly notes: string[] = [];
  readonly #bridge = new HostBridge(this.bus);

  constructor(
    frontEnd: FrontEndVariant | "cloud-hypervisor",
    backEnd: Variant,
    options: Partial<
      Pick<VhostUserParts, "queueSize" | "memory" | "kickCount" | "eventIdx" | "inOrder"> &
        Pick<VirtioPciOptions, "enableAt"> & { restarts: boolean }
    > = {},
  ) {
    this.rig = new Rig(backEnd, options.restarts);
    this.channel = new RecordingChannel(this.rig.toBackEnd, this.rig.toFrontEnd);
    const note = (name: string, detail: string): void => void this.notes.push(`${name}: ${detail}`);
    const parts = {
      channel: this.channel,
      ram: this.rig.ram,
      ramFd: this.rig.ramFd,
      backendReqFd: this.rig.socketFd,
      notifiers: this.rig.queues,
      config: new DeviceCfg(new Uint8Array(40)),
      queueSize: options.queueSize ?? 128, // QEMU's default
      kickCount: options.kickCount ?? 1, // 2.1: QEMU's
      eventIdx: options.eventIdx ?? true, // QEMU's default
      inOrder: options.inOrder ?? false, // QEMU's default
      note,
    };
    this.frontEnd =
      frontEnd === "cloud-hypervisor"
        ? new CloudHypervisorFrontEnd(parts)
        : new VhostUserFrontEnd({ ...parts, variant: frontEnd, memory: options.memory ?? "slots" });
    this.pci = new VirtioPci({ bus: this.bus, irq: this.rig.irq }, this.frontEnd, {
      classDevice: 0x0180,
      enableAt: options.enableAt ?? "driver-ok",
      note,
    });
    this.#bridge.plug(1, this.pci);
  }

  /** Runs an actor of the vCPU's thread to its end. */
  run<R>(actor: Actor<R>): R {
    let result!: R;
    const vcpu = new Thread(function* () {
      result = yield* actor;
    }, false);
    while (!vcpu.ended) {
      const moved = vcpu.run().length > 0;
      if (!vcpu.ended && !settle([this.rig.control, ...this.rig.workers]) && !moved)
        throw new Error(`nobody moves; the vCPU stands before ${vcpu.next}`);
    }
    return result;
  }

  connect(): void {
    this.run(this.frontEnd.connect());
  }

  /** Machine reset, then what firmware does: a place for the BAR, memory decoding and bus mastering on. */
  reset(): void {
    this.run(this.#bridge.reset());
  }

  placeBar(): void {
    this.write(CONFIG + 0x20, 4, BAR);
    this.write(CONFIG + 0x24, 4, 0);
    this.command(0x6);
  }

  /** The PCI command register: 2 memory decoding, 4 bus mastering. */
  command(value: number): void {
    this.write(CONFIG + 0x04, 2, value);
  }

  read(address: number, width: number): number {
    return this.run(this.bus.read(address, 0, width));
  }

  write(address: number, width: number, value: number): void {
    this.run(this.bus.write(address, 0, width, value));
  }

  status(value: number): void {
    this.write(COMMON + 20, 1, value);
  }

  /** protocol.md 7.2, rows 2 to 7: ACKNOWLEDGE, DRIVER, features (VERSION_1 and what is asked for), FEATURES_OK. */
  negotiate(low = 0): void {
    this.status(1);
    this.status(3);
    for (const [select, word] of [
      [0, low],
      [1, 1],
    ] as const) {
      this.write(COMMON + 8, 4, select);
      this.write(COMMON + 12, 4, word);
    }
    this.status(0x0b);
  }

  /** Rows 10 to 15: queue_select, queue_size read, the three addresses as two 32-bit writes each. */
  placeQueue(queue: number, gpas: { desc: number; driver: number; device: number }): void {
    this.write(COMMON + 22, 2, queue);
    this.read(COMMON + 24, 2);
    for (const [register, gpa] of [
      [32, gpas.desc],
      [40, gpas.driver],
      [48, gpas.device],
    ] as const) {
      this.write(COMMON + register, 4, gpa);
      this.write(COMMON + register + 4, 4, 0);
    }
  }

  /** Row 16. */
  enableQueue(): void {
    this.write(COMMON + 28, 2, 1);
  }

  /** Queue `queue` where the rig's driver has it. */
  addQueue(queue: number): void {
    const { desc, avail, used } = this.rig.areas(queue);
    this.placeQueue(queue, { desc: 0x8000_0000 + desc, driver: 0x8000_0000 + avail, device: 0x8000_0000 + used });
    this.enableQueue();
  }

  /** VirtioFsInit (7.2) after status = 0, up to and including DRIVER_OK: only queue 1. */
  start(): void {
    this.negotiate();
    this.addQueue(1);
    this.status(0x0f);
  }

  notify(queue: number): void {
    this.write(NOTIFY + 4 * queue, 2, queue);
  }

  settle(): void {
    this.rig.settle();
  }

  /** The messages since the last call, as lines: id, flags, size, payload, and a + for each descriptor. */
  messages(): string[] {
    return this.channel.log.splice(0).map(({ bytes, fds }) => this.#line(bytes, fds));
  }

  #line(bytes: Uint8Array, fds: readonly number[]): string {
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const [id, flags, size] = [0, 4, 8].map((at) => view.getUint32(at, true)) as [number, number, number];
    const body = payloadOf(id, flags, new DataView(bytes.buffer, bytes.byteOffset + 12));
    const names = fds.map((fd) => `+${this.#nameOf(fd)}`);
    return [`${id} 0x${flags.toString(16)} ${size}`, ...body, ...names].join(" ");
  }

  #nameOf(fd: number): string {
    const object = this.rig.descriptors.get(fd)!;
    return "eventfd" in object ? object.eventfd.name : object.kind;
  }
}

const hex = (value: bigint): string => `0x${value.toString(16)}`;
const IS_VRING_STATE = [8, 10, 11, 18];
const IS_VRING_FD = [12, 13, 14];

/** protocol.md 3: what the bytes after the header are. Front-end addresses (uaddr) are left out. */
function payloadOf(id: number, flags: number, body: DataView): string[] {
  const u32 = (at: number): number => body.getUint32(at, true);
  const u64 = (at: number): bigint => body.getBigUint64(at, true);
  const region = (at: number): string => `gpa=${hex(u64(at))} size=${hex(u64(at + 8))} offset=${hex(u64(at + 24))}`;
  if (body.byteLength === 0) return [];
  const isAck = (flags & 4) !== 0 && ![1, 11, 15, 17, 36].includes(id);
  if (isAck) return [`= ${u64(0)}`];
  if (IS_VRING_STATE.includes(id)) return [`q${u32(0)} ${u32(4)}`];
  if (IS_VRING_FD.includes(id)) return [`q${u64(0) & 0xffn}${u64(0) & 0x100n ? " no-fd" : ""}`];
  if (id === 9) return [`q${u32(0)} flags=${u32(4)} log=${u64(32)}`];
  if (id === 37) return [`pad=${u64(0)} ${region(8)}`];
  if (id === 5) return [`n=${u32(0)} pad=${u32(4)}`, ...Array.from({ length: u32(0) }, (_, i) => region(8 + 32 * i))];
  return [hex(u64(0))];
}
