// FUSE_MKNOD, FUSE_MKDIR and FUSE_SYMLINK: things that did not exist. (FUSE_CREATE, which also opens, is in file.ts.)

import { EINVAL, ENFILE, EPERM } from "../../spec/errno.js";
import { FuseEntryOut, FuseMkdirIn, FuseMknodIn, S_IFMT, S_IFREG } from "../../spec/fuse.js";
import { FUSE_MKDIR, FUSE_MKNOD, FUSE_SYMLINK } from "../../spec/fuse-opcode.js";
import type { Access, Found, Node } from "../backing/backing.js";
import type { NewFile } from "../backing/new-file.js";
import type { Failed } from "../failed.js";
import type { Held } from "../inode-table.js";
import type { Request } from "../request.js";
import type { FuseSession } from "../session.js";
import { replyEntry } from "./attr.js";
import type { Answered, Operation, Operations } from "./operation.js";

/** (uid_t) -1 and (gid_t) -1, which are nobody: chown(2) takes them for "leave it as it is". */
export const NO_ID = 0xffffffff;

/** Checks what every maker of a name needs, then lets `make` do it; on success the guest holds a reference. */
export function made<T extends Found>(
  session: FuseSession,
  request: Request,
  mode: number,
  make: (parent: Node, asked: NewFile) => T | Failed,
): (T & Held) | Failed {
  const { uid, gid } = request;
  if (request.argument.remaining > 0 || uid === NO_ID || gid === NO_ID) return -EINVAL;
  const parent = session.inodes.directory(request.nodeid);
  if (typeof parent === "number") return parent;
  if (session.inodes.full) return -ENFILE;
  const found = make(parent.node, { mode, uid, gid });
  if (typeof found === "number") return found;
  const held = session.inodes.hold(found);
  return typeof held === "number" ? held : { ...found, ...held };
}

const READ: Access = { read: true, write: false, truncate: false };

const mknod: Answered = {
  body: FuseEntryOut.SIZEOF,
  serve(session, request, reply) {
    const input = request.argument.struct(FuseMknodIn.SIZEOF);
    if (input === undefined) return -EINVAL;
    const name = request.argument.name();
    if (typeof name === "number") return name;
    const mode = input.getUint32(FuseMknodIn.MODE, true);
    // A device node of the guest's making would be one of the host too (CVE-2020-35517).
    if ((mode & S_IFMT) !== S_IFREG) return -EPERM;
    const file = made(session, request, mode, (parent, asked) => session.backing.create(parent, name, asked, READ));
    if (typeof file === "number") return file;
    file.open.close();
    return replyEntry(reply, file);
  },
};

const mkdir: Answered = {
  body: FuseEntryOut.SIZEOF,
  serve(session, request, reply) {
    const input = request.argument.struct(FuseMkdirIn.SIZEOF);
    if (input === undefined) return -EINVAL;
    const name = request.argument.name();
    if (typeof name === "number") return name;
    const held = made(session, request, input.getUint32(FuseMkdirIn.MODE, true), (parent, asked) =>
      session.backing.mkdir(parent, name, asked),
    );
    return typeof held === "number" ? held : replyEntry(reply, held);
  },
};

const symlink: Answered = {
  body: FuseEntryOut.SIZEOF,
  serve(session, request, reply) {
    const name = request.argument.name();
    if (typeof name === "number") return name;
    const target = request.argument.target();
    if (typeof target === "number") return target;
    const held = made(session, request, 0o777, (parent, asked) => session.backing.symlink(parent, name, asked, target));
    return typeof held === "number" ? held : replyEntry(reply, held);
  },
};

export const MAKE_OPERATIONS: Operations = new Map<number, Operation>([
  [FUSE_MKNOD, mknod],
  [FUSE_MKDIR, mkdir],
  [FUSE_SYMLINK, symlink],
]);
