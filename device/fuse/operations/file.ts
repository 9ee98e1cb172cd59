// FUSE_OPEN, FUSE_CREATE, FUSE_READ, FUSE_WRITE, FUSE_FLUSH, FUSE_FSYNC, FUSE_FALLOCATE and FUSE_RELEASE: open files.

import { EBADF, EEXIST, EINVAL, EISDIR, ELOOP, ENFILE, ENOMEM, ENXIO, EOPNOTSUPP } from "../../spec/errno.js";
import {
  FUSE_FSYNC_FDATASYNC,
  FuseCreateIn,
  FuseEntryOut,
  FuseFlushIn,
  FuseFsyncIn,
  FuseOpenIn,
  FuseOpenOut,
  FuseReadIn,
  FuseReleaseIn,
  FuseWriteIn,
  FuseWriteOut,
  O_ACCMODE,
  O_EXCL,
  O_TRUNC,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  S_IFDIR,
  S_IFLNK,
  S_IFREG,
} from "../../spec/fuse.js";
import {
  FUSE_CREATE,
  FUSE_FALLOCATE,
  FUSE_FLUSH,
  FUSE_FSYNC,
  FUSE_OPEN,
  FUSE_READ,
  FUSE_RELEASE,
  FUSE_WRITE,
} from "../../spec/fuse-opcode.js";
import { VIRTIO_FS_MAX_BUFFER } from "../../spec/virtio-fs.js";
import { exactU64 } from "../argument.js";
import type { Access, OpenFile } from "../backing/backing.js";
import type { Failed } from "../failed.js";
import type { Held, Inode } from "../inode-table.js";
import type { FuseSession } from "../session.js";
import { putEntry } from "./attr.js";
import { made } from "./make.js";
import type { Answered, Operation, Operations } from "./operation.js";

/**
 * Of the guest's open flags no others count, and none reaches the backing as it is: the file exists, so O_CREAT means
 * nothing; O_DIRECT would ask for alignment; and O_APPEND is the guest's own affair, since each WRITE has its offset.
 */
function accessOf(flags: number): Access | undefined {
  const mode = flags & O_ACCMODE;
  if (mode !== O_RDONLY && mode !== O_WRONLY && mode !== O_RDWR) return undefined;
  // FUSE_ATOMIC_O_TRUNC is granted: the guest leaves the truncation to OPEN.
  return { read: mode !== O_WRONLY, write: mode !== O_RDONLY, truncate: (flags & O_TRUNC) !== 0 };
}

function openFile(session: FuseSession, inode: Inode, access: Access): OpenFile | Failed {
  // Only what holds data is ever opened: opening a FIFO would block the server, a device would act (CVE-2020-35517).
  if (inode.node.type === S_IFDIR) return -EISDIR;
  if (inode.node.type === S_IFLNK) return -ELOOP;
  if (inode.node.type !== S_IFREG) return -ENXIO;
  return session.backing.open(inode.node, access);
}

const open: Answered = {
  body: FuseOpenOut.SIZEOF,
  serve(session, request, reply) {
    const input = request.argument.struct(FuseOpenIn.SIZEOF);
    if (input === undefined) return -EINVAL;
    const access = accessOf(input.getUint32(FuseOpenIn.FLAGS, true));
    if (access === undefined) return -EINVAL;
    const inode = session.inodes.get(request.nodeid);
    if (inode === undefined) return -EBADF;
    if (session.handles.full) return -ENFILE;
    const file = openFile(session, inode, access);
    if (typeof file === "number") return file;
    const output = new DataView(new ArrayBuffer(FuseOpenOut.SIZEOF));
    output.setBigUint64(FuseOpenOut.FH, session.handles.addFile(inode.nodeid, file), true);
    reply.put(output);
    return 0;
  },
};

/** The file of a CREATE whose name is there by now, though the guest has not seen it: somebody else was quicker. */
function openExisting(
  session: FuseSession,
  parentid: bigint,
  name: Uint8Array,
  access: Access,
): (Held & { open: OpenFile }) | Failed {
  const parent = session.inodes.directory(parentid);
  if (typeof parent === "number") return parent;
  const held = session.inodes.lookup(parent, name);
  if (typeof held === "number") return held;
  const open = openFile(session, held.inode, access);
  if (typeof open !== "number") return { ...held, open };
  session.inodes.forget(held.inode.nodeid, 1n);
  return open;
}

const create: Answered = {
  body: FuseEntryOut.SIZEOF + FuseOpenOut.SIZEOF,
  serve(session, request, reply) {
    const input = request.argument.struct(FuseCreateIn.SIZEOF);
    if (input === undefined) return -EINVAL;
    const name = request.argument.name();
    if (typeof name === "number") return name;
    const flags = input.getUint32(FuseCreateIn.FLAGS, true);
    const access = accessOf(flags);
    if (access === undefined) return -EINVAL;
    if (session.handles.full) return -ENFILE;

    const mode = input.getUint32(FuseCreateIn.MODE, true);
    const created = made(session, request, mode, (parent, asked) =>
      session.backing.create(parent, name, asked, access),
    );
    const exists = created === -EEXIST && (flags & O_EXCL) === 0;
    const file = exists ? openExisting(session, request.nodeid, name, access) : created;
    if (typeof file === "number") return file;

    const output = new DataView(new ArrayBuffer(FuseEntryOut.SIZEOF + FuseOpenOut.SIZEOF));
    putEntry(output, 0, file);
    const fh = session.handles.addFile(file.inode.nodeid, file.open);
    output.setBigUint64(FuseEntryOut.SIZEOF + FuseOpenOut.FH, fh, true);
    reply.put(output);
    return 0;
  },
};

const read: Answered = {
  body: 0,
  serve(session, request, reply) {
    const input = request.argument.struct(FuseReadIn.SIZEOF);
    if (input === undefined) return -EINVAL;
    const size = input.getUint32(FuseReadIn.SIZE, true);
    if (size > VIRTIO_FS_MAX_BUFFER) return -ENOMEM;
    const offset = exactU64(input, FuseReadIn.OFFSET);
    if (offset === undefined || offset + size > Number.MAX_SAFE_INTEGER) return -EINVAL;
    const file = session.handles.file(input.getBigUint64(FuseReadIn.FH, true), request.nodeid);
    if (!file?.access.read) return -EBADF;
    return reply.fill(Math.min(size, reply.room), (buffers) => file.read(buffers, offset));
  },
};

const write: Answered = {
  body: FuseWriteOut.SIZEOF,
  serve(session, request, reply) {
    const input = request.argument.struct(FuseWriteIn.SIZEOF);
    if (input === undefined) return -EINVAL;
    const size = input.getUint32(FuseWriteIn.SIZE, true);
    if (size > VIRTIO_FS_MAX_BUFFER) return -ENOMEM;
    const offset = exactU64(input, FuseWriteIn.OFFSET);
    if (offset === undefined || offset + size > Number.MAX_SAFE_INTEGER) return -EINVAL;
    const data = request.argument.data(size);
    if (data === undefined) return -EINVAL;
    const file = session.handles.file(input.getBigUint64(FuseWriteIn.FH, true), request.nodeid);
    if (!file?.access.write) return -EBADF;
    const written = file.write(data, offset);
    if (written < 0) return written;
    const output = new DataView(new ArrayBuffer(FuseWriteOut.SIZEOF));
    output.setUint32(FuseWriteOut.SIZE, written, true);
    reply.put(output);
    return 0;
  },
};

/** Nothing is ever dirty here: a WRITE that has been answered has reached the backing. */
const flush: Answered = {
  body: 0,
  serve(session, request) {
    const input = request.argument.struct(FuseFlushIn.SIZEOF);
    if (input === undefined) return -EINVAL;
    const file = session.handles.file(input.getBigUint64(FuseFlushIn.FH, true), request.nodeid);
    return file === undefined ? -EBADF : 0;
  },
};

const fsync: Answered = {
  body: 0,
  serve(session, request) {
    const input = request.argument.struct(FuseFsyncIn.SIZEOF);
    if (input === undefined) return -EINVAL;
    const file = session.handles.file(input.getBigUint64(FuseFsyncIn.FH, true), request.nodeid);
    if (file === undefined) return -EBADF;
    return file.sync((input.getUint32(FuseFsyncIn.FSYNC_FLAGS, true) & FUSE_FSYNC_FDATASYNC) !== 0);
  },
};

/** Known, and not supported by this file system: fallocate(2) says so, where ENOSYS would speak of the kernel. */
const fallocate: Answered = { body: 0, serve: () => -EOPNOTSUPP };

const release: Answered = {
  body: 0,
  serve(session, request) {
    const input = request.argument.struct(FuseReleaseIn.SIZEOF);
    if (input === undefined) return -EINVAL;
    const fh = input.getBigUint64(FuseReleaseIn.FH, true);
    if (session.handles.file(fh, request.nodeid) === undefined) return -EBADF;
    session.handles.release(fh);
    return 0;
  },
};

export const FILE_OPERATIONS: Operations = new Map<number, Operation>([
  [FUSE_OPEN, open],
  [FUSE_CREATE, create],
  [FUSE_READ, read],
  [FUSE_WRITE, write],
  [FUSE_FLUSH, flush],
  [FUSE_FSYNC, fsync],
  [FUSE_FALLOCATE, fallocate],
  [FUSE_RELEASE, release],
]);
