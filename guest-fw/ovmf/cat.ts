// cat PATH: a file's bytes to standard output. VirtioFsSimpleFileOpen, -Read and -Close of OvmfPkg/VirtioFsDxe.

import { EINVAL, EISDIR, ELOOP } from "../../device/spec/errno";
import { S_IFDIR, S_IFLNK, S_IFREG } from "../../device/spec/fuse";
import { FUSE_OPEN, FUSE_READ, FUSE_RELEASE } from "../../device/spec/fuse-opcode";
import { VIRTIO_FS_MAX_BUFFER } from "../../device/spec/virtio-fs";
import { print } from "../lib/console";
import { FuseClient } from "../lib/fuse";
import { allocateUpTo } from "../lib/pages";
import { Node } from "./path";

/** Returns 0 or an errno. */
export function cat(fuse: FuseClient, node: Node): i32 {
  // VirtioFsDxe opens files and directories only.
  if (node.type == S_IFDIR) return EISDIR;
  if (node.type == S_IFLNK) return ELOOP;
  if (node.type != S_IFREG) return EINVAL;

  const error = fuse.open(FUSE_OPEN, node.id);
  if (error != 0) return error;
  const handle = fuse.handle;
  const failed = copyOut(fuse, node.id, handle);
  fuse.flush(node.id, handle);
  fuse.release(FUSE_RELEASE, node.id, handle);
  return failed;
}

/** The bytes up to the size that the file has now; fewer if it becomes shorter meanwhile. */
function copyOut(fuse: FuseClient, node: u64, handle: u64): i32 {
  let error = fuse.getattr(node);
  if (error != 0) return error;
  const size = fuse.size;

  const buffer = allocateUpTo(VIRTIO_FS_MAX_BUFFER);
  for (let offset: u64 = 0; offset < size; offset += fuse.dataLength) {
    const chunk = min<u64>(size - offset, buffer.length) as u32;
    error = fuse.read(FUSE_READ, node, handle, offset, buffer.at, chunk);
    if (error != 0) return error;
    if (fuse.dataLength == 0) break;
    print(buffer.at, fuse.dataLength);
  }
  return 0;
}
