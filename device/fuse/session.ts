// The FUSE server of virtiofsd, one guest's session of it: what that process does with one request, from the bytes in
// guest RAM to the bytes in guest RAM (FUSE 7.27 to 7.38; virtio 1.2, 5.11.6). It knows no ring and no thread: whoever has
// a request calls `handle`, on a data plane that is the back-end's ring worker.
//
//   const session = new FuseSession(new HostDirBacking("/srv/share"));
//   const usedLength = session.handle({ memory, readable, writable });   // once a descriptor chain
//   session.close();
//
// Every byte of a request is hostile. A refusal is data: an error reply, or no reply where none can be written. A throw
// is a mistake of this program.

import { EIO, ENOSYS, ERANGE } from "../spec/errno.js";
import { FUSE_INIT, FUSE_INIT_BSWAP_RESERVED } from "../spec/fuse-opcode.js";
import type { Backing } from "./backing/backing.js";
import type { Failed } from "./failed.js";
import { HandleTable } from "./handle-table.js";
import { InodeTable } from "./inode-table.js";
import type { Answered, Unanswered } from "./operations/operation.js";
import { OPERATIONS } from "./operations/table.js";
import { Reply } from "./reply.js";
import { type RequestHeader, readHeader, readRequest } from "./request.js";
import { Cursor, type ScatterGather } from "./scatter-gather.js";

/** What a guest may make the server hold. */
export interface FuseLimits {
  /** Nodes, the root among them. */
  readonly nodes: number;
  /** Open files and directories. */
  readonly handles: number;
  /** Names in the snapshots of all open directories together. */
  readonly names: number;
}

const LIMITS: FuseLimits = { nodes: 65536, handles: 16384, names: 1048576 };

export class FuseSession {
  readonly backing: Backing;
  readonly inodes: InodeTable;
  readonly handles: HandleTable;
  #begun = false;

  /** From here on the backing belongs to the session. */
  constructor(backing: Backing, limits: Partial<FuseLimits> = {}) {
    const { nodes, handles, names } = { ...LIMITS, ...limits };
    this.backing = backing;
    this.inodes = new InodeTable(backing, nodes);
    this.handles = new HandleTable(handles, names);
  }

  /**
   * Serves one request. Returns the bytes written to its writable segments: fuse_out_header.len, the used length of a
   * descriptor chain; 0 when there is no reply.
   */
  handle(message: ScatterGather): number {
    const cursor = new Cursor(message.memory, message.readable);
    const header = readHeader(cursor);
    // Without a whole header there is no `unique` to answer to.
    if (header === undefined) return 0;
    // virtio 5.11.6.1 lets the driver choose the byte order; only little-endian sessions are served, and no field of
    // another is read.
    if (header.opcode === FUSE_INIT_BSWAP_RESERVED) return 0;

    const operation = OPERATIONS.get(header.opcode);
    if (operation?.body === "none") {
      this.#obey(operation, header, cursor);
      return 0;
    }
    const reply = Reply.for(message, header.unique);
    return reply === undefined ? 0 : reply.finish(this.#serve(operation, header, cursor, reply));
  }

  /** FUSE_INIT has been accepted. */
  begin(): void {
    this.#begun = true;
  }

  /** Forgets all that the guest holds; until the next FUSE_INIT requests are answered EIO. */
  reset(): void {
    this.handles.clear();
    this.inodes.clear();
    this.#begun = false;
  }

  /** Gives everything back, the backing included. */
  close(): void {
    this.reset();
    this.backing.close();
  }

  #obey(operation: Unanswered, header: RequestHeader, cursor: Cursor): void {
    const request = readRequest(header, cursor);
    if (this.#begun && typeof request !== "number") operation.serve(this, request);
  }

  #serve(operation: Answered | undefined, header: RequestHeader, cursor: Cursor, reply: Reply): 0 | Failed {
    const request = readRequest(header, cursor);
    if (typeof request === "number") return request;
    if (operation === undefined) return -ENOSYS;
    if (!this.#begun && header.opcode !== FUSE_INIT) return -EIO;
    if (operation.body > reply.room) return -ERANGE;
    return operation.serve(this, request, reply);
  }
}
