// QEMU's vhost-net: its ioctls in order (protocol.md 9, and 2.1 for what vhost_dev_start and vhost_dev_stop do for every
// vhost device). Read in part; that both queues of the lab's device are handled as a pair of vhost-net's is inferred.

import { describe, expect, it, test } from "vitest";
import { DeviceCfg } from "../../../device/front-end/device-cfg.js";
import { IoctlFrontEnd } from "../../../device/front-end/ioctl.js";
import { BackEndError } from "../../../device/front-end/vhost-device.js";
import type { VirtioDevice, VirtioTransport } from "../../../device/front-end/virtio-device.js";
import { VIRTIO_MSI_NO_VECTOR } from "../../../device/spec/virtio-pci.js";
import type { VhostIoctl } from "../../../device/spec/vhost.js";
import type { EventFd } from "../../../vm/sync/eventfd.js";
import type { Actor } from "../../../vm/sync/op.js";
import { AREAS, KernelRig } from "../kernel-rig.js";
import { run } from "../../vm/run.js";

const DRIVER_OK = 0x0f;

/** A driver's transport: ring 1 where the rig's driver has it; interrupts by the line, or by vectors that it has not set. */
class Transport implements VirtioTransport {
  device!: VirtioDevice;
  msixEnabled = false;
  status = 0;
  readonly driverFeatures = [0, 1] as const;
  readonly notifiers = new Map<number, EventFd>();
  needsReset = false;
  queues = [false, true].map((enabled) => this.queue(enabled));

  queue(enabled: boolean, desc = 0x8000_0000 + AREAS.desc) {
    const gpa = (lo: number) => ({ lo, hi: 0 });
    return {
      size: 4,
      enabled,
      msixVector: VIRTIO_MSI_NO_VECTOR,
      desc: gpa(desc),
      driver: gpa(0x8010_0800),
      device: gpa(0x8010_1000),
    };
  }

  assignNotifier(queue: number, eventfd: EventFd): void {
    this.notifiers.set(queue, eventfd);
  }

  deassignNotifier(queue: number): void {
    this.notifiers.delete(queue);
  }

  *setGuestNotifiers(calls: readonly unknown[]): Actor {
    if (!this.msixEnabled) for (const queue of calls.keys()) yield* this.device.maskCall(queue, false);
  }

  *clearGuestNotifiers(): Actor {
    if (!this.msixEnabled) for (const queue of this.queues.keys()) yield* this.device.maskCall(queue, true);
  }

  // biome-ignore lint/correctness/useYield: no interrupt follows here
  *setNeedsReset(): Actor {
    this.needsReset = true;
  }
}

function setUp() {
  const rig = new KernelRig();
  const log: string[] = [];
  const nameOf = (fd: number): string => {
    const object = rig.descriptors.get(fd);
    return object === undefined ? `${fd}` : "eventfd" in object ? object.eventfd.name : object.kind;
  };
  const line = (call: VhostIoctl): string => {
    const words: string[] = [call.request.replace("VHOST_", "")];
    if ("index" in call) words.push(`q${call.index}`);
    if ("num" in call) words.push(`${call.num}`);
    if ("fd" in call) words.push(nameOf(call.fd));
    if ("features" in call) words.push(`0x${call.features.toString(16)}`);
    if ("regions" in call)
      words.push(...call.regions.map(({ gpa, size }) => `0x${gpa.toString(16)}+0x${size.toString(16)}`));
    return words.join(" ");
  };
  const frontEnd = new IoctlFrontEnd({
    ram: rig.ram,
    notifiers: rig.queues,
    config: new DeviceCfg(new Uint8Array(40)),
    queueSize: 4,
    kickCount: 1,
    eventIdx: true,
    inOrder: false,
    tapFd: rig.tapFd,
    vhost: {
      ioctl: (call) => {
        log.push(line(call));
        return rig.kernel.ioctl(call);
      },
    },
  });
  const transport = new Transport();
  transport.device = frontEnd;
  const setStatus = (next: number): void => {
    const old = transport.status;
    transport.status = next;
    run(frontEnd.setStatus(old, next, transport));
  };
  return { rig, frontEnd, transport, setStatus, ioctls: () => log.splice(0) };
}

const CONNECT = [
  "SET_OWNER",
  "GET_FEATURES",
  "SET_VRING_CALL q0 q0.masked-call",
  "SET_VRING_ERR q0 q0.err",
  "SET_VRING_CALL q1 q1.masked-call",
  "SET_VRING_ERR q1 q1.err",
];
const HEAD = [
  "SET_VRING_CALL q0 q0.call",
  "SET_VRING_CALL q1 q1.call",
  "SET_FEATURES 0x100000000", // VERSION_1; bit 30 is vhost-user's
  "SET_MEM_TABLE 0x80000000+0xa0000 0x80100000+0x100000", // at every start
];
const ring = (q: number, { base = 0, kick = 0 } = {}) => [
  `SET_VRING_NUM q${q} 4`,
  `SET_VRING_BASE q${q} ${base}`,
  `SET_VRING_ADDR q${q}`,
  `SET_VRING_KICK q${q} q${q}.kick${kick}`,
];
const STOP = [
  "NET_SET_BACKEND q1 -1",
  "GET_VRING_BASE q1",
  "SET_VRING_CALL q0 q0.masked-call",
  "SET_VRING_CALL q1 q1.masked-call",
];

describe("in order", () => {
  test("the device is made", () => {
    const { frontEnd, ioctls } = setUp();
    run(frontEnd.connect());
    expect(ioctls()).toEqual(CONNECT);
    expect(frontEnd.offeredFeatures()).toEqual([0x3000_0000, 1]);
  });

  function connected() {
    const all = setUp();
    run(all.frontEnd.connect());
    all.ioctls();
    return all;
  }

  test("DRIVER_OK: features, memory, the ring, and last its backend, which starts it", () => {
    const { setStatus, ioctls } = connected();
    setStatus(DRIVER_OK);
    expect(ioctls()).toEqual([...HEAD, ...ring(1), "NET_SET_BACKEND q1 socket"]);
  });

  test("all queues: each ring's four, then each one's backend", () => {
    const { setStatus, ioctls, transport } = connected();
    transport.queues = [transport.queue(true), transport.queue(true)];
    setStatus(DRIVER_OK);
    const backends = ["NET_SET_BACKEND q0 socket", "NET_SET_BACKEND q1 socket"];
    expect(ioctls()).toEqual([...HEAD, ...ring(0), ...ring(1), ...backends]);
  });

  test("reset: backend -1, GET_VRING_BASE; the next start begins at 0, with a new eventfd", () => {
    const { frontEnd, transport, setStatus, ioctls, rig } = connected();
    setStatus(DRIVER_OK);
    rig.offer();
    rig.kick();
    rig.worker.run();
    expect(rig.usedIdx).toBe(1);
    ioctls();
    run(frontEnd.reset(transport));
    expect(ioctls()).toEqual(STOP);
    expect(transport.notifiers.size).toBe(0);
    transport.status = 0;
    setStatus(DRIVER_OK);
    expect(ioctls()).toEqual([...HEAD, ...ring(1, { kick: 1 }), "NET_SET_BACKEND q1 socket"]);
    run(frontEnd.reset(transport));
    ioctls();
    run(frontEnd.reset(transport));
    expect(ioctls()).toEqual([]);
  });

  test("stop and cont: BASE is what GET_VRING_BASE said", () => {
    const { frontEnd, transport, setStatus, ioctls, rig } = connected();
    setStatus(DRIVER_OK);
    rig.offer();
    rig.kick();
    rig.worker.run();
    ioctls();
    run(frontEnd.vmStop(transport));
    expect(ioctls()).toEqual(STOP);
    run(frontEnd.vmCont(transport, 0));
    expect(ioctls()).toEqual([...HEAD, ...ring(1, { base: 1, kick: 1 }), "NET_SET_BACKEND q1 socket"]);
  });

  test("a toggle takes the backend away and gives it back", () => {
    const { frontEnd, setStatus, ioctls } = connected();
    setStatus(DRIVER_OK);
    ioctls();
    run(frontEnd.toggle());
    expect(ioctls()).toEqual(["NET_SET_BACKEND q1 -1", "NET_SET_BACKEND q1 socket"]);
  });

  it("does not start, nor stop, a ring outside guest RAM (P2)", () => {
    const { setStatus, ioctls, transport } = connected();
    transport.queues = [transport.queue(false), transport.queue(true, 0x7000_0000)];
    setStatus(DRIVER_OK);
    expect(transport.needsReset).toBe(true);
    expect(ioctls()).toEqual(HEAD);
    setStatus(0x0b);
    expect(ioctls()).toEqual(STOP.slice(2));
  });

  test("with MSI-X a queue without a vector calls nobody", () => {
    const { setStatus, ioctls, transport } = connected();
    transport.msixEnabled = true;
    setStatus(DRIVER_OK);
    const started = [...ring(1), "SET_VRING_CALL q1 -1", "NET_SET_BACKEND q1 socket"];
    expect(ioctls()).toEqual([...HEAD.slice(2), ...started]);
  });

  it("in the queue_enable write: the first queue starts the device, a later one itself", () => {
    const { frontEnd, transport, ioctls } = connected();
    run(frontEnd.queueEnabled(1, transport));
    expect(ioctls()).toEqual([...HEAD, ...ring(1), "NET_SET_BACKEND q1 socket"]);
    transport.queues = [transport.queue(true), transport.queue(true)];
    run(frontEnd.queueEnabled(0, transport));
    expect(ioctls()).toEqual([...ring(0), "NET_SET_BACKEND q0 socket"]);
  });
});

test("an ioctl that fails ends the device, with its name and errno", () => {
  const { frontEnd, rig } = setUp();
  rig.ioctl({ request: "VHOST_SET_OWNER" });
  expect(() => run(frontEnd.connect())).toThrow(new BackEndError("VHOST_SET_OWNER: errno 16"));
});
