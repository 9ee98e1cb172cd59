// One end of a connection over byte streams: what the receiver makes of bytes however they come in (V8), and of
// descriptors that come with them.

import { describe, expect, it, test } from "vitest";
import {
  VHOST_USER_ADD_MEM_REG,
  VHOST_USER_GET_FEATURES,
  VHOST_USER_SET_OWNER,
} from "../../../device/spec/vhost-user.js";
import { Channel, CLOSED } from "../../../device/vhost-user/channel.js";
import { encode, type Message, reply, request } from "../../../device/vhost-user/message.js";
import type { Payload } from "../../../device/vhost-user/payload.js";
import { ByteStream } from "../../../vm/sync/socket.js";
import { SyncMemory } from "../../../vm/sync/words.js";
import { run } from "../../vm/run.js";
import { Thread } from "../thread.js";

const REGION: Payload = { kind: "memoryRegion", region: { gpa: 0x8000_0000n, size: 4096n, uaddr: 0n, offset: 0n } };

function pair() {
  const sync = SyncMemory.create();
  const there = new ByteStream(sync, "there");
  const back = new ByteStream(sync, "back");
  const write = (bytes: Uint8Array, fds: readonly number[] = []): void => {
    run(there.send(bytes, fds)[Symbol.iterator]());
  };
  const left = new Channel(there, back);
  const right = new Channel(back, there);
  /** A receiver that stands in the middle of what has come. */
  const receiving = (replyTo?: number) => {
    let result: unknown;
    const thread = new Thread(function* () {
      result = yield* right.receive(replyTo);
    }, false);
    return {
      now: () => {
        thread.run();
        return thread.ended ? result : "waiting";
      },
      thread,
    };
  };
  return { left, right, write, receiving };
}

test("a message comes out as it went in, with its descriptors", () => {
  const { left, right } = pair();
  const messages: Message[] = [
    request(VHOST_USER_SET_OWNER),
    request(VHOST_USER_ADD_MEM_REG, REGION, { needReply: true, fds: [7] }),
    request(VHOST_USER_GET_FEATURES),
  ];
  for (const message of messages) run(left.send(message));
  expect(messages.map(() => run(right.receive()))).toEqual(messages);
});

test("a reply is taken for the request that it answers only", () => {
  const answer = reply(VHOST_USER_GET_FEATURES, { kind: "u64", value: 5n });
  const good = pair();
  run(good.left.send(answer));
  expect(run(good.right.receive(VHOST_USER_GET_FEATURES))).toEqual(answer);
  const other = pair();
  run(other.left.send(answer));
  expect(run(other.right.receive(15))).toMatchObject({ refused: "reply to another request" });
});

describe("V8", () => {
  const message = request(VHOST_USER_ADD_MEM_REG, REGION, { fds: [7] });
  const bytes = encode(message);

  test.each([1, 11, 12, 13, 51])(
    "cut after byte %i, it is put together again; the descriptor comes with the first part",
    (at) => {
      const { write, receiving } = pair();
      const receiver = receiving();
      write(bytes.subarray(0, at), [7]);
      expect(receiver.now()).toBe("waiting");
      write(bytes.subarray(at));
      expect(receiver.now()).toEqual(message);
    },
  );

  test("two messages in one segment are two", () => {
    const { right, write } = pair();
    write(Uint8Array.from([...encode(request(VHOST_USER_SET_OWNER)), ...encode(request(VHOST_USER_GET_FEATURES))]));
    expect(run(right.receive())).toMatchObject({ request: VHOST_USER_SET_OWNER });
    expect(run(right.receive())).toMatchObject({ request: VHOST_USER_GET_FEATURES });
  });

  test.each([
    [0, CLOSED],
    [5, { refused: "header cut short", section: "Header" }],
    [12, { refused: "payload cut short", section: "Header" }],
    [51, { refused: "payload cut short", section: "Header" }],
  ])("end of file after %i bytes", (count, expected) => {
    const { left, write, receiving } = pair();
    const receiver = receiving();
    if (count > 0) write(bytes.subarray(0, count), [7]);
    expect(receiver.now()).toBe("waiting");
    run(left.close());
    expect(receiver.now()).toEqual(expected);
  });

  test("what was sent before the close is still received", () => {
    const { left, right } = pair();
    run(left.send(message));
    run(left.close());
    expect(run(right.receive())).toEqual(message);
    expect(run(right.receive())).toBe(CLOSED);
  });

  it("takes no more than the header of a message that it refuses", () => {
    const { write, receiving } = pair();
    const huge = bytes.slice(0, 12);
    new DataView(huge.buffer).setUint32(8, 0xffff_ffff, true);
    write(huge, [7]);
    const receiver = receiving();
    expect(receiver.now()).toMatchObject({ refused: "payload larger than 4096 bytes" });
    expect(receiver.thread.steps).toEqual(["there.receive"]);
  });
});

test("V9 a descriptor that comes with a body, apart from its header, is not taken for the message's", () => {
  const { write, receiving } = pair();
  const bytes = encode(request(VHOST_USER_ADD_MEM_REG, REGION, { fds: [7] }));
  write(bytes.subarray(0, 12));
  write(bytes.subarray(12), [7]);
  expect(receiving().now()).toMatchObject({ refused: "wrong number of file descriptors" });
});

test("descriptors of two messages in flight stay with their messages", () => {
  const { left, right } = pair();
  run(left.send(request(VHOST_USER_ADD_MEM_REG, REGION, { fds: [7] })));
  run(left.send(request(VHOST_USER_ADD_MEM_REG, REGION, { fds: [8] })));
  expect(run(right.receive())).toMatchObject({ fds: [7] });
  expect(run(right.receive())).toMatchObject({ fds: [8] });
});
