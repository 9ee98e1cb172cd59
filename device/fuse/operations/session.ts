// FUSE_INIT, FUSE_DESTROY, FUSE_INTERRUPT, FUSE_STATFS and FUSE_SYNCFS: the session and the file system as a whole.

import { EBADF, EINVAL, EPROTO } from "../../spec/errno.js";
import {
  FUSE_ASYNC_DIO,
  FUSE_ASYNC_READ,
  FUSE_ATOMIC_O_TRUNC,
  FUSE_AUTO_INVAL_DATA,
  FUSE_BIG_WRITES,
  FUSE_DO_READDIRPLUS,
  FUSE_KERNEL_MINOR_VERSION,
  FUSE_KERNEL_VERSION,
  FUSE_MAX_PAGES,
  FUSE_PARALLEL_DIROPS,
  FUSE_READDIRPLUS_AUTO,
  FuseInitIn,
  FuseInitOut,
  FuseStatfsOut,
  NAME_MAX,
} from "../../spec/fuse.js";
import { FUSE_DESTROY, FUSE_INIT, FUSE_INTERRUPT, FUSE_STATFS, FUSE_SYNCFS } from "../../spec/fuse-opcode.js";
import { VIRTIO_FS_MAX_BUFFER } from "../../spec/virtio-fs.js";
import type { Answered, Operation, Operations, Unanswered } from "./operation.js";

/** Structures differ before this minor version; virtiofsd refuses such guests too. */
const MINOR_MIN = 27;

/** Granted when the guest offers them. None of them is in flags2, so FUSE_INIT_EXT is not wanted either. */
const WANTED =
  FUSE_ASYNC_READ |
  FUSE_ATOMIC_O_TRUNC |
  FUSE_BIG_WRITES |
  FUSE_AUTO_INVAL_DATA |
  FUSE_DO_READDIRPLUS |
  FUSE_READDIRPLUS_AUTO |
  FUSE_ASYNC_DIO |
  FUSE_PARALLEL_DIROPS |
  FUSE_MAX_PAGES;

// The figures of virtiofsd.
const MAX_BACKGROUND = 65535;
const CONGESTION_THRESHOLD = 49149;
const TIME_GRAN = 1;
const MAX_PAGES = 256;

const init: Answered = {
  body: FuseInitOut.SIZEOF,
  serve(session, request, reply) {
    const input = request.argument.struct(FuseInitIn.SIZEOF);
    if (input === undefined) return -EINVAL;
    const major = input.getUint32(FuseInitIn.MAJOR, true);
    const minor = input.getUint32(FuseInitIn.MINOR, true);

    // A new INIT ends the session before it: a guest that reboots forgets to send DESTROY.
    session.reset();
    if (major < FUSE_KERNEL_VERSION || (major === FUSE_KERNEL_VERSION && minor < MINOR_MIN)) return -EPROTO;

    const output = new DataView(new ArrayBuffer(FuseInitOut.SIZEOF));
    output.setUint32(FuseInitOut.MAJOR, FUSE_KERNEL_VERSION, true);
    output.setUint32(FuseInitOut.MINOR, FUSE_KERNEL_MINOR_VERSION, true);
    // A guest of a later major version learns ours and sends a second INIT in it; nothing else of this one counts.
    if (major === FUSE_KERNEL_VERSION) {
      output.setUint32(FuseInitOut.MAX_READAHEAD, input.getUint32(FuseInitIn.MAX_READAHEAD, true), true);
      output.setUint32(FuseInitOut.FLAGS, input.getUint32(FuseInitIn.FLAGS, true) & WANTED, true);
      output.setUint16(FuseInitOut.MAX_BACKGROUND, MAX_BACKGROUND, true);
      output.setUint16(FuseInitOut.CONGESTION_THRESHOLD, CONGESTION_THRESHOLD, true);
      output.setUint32(FuseInitOut.MAX_WRITE, VIRTIO_FS_MAX_BUFFER, true);
      output.setUint32(FuseInitOut.TIME_GRAN, TIME_GRAN, true);
      output.setUint16(FuseInitOut.MAX_PAGES, MAX_PAGES, true);
      session.begin();
    }
    reply.put(output);
    return 0;
  },
};

const destroy: Unanswered = {
  body: "none",
  serve(session) {
    session.reset();
  },
};

/** Requests are served one after the other, so the one to be interrupted is never still in flight. */
const interrupt: Unanswered = { body: "none", serve() {} };

const statfs: Answered = {
  body: FuseStatfsOut.SIZEOF,
  serve(session, request, reply) {
    if (session.inodes.get(request.nodeid) === undefined) return -EBADF;
    const statfs = session.backing.statfs();
    if (typeof statfs === "number") return statfs;
    const output = new DataView(new ArrayBuffer(FuseStatfsOut.SIZEOF));
    output.setBigUint64(FuseStatfsOut.BLOCKS, statfs.blocks, true);
    output.setBigUint64(FuseStatfsOut.BFREE, statfs.bfree, true);
    output.setBigUint64(FuseStatfsOut.BAVAIL, statfs.bavail, true);
    output.setBigUint64(FuseStatfsOut.FILES, statfs.files, true);
    output.setBigUint64(FuseStatfsOut.FFREE, statfs.ffree, true);
    output.setUint32(FuseStatfsOut.BSIZE, statfs.bsize, true);
    output.setUint32(FuseStatfsOut.NAMELEN, NAME_MAX, true);
    output.setUint32(FuseStatfsOut.FRSIZE, statfs.bsize, true);
    reply.put(output);
    return 0;
  },
};

const syncfs: Answered = {
  body: 0,
  serve(session, request) {
    if (session.inodes.get(request.nodeid) === undefined) return -EBADF;
    return session.backing.syncfs();
  },
};

export const SESSION_OPERATIONS: Operations = new Map<number, Operation>([
  [FUSE_INIT, init],
  [FUSE_DESTROY, destroy],
  [FUSE_INTERRUPT, interrupt],
  [FUSE_STATFS, statfs],
  [FUSE_SYNCFS, syncfs],
]);
