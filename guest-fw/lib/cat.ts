// cat PATH: a file's bytes to standard output. In EDK2 VirtioFsSimpleFileOpen, -Read and -Close of OvmfPkg/VirtioFsDxe.

import { EINVAL, EISDIR, ELOOP } from "../../device/spec/errno";
import { O_RDONLY, S_IFDIR, S_IFLNK, S_IFREG } from "../../device/spec/fuse";
import { FUSE_OPEN, FUSE_READ, FUSE_RELEASE } from "../../device/spec/fuse-opcode";
import { Bytes } from "./bytes";
import { print } from "./console";
import { FuseClient } from "./fuse";
import { Node } from "./path";

/** Through `buffer`, its length the most that is read at once. Returns 0 or an errno. */
export function cat(fuse: FuseClient, node: Node, buffer: Bytes): i32 {
  // Only a regular file has bytes to show; VirtioFsDxe opens no symbolic link, and the guests follow none.
  if (node.type == S_IFDIR) return EISDIR;
  if (node.type == S_IFLNK) return ELOOP;
  if (node.type != S_IFREG) return EINVAL;

  const error = fuse.open(FUSE_OPEN, node.id, O_RDONLY);
  if (error != 0) return error;
  const handle = fuse.handle;
  const failed = copyOut(fuse, node.id, handle, buffer);
  fuse.flush(node.id, handle);
  fuse.release(FUSE_RELEASE, node.id, handle);
  return failed;
}

/** The bytes up to the size that the file has now; fewer if it becomes shorter meanwhile. */
function copyOut(fuse: FuseClient, node: u64, handle: u64, buffer: Bytes): i32 {
  let error = fuse.getattr(node);
  if (error != 0) return error;
  const size = fuse.size;
  for (let offset: u64 = 0; offset < size; offset += fuse.dataLength) {
    const chunk = min<u64>(size - offset, buffer.length) as u32;
    error = fuse.read(FUSE_READ, node, handle, offset, buffer.at, chunk);
    if (error != 0) return error;
    if (fuse.dataLength == 0) break;
    print(buffer.at, fuse.dataLength);
  }
  return 0;
}
