// A kernel that serves two rings, guest RAM, and the test in the seats of the VMM that calls it and of the driver.

import { KERNEL, Kernel } from "../../device/back-end/kernel.js";
import type { VhostIoctl } from "../../device/spec/vhost.js";
import { VIRTQ_DESC_F_NEXT, VIRTQ_DESC_F_WRITE } from "../../device/spec/virtq.js";
import { InterruptController } from "../../vm/irq.js";
import { GuestMemory } from "../../vm/memory.js";
import { RegionTable } from "../../vm/regions.js";
import { Descriptors } from "../../vm/sync/descriptors.js";
import { Doorbell } from "../../vm/sync/doorbell.js";
import { EventFd } from "../../vm/sync/eventfd.js";
import { SyncMemory } from "../../vm/sync/words.js";
import { instantiateRing } from "../driver/wasm.js";
import { run } from "../vm/run.js";
import { Thread } from "./thread.js";

const RAM_BYTES = 2 * 1024 * 1024;
/** Guest RAM in the VMM: at 0x7f0000000000 and nowhere else. */
export const UADDR = 0x7f00_0000_0000n;
export const GPA = 0x8000_0000n;
export const SIZE = 4;
/** Offsets of a ring of 4 entries. */
export const AREAS = { desc: 0x10_0000, avail: 0x10_0800, used: 0x10_1000, buffers: 0x10_2000 };

export class KernelRig {
  readonly sync = SyncMemory.create();
  readonly irq = new InterruptController(this.sync);
  readonly memory = GuestMemory.allocate(RAM_BYTES);
  readonly ram = new GuestMemory(this.memory, this.sync);
  readonly view = new DataView(this.memory.buffer);
  readonly descriptors = new Descriptors();
  readonly doorbell = new Doorbell(this.sync, "epoll");
  readonly queues = [0, 1].map((q) => {
    const described = <E extends EventFd>(eventfd: E) => ({
      eventfd,
      fd: this.descriptors.add({ kind: "eventfd", eventfd }),
    });
    const plain = (name: string) => described(new EventFd(this.sync, `q${q}.${name}`));
    const kicks = [0, 1].map((g) => {
      const watched = this.doorbell.slot(`q${q}.kick${g}`);
      return { ...watched, fd: this.descriptors.add({ kind: "kick", doorbell: this.doorbell, ...watched }) };
    });
    const kill = this.doorbell.slot(`q${q}.kill`);
    return {
      doorbell: this.doorbell,
      kicks,
      kill,
      call: described(this.irq.irqfd(`q${q}.call`)),
      maskedCall: plain("masked-call"),
      err: plain("err"),
    };
  });
  readonly tapFd = this.descriptors.add({ kind: "socket" });
  readonly kernel = new Kernel({
    sync: this.sync,
    ram: this.ram,
    descriptors: this.descriptors,
    doorbells: [this.doorbell],
    events: this.queues,
    variant: KERNEL,
    ring: instantiateRing(this.memory),
    exclusive: true,
    serve: () => {
      this.onServe();
      return 0;
    },
    userMemory: new RegionTable([{ lo: 0, hi: 0x7f00, size: RAM_BYTES, offset: 0 }]),
  });
  readonly worker = new Thread(() => this.kernel.work(), true);
  /** Called while a chain is being served. */
  onServe: () => void = () => {};

  ioctl(call: VhostIoctl): number {
    return run(this.kernel.ioctl(call));
  }

  /** Its steps, with the ring's mutex among them. */
  steps(call: VhostIoctl): string[] {
    const vcpu = new Thread(() => this.kernel.ioctl(call), false);
    return vcpu.run();
  }

  /** Everything up to SET_VRING_ADDR of ring 1. */
  configured(features = 0x1_0000_0000n): this {
    this.ioctl({ request: "VHOST_SET_OWNER" });
    this.ioctl({ request: "VHOST_SET_FEATURES", features });
    this.ioctl({ request: "VHOST_SET_MEM_TABLE", regions: [{ gpa: GPA, size: BigInt(RAM_BYTES), uaddr: UADDR }] });
    this.ioctl({ request: "VHOST_SET_VRING_NUM", index: 1, num: SIZE });
    this.ioctl({ request: "VHOST_SET_VRING_BASE", index: 1, num: 0 });
    this.ioctl(this.addr());
    this.ioctl({ request: "VHOST_SET_VRING_CALL", index: 1, fd: this.queues[1]!.call.fd });
    return this;
  }

  addr(change: { desc?: bigint } = {}): VhostIoctl {
    const at = (offset: number) => UADDR + BigInt(offset);
    const { desc, avail, used } = AREAS;
    const areas = { desc: at(desc), used: at(used), avail: at(avail), ...change };
    return { request: "VHOST_SET_VRING_ADDR", index: 1, flags: 0, log: 0n, ...areas };
  }

  setKick(count: number, generation = 0): number {
    const { eventfd, fd } = this.queues[1]!.kicks[generation]!;
    run(eventfd.create(count)[Symbol.iterator]());
    return this.ioctl({ request: "VHOST_SET_VRING_KICK", index: 1, fd });
  }

  setBackend(fd = this.tapFd): number {
    return this.ioctl({ request: "VHOST_NET_SET_BACKEND", index: 1, fd });
  }

  kick(generation = 0): void {
    run(this.queues[1]!.kicks[generation]!.eventfd.add(1)[Symbol.iterator]());
  }

  /** Descriptors 0 and 1, 8 bytes to read and 8 to write, put into the next avail ring entry. */
  offer(): void {
    const { desc, avail, buffers } = AREAS;
    for (const [index, flags] of [VIRTQ_DESC_F_NEXT, VIRTQ_DESC_F_WRITE].entries()) {
      this.view.setBigUint64(desc + 16 * index, GPA + BigInt(buffers + 8 * index), true);
      this.view.setUint32(desc + 16 * index + 8, 8, true);
      this.view.setUint16(desc + 16 * index + 12, flags, true);
      this.view.setUint16(desc + 16 * index + 14, 1, true);
    }
    const idx = this.view.getUint16(avail + 2, true);
    this.view.setUint16(avail + 4 + 2 * (idx % SIZE), 0, true);
    this.view.setUint16(avail + 2, idx + 1, true);
  }

  get usedIdx(): number {
    return this.view.getUint16(AREAS.used + 2, true);
  }
}
