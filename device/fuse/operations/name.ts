// FUSE_LINK, FUSE_UNLINK, FUSE_RMDIR, FUSE_RENAME and FUSE_RENAME2: names of what there is.
//
// They change no inode and no handle: the guest goes on with the nodeids that it holds, whatever name they have now.

import { EBADF, EINVAL, EPERM } from "../../spec/errno.js";
import { FuseEntryOut, FuseLinkIn, FuseRename2In, FuseRenameIn, RENAME_NOREPLACE, S_IFDIR } from "../../spec/fuse.js";
import { FUSE_LINK, FUSE_RENAME, FUSE_RENAME2, FUSE_RMDIR, FUSE_UNLINK } from "../../spec/fuse-opcode.js";
import type { Backing, Node } from "../backing/backing.js";
import type { Failed } from "../failed.js";
import type { Request } from "../request.js";
import type { FuseSession } from "../session.js";
import { replyEntry } from "./attr.js";
import type { Answered, Operation, Operations } from "./operation.js";

const link: Answered = {
  body: FuseEntryOut.SIZEOF,
  serve(session, request, reply) {
    const input = request.argument.struct(FuseLinkIn.SIZEOF);
    if (input === undefined) return -EINVAL;
    const name = request.argument.name();
    if (typeof name === "number") return name;
    if (request.argument.remaining > 0) return -EINVAL;
    const inode = session.inodes.get(input.getBigUint64(FuseLinkIn.OLDNODEID, true));
    if (inode === undefined) return -EBADF;
    if (inode.node.type === S_IFDIR) return -EPERM;
    const parent = session.inodes.directory(request.nodeid);
    if (typeof parent === "number") return parent;
    const error = session.backing.link(inode.node, parent.node, name);
    if (error !== 0) return error;
    const attr = session.backing.getattr(inode.node);
    if (typeof attr === "number") return attr;
    inode.nlookup += 1;
    return replyEntry(reply, { inode, attr });
  },
};

function removal(remove: (backing: Backing, parent: Node, name: Uint8Array) => 0 | Failed): Answered {
  return {
    body: 0,
    serve(session, request) {
      const name = request.argument.name();
      if (typeof name === "number") return name;
      if (request.argument.remaining > 0) return -EINVAL;
      const parent = session.inodes.directory(request.nodeid);
      return typeof parent === "number" ? parent : remove(session.backing, parent.node, name);
    },
  };
}

const rename: Answered = {
  body: 0,
  serve(session, request) {
    const input = request.argument.struct(FuseRenameIn.SIZEOF);
    return input === undefined ? -EINVAL : move(session, request, input.getBigUint64(FuseRenameIn.NEWDIR, true), true);
  },
};

/** EDK2 sends it with RENAME_NOREPLACE. The other flags of renameat2(2) are out of node's reach: EINVAL, as there. */
const rename2: Answered = {
  body: 0,
  serve(session, request) {
    const input = request.argument.struct(FuseRename2In.SIZEOF);
    if (input === undefined) return -EINVAL;
    const flags = input.getUint32(FuseRename2In.FLAGS, true);
    if ((flags & ~RENAME_NOREPLACE) !== 0) return -EINVAL;
    return move(session, request, input.getBigUint64(FuseRename2In.NEWDIR, true), flags === 0);
  },
};

function move(session: FuseSession, request: Request, newdir: bigint, replace: boolean): 0 | Failed {
  const name = request.argument.name();
  if (typeof name === "number") return name;
  const newName = request.argument.name();
  if (typeof newName === "number") return newName;
  if (request.argument.remaining > 0) return -EINVAL;
  const parent = session.inodes.directory(request.nodeid);
  if (typeof parent === "number") return parent;
  const newParent = session.inodes.directory(newdir);
  if (typeof newParent === "number") return newParent;
  return session.backing.rename(parent.node, name, newParent.node, newName, replace);
}

export const NAME_OPERATIONS: Operations = new Map<number, Operation>([
  [FUSE_LINK, link],
  [FUSE_UNLINK, removal((backing, parent, name) => backing.unlink(parent, name))],
  [FUSE_RMDIR, removal((backing, parent, name) => backing.rmdir(parent, name))],
  [FUSE_RENAME, rename],
  [FUSE_RENAME2, rename2],
]);
