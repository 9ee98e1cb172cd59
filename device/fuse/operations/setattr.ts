// FUSE_SETATTR: chmod, chown, truncate and utimes in one request.

import { EBADF, EINVAL, EISDIR, EOPNOTSUPP } from "../../spec/errno.js";
import {
  FATTR_ATIME,
  FATTR_ATIME_NOW,
  FATTR_FH,
  FATTR_GID,
  FATTR_MODE,
  FATTR_MTIME,
  FATTR_MTIME_NOW,
  FATTR_SIZE,
  FATTR_UID,
  FuseAttrOut,
  FuseSetattrIn,
  S_IALLUGO,
  S_IFDIR,
  S_IFLNK,
  S_IFREG,
} from "../../spec/fuse.js";
import { FUSE_SETATTR } from "../../spec/fuse-opcode.js";
import { exactU64 } from "../argument.js";
import type { Node, OpenFile, Time } from "../backing/backing.js";
import type { Failed } from "../failed.js";
import type { FuseSession } from "../session.js";
import { replyAttr } from "./attr.js";
import { NO_ID } from "./make.js";
import type { Answered, Operations } from "./operation.js";

const NANOSECONDS = 1_000_000_000;
/** Seconds that a Date can hold, about 273 000 years; file systems keep less. */
const SECONDS_MAX = 8_640_000_000_000n;

/** The changes that a fuse_setattr_in asks for. What it does not name is undefined, and so is kept. */
interface Changes {
  readonly uid: number | undefined;
  readonly gid: number | undefined;
  readonly mode: number | undefined;
  readonly size: number | undefined;
  readonly atime: Time | undefined;
  readonly mtime: Time | undefined;
}

const setattr: Answered = {
  body: FuseAttrOut.SIZEOF,
  serve(session, request, reply) {
    const input = request.argument.struct(FuseSetattrIn.SIZEOF);
    if (input === undefined) return -EINVAL;
    const inode = session.inodes.get(request.nodeid);
    if (inode === undefined) return -EBADF;
    let open: OpenFile | undefined;
    if ((input.getUint32(FuseSetattrIn.VALID, true) & FATTR_FH) !== 0) {
      const fh = input.getBigUint64(FuseSetattrIn.FH, true);
      if (!session.handles.has(fh, request.nodeid)) return -EBADF;
      open = session.handles.file(fh, request.nodeid);
    }
    const changes = changesOf(input);
    if (typeof changes === "number") return changes;
    // All is checked before anything is done.
    const error = refusal(inode.node, changes, open) || change(session, inode.node, changes, open);
    if (error !== 0) return error;
    const attr = session.backing.getattr(inode.node);
    return typeof attr === "number" ? attr : replyAttr(reply, attr);
  },
};

function changesOf(input: DataView): Changes | Failed {
  const valid = input.getUint32(FuseSetattrIn.VALID, true);
  const asks = (flag: number): boolean => (valid & flag) !== 0;
  const uid = asks(FATTR_UID) ? input.getUint32(FuseSetattrIn.UID, true) : undefined;
  const gid = asks(FATTR_GID) ? input.getUint32(FuseSetattrIn.GID, true) : undefined;
  if (uid === NO_ID || gid === NO_ID) return -EINVAL;
  const mode = asks(FATTR_MODE) ? input.getUint32(FuseSetattrIn.MODE, true) & S_IALLUGO : undefined;
  const size = exactU64(input, FuseSetattrIn.SIZE);
  if (asks(FATTR_SIZE) && size === undefined) return -EINVAL;

  const time = (flag: number, now: number, seconds: number, nanoseconds: number): Time | Failed | undefined => {
    if (!asks(flag)) return undefined;
    return asks(now) ? "now" : timeOf(input.getBigInt64(seconds, true), input.getUint32(nanoseconds, true));
  };
  const atime = time(FATTR_ATIME, FATTR_ATIME_NOW, FuseSetattrIn.ATIME, FuseSetattrIn.ATIMENSEC);
  const mtime = time(FATTR_MTIME, FATTR_MTIME_NOW, FuseSetattrIn.MTIME, FuseSetattrIn.MTIMENSEC);
  if (typeof atime === "number") return atime;
  if (typeof mtime === "number") return mtime;
  return { uid, gid, mode, size: asks(FATTR_SIZE) ? size : undefined, atime, mtime };
}

function timeOf(seconds: bigint, nanoseconds: number): bigint | Failed {
  if (nanoseconds >= NANOSECONDS || seconds >= SECONDS_MAX || seconds < -SECONDS_MAX) return -EINVAL;
  return seconds * BigInt(NANOSECONDS) + BigInt(nanoseconds);
}

function refusal(node: Node, { mode, size }: Changes, open: OpenFile | undefined): 0 | Failed {
  if (mode !== undefined && node.type === S_IFLNK) return -EOPNOTSUPP;
  if (size === undefined) return 0;
  if (node.type === S_IFDIR) return -EISDIR;
  // truncate(2) opens what it truncates.
  if (node.type !== S_IFREG) return -EINVAL;
  return open?.access.write === false ? -EBADF : 0;
}

/** A change of owner clears set-id bits, so the mode comes after it; a change of size sets times, so those come last. */
function change(session: FuseSession, node: Node, changes: Changes, open: OpenFile | undefined): 0 | Failed {
  const { backing } = session;
  const { uid, gid, mode, size, atime, mtime } = changes;
  let error: 0 | Failed = 0;
  if (uid !== undefined || gid !== undefined) error = backing.chown(node, uid, gid);
  if (error === 0 && mode !== undefined) error = backing.chmod(node, mode);
  if (error === 0 && size !== undefined) error = open?.truncate(size) ?? backing.truncate(node, size);
  if (error === 0 && (atime !== undefined || mtime !== undefined)) error = backing.utimes(node, atime, mtime);
  return error;
}

export const SETATTR_OPERATIONS: Operations = new Map([[FUSE_SETATTR, setattr]]);
