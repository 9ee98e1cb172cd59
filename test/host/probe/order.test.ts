// The orders, over a socket pair whose other end the test reads: no back-end, no guest.

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Messenger } from "../../../device/front-end/messenger.js";
import { decodeHeader, isRefused, type Message, messageName, request } from "../../../device/vhost-user/message.js";
import * as vu from "../../../device/spec/vhost-user.js";
import { VhostUserHeader } from "../../../device/spec/vhost-user.js";
import { Channel } from "../../../device/vhost-user/channel.js";
import { Libc } from "../../../host/native/libc.js";
import { NativePerformer } from "../../../host/native/performer.js";
import { NativeRam } from "../../../host/native/ram.js";
import { NativeSocket } from "../../../host/native/socket.js";
import { ProbedMachine } from "../../../host/probe/machine.js";
import { kickOvertakes, type Order, racing, racingStop, type Reach } from "../../../host/probe/order.js";
import { QUEUES } from "../../../host/scenario/system.js";

const libc = await Libc.load();
const enable = (num: 0 | 1) => request(vu.VHOST_USER_SET_VRING_ENABLE, { kind: "vringState", index: 1, num });

let ram: NativeRam;
let peer: NativeSocket;
let reach: Reach;
let log: string[];

/** The order, between a machine and a peer that reads when it is told to. */
function set(order: Order): void {
  const [ours, theirs] = libc.socketpair();
  const socket = new NativeSocket(libc, ours, 1);
  peer = new NativeSocket(libc, theirs, 1);
  const machine = new ProbedMachine(libc, ram, socket, "qemu-8.1", QUEUES, (kick, n) => order.kick(kick, n, reach));
  const messenger = new Messenger(new Channel(socket.outgoing, socket.incoming));
  log = [];
  reach = { machine, messenger, performer: new NativePerformer(libc, "vcpu", () => 0), say: (line) => log.push(line) };
  socket.onMessage = (detail) => order.message(detail, reach);
}

beforeEach(() => {
  ram = new NativeRam(libc, 2 * 1024 * 1024);
});
afterEach(() => {
  reach.machine.close();
  peer.close();
  ram.close();
});

const send = (...messages: Message[]): void => {
  for (const message of messages) reach.performer.run(reach.messenger.channel.send(message));
};
const kick = (): void => void reach.machine.kick(1).add(1).attempt();

/** What the peer can read now: names of messages. */
function arrived(): string[] {
  const names: string[] = [];
  while (libc.poll(peer.fd, "in", 0)) {
    const header = decodeHeader(peer.incoming.receive(VhostUserHeader.SIZEOF).attempt()!.bytes);
    if (isRefused(header)) throw new Error(header.refused);
    if (header.size > 0) peer.incoming.receive(header.size).attempt();
    names.push(messageName(header.request));
  }
  return names;
}

const setFeatures = request(vu.VHOST_USER_SET_FEATURES, { kind: "u64", value: 0n });
const vringNum = request(vu.VHOST_USER_SET_VRING_NUM, { kind: "vringState", index: 1, num: 128 });

describe("kickOvertakes", () => {
  it("keeps SET_VRING_ENABLE 1 and what follows until the kick has been taken", () => {
    set(kickOvertakes(1));
    send(setFeatures, enable(1), vringNum);
    expect(arrived()).toEqual(["SET_FEATURES"]);
    kick(); // nobody takes it: it is given up after a while, which the log says
    expect(log).toEqual(["kick q1.kick", "q1.kick is not taken"]);
    expect(arrived()).toEqual(["SET_VRING_ENABLE", "SET_VRING_NUM"]);
  });

  it("keeps nothing before its start, nor SET_VRING_ENABLE 0", () => {
    set(kickOvertakes(2));
    send(setFeatures, enable(1), enable(0));
    expect(arrived()).toEqual(["SET_FEATURES", "SET_VRING_ENABLE", "SET_VRING_ENABLE"]);
    send(setFeatures, enable(1));
    expect(arrived()).toEqual(["SET_FEATURES"]);
  });
});

describe("racing", () => {
  it.each([
    [0, 0],
    [0.5, 1],
    [0.99, 2],
  ])("with the random number %d, the kick comes after %i of two messages", (random, before) => {
    set(racing(() => random, 0));
    let sent = 0;
    reach.machine.socket.onSent = () => {
      if (reach.machine.kick(1).count() === 0) sent++;
    };
    send(vringNum, enable(1));
    expect(arrived()).toEqual([]);
    kick();
    expect(sent).toBe(before);
    expect(arrived()).toEqual(["SET_VRING_NUM", "SET_VRING_ENABLE"]);
  });
});

describe("racingStop", () => {
  it("keeps the first kick until GET_VRING_BASE is about to go, and no other", () => {
    set(racingStop(() => 0, 0));
    send(vringNum);
    kick();
    expect(log).toEqual([]);
    send(request(vu.VHOST_USER_GET_VRING_BASE, { kind: "vringState", index: 1, num: 0 }));
    expect(log).toEqual(["kick q1.kick"]);
    kick();
    expect(log).toEqual(["kick q1.kick", "kick q1.kick"]);
  });

  it("keeps it no longer than until the guest has looked in vain", () => {
    const order = racingStop(() => 0, 0);
    set(order);
    kick();
    order.waits(reach);
    expect(log).toEqual(["kick q1.kick"]);
  });
});
