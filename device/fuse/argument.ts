// The arguments of a request, taken one after the other. Every value is a private copy, made once: what was checked is
// what is used, whatever the guest writes into its RAM meanwhile. Only file data, which nobody checks, stays where it is.

import { EINVAL, ENAMETOOLONG, ENOENT } from "../spec/errno.js";
import { NAME_MAX, PATH_MAX } from "../spec/fuse.js";
import type { Failed } from "./failed.js";
import type { Cursor } from "./scatter-gather.js";

const NUL = 0;
const DOT = 0x2e;
const SLASH = 0x2f;

export class ArgumentReader {
  readonly #cursor: Cursor;

  /** `cursor` stands at the first argument and ends behind the last. */
  constructor(cursor: Cursor) {
    this.#cursor = cursor;
  }

  /** Bytes of arguments not taken yet. */
  get remaining(): number {
    return this.#cursor.remaining;
  }

  /** The next structure of `size` bytes; undefined when the request is shorter. */
  struct(size: number): DataView | undefined {
    if (size > this.#cursor.remaining) return undefined;
    return new DataView(this.#cursor.copy(size).buffer);
  }

  /**
   * The next NUL-terminated name, as bytes (a name has no encoding). There is no pivot_root round this server, so this
   * check is the wall: a name that passes names an entry of its parent and nothing else.
   */
  name(): Uint8Array | Failed {
    const name = this.#string(NAME_MAX);
    if (typeof name === "number") return name;
    const dots = name.every((byte) => byte === DOT) && name.length <= 2;
    return dots || name.includes(SLASH) ? -EINVAL : name;
  }

  /** The next NUL-terminated target of a symlink: any path at all, since only the guest ever follows it. */
  target(): Uint8Array | Failed {
    const target = this.#string(PATH_MAX - 1);
    // symlink(2): "ENOENT [...] target is the empty string."
    return typeof target !== "number" && target.length === 0 ? -ENOENT : target;
  }

  /** Views of guest RAM on the next `size` bytes of file data; undefined when the request is shorter. */
  data(size: number): Uint8Array[] | undefined {
    return size > this.#cursor.remaining ? undefined : this.#cursor.take(size);
  }

  #string(max: number): Uint8Array | Failed {
    const bytes = this.#cursor.peek(Math.min(this.#cursor.remaining, max + 1));
    const length = bytes.indexOf(NUL);
    if (length === -1) return bytes.length > max ? -ENAMETOOLONG : -EINVAL;
    this.#cursor.take(length + 1);
    return bytes.subarray(0, length);
  }
}

/** A 64-bit count or offset at `at`; undefined when it is 2^53 or more, which no double holds exactly. */
export function exactU64(view: DataView, at: number): number | undefined {
  const value = view.getBigUint64(at, true);
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : undefined;
}
