// FUSE_OPEN, FUSE_READ, FUSE_FLUSH and FUSE_RELEASE: open files.

import { EBADF, EINVAL, EISDIR, ELOOP, ENFILE, ENOMEM, ENXIO, EROFS } from "../../spec/errno.js";
import {
  FuseFlushIn,
  FuseOpenIn,
  FuseOpenOut,
  FuseReadIn,
  FuseReleaseIn,
  O_ACCMODE,
  O_CREAT,
  O_RDONLY,
  O_TRUNC,
  S_IFDIR,
  S_IFLNK,
  S_IFREG,
} from "../../spec/fuse.js";
import { FUSE_FLUSH, FUSE_OPEN, FUSE_READ, FUSE_RELEASE } from "../../spec/fuse-opcode.js";
import { VIRTIO_FS_MAX_BUFFER } from "../../spec/virtio-fs.js";
import { exactU64 } from "../argument.js";
import type { Answered, Operation, Operations } from "./operation.js";

const open: Answered = {
  body: FuseOpenOut.SIZEOF,
  serve(session, request, reply) {
    const input = request.argument.struct(FuseOpenIn.SIZEOF);
    if (input === undefined) return -EINVAL;
    const inode = session.inodes.get(request.nodeid);
    if (inode === undefined) return -EBADF;
    // Only what holds data is ever opened: opening a FIFO would block the server, a device would act (CVE-2020-35517).
    if (inode.node.type === S_IFDIR) return -EISDIR;
    if (inode.node.type === S_IFLNK) return -ELOOP;
    if (inode.node.type !== S_IFREG) return -ENXIO;
    // The share is read-only. Of the guest's flags nothing else counts, and none reaches the backing.
    const flags = input.getUint32(FuseOpenIn.FLAGS, true);
    if ((flags & O_ACCMODE) !== O_RDONLY || (flags & (O_CREAT | O_TRUNC)) !== 0) return -EROFS;
    if (session.handles.full) return -ENFILE;
    const file = session.backing.open(inode.node);
    if (typeof file === "number") return file;
    const output = new DataView(new ArrayBuffer(FuseOpenOut.SIZEOF));
    output.setBigUint64(FuseOpenOut.FH, session.handles.addFile(request.nodeid, file), true);
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
    if (file === undefined) return -EBADF;
    return reply.fill(Math.min(size, reply.room), (buffers) => file.read(buffers, offset));
  },
};

/** Nothing is ever dirty. */
const flush: Answered = {
  body: 0,
  serve(session, request) {
    const input = request.argument.struct(FuseFlushIn.SIZEOF);
    if (input === undefined) return -EINVAL;
    const file = session.handles.file(input.getBigUint64(FuseFlushIn.FH, true), request.nodeid);
    return file === undefined ? -EBADF : 0;
  },
};

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
  [FUSE_READ, read],
  [FUSE_FLUSH, flush],
  [FUSE_RELEASE, release],
]);
