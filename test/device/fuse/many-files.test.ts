// 10,000 files are made, written, listed, renamed, looked up and removed. Work that grew with the tree in each request
// would take many minutes.

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { Backing } from "../../../device/fuse/backing/backing.js";
import { HostDirBacking } from "../../../device/fuse/backing/host-dir.js";
import { MemoryBacking } from "../../../device/fuse/backing/memory.js";
import { FuseSession } from "../../../device/fuse/session.js";
import { dirents, Guest } from "./guest.js";

const FILES = 10_000;
/** For a machine that does other things meanwhile, in ms. */
const PATIENCE = 120_000;

let share: string;

beforeEach(() => {
  share = fs.mkdtempSync(path.join(os.tmpdir(), "vhostlab-many-"));
});

afterEach(() => fs.rmSync(share, { recursive: true }));

function listed(guest: Guest): string[] {
  const fh = guest.open(1n, 27);
  const all: string[] = [];
  for (let offset = 0n; ; ) {
    const { body } = guest.ok(guest.readdir(28, 1n, fh, offset, 65536));
    const part = dirents(28, body);
    if (part.length === 0) break;
    offset = part.at(-1)!.off;
    all.push(...part.map(({ name }) => name));
  }
  guest.ok(guest.release(29, 1n, fh));
  return all.slice(2).sort();
}

it.each<[string, number, () => Backing]>([
  ["a tree in memory, the guest holding all nodes", FILES, () => new MemoryBacking({})],
  ["a host directory, the guest holding 500, each of which costs a descriptor", 500, () => new HostDirBacking(share)],
])(
  "%s",
  (_title, held, backing) => {
    const guest = new Guest(new FuseSession(backing()));
    guest.init();
    const names = (prefix: string) => Array.from({ length: FILES }, (_, at) => `${prefix}${at}`);
    const content = new Uint8Array(64).fill(0x61);

    const nodes = names("f").map((name, at) => {
      const { nodeid, fh } = guest.created(1n, name);
      guest.wrote(nodeid, fh, 0n, content);
      guest.ok(guest.release(18, nodeid, fh));
      if (at >= held) guest.forget(nodeid, 1n);
      return nodeid;
    });
    expect(guest.session.inodes.size).toBe(held + 1);
    expect(listed(guest)).toEqual(names("f").sort());

    for (let at = 0; at < FILES; at += 1) guest.ok(guest.rename(1n, `f${at}`, 1n, `g${at}`));
    expect(listed(guest)).toEqual(names("g").sort());
    for (const at of [0, 1, held - 1]) expect(guest.walk(`g${at}`)).toBe(nodes[at]);

    for (const name of names("g")) guest.ok(guest.unlink(1n, name));
    expect(listed(guest)).toEqual([]);
    for (const nodeid of nodes) guest.forget(nodeid, 2n);
    expect(guest.session.inodes.size).toBe(1);
    guest.session.close();
  },
  PATIENCE,
);
