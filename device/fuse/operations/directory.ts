// FUSE_OPENDIR, FUSE_READDIR, FUSE_READDIRPLUS, FUSE_FSYNCDIR and FUSE_RELEASEDIR: open directories.
//
// OPENDIR takes a snapshot of the names. The offset of an entry is its place in it, so that the guest may go on from any
// entry that it has seen; an offset that was never given out is at worst the end of the directory.

import { EBADF, EINVAL, ENFILE, ENOENT, ENOMEM } from "../../spec/errno.js";
import {
  DT_DIR,
  DT_SHIFT,
  DT_UNKNOWN,
  FUSE_UNKNOWN_INO,
  FuseAttr,
  FuseDirent,
  FuseDirentplus,
  FuseEntryOut,
  FuseFsyncIn,
  FuseOpenIn,
  FuseOpenOut,
  FuseReadIn,
  FuseReleaseIn,
  fuseDirentAlign,
} from "../../spec/fuse.js";
import {
  FUSE_FSYNCDIR,
  FUSE_OPENDIR,
  FUSE_READDIR,
  FUSE_READDIRPLUS,
  FUSE_RELEASEDIR,
} from "../../spec/fuse-opcode.js";
import { VIRTIO_FS_MAX_BUFFER } from "../../spec/virtio-fs.js";
import { exactU64 } from "../argument.js";
import type { Failed } from "../failed.js";
import type { Held, Inode } from "../inode-table.js";
import type { FuseSession } from "../session.js";
import { putEntry } from "./attr.js";
import type { Answered, Operation, Operations } from "./operation.js";

const DOTS: readonly Uint8Array[] = [Uint8Array.of(0x2e), Uint8Array.of(0x2e, 0x2e)];

const opendir: Answered = {
  body: FuseOpenOut.SIZEOF,
  serve(session, request, reply) {
    if (request.argument.struct(FuseOpenIn.SIZEOF) === undefined) return -EINVAL;
    const inode = session.inodes.directory(request.nodeid);
    if (typeof inode === "number") return inode;
    if (session.handles.full) return -ENFILE;
    const names = snapshot(session, inode);
    if (typeof names === "number") return names;
    const output = new DataView(new ArrayBuffer(FuseOpenOut.SIZEOF));
    const fh = session.handles.addDirectory(request.nodeid, { names, read: false });
    output.setBigUint64(FuseOpenOut.FH, fh, true);
    reply.put(output);
    return 0;
  },
};

/** The names now; `replaced` is how many of an older snapshot they take the place of. */
function snapshot(session: FuseSession, inode: Inode, replaced = 0): Uint8Array[] | Failed {
  const names = session.backing.readdir(inode.node);
  if (typeof names === "number") return names;
  return session.handles.hasRoomFor(DOTS.length + names.length - replaced) ? [...DOTS, ...names] : -ENOMEM;
}

/** What a reply says of one name. */
interface Entry {
  readonly ino: bigint;
  readonly type: number;
  /** The node that the guest now holds one reference more on. */
  readonly held?: Held;
}

const SOME_DIRECTORY: Entry = { ino: BigInt(FUSE_UNKNOWN_INO), type: DT_DIR };
const SOMETHING: Entry = { ino: BigInt(FUSE_UNKNOWN_INO), type: DT_UNKNOWN };

/** undefined when the name has gone since the snapshot. */
function look(session: FuseSession, parent: Inode, name: Uint8Array, hold: boolean): Entry | undefined {
  // Neither dot entry is looked up: `.` needs no reference and `..` may lie outside the share.
  if (name === DOTS[0]) {
    const attr = session.backing.getattr(parent.node);
    return typeof attr === "number" ? SOME_DIRECTORY : { ino: attr.ino, type: DT_DIR };
  }
  if (name === DOTS[1]) return SOME_DIRECTORY;
  if (hold) {
    const held = session.inodes.lookup(parent, name);
    if (typeof held === "number") return unseen(held);
    return { ino: held.attr.ino, type: held.inode.node.type >>> DT_SHIFT, held };
  }
  const seen = session.backing.lookup(parent.node, name);
  if (typeof seen === "number") return unseen(seen);
  session.backing.forget(seen.node);
  return { ino: seen.attr.ino, type: seen.node.type >>> DT_SHIFT };
}

/** A name that cannot be looked at (another file system, ENFILE) is still listed: a LOOKUP of it will say why. */
function unseen(error: Failed): Entry | undefined {
  return error === -ENOENT ? undefined : SOMETHING;
}

/** READDIR, or READDIRPLUS: the same with a fuse_entry_out before each dirent and a reference on each node named. */
function readdir(plus: boolean): Answered {
  const direntAt = plus ? FuseDirentplus.DIRENT : 0;
  return {
    body: 0,
    serve(session, request, reply) {
      const input = request.argument.struct(FuseReadIn.SIZEOF);
      if (input === undefined) return -EINVAL;
      const size = input.getUint32(FuseReadIn.SIZE, true);
      if (size > VIRTIO_FS_MAX_BUFFER) return -ENOMEM;
      const offset = exactU64(input, FuseReadIn.OFFSET);
      if (offset === undefined) return -EINVAL;
      const directory = session.handles.directory(input.getBigUint64(FuseReadIn.FH, true), request.nodeid);
      const inode = session.inodes.get(request.nodeid);
      if (directory === undefined || inode === undefined) return -EBADF;

      if (offset === 0 && directory.read) {
        const names = snapshot(session, inode, directory.names.length);
        if (typeof names === "number") return names;
        session.handles.rewind(directory, names);
      }
      directory.read = true;

      const end = Math.min(size, reply.room);
      for (let index = offset; index < directory.names.length; index += 1) {
        const name = directory.names[index]!;
        const length = fuseDirentAlign(direntAt + FuseDirent.NAME + name.length);
        if (reply.bodyLength + length > end) {
          // An empty reply would mean the end of the directory; getdents(2): "EINVAL Result buffer is too small."
          return reply.bodyLength === 0 && size > 0 ? -EINVAL : 0;
        }
        const entry = look(session, inode, name, plus);
        if (entry === undefined) continue;
        const record = new DataView(new ArrayBuffer(length));
        if (plus) putEntryOf(record, entry);
        putDirent(record, direntAt, entry, name, index + 1);
        reply.put(record);
      }
      return 0;
    },
  };
}

/** Without a node the nodeid stays 0, which tells the guest that it holds nothing; ino and type it learns all the same. */
function putEntryOf(record: DataView, entry: Entry): void {
  if (entry.held !== undefined) {
    putEntry(record, FuseDirentplus.ENTRY_OUT, entry.held);
  } else {
    const attrAt = FuseDirentplus.ENTRY_OUT + FuseEntryOut.ATTR;
    record.setBigUint64(attrAt + FuseAttr.INO, entry.ino, true);
    record.setUint32(attrAt + FuseAttr.MODE, entry.type << DT_SHIFT, true);
  }
}

function putDirent(
  record: DataView<ArrayBuffer>,
  at: number,
  entry: Entry,
  name: Uint8Array,
  nextOffset: number,
): void {
  record.setBigUint64(at + FuseDirent.INO, entry.ino, true);
  record.setBigUint64(at + FuseDirent.OFF, BigInt(nextOffset), true);
  record.setUint32(at + FuseDirent.NAMELEN, name.length, true);
  record.setUint32(at + FuseDirent.TYPE, entry.type, true);
  new Uint8Array(record.buffer).set(name, at + FuseDirent.NAME);
}

const fsyncdir: Answered = {
  body: 0,
  serve(session, request) {
    const input = request.argument.struct(FuseFsyncIn.SIZEOF);
    if (input === undefined) return -EINVAL;
    const directory = session.handles.directory(input.getBigUint64(FuseFsyncIn.FH, true), request.nodeid);
    const inode = session.inodes.get(request.nodeid);
    if (directory === undefined || inode === undefined) return -EBADF;
    return session.backing.syncDirectory(inode.node);
  },
};

const releasedir: Answered = {
  body: 0,
  serve(session, request) {
    const input = request.argument.struct(FuseReleaseIn.SIZEOF);
    if (input === undefined) return -EINVAL;
    const fh = input.getBigUint64(FuseReleaseIn.FH, true);
    if (session.handles.directory(fh, request.nodeid) === undefined) return -EBADF;
    session.handles.release(fh);
    return 0;
  },
};

export const DIRECTORY_OPERATIONS: Operations = new Map<number, Operation>([
  [FUSE_OPENDIR, opendir],
  [FUSE_READDIR, readdir(false)],
  [FUSE_READDIRPLUS, readdir(true)],
  [FUSE_FSYNCDIR, fsyncdir],
  [FUSE_RELEASEDIR, releasedir],
]);
