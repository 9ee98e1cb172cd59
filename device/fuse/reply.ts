// A reply, written straight into the writable part of the request: the body first, its fuse_out_header last. Nothing
// written is ever read back.

import { FuseOutHeader } from "../spec/fuse.js";
import { Cursor, type ScatterGather } from "./scatter-gather.js";

export class Reply {
  readonly #unique: bigint;
  readonly #header: Uint8Array[];
  readonly #body: Cursor;
  #bodyLength = 0;

  /** undefined when there is no room for a fuse_out_header: such a request cannot be answered. */
  static for(message: ScatterGather, unique: bigint): Reply | undefined {
    const cursor = new Cursor(message.memory, message.writable);
    return cursor.remaining < FuseOutHeader.SIZEOF ? undefined : new Reply(cursor, unique);
  }

  private constructor(cursor: Cursor, unique: bigint) {
    this.#unique = unique;
    this.#header = cursor.take(FuseOutHeader.SIZEOF);
    this.#body = cursor;
  }

  /** Bytes that the body can still grow by. */
  get room(): number {
    return this.#body.remaining;
  }

  get bodyLength(): number {
    return this.#bodyLength;
  }

  /** Appends a private structure to the body; there must be room for it. */
  put(structure: DataView<ArrayBuffer>): void {
    scatter(this.#body.take(structure.byteLength), structure);
    this.#bodyLength += structure.byteLength;
  }

  /** Lets `fill` put file data into the next `length` bytes of guest RAM; it returns how many it filled, or -errno. */
  fill(length: number, fill: (buffers: Uint8Array[]) => number): number {
    const filled = fill(this.#body.take(length));
    if (filled < 0) return filled;
    this.#bodyLength += filled;
    return 0;
  }

  /** Writes the header for `error` (0 or -errno; an error has no body). Returns the length of the reply in bytes. */
  finish(error: number): number {
    const length = FuseOutHeader.SIZEOF + (error === 0 ? this.#bodyLength : 0);
    const header = new DataView(new ArrayBuffer(FuseOutHeader.SIZEOF));
    header.setUint32(FuseOutHeader.LEN, length, true);
    header.setInt32(FuseOutHeader.ERROR, error, true);
    header.setBigUint64(FuseOutHeader.UNIQUE, this.#unique, true);
    scatter(this.#header, header);
    return length;
  }
}

function scatter(views: readonly Uint8Array[], structure: DataView<ArrayBuffer>): void {
  let at = 0;
  for (const view of views) {
    view.set(new Uint8Array(structure.buffer, at, view.length));
    at += view.length;
  }
}
