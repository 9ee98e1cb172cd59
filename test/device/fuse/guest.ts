// A guest for tests: writes a request into its RAM, hands it to a FuseSession and reads the reply back. Offsets are
// written out, as in linux/fuse.h, so that a wrong layout in device/spec shows.

import type { Segment } from "../../../device/fuse/scatter-gather.js";
import type { FuseSession } from "../../../device/fuse/session.js";

export interface Answer {
  /** What `handle` returned. */
  readonly used: number;
  /** out_header.len, .error and .unique; all 0 when there was no reply. */
  readonly len: number;
  readonly error: number;
  readonly unique: bigint;
  readonly body: DataView;
}

/** Whatever of a request is not the honest default. */
export interface Shape {
  readonly nodeid?: bigint;
  readonly unique?: bigint;
  readonly uid?: number;
  readonly gid?: number;
  /** in_header.len. */
  readonly len?: number;
  /** in_header.total_extlen, in units of 8 bytes. */
  readonly extlen?: number;
  /** Bytes of the request that are readable. */
  readonly readable?: number;
  /** Writable bytes, the out_header among them. */
  readonly writable?: number;
  /** Chops both parts into descriptors of this many bytes. */
  readonly split?: number;
}

const REQUEST_AT = 64;
/** Between two descriptors of one part. */
const GAP = 3;

export class Guest {
  readonly session: FuseSession;
  readonly memory: Uint8Array;
  #unique = 0n;

  constructor(session: FuseSession, pages = 32) {
    this.session = session;
    this.memory = new Uint8Array(new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }).buffer);
  }

  /** Sends one request. */
  send(opcode: number, body: Uint8Array = new Uint8Array(0), shape: Shape = {}): Answer {
    this.#unique += 1n;
    const unique = shape.unique ?? this.#unique;
    const header = bytes(
      u32(shape.len ?? 40 + body.length),
      u32(opcode),
      u64(unique),
      u64(shape.nodeid ?? 1n),
      u32(shape.uid ?? 0),
      u32(shape.gid ?? 0),
      u32(1), // pid
      u16(shape.extlen ?? 0),
      u16(0), // padding
    );
    const request = bytes(header, body).subarray(0, shape.readable);
    const split = shape.split ?? Number.MAX_SAFE_INTEGER;
    const readable = segments(REQUEST_AT, request.length, split, GAP);
    const writable = segments(endOf(readable) + 64, shape.writable ?? 4096, split, GAP);
    if (endOf(writable) > this.memory.length) throw new Error("the test needs more guest RAM");
    let at = 0;
    for (const { offset, length } of readable) {
      this.memory.set(request.subarray(at, at + length), offset);
      at += length;
    }
    const used = this.session.handle({ memory: this.memory, readable, writable });
    const parts = writable.map(({ offset, length }) => this.memory.slice(offset, offset + length));
    const reply = new DataView(bytes(...parts).buffer, 0, used);
    return {
      used,
      len: used === 0 ? 0 : reply.getUint32(0, true),
      error: used === 0 ? 0 : reply.getInt32(4, true),
      unique: used === 0 ? 0n : reply.getBigUint64(8, true),
      body: new DataView(reply.buffer, Math.min(16, used), Math.max(0, used - 16)),
    };
  }

  /** FUSE_INIT as EDK2 sends it. */
  init(): Answer {
    return this.send(26, bytes(u32(7), u32(31), u32(0), u32(1 << 13)), { nodeid: 0n });
  }

  lookup(parent: bigint, name: string | Uint8Array): Answer {
    return this.send(1, nul(name), { nodeid: parent });
  }

  /** The nodeid of a path of names below the root; each LOOKUP on the way must succeed. */
  walk(...names: (string | Uint8Array)[]): bigint {
    let nodeid = 1n;
    for (const name of names) nodeid = this.ok(this.lookup(nodeid, name)).body.getBigUint64(0, true);
    return nodeid;
  }

  forget(nodeid: bigint, nlookup: bigint): Answer {
    return this.send(2, u64(nlookup), { nodeid });
  }

  getattr(nodeid: bigint): Stat {
    return statOf(this.ok(this.send(3, bytes(u32(0), u32(0), u64(0n)), { nodeid })).body, 16);
  }

  setattr(nodeid: bigint, fields: SetattrFields): Answer {
    return this.send(4, setattrIn(fields), { nodeid });
  }

  readlink(nodeid: bigint): string {
    return new TextDecoder().decode(this.ok(this.send(5, undefined, { nodeid, writable: 16 + 4096 })).body);
  }

  symlink(parent: bigint, name: string | Uint8Array, target: string, shape: Shape = {}): Answer {
    return this.send(6, bytes(nul(name), nul(target)), { nodeid: parent, ...shape });
  }

  mknod(parent: bigint, name: string | Uint8Array, mode: number, shape: Shape = {}): Answer {
    return this.send(8, bytes(u32(mode), u32(0), u32(0), u32(0), nul(name)), { nodeid: parent, ...shape });
  }

  mkdir(parent: bigint, name: string | Uint8Array, mode = 0o755, shape: Shape = {}): Answer {
    return this.send(9, bytes(u32(mode), u32(0), nul(name)), { nodeid: parent, ...shape });
  }

  unlink(parent: bigint, name: string | Uint8Array): Answer {
    return this.send(10, nul(name), { nodeid: parent });
  }

  rmdir(parent: bigint, name: string | Uint8Array): Answer {
    return this.send(11, nul(name), { nodeid: parent });
  }

  rename(parent: bigint, name: string | Uint8Array, newdir: bigint, newName: string | Uint8Array): Answer {
    return this.send(12, bytes(u64(newdir), nul(name), nul(newName)), { nodeid: parent });
  }

  /** FUSE_RENAME2, with RENAME_NOREPLACE unless told. */
  rename2(parent: bigint, name: string, newdir: bigint, newName: string, flags = 1): Answer {
    return this.send(45, bytes(u64(newdir), u32(flags), u32(0), nul(name), nul(newName)), { nodeid: parent });
  }

  link(oldnodeid: bigint, parent: bigint, name: string | Uint8Array): Answer {
    return this.send(13, bytes(u64(oldnodeid), nul(name)), { nodeid: parent });
  }

  /** O_RDWR | O_CREAT | O_EXCL unless told. */
  create(parent: bigint, name: string | Uint8Array, flags = 0o302, mode = 0o644, shape: Shape = {}): Answer {
    return this.send(35, bytes(u32(flags), u32(mode), u32(0), u32(0), nul(name)), { nodeid: parent, ...shape });
  }

  /** CREATE that must succeed: nodeid and fh. */
  created(...args: Parameters<Guest["create"]>): { nodeid: bigint; fh: bigint } {
    const { body } = this.ok(this.create(...args));
    return { nodeid: body.getBigUint64(0, true), fh: body.getBigUint64(128, true) };
  }

  /** Opens with OPEN (14) or OPENDIR (27), O_RDONLY unless told; returns the fh. */
  open(nodeid: bigint, opcode: 14 | 27 = 14, flags = 0): bigint {
    return this.ok(this.send(opcode, bytes(u32(flags), u32(0)), { nodeid })).body.getBigUint64(0, true);
  }

  /** `size`: fuse_write_in.size, when it is not the length of the data. */
  write(nodeid: bigint, fh: bigint, offset: bigint, data: Uint8Array, shape: Shape & { size?: number } = {}): Answer {
    const header = bytes(u64(fh), u64(offset), u32(shape.size ?? data.length), new Uint8Array(20));
    return this.send(16, bytes(header, data), { nodeid, ...shape });
  }

  /** Writes that must succeed: how many bytes were taken. */
  wrote(...args: Parameters<Guest["write"]>): number {
    return this.ok(this.write(...args)).body.getUint32(0, true);
  }

  /** What a READ that must succeed brings, as text. */
  text(nodeid: bigint, fh: bigint, offset = 0n, size = 4096): string {
    return new TextDecoder().decode(this.ok(this.read(nodeid, fh, offset, size)).body);
  }

  read(nodeid: bigint, fh: bigint, offset: bigint, size: number, shape: Shape = {}): Answer {
    return this.send(15, readIn(fh, offset, size), { nodeid, writable: 16 + size, ...shape });
  }

  /** READDIR (28) or READDIRPLUS (44). */
  readdir(opcode: 28 | 44, nodeid: bigint, fh: bigint, offset: bigint, size: number, shape: Shape = {}): Answer {
    return this.send(opcode, readIn(fh, offset, size), { nodeid, writable: 16 + size, ...shape });
  }

  /** RELEASE (18) or RELEASEDIR (29). */
  release(opcode: 18 | 29, nodeid: bigint, fh: bigint): Answer {
    return this.send(opcode, bytes(u64(fh), u32(0), u32(0), u64(0n)), { nodeid });
  }

  ok(answer: Answer): Answer {
    if (answer.used < 16 || answer.error !== 0) throw new Error(`refused: used ${answer.used} error ${answer.error}`);
    return answer;
  }
}

/** What a test looks at of a fuse_attr. */
export interface Stat {
  readonly ino: bigint;
  readonly size: bigint;
  readonly blocks: bigint;
  /** Seconds and nanoseconds. */
  readonly atime: [bigint, number];
  readonly mtime: [bigint, number];
  readonly ctime: [bigint, number];
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
}

/** The fuse_attr at `at`: behind attr_valid it is 16, in an entry_out 40. */
export function statOf(body: DataView, at: number): Stat {
  return {
    ino: body.getBigUint64(at, true),
    size: body.getBigUint64(at + 8, true),
    blocks: body.getBigUint64(at + 16, true),
    atime: [body.getBigInt64(at + 24, true), body.getUint32(at + 48, true)],
    mtime: [body.getBigInt64(at + 32, true), body.getUint32(at + 52, true)],
    ctime: [body.getBigInt64(at + 40, true), body.getUint32(at + 56, true)],
    mode: body.getUint32(at + 60, true),
    nlink: body.getUint32(at + 64, true),
    uid: body.getUint32(at + 68, true),
    gid: body.getUint32(at + 72, true),
  };
}

export interface SetattrFields {
  readonly valid: number;
  readonly fh?: bigint;
  readonly size?: bigint;
  readonly atime?: [bigint, number];
  readonly mtime?: [bigint, number];
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

/** fuse_setattr_in. */
export function setattrIn(f: SetattrFields): Uint8Array {
  return bytes(
    u32(f.valid),
    u32(0), // padding
    u64(f.fh ?? 0n),
    u64(f.size ?? 0n),
    u64(0n), // lock_owner
    u64(BigInt.asUintN(64, f.atime?.[0] ?? 0n)),
    u64(BigInt.asUintN(64, f.mtime?.[0] ?? 0n)),
    u64(0n), // ctime
    u32(f.atime?.[1] ?? 0),
    u32(f.mtime?.[1] ?? 0),
    u32(0), // ctimensec
    u32(f.mode ?? 0),
    u32(0), // unused4
    u32(f.uid ?? 0),
    u32(f.gid ?? 0),
    u32(0), // unused5
  );
}

/** fuse_read_in. */
export function readIn(fh: bigint, offset: bigint, size: number): Uint8Array {
  return bytes(u64(fh), u64(offset), u32(size), u32(0), u64(0n), u32(0), u32(0));
}

export interface Dirent {
  readonly nodeid: bigint;
  readonly ino: bigint;
  readonly off: bigint;
  readonly type: number;
  /** One character a byte. */
  readonly name: string;
}

/** The records of a READDIR or READDIRPLUS body. */
export function dirents(opcode: 28 | 44, body: DataView): Dirent[] {
  const list: Dirent[] = [];
  const entry = opcode === 44 ? 128 : 0;
  for (let at = 0; at < body.byteLength; ) {
    const dirent = at + entry;
    const namelen = body.getUint32(dirent + 16, true);
    list.push({
      nodeid: opcode === 44 ? body.getBigUint64(at, true) : 0n,
      ino: body.getBigUint64(dirent, true),
      off: body.getBigUint64(dirent + 8, true),
      type: body.getUint32(dirent + 20, true),
      name: String.fromCharCode(...new Uint8Array(body.buffer, body.byteOffset + dirent + 24, namelen)),
    });
    at += Math.ceil((entry + 24 + namelen) / 8) * 8;
  }
  return list;
}

/** Descriptors of `split` bytes each for `length` bytes in all, `gap` bytes apart. */
export function segments(offset: number, length: number, split: number, gap = 0): Segment[] {
  const list: Segment[] = [];
  for (let at = 0; at < length; at += split) {
    list.push({ offset: offset + at + list.length * gap, length: Math.min(split, length - at) });
  }
  return list;
}

function endOf(list: readonly Segment[]): number {
  const last = list.at(-1);
  return last === undefined ? REQUEST_AT : last.offset + last.length;
}

export function bytes(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** A name with its NUL. */
export function nul(name: string | Uint8Array): Uint8Array {
  return bytes(typeof name === "string" ? new TextEncoder().encode(name) : name, Uint8Array.of(0));
}

export function u16(value: number): Uint8Array {
  return new Uint8Array(Uint16Array.of(value).buffer);
}

export function u32(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

export function u64(value: bigint): Uint8Array {
  return new Uint8Array(BigUint64Array.of(value).buffer);
}
