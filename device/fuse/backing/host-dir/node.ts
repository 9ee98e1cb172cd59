// The nodes of a host directory: an O_PATH descriptor each.

import fs from "node:fs";
import { S_IFMT } from "../../../spec/fuse.js";
import type { Attr, Node } from "../backing.js";
import { attempt } from "./call.js";

export interface HostNode extends Node {
  /** Replaced by `merge`, so that it was opened by a name that is as new as can be. */
  fd: number;
}

export function magicLink(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

/** The one kind of path that is ever joined: a descriptor and a name. */
export function entryOf(parent: HostNode, name: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`${magicLink(parent.fd)}/`), name]);
}

export function isEntry(entry: Buffer, node: HostNode): boolean {
  const stat = attempt(() => fs.lstatSync(entry, { bigint: true }));
  return typeof stat !== "number" && keyOf(stat) === node.key;
}

export function nodeOf(fd: number, stat: fs.BigIntStats): HostNode {
  return { fd, key: keyOf(stat), type: Number(stat.mode) & S_IFMT };
}

function keyOf(stat: fs.BigIntStats): string {
  return `${stat.dev}:${stat.ino}`;
}

/** Owner and group are those of the host. The 32 low bits of a Linux dev_t are what fuse_attr calls rdev. */
export function attrOf(stat: fs.BigIntStats): Attr {
  return {
    ino: stat.ino,
    size: stat.size,
    blocks: stat.blocks,
    atime: stat.atimeNs,
    mtime: stat.mtimeNs,
    ctime: stat.ctimeNs,
    mode: Number(stat.mode),
    nlink: Number(BigInt.asUintN(32, stat.nlink)),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    rdev: Number(BigInt.asUintN(32, stat.rdev)),
    blksize: Number(stat.blksize),
  };
}
