// A FUSE server over a small tree, for the guest's requests only. It keeps account of lookups and handles, so that a test
// can see that the guest gives back what it took, and writes each request down in a line.

import type { Answer, Request } from "./fake-machine.js";
import { initOut, reply } from "./fuse-replies.js";

const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const S_IFLNK = 0o120000;
const ENOENT = -2;

const OPCODES: Readonly<Record<number, string>> = {
  1: "LOOKUP",
  2: "FORGET",
  3: "GETATTR",
  14: "OPEN",
  15: "READ",
  17: "STATFS",
  18: "RELEASE",
  25: "FLUSH",
  26: "INIT",
  27: "OPENDIR",
  29: "RELEASEDIR",
  44: "READDIRPLUS",
};

/** A directory, a file's bytes, or where a symbolic link points to. Names are latin1 strings: a character a byte. */
export type Tree = Map<string, Tree> | Buffer | string;

export class FakeShare {
  readonly log: string[] = [];
  readonly #nodes: Tree[] = []; // nodeid - 1
  /** Lookups that have not been forgotten, by nodeid. */
  readonly lookups = new Map<number, number>();
  /** Open handles and their nodeid. */
  readonly handles = new Map<number, number>();
  #lastHandle = 100;

  constructor(
    root: Tree,
    /** Errors to answer with, by opcode name. */
    readonly errors: Readonly<Record<string, number>> = {},
    /** Entries in one READDIRPLUS reply, at most. */
    readonly entriesPerReply = 1000,
  ) {
    this.#nodes.push(root);
  }

  readonly serve = (request: Request): Answer => {
    const opcode = OPCODES[request.bytes.readUInt32LE(4)] ?? "?";
    const node = Number(request.bytes.readBigUInt64LE(16));
    const body = request.bytes.subarray(40);
    if (request.bytes.readUInt32LE(0) !== request.bytes.length) throw new Error("in_header.len is wrong");
    const error = this.errors[opcode];
    const answer =
      error === undefined ? this.#answer(request, opcode, node, body) : reply(request, Buffer.alloc(0), error);
    return answer;
  };

  #answer(request: Request, opcode: string, node: number, body: Buffer): Answer {
    const tree = this.#nodes[node - 1]!;
    switch (opcode) {
      case "INIT":
        this.log.push("INIT");
        return reply(request, initOut());
      case "LOOKUP": {
        if (body.at(-1) !== 0 || body.indexOf(0) !== body.length - 1) throw new Error("the name is not one C string");
        const name = body.toString("latin1", 0, body.length - 1);
        this.log.push(`LOOKUP ${node} ${name}`);
        const child = tree instanceof Map ? tree.get(name) : undefined;
        return child === undefined ? reply(request, Buffer.alloc(0), ENOENT) : reply(request, this.#entry(child));
      }
      case "FORGET":
        this.log.push(`FORGET ${node}`);
        if (request.writable.length !== 0) throw new Error("FORGET has a writable descriptor");
        this.lookups.set(node, (this.lookups.get(node) ?? 0) - Number(body.readBigUInt64LE(0)));
        return { bytes: Buffer.alloc(0) };
      case "GETATTR":
        this.log.push(`GETATTR ${node}`);
        return reply(request, Buffer.concat([Buffer.alloc(16), attr(tree)]));
      case "OPEN":
      case "OPENDIR": {
        this.log.push(`${opcode} ${node}`);
        if (body.readUInt32LE(0) !== 0) throw new Error("not O_RDONLY");
        const handle = Buffer.alloc(16);
        handle.writeBigUInt64LE(BigInt(++this.#lastHandle));
        this.handles.set(this.#lastHandle, node);
        return reply(request, handle);
      }
      case "READ": {
        const [offset, size] = this.#range(node, body);
        this.log.push(`READ ${node} ${offset} ${size}`);
        return reply(request, (tree as Buffer).subarray(offset, offset + size));
      }
      case "READDIRPLUS": {
        const [offset, size] = this.#range(node, body);
        this.log.push(`READDIRPLUS ${node} ${offset}`);
        return reply(request, this.#entries(tree as Map<string, Tree>, offset, size));
      }
      case "STATFS":
        this.log.push(`STATFS ${node}`);
        return reply(request, Buffer.alloc(80)); // struct fuse_kstatfs
      case "FLUSH":
      case "RELEASE":
      case "RELEASEDIR": {
        this.log.push(`${opcode} ${node}`);
        const handle = this.#handle(node, body);
        if (opcode !== "FLUSH") this.handles.delete(handle);
        return reply(request);
      }
      default:
        throw new Error(`unexpected opcode ${request.bytes.readUInt32LE(4)}`);
    }
  }

  #handle(node: number, body: Buffer): number {
    const handle = Number(body.readBigUInt64LE(0));
    if (this.handles.get(handle) !== node) throw new Error("not a handle of this node");
    return handle;
  }

  #range(node: number, body: Buffer): [number, number] {
    this.#handle(node, body);
    return [Number(body.readBigUInt64LE(8)), body.readUInt32LE(16)];
  }

  /** entry_out of a node, which counts as a lookup of it. */
  #entry(tree: Tree): Buffer {
    let node = this.#nodes.indexOf(tree) + 1;
    if (node === 0) node = this.#nodes.push(tree);
    this.lookups.set(node, (this.lookups.get(node) ?? 0) + 1);
    const head = Buffer.alloc(40);
    head.writeBigUInt64LE(BigInt(node));
    return Buffer.concat([head, attr(tree)]);
  }

  #entries(directory: Map<string, Tree>, offset: number, size: number): Buffer {
    // "." and ".." come without a node.
    const names: [string, Tree | undefined][] = [[".", undefined], ["..", undefined], ...directory];
    const parts: Buffer[] = [];
    for (const [i, [name, child]] of names.slice(offset, offset + this.entriesPerReply).entries()) {
      const dirent = Buffer.alloc((24 + name.length + 7) & ~7);
      dirent.writeBigUInt64LE(BigInt(offset + i + 1), 8);
      dirent.writeUInt32LE(name.length, 16);
      dirent.write(name, 24, "latin1");
      if (parts.reduce((sum, part) => sum + part.length, 128 + dirent.length) > size) break;
      parts.push(child === undefined ? Buffer.alloc(128) : this.#entry(child), dirent);
    }
    return Buffer.concat(parts);
  }
}

function attr(tree: Tree): Buffer {
  const bytes = Buffer.alloc(88);
  bytes.writeBigUInt64LE(BigInt(tree instanceof Map ? 4096 : tree.length), 8);
  bytes.writeUInt32LE(tree instanceof Map ? S_IFDIR : typeof tree === "string" ? S_IFLNK : S_IFREG, 60);
  return bytes;
}
