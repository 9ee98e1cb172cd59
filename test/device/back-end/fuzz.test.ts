// Any sequence of vhost-user messages against every back-end, with kicks in between: well-formed messages, mostly sensible
// in what they say, one in eight with a byte changed on the way.

import fc from "fast-check";
import { expect, it } from "vitest";
import { BACK_END_VARIANTS } from "../../../device/back-end/variants.js";
import * as vu from "../../../device/spec/vhost-user.js";
import { encode, request, vringFd } from "../../../device/vhost-user/message.js";
import type { Payload } from "../../../device/vhost-user/payload.js";
import { FEATURES, GPA, perform, RAM_BYTES, Rig, UADDR } from "./rig.js";

const u64 = (value: bigint): Payload => ({ kind: "u64", value });

it.each(Object.entries(BACK_END_VARIANTS))(
  "%s: any sequence of messages ends in a served connection or a closed one, and nothing throws or spins",
  (_, variant) => {
    fc.assert(
      fc.property(fc.boolean(), fc.array(message(), { minLength: 1, maxLength: 30 }), (connected, messages) => {
        const all = new Rig(variant);
        if (connected) all.connect().start(1);
        for (const { id, payload, needReply, fds, cut, kicks } of messages) {
          if (all.control.ended) break;
          const descriptors = fds.map((name) => descriptorOf(all, name));
          const wire = encode(
            request(id, payload, { needReply, fds: payload.kind === "memoryTable" ? [all.ramFd] : descriptors }),
          );
          all.sendBytes(
            cut === 0 ? wire : wire.map((byte, i) => (i === cut % wire.length ? byte ^ 0xff : byte)),
            descriptors,
          );
          all.settle();
          for (const q of kicks) all.kick(q);
          all.settle();
          drain(all);
        }
        if (all.control.ended) return;
        // In the middle of a message that lied about its size it waits for the rest: then the end of file closes it.
        all.send(vu.VHOST_USER_GET_FEATURES);
        all.settle();
        if (drain(all)) return;
        all.hangUp();
        all.settle();
        expect(all.control.ended).toBe(true);
      }),
      { seed: 20250801, numRuns: 300 },
    );
  },
);

/** Reads away what the back-end has sent. @returns whether there was something */
function drain(all: Rig): boolean {
  const count = all.toFrontEnd.inFlight();
  if (count > 0) perform(all.toFrontEnd.receive(count));
  return count > 0;
}

const FD_NAMES = ["memory", "socket", "q0.kick0", "q0.kick1", "q1.kick0", "q1.kick1", "q1.call", "none"] as const;

function descriptorOf(all: Rig, name: (typeof FD_NAMES)[number]): number {
  const [queue, what] = name.split(".");
  if (name === "memory") return all.ramFd;
  if (name === "socket") return all.socketFd;
  if (name === "none") return 4711;
  const notifiers = all.queues[queue === "q0" ? 0 : 1]!;
  return what === "call" ? notifiers.call.fd : notifiers.kicks[what === "kick0" ? 0 : 1]!.fd;
}

interface Sent {
  readonly id: number;
  readonly payload: Payload;
  readonly needReply: boolean;
  readonly fds: readonly (typeof FD_NAMES)[number][];
  /** Which byte is inverted on the way; 0: none. */
  readonly cut: number;
  readonly kicks: readonly number[];
}

function message(): fc.Arbitrary<Sent> {
  const index = fc.constantFrom(0, 1, 1, 1, 2);
  const num = fc.constantFrom(0, 1, 1, 4, 4, 128, 32768, 0xffff_ffff);
  const state = fc.record({ kind: fc.constant("vringState" as const), index, num });
  const offset = fc.constantFrom(0x10_0000n, 0x10_8000n, 0x11_0000n, 0x12_0000n, 0x12_8000n, 0x13_0000n, 8n, 1n << 63n);
  const uaddr = offset.map((at) => (UADDR + at) & ((1n << 64n) - 1n));
  const addr = fc.record({
    kind: fc.constant("vringAddr" as const),
    index,
    flags: fc.constantFrom(0, 1),
    desc: uaddr,
    avail: uaddr,
    used: uaddr,
    log: fc.constant(0n),
  });
  const aRegion = fc.record({
    gpa: fc.constantFrom(GPA, 0n, GPA + 0x10_0000n),
    size: fc.constantFrom(BigInt(RAM_BYTES), 0x10_0000n, 1n),
    uaddr: fc.constantFrom(UADDR, UADDR + 0x10_0000n),
    offset: fc.constantFrom(0n, 0n, 0x10_0000n, 3n),
  });
  const features = fc.constantFrom(FEATURES, 0x1_7000_0000n, 0x1_0000_0000n, 0n, (1n << 64n) - 1n);
  const protocol = fc.constantFrom(0x8c2bn, 0x8429n, 0xa029n, 0x8029n, 0x8n, 0n, 1n << 63n);
  const fd = fc.constantFrom(...FD_NAMES);
  const one = fd.map((name) => [name]);
  const noFds = fc.constant([]);
  const toSend = (
    id: number,
    payload: fc.Arbitrary<Payload>,
    fds: fc.Arbitrary<readonly (typeof FD_NAMES)[number][]>,
  ) =>
    fc.record({
      id: fc.constant(id),
      payload,
      fds,
      needReply: fc.nat(9).map((n) => n > 0), // a failure without it ends the connection
      cut: fc.oneof({ weight: 7, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(60) }),
      kicks: fc.subarray([0, 1]),
    });
  const nothing = fc.constant<Payload>({ kind: "none" });
  const memory = aRegion.map((r): Payload => ({ kind: "memoryRegion", region: r }));
  const table = aRegion.map((r): Payload => ({ kind: "memoryTable", regions: [r] }));
  const ringFd = index.map((i) => vringFd(i, "fd"));
  const enable = index.chain((i) =>
    fc.constantFrom(0, 1).map((n): Payload => ({ kind: "vringState", index: i, num: n })),
  );
  return fc.oneof(
    toSend(vu.VHOST_USER_SET_PROTOCOL_FEATURES, protocol.map(u64), noFds),
    toSend(vu.VHOST_USER_SET_FEATURES, features.map(u64), noFds),
    toSend(vu.VHOST_USER_ADD_MEM_REG, memory, fc.constant(["memory"] as const)),
    toSend(vu.VHOST_USER_REM_MEM_REG, memory, noFds),
    toSend(vu.VHOST_USER_SET_MEM_TABLE, table, fc.constant(["memory"] as const)),
    toSend(vu.VHOST_USER_SET_VRING_NUM, state, noFds),
    toSend(vu.VHOST_USER_SET_VRING_BASE, state, noFds),
    toSend(vu.VHOST_USER_SET_VRING_ADDR, addr, noFds),
    ...[vu.VHOST_USER_SET_VRING_KICK, vu.VHOST_USER_SET_VRING_CALL, vu.VHOST_USER_SET_VRING_ERR].flatMap((id) => [
      toSend(id, ringFd, one),
      toSend(
        id,
        index.map((i) => vringFd(i, "no fd")),
        noFds,
      ),
    ]),
    toSend(vu.VHOST_USER_SET_VRING_ENABLE, enable, noFds),
    toSend(vu.VHOST_USER_GET_VRING_BASE, state, noFds),
    ...[
      vu.VHOST_USER_RESET_DEVICE,
      vu.VHOST_USER_RESET_OWNER,
      vu.VHOST_USER_GET_QUEUE_NUM,
      vu.VHOST_USER_GET_STATUS,
    ].map((id) => toSend(id, nothing, noFds)),
  );
}
