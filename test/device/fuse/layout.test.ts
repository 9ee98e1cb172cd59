// device/spec/{fuse,virtio-fs}.ts against numbers written out from linux/fuse.h 7.45 and virtio 1.2, 5.11.4.

import { expect, it } from "vitest";
import * as fuse from "../../../device/spec/fuse.js";
import * as virtioFs from "../../../device/spec/virtio-fs.js";

const LAYOUTS: Record<string, Record<string, number>> = {
  FuseInHeader: { LEN: 0, OPCODE: 4, UNIQUE: 8, NODEID: 16, UID: 24, GID: 28, PID: 32, TOTAL_EXTLEN: 36, SIZEOF: 40 },
  FuseOutHeader: { LEN: 0, ERROR: 4, UNIQUE: 8, SIZEOF: 16 },
  FuseInitIn: { MAJOR: 0, MINOR: 4, MAX_READAHEAD: 8, FLAGS: 12, SIZEOF: 16 },
  FuseInitOut: {
    MAJOR: 0,
    MINOR: 4,
    MAX_READAHEAD: 8,
    FLAGS: 12,
    MAX_BACKGROUND: 16,
    CONGESTION_THRESHOLD: 18,
    MAX_WRITE: 20,
    TIME_GRAN: 24,
    MAX_PAGES: 28,
    MAP_ALIGNMENT: 30,
    FLAGS2: 32,
    SIZEOF: 64,
  },
  FuseAttr: {
    INO: 0,
    SIZE: 8,
    BLOCKS: 16,
    ATIME: 24,
    MTIME: 32,
    CTIME: 40,
    ATIMENSEC: 48,
    MTIMENSEC: 52,
    CTIMENSEC: 56,
    MODE: 60,
    NLINK: 64,
    UID: 68,
    GID: 72,
    RDEV: 76,
    BLKSIZE: 80,
    FLAGS: 84,
    SIZEOF: 88,
  },
  FuseEntryOut: {
    NODEID: 0,
    GENERATION: 8,
    ENTRY_VALID: 16,
    ATTR_VALID: 24,
    ENTRY_VALID_NSEC: 32,
    ATTR_VALID_NSEC: 36,
    ATTR: 40,
    SIZEOF: 128,
  },
  FuseForgetIn: { NLOOKUP: 0, SIZEOF: 8 },
  FuseBatchForgetIn: { COUNT: 0, SIZEOF: 8 },
  FuseForgetOne: { NODEID: 0, NLOOKUP: 8, SIZEOF: 16 },
  FuseGetattrIn: { GETATTR_FLAGS: 0, FH: 8, SIZEOF: 16 },
  FuseAttrOut: { ATTR_VALID: 0, ATTR_VALID_NSEC: 8, ATTR: 16, SIZEOF: 104 },
  FuseSetattrIn: {
    VALID: 0,
    FH: 8,
    SIZE: 16,
    LOCK_OWNER: 24,
    ATIME: 32,
    MTIME: 40,
    CTIME: 48,
    ATIMENSEC: 56,
    MTIMENSEC: 60,
    CTIMENSEC: 64,
    MODE: 68,
    UID: 76,
    GID: 80,
    SIZEOF: 88,
  },
  FuseMknodIn: { MODE: 0, RDEV: 4, UMASK: 8, SIZEOF: 16 },
  FuseMkdirIn: { MODE: 0, UMASK: 4, SIZEOF: 8 },
  FuseLinkIn: { OLDNODEID: 0, SIZEOF: 8 },
  FuseRenameIn: { NEWDIR: 0, SIZEOF: 8 },
  FuseRename2In: { NEWDIR: 0, FLAGS: 8, SIZEOF: 16 },
  FuseCreateIn: { FLAGS: 0, MODE: 4, UMASK: 8, OPEN_FLAGS: 12, SIZEOF: 16 },
  FuseWriteIn: { FH: 0, OFFSET: 8, SIZE: 16, WRITE_FLAGS: 20, LOCK_OWNER: 24, FLAGS: 32, SIZEOF: 40 },
  FuseWriteOut: { SIZE: 0, SIZEOF: 8 },
  FuseFsyncIn: { FH: 0, FSYNC_FLAGS: 8, SIZEOF: 16 },
  FuseOpenIn: { FLAGS: 0, OPEN_FLAGS: 4, SIZEOF: 8 },
  // fuse_init_in in full: flags2 after flags, then unused[11].
  FuseInitExtIn: { FLAGS2: 16, SIZEOF: 64 },
  FuseOpenOut: { FH: 0, OPEN_FLAGS: 8, SIZEOF: 16 },
  FuseReadIn: { FH: 0, OFFSET: 8, SIZE: 16, READ_FLAGS: 20, LOCK_OWNER: 24, FLAGS: 32, SIZEOF: 40 },
  FuseFlushIn: { FH: 0, LOCK_OWNER: 16, SIZEOF: 24 },
  FuseReleaseIn: { FH: 0, FLAGS: 8, RELEASE_FLAGS: 12, LOCK_OWNER: 16, SIZEOF: 24 },
  FuseInterruptIn: { UNIQUE: 0, SIZEOF: 8 },
  FuseStatfsOut: {
    BLOCKS: 0,
    BFREE: 8,
    BAVAIL: 16,
    FILES: 24,
    FFREE: 32,
    BSIZE: 40,
    NAMELEN: 44,
    FRSIZE: 48,
    SIZEOF: 80,
  },
  FuseDirent: { INO: 0, OFF: 8, NAMELEN: 16, TYPE: 20, NAME: 24 },
  FuseDirentplus: { ENTRY_OUT: 0, DIRENT: 128 },
};

/** A compiled enum also maps its numbers back to names. */
function fieldsOf(layout: object): Record<string, number> {
  return Object.fromEntries(Object.entries(layout).filter(([, value]) => typeof value === "number"));
}

it.each(Object.keys(LAYOUTS))("%s has the offsets of linux/fuse.h", (name) => {
  expect(fieldsOf((fuse as unknown as Record<string, object>)[name]!)).toEqual(LAYOUTS[name]);
});

it("lists every layout of device/spec/fuse.ts here", () => {
  const layouts = Object.entries(fuse).filter(([, value]) => typeof value === "object");
  expect(layouts.map(([name]) => name).sort()).toEqual(Object.keys(LAYOUTS).sort());
});

it.each([
  [0, 0],
  [1, 8],
  [8, 8],
  [25, 32],
  [152 + 255, 408],
])("a record of %i bytes takes %i (FUSE_DIRENT_ALIGN)", (length, aligned) => {
  expect(fuse.fuseDirentAlign(length)).toBe(aligned);
});

it.each([
  ["MODE", 0],
  ["UID", 1],
  ["GID", 2],
  ["SIZE", 3],
  ["ATIME", 4],
  ["MTIME", 5],
  ["FH", 6],
  ["ATIME_NOW", 7],
  ["MTIME_NOW", 8],
  ["LOCKOWNER", 9],
  ["CTIME", 10],
  ["KILL_SUIDGID", 11],
])("FATTR_%s is bit %i", (name, bit) => {
  expect((fuse as unknown as Record<string, number>)[`FATTR_${name}`]).toBe(1 << bit);
});

it("virtio_fs_config: tag[36], num_request_queues (virtio 5.11.4)", () => {
  const { VirtioFsConfig } = virtioFs as unknown as Record<string, object>;
  expect(fieldsOf(VirtioFsConfig!)).toEqual({ TAG: 0, NUM_REQUEST_QUEUES: 36, SIZEOF: 40 });
});
