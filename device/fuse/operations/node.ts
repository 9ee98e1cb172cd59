// FUSE_LOOKUP, FUSE_FORGET, FUSE_BATCH_FORGET, FUSE_GETATTR and FUSE_READLINK: nodes and the references that the guest
// holds on them.
//
// A nodeid that the guest does not hold is EBADF, as in virtiofsd.

import { EBADF, EINVAL, ERANGE } from "../../spec/errno.js";
import {
  FUSE_GETATTR_FH,
  FuseAttrOut,
  FuseBatchForgetIn,
  FuseEntryOut,
  FuseForgetIn,
  FuseForgetOne,
  FuseGetattrIn,
  S_IFLNK,
} from "../../spec/fuse.js";
import { FUSE_BATCH_FORGET, FUSE_FORGET, FUSE_GETATTR, FUSE_LOOKUP, FUSE_READLINK } from "../../spec/fuse-opcode.js";
import { replyAttr, replyEntry } from "./attr.js";
import type { Answered, Operation, Operations, Unanswered } from "./operation.js";

const lookup: Answered = {
  body: FuseEntryOut.SIZEOF,
  serve(session, request, reply) {
    const name = request.argument.name();
    if (typeof name === "number") return name;
    if (request.argument.remaining > 0) return -EINVAL;
    const parent = session.inodes.directory(request.nodeid);
    if (typeof parent === "number") return parent;
    const held = session.inodes.lookup(parent, name);
    return typeof held === "number" ? held : replyEntry(reply, held);
  },
};

const forget: Unanswered = {
  body: "none",
  serve(session, request) {
    const input = request.argument.struct(FuseForgetIn.SIZEOF);
    if (input === undefined) return;
    session.inodes.forget(request.nodeid, input.getBigUint64(FuseForgetIn.NLOOKUP, true));
  },
};

const batchForget: Unanswered = {
  body: "none",
  serve(session, request) {
    const input = request.argument.struct(FuseBatchForgetIn.SIZEOF);
    if (input === undefined) return;
    // A count beyond the payload makes the whole request void: struct() then gives nothing.
    const bytes = input.getUint32(FuseBatchForgetIn.COUNT, true) * FuseForgetOne.SIZEOF;
    const list = request.argument.struct(bytes);
    if (list === undefined) return;
    for (let at = 0; at < bytes; at += FuseForgetOne.SIZEOF) {
      const nodeid = list.getBigUint64(at + FuseForgetOne.NODEID, true);
      session.inodes.forget(nodeid, list.getBigUint64(at + FuseForgetOne.NLOOKUP, true));
    }
  },
};

const getattr: Answered = {
  body: FuseAttrOut.SIZEOF,
  serve(session, request, reply) {
    const input = request.argument.struct(FuseGetattrIn.SIZEOF);
    if (input === undefined) return -EINVAL;
    // The handle says nothing about the attributes that the node would not, but it must be a true one.
    if ((input.getUint32(FuseGetattrIn.GETATTR_FLAGS, true) & FUSE_GETATTR_FH) !== 0) {
      const fh = input.getBigUint64(FuseGetattrIn.FH, true);
      if (!session.handles.has(fh, request.nodeid)) return -EBADF;
    }
    const inode = session.inodes.get(request.nodeid);
    if (inode === undefined) return -EBADF;
    const attr = session.backing.getattr(inode.node);
    return typeof attr === "number" ? attr : replyAttr(reply, attr);
  },
};

const readlink: Answered = {
  body: 0,
  serve(session, request, reply) {
    const inode = session.inodes.get(request.nodeid);
    if (inode === undefined) return -EBADF;
    if (inode.node.type !== S_IFLNK) return -EINVAL;
    const target = session.backing.readlink(inode.node);
    if (typeof target === "number") return target;
    // Half a target would be another target.
    if (target.length > reply.room) return -ERANGE;
    reply.put(new DataView(target.slice().buffer));
    return 0;
  },
};

export const NODE_OPERATIONS: Operations = new Map<number, Operation>([
  [FUSE_LOOKUP, lookup],
  [FUSE_FORGET, forget],
  [FUSE_BATCH_FORGET, batchForget],
  [FUSE_GETATTR, getattr],
  [FUSE_READLINK, readlink],
]);
