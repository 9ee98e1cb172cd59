// The kernel's ioctls and its vhost worker, step by step: protocol.md 9, and drivers/vhost/{vhost,net}.c, of which an old
// version was read. Errors are the kernel's, by errno(3).

import { describe, expect, it, test } from "vitest";
import type { VhostIoctl } from "../../../device/spec/vhost.js";
import { KernelRig, SIZE } from "../kernel-rig.js";

const [EPERM, E2BIG, EBADF, EFAULT, EBUSY, EINVAL, EOPNOTSUPP, ENOBUFS] = [1, 7, 9, 14, 16, 22, 95, 105];
const held = (...steps: string[]) => ["q1.lock.lock", ...steps, "q1.lock.unlock"];
const running = (features?: bigint, count = 0): KernelRig => {
  const all = new KernelRig().configured(features);
  all.setKick(count);
  all.setBackend();
  all.worker.run();
  return all;
};

describe("ioctls run in the caller's thread, under the ring's mutex", () => {
  test("NUM, BASE", () => {
    const all = new KernelRig().configured();
    const num: VhostIoctl = { request: "VHOST_SET_VRING_NUM", index: 1, num: 8 };
    expect(all.steps(num)).toEqual(held("q1.enabled.load", "q1.store size=8"));
    const base: VhostIoctl = { request: "VHOST_SET_VRING_BASE", index: 1, num: 7 };
    expect(all.steps(base)).toEqual(held("q1.enabled.load", "q1.store nextAvail=7"));
    expect(all.ioctl({ request: "VHOST_GET_VRING_BASE", index: 1 })).toBe(7);
  });

  test("KICK: the new file is polled in the place of the old one, and once only", () => {
    const all = new KernelRig().configured();
    const [first, second] = all.queues[1]!.kicks;
    const set = (fd: number): VhostIoctl => ({ request: "VHOST_SET_VRING_KICK", index: 1, fd });
    const store = (fd: number, ready: number) => ["q1.kick.load", `q1.store kick=${fd} ready=${ready}`];
    expect(all.steps(set(first!.fd))).toEqual(held(...store(first!.fd, 1), "epoll.add q1.kick0"));
    expect(all.steps(set(first!.fd))).toEqual(held(...store(first!.fd, 1)));
    expect(all.steps(set(second!.fd))).toEqual(
      held(...store(second!.fd, 1), "epoll.del q1.kick0", "epoll.add q1.kick1"),
    );
    expect(all.steps(set(-1))).toEqual(held(...store(0, 0), "epoll.del q1.kick1"));
  });

  test("VHOST_NET_SET_BACKEND starts the ring: used.idx is taken over, and the work is queued", () => {
    const all = new KernelRig().configured();
    all.setKick(0);
    const steps = all.steps({ request: "VHOST_NET_SET_BACKEND", index: 1, fd: all.tapFd });
    expect(steps).toEqual(
      held(
        "q1.load",
        "mem-table.load",
        "q1.used.flags",
        "q1.used.idx.load",
        "q1.store enabled=1 nextUsed=0",
        "q1.kick0.add +1",
      ),
    );
  });

  test("its backend -1 stops it", () => {
    const all = running();
    const steps = all.steps({ request: "VHOST_NET_SET_BACKEND", index: 1, fd: -1 });
    expect(steps).toEqual(held("q1.store enabled=0"));
  });

  const index = 1;
  it.each<[string, number, VhostIoctl]>([
    ["a second owner", -EBUSY, { request: "VHOST_SET_OWNER" }],
    ["features it does not have: bit 30", -EOPNOTSUPP, { request: "VHOST_SET_FEATURES", features: 1n << 30n }],
    ["a ring it does not have", -ENOBUFS, { request: "VHOST_SET_VRING_NUM", index: 2, num: 4 }],
    ["a size of 0", -EINVAL, { request: "VHOST_SET_VRING_NUM", index, num: 0 }],
    ["a size that is no power of two", -EINVAL, { request: "VHOST_SET_VRING_NUM", index, num: 3 }],
    ["a base of 17 bits", -EINVAL, { request: "VHOST_SET_VRING_BASE", index, num: 0x1_0000 }],
    ["a kick that is no eventfd", -EBADF, { request: "VHOST_SET_VRING_KICK", index, fd: 999 }],
    ["a backend that is no socket", -EBADF, { request: "VHOST_NET_SET_BACKEND", index, fd: 999 }],
    ["a ring outside the caller's memory", -EFAULT, new KernelRig().addr({ desc: 0x10_0000n })],
    [
      "memory that the caller has not mapped",
      -EFAULT,
      { request: "VHOST_SET_MEM_TABLE", regions: [{ gpa: 0n, size: 4096n, uaddr: 0n }] },
    ],
    [
      "more regions than there can be",
      -E2BIG,
      { request: "VHOST_SET_MEM_TABLE", regions: Array(9).fill({ gpa: 0n, size: 1n, uaddr: 0x7f00_0000_0000n }) },
    ],
  ])("refuses %s", (_, errno, call) => {
    expect(new KernelRig().configured().ioctl(call)).toBe(errno);
  });

  it("refuses a caller that has not become the owner", () => {
    expect(new KernelRig().ioctl({ request: "VHOST_SET_VRING_NUM", index: 1, num: 4 })).toBe(-EPERM);
  });

  it("refuses to resize or move a ring with a backend, and a backend for a ring that is not set up", () => {
    const all = running();
    expect(all.ioctl({ request: "VHOST_SET_VRING_NUM", index: 1, num: 4 })).toBe(-EBUSY);
    expect(all.ioctl({ request: "VHOST_SET_VRING_BASE", index: 1, num: 0 })).toBe(-EBUSY);
    expect(all.ioctl({ request: "VHOST_NET_SET_BACKEND", index: 0, fd: all.tapFd })).toBe(-EFAULT);
  });
});

describe("the vhost worker", () => {
  test("clears QUEUED, takes the mutex, serves with notifications off until the ring stays empty", () => {
    const all = running();
    all.offer();
    all.kick();
    expect(all.worker.run()).toEqual([
      "epoll.wait",
      "q1.kick0.read",
      ...held(
        "q1.enabled.load",
        "q1.load",
        "mem-table.load",
        "q1.used.flags",
        "q1.load",
        "q1.avail.idx",
        "q1.chain",
        "q1.serve",
        "q1.used.element id 0 len 0",
        "q1.used.idx = 1",
        "q1.avail.flags",
        "q1.call.load",
        "q1.call.add +1",
        "q1.store nextAvail=1 nextUsed=1",
        "q1.nextAvail.load",
        "q1.used.flags",
        "q1.avail.idx",
      ),
    ]);
    expect(all.ioctl({ request: "VHOST_GET_VRING_BASE", index: 1 })).toBe(1);
  });

  it("used.flags says NO_NOTIFY only while it serves", () => {
    const all = running();
    const flags = () => all.view.getUint16(0x10_1000, true);
    const seen: number[] = [];
    all.onServe = () => seen.push(flags());
    all.offer();
    all.kick();
    all.worker.run();
    expect([...seen, flags()]).toEqual([1, 0]);
  });

  it("looks again after it allows notifications: an offer made without a kick meanwhile is served", () => {
    for (const features of [0x1_0000_0000n, 0x1_2000_0000n]) {
      const all = running(features);
      all.onServe = () => {
        all.onServe = () => {};
        all.offer();
      };
      all.offer();
      all.kick();
      all.worker.run();
      expect(all.usedIdx).toBe(2);
    }
  });

  it("does nothing with a ring that has no backend, and notes it", () => {
    const all = new KernelRig().configured();
    const notes: string[] = [];
    all.kernel.note = (name, detail) => notes.push(`${name}: ${detail}`);
    all.setKick(1);
    all.offer();
    expect(all.worker.run()).toEqual(["epoll.wait", "q1.kick0.read", ...held("q1.enabled.load")]);
    expect(notes).toEqual(["kick dropped: q1: count 1 consumed while the ring is disabled"]);
    all.setBackend(); // what was offered is looked at without a kick
    all.worker.run();
    expect(all.usedIdx).toBe(1);
  });

  it.each([0, 1])("an eventfd born with %i: a kick before the backend is not lost", (count) => {
    const all = new KernelRig().configured();
    all.setKick(count);
    all.offer();
    all.kick();
    all.worker.run();
    all.setBackend();
    all.worker.run();
    expect(all.usedIdx).toBe(1);
  });

  it("gives the mutex back after a ring's worth, and comes again", () => {
    const all = running();
    let offers = 0;
    all.onServe = () => void (offers++ < 2 * SIZE && all.offer());
    all.offer();
    all.kick();
    const unlocks = all.worker.run().filter((step) => step === "q1.lock.unlock");
    expect(all.usedIdx).toBe(2 * SIZE + 1);
    expect(unlocks.length).toBeGreaterThan(2);
  });

  it("is held off by an ioctl's mutex, and finds no backend after it", () => {
    const all = running();
    all.offer();
    all.kick();
    all.worker.run("q1.lock.lock");
    all.setBackend(-1);
    all.worker.run();
    expect(all.usedIdx).toBe(0);
  });

  it("stops at a ring that breaks a rule, signals its error eventfd, and serves it once it is set up anew", () => {
    const all = running();
    const { err } = all.queues[1]!;
    all.ioctl({ request: "VHOST_SET_VRING_ERR", index: 1, fd: err.fd });
    all.view.setUint16(0x10_0802, SIZE + 1, true); // avail.idx
    all.kick();
    all.worker.run();
    expect([err.eventfd.count(), all.usedIdx]).toEqual([1, 0]);
    all.view.setUint16(0x10_0802, 0, true);
    all.setBackend(-1);
    all.ioctl(all.addr());
    all.setBackend();
    all.offer();
    all.worker.run();
    expect(all.usedIdx).toBe(1);
  });
});
