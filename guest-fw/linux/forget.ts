// forget PATH: a path is looked up, and forgotten while another request is in flight, as when the kernel shrinks its caches
// beside other work: FUSE_STATFS on the request queue and FUSE_FORGET on the hiprio queue at once. A line on standard
// error counts.

import { FUSE_ROOT_ID } from "../../device/spec/fuse";
import { Bytes } from "../lib/bytes";
import { say } from "../lib/console";
import { FuseClient } from "../lib/fuse";
import { Node } from "../lib/path";
import { VirtioFsLinux } from "../lib/virtio-fs-linux";

/** Returns 0 or an errno. */
export function forget(fs: VirtioFsLinux, fuse: FuseClient, path: Bytes): i32 {
  const node = new Node();
  const error = node.walk(fuse, path);
  if (error != 0) {
    node.forget(fuse);
    return error;
  }
  const beside = fs.newRequest();
  fuse.prepareStatfs(beside, FUSE_ROOT_ID);
  fs.submit(beside);
  node.forget(fuse);
  fs.drain();
  say(fs.counts());
  return beside.check();
}
