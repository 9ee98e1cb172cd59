// One entry of the dispatch table.

import type { Failed } from "../failed.js";
import type { Reply } from "../reply.js";
import type { Request } from "../request.js";
import type { FuseSession } from "../session.js";

/** An operation with a reply. */
export interface Answered {
  /**
   * Size of the reply's fixed body in bytes. Room for it is checked before the operation runs, so that nothing is done
   * of which the guest would never hear. Bodies that adapt to the room have 0 here.
   */
  readonly body: number;
  /** Writes the body; returns 0, or -errno, which drops what it has written. */
  serve(session: FuseSession, request: Request, reply: Reply): 0 | Failed;
}

/** An operation to which the protocol has no reply, whatever becomes of it. */
export interface Unanswered {
  readonly body: "none";
  serve(session: FuseSession, request: Request): void;
}

export type Operation = Answered | Unanswered;

/** A part of the dispatch table: operations by opcode. */
export type Operations = ReadonlyMap<number, Operation>;
