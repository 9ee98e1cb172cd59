// What a file starts as: inode_init_owner() and mode_strip_sgid() of Linux's fs/inode.c, vfs_mkdir() of its fs/namei.c.
// A file of the host is made by this server, not by the process in the guest, so the server has to say it itself
// (CVE-2022-0358 is a server that did not).

import { S_IALLUGO, S_IFDIR, S_IRWXUGO, S_ISGID, S_ISVTX, S_IXGRP } from "../../spec/fuse.js";

export interface NewFile {
  /** Without type. The guest has taken its umask off: FUSE_DONT_MASK is not granted. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** What a file of type `type` in the directory `parent` becomes when a process of the guest asks for `asked`. */
export function newFile(parent: { mode: number; gid: number }, type: number, asked: NewFile): NewFile {
  const mode = asked.mode & (type === S_IFDIR ? S_IRWXUGO | S_ISVTX : S_IALLUGO);
  if ((parent.mode & S_ISGID) === 0) return { ...asked, mode };
  const { gid } = parent;
  if (type === S_IFDIR) return { ...asked, gid, mode: mode | S_ISGID };
  // A program that runs as the directory's group can be made only by a member of it, or with CAP_FSETID. Of the caller
  // the request tells one group and no capability.
  const runsAsGroup = (mode & S_ISGID) !== 0 && (mode & S_IXGRP) !== 0;
  const stranger = asked.gid !== gid && asked.uid !== 0;
  return { ...asked, gid, mode: runsAsGroup && stranger ? mode & ~S_ISGID : mode };
}
