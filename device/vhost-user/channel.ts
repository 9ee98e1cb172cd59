// One end of a vhost-user connection: messages over two byte streams. What QEMU's vhost_user_write/vhost_user_read and
// rust-vmm's Endpoint are. The header is received apart from the body, as the real programs do.

import { type Actor, Op, type Result } from "../../vm/sync/op.js";
import type { ByteStream } from "../../vm/sync/socket.js";
import { VhostUserHeader } from "../spec/vhost-user.js";
import { decodeBody, decodeHeader, describe, encode, isRefused, type Message, type Refused } from "./message.js";

/** The two directions of a connection: of the machine's own, or of a real socket. */
export type Outgoing = Pick<ByteStream, "send" | "close" | "reopen" | "connected">;
export type Incoming = Pick<ByteStream, "receive" | "reopen">;

/** The peer has hung up between two messages. */
export const CLOSED = "closed";

/** What happens on a connection in one step: at its server's end, but for `send`, which is either's. */
export type ChannelStep =
  | { readonly does: "send"; readonly message: Message }
  | { readonly does: "receive request" }
  | { readonly does: "accept" };

/** An op on a connection; whoever holds its ends to the rules of the protocol sees what it is. */
export class ChannelOp<R extends Result = Result> extends Op<R> {
  constructor(
    readonly step: ChannelStep,
    op: Op<R>,
  ) {
    super(op.name, () => op.footprint, op.attempt, { ...op, order: () => op.order });
  }
}

export class Channel {
  constructor(
    readonly outgoing: Outgoing,
    readonly incoming: Incoming,
  ) {}

  *send(message: Message): Actor {
    yield* new ChannelOp(
      { does: "send", message },
      this.outgoing.send(encode(message), message.fds, describe(message)),
    );
  }

  /**
   * The next message, or why the connection cannot go on.
   * @param replyTo the request whose reply is awaited; without it, a request
   */
  *receive(replyTo?: number): Actor<Message | Refused | typeof CLOSED> {
    const receive = this.incoming.receive(VhostUserHeader.SIZEOF);
    const head = yield* replyTo === undefined ? new ChannelOp({ does: "receive request" }, receive) : receive;
    if (head.bytes.length === 0) return CLOSED;
    const header = decodeHeader(head.bytes, replyTo);
    if (isRefused(header)) return header;
    const body = header.size > 0 ? (yield* this.incoming.receive(header.size)).bytes : new Uint8Array();
    return decodeBody(header, body, head.fds);
  }

  /** The server's side of a new connection, in the place of the one that is closed. */
  *accept(): Actor {
    yield* new ChannelOp({ does: "accept" }, this.outgoing.reopen());
    yield* this.incoming.reopen();
  }

  /** The client's: waits until somebody accepts. */
  *connect(): Actor {
    yield* this.outgoing.connected();
  }

  /** Hangs up: the peer reads what is under way, then end of file. */
  *close(): Actor {
    yield* this.outgoing.close();
  }
}
