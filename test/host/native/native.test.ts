// The operating system's eventfds, sockets and memory behind the lab's own interfaces.

import { closeSync, ftruncateSync, readSync, writeSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BackEndError } from "../../../device/front-end/vhost-device.js";
import { NativeEventFd } from "../../../host/native/eventfd.js";
import { Libc } from "../../../host/native/libc.js";
import { NativeRam } from "../../../host/native/ram.js";
import { NativeSocket } from "../../../host/native/socket.js";
import { Received } from "../../../vm/sync/op.js";

const libc = await Libc.load();

describe("an eventfd", () => {
  let eventfd: NativeEventFd;
  beforeEach(() => {
    eventfd = new NativeEventFd(libc, "kick");
  });
  afterEach(() => eventfd.close());

  it("adds up what is written, and a read takes the whole count", () => {
    eventfd.add(1).attempt();
    eventfd.add(2).attempt();
    expect(eventfd.count()).toBe(3);
    expect(eventfd.read().attempt()).toBe(3);
    expect(eventfd.count()).toBe(0);
  });

  it("gives 0 where a read would say EAGAIN", () => {
    expect(eventfd.read().attempt()).toBe(0);
  });

  it("counts in hexadecimal, as fdinfo has it", () => {
    eventfd.add(27).attempt();
    expect(eventfd.count()).toBe(27);
  });

  it("is another one, born with a count, after create", () => {
    eventfd.add(5).attempt();
    eventfd.create(1).attempt();
    expect(eventfd.count()).toBe(1);
  });
});

describe("guest RAM", () => {
  const BYTES = 2 * 1024 * 1024;
  let ram: NativeRam;
  beforeEach(() => {
    ram = new NativeRam(libc, BYTES);
  });
  afterEach(() => ram.close());

  it("is what its file holds, both ways, to the last byte", () => {
    const bytes = new Uint8Array(ram.memory.buffer);
    const seen = Buffer.alloc(1);
    bytes[BYTES - 1] = 0x5a;
    readSync(ram.fd, seen, 0, 1, BYTES - 1);
    expect(seen[0]).toBe(0x5a);
    writeSync(ram.fd, Buffer.of(0xa5), 0, 1, 0);
    expect(bytes[0]).toBe(0xa5);
  });

  it("cannot be cut short or grown by whoever has the file", () => {
    expect(() => ftruncateSync(ram.fd, BYTES / 2)).toThrow("EPERM");
    expect(() => ftruncateSync(ram.fd, BYTES * 2)).toThrow("EPERM");
  });
});

describe("a socket", () => {
  const PATIENCE_MS = 1;
  let socket: NativeSocket;
  let peer: number;
  let said: string[];
  beforeEach(() => {
    const [ours, theirs] = libc.socketpair();
    socket = new NativeSocket(libc, ours, PATIENCE_MS);
    peer = theirs;
    said = [];
    socket.onSent = (message) => said.push(message);
  });
  afterEach(() => socket.close());

  const send = (...bytes: number[]): void => {
    socket.outgoing.send(Uint8Array.from(bytes), [], String(bytes)).attempt();
  };
  const atPeer = (): number[] => {
    const bytes = new Uint8Array(16);
    return [...bytes.subarray(0, libc.poll(peer, "in", 0) ? libc.receive(peer, bytes, 0) : 0)];
  };

  it("receives a length that comes in pieces", () => {
    for (const byte of [1, 2, 3]) writeSync(peer, Buffer.of(byte));
    expect(socket.incoming.receive(3).attempt()).toEqual(new Received(Uint8Array.of(1, 2, 3), []));
    closeSync(peer);
  });

  it("gives what is left, then nothing, once the peer has hung up", () => {
    writeSync(peer, Buffer.of(1));
    closeSync(peer);
    expect(socket.incoming.receive(3).attempt()).toEqual(new Received(Uint8Array.of(1), []));
    expect(socket.incoming.receive(3).attempt()).toEqual(new Received(new Uint8Array(), []));
  });

  it("waits no longer than its patience for a peer that says nothing, or only half", () => {
    expect(() => socket.incoming.receive(3).attempt()).toThrow(BackEndError);
    writeSync(peer, Buffer.of(1));
    expect(() => socket.incoming.receive(3).attempt()).toThrow(/silent for 1 ms/);
    closeSync(peer);
  });

  it("says in a line that the peer is gone", () => {
    closeSync(peer);
    expect(() => send(1)).toThrow(/connection has failed: EPIPE/);
  });

  it("keeps messages back from hold to release, in their order", () => {
    send(1);
    socket.hold();
    send(2);
    send(3);
    expect({ held: socket.held, said, bytes: atPeer() }).toEqual({ held: 2, said: ["1"], bytes: [1] });
    socket.release();
    expect({ held: socket.held, said, bytes: atPeer() }).toEqual({ held: 0, said: ["1", "2", "3"], bytes: [2, 3] });
    closeSync(peer);
  });

  it("keeps nothing back from a peer whose answer is awaited", () => {
    socket.hold();
    send(1);
    expect(() => socket.incoming.receive(1).attempt()).toThrow(BackEndError);
    expect(atPeer()).toEqual([1]);
    closeSync(peer);
  });

  it("knows whether it has been hung up", () => {
    expect(socket.hungUp(0)).toBe(false);
    writeSync(peer, Buffer.of(1));
    closeSync(peer);
    expect(socket.hungUp(0)).toBe(true);
  });
});
