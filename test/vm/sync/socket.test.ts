import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Received } from "../../../vm/sync/op.js";
import { ByteStream } from "../../../vm/sync/socket.js";
import { SyncMemory } from "../../../vm/sync/words.js";

const CAPACITY = 4096;
const FDS = 64;
/** The first words of a stream's block: the counters of bytes and of descriptors. */
const SENT = 0;
const RECEIVED = 1;
const FDS_SENT = 3;
const FDS_RECEIVED = 4;

/** A stream that has carried `bytes` bytes and `fds` descriptors before. */
function stream(bytes = 0, fds = 0): ByteStream {
  const memory = SyncMemory.create();
  const made = new ByteStream(memory, "to-back-end");
  for (const counter of [SENT, RECEIVED]) memory.store(counter, bytes);
  for (const counter of [FDS_SENT, FDS_RECEIVED]) memory.store(counter, fds);
  return made;
}

const keyOf = (of: ByteStream): string => {
  const key: number[] = [];
  of.fold(key);
  return key.join();
};

/** What is in flight, obviously right: each byte with the descriptors attached to it. */
interface InFlight {
  readonly byte: number;
  readonly fds: readonly number[];
}

const fdsOf = (list: readonly InFlight[]): number[] => list.flatMap(({ fds }) => fds);
const bytesOf = (list: readonly InFlight[]): number[] => list.map(({ byte }) => byte);

/** The same content in a new stream, sent byte by byte. */
function resent(content: readonly InFlight[], closed: boolean): ByteStream {
  const made = stream();
  for (const { byte, fds } of content) made.send(Uint8Array.of(byte), fds).attempt();
  if (closed) made.close().attempt();
  return made;
}

describe("ByteStream (a Unix stream socket with SCM_RIGHTS)", () => {
  it("agrees with an array of bytes, wherever in the buffer and at whatever count it is", () => {
    const length = fc.oneof(fc.nat(24), fc.constantFrom(1000, 2048, 4095, CAPACITY));
    const step = fc.oneof(
      fc.record({ do: fc.constant("send" as const), length, fds: fc.oneof(fc.nat(3), fc.constantFrom(32, FDS)) }),
      fc.record({ do: fc.constant("receive" as const), length }),
      fc.record({ do: fc.constant("fold" as const), length: fc.constant(0) }),
    );
    // A little below 2^32 the counters wrap; a little below 2^31 they turn negative.
    const start = fc.oneof(
      fc.constantFrom(0, -1, -7, -CAPACITY, 0x7fffffff, 0x7ffffff0),
      fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), start, start, fc.nat(80), (steps, bytes, fds, closeAt) => {
        const socket = stream(bytes, fds);
        const model: InFlight[] = [];
        let next = 0;
        let closed = false;
        for (const [i, step] of steps.entries()) {
          if (i === closeAt) {
            closed = true;
            socket.close().attempt();
          }
          if (step.do === "send" && !closed) {
            // Descriptors need a byte that they go with.
            const attached = Array.from({ length: step.length > 0 ? step.fds : 0 }, () => next++);
            const data = Uint8Array.from({ length: step.length }, () => next++ * 37);
            const fits = model.length + data.length <= CAPACITY && fdsOf(model).length + attached.length <= FDS;
            const op = socket.send(data, attached);
            expect(op.enabled()).toBe(fits);
            expect(op.attempt()).toBe(fits ? data.length : undefined);
            if (fits) model.push(...[...data].map((byte, at) => ({ byte, fds: at === 0 ? attached : [] })));
          }
          if (step.do === "receive") {
            const able = model.length >= step.length || closed;
            const op = socket.receive(step.length);
            expect(op.enabled()).toBe(able);
            const taken = able ? model.splice(0, step.length) : [];
            const expected = new Received(Uint8Array.from(bytesOf(taken)), fdsOf(taken));
            expect(op.attempt()).toEqual(able ? expected : undefined);
          }
          if (step.do === "fold") expect(keyOf(socket)).toBe(keyOf(resent(model, closed)));
          expect(socket.inFlight()).toBe(model.length);
        }
      }),
      { seed: 3, numRuns: 200 },
    );
  });

  it("equal keys are equal contents", () => {
    const content = fc.array(fc.record({ byte: fc.nat(1), fds: fc.array(fc.nat(1), { maxLength: 2 }) }), {
      maxLength: 3,
    });
    fc.assert(
      fc.property(content, content, fc.boolean(), fc.boolean(), (one, other, oneClosed, otherClosed) => {
        const equal = JSON.stringify([one, oneClosed]) === JSON.stringify([other, otherClosed]);
        expect(keyOf(resent(one, oneClosed)) === keyOf(resent(other, otherClosed))).toBe(equal);
      }),
      { seed: 4, numRuns: 300 },
    );
  });

  it("gives descriptors with the byte that they were sent with, not before", () => {
    const socket = stream();
    socket.send(Uint8Array.of(1, 2, 3), [10, 11]).attempt();
    socket.send(Uint8Array.of(4, 5), [12]).attempt();
    expect(socket.receive(1).attempt()).toEqual(new Received(Uint8Array.of(1), [10, 11]));
    expect(socket.receive(2).attempt()).toEqual(new Received(Uint8Array.of(2, 3), []));
    expect(socket.receive(2).attempt()).toEqual(new Received(Uint8Array.of(4, 5), [12]));
  });

  it.each([0xffffffff, 0x7fffffff])("does so also where the counters go on from %d", (last) => {
    const socket = stream(last, last);
    socket.send(Uint8Array.of(1, 2), [10]).attempt();
    socket.send(Uint8Array.of(3), [11]).attempt();
    expect(socket.receive(1).attempt()).toEqual(new Received(Uint8Array.of(1), [10]));
    socket.send(Uint8Array.of(4), [12]).attempt();
    expect(socket.receive(2).attempt()).toEqual(new Received(Uint8Array.of(2, 3), [11]));
    expect(socket.receive(1).attempt()).toEqual(new Received(Uint8Array.of(4), [12]));
  });

  it("after close gives what is left, even if it is too little, then end of file", () => {
    const socket = stream();
    socket.send(Uint8Array.of(1, 2, 3)).attempt();
    expect(socket.receive(12).attempt()).toBeUndefined();
    socket.close().attempt();
    expect(socket.receive(12).attempt()).toEqual(new Received(Uint8Array.of(1, 2, 3), []));
    expect(socket.receive(12).attempt()).toEqual(new Received(new Uint8Array(), []));
  });

  it("reopened has nothing left of the connection before; who connects waits for that", () => {
    const socket = stream();
    expect(socket.connected().attempt()).toBe(0);
    socket.send(Uint8Array.of(1, 2, 3), [10]).attempt();
    socket.close().attempt();
    expect([socket.connected().enabled(), socket.connected().attempt()]).toEqual([false, undefined]);
    socket.reopen().attempt();
    expect(socket.connected().attempt()).toBe(0);
    expect(keyOf(socket)).toBe(keyOf(stream()));
    socket.send(Uint8Array.of(4), [11]).attempt();
    expect(socket.receive(1).attempt()).toEqual(new Received(Uint8Array.of(4), [11]));
  });

  it("blocks a sender when the descriptors do not fit, though the bytes would", () => {
    const socket = stream();
    for (let i = 0; i < FDS; i++) socket.send(Uint8Array.of(i), [i]).attempt();
    const op = socket.send(Uint8Array.of(FDS), [FDS]);
    expect([op.enabled(), op.attempt()]).toEqual([false, undefined]);
    expect(socket.send(Uint8Array.of(0)).enabled()).toBe(true);
    expect(socket.receive(1).attempt()).toEqual(new Received(Uint8Array.of(0), [0]));
    expect([op.enabled(), op.attempt()]).toEqual([true, 1]);
  });

  it("refuses our own mistake: a message that can never fit", () => {
    expect(() => stream().send(new Uint8Array(CAPACITY + 1))).toThrow("a message of 4097 bytes");
    expect(() => stream().send(new Uint8Array(1), Array(FDS + 1).fill(3))).toThrow("65 descriptors");
  });

  it("says what is waited for", () => {
    const socket = stream();
    socket.send(Uint8Array.of(1)).attempt();
    expect(socket.describe(12, 0)).toBe("12 bytes from to-back-end, which has 1");
    expect(socket.describe(4096, 1)).toBe("room for 4096 bytes in to-back-end");
    const { on, a, b } = socket.connected().blocks!;
    expect(on.describe(a, b)).toBe("somebody to accept to-back-end");
  });
});
