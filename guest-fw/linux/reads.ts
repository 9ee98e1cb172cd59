// reads N PATH: a file's bytes to standard output in their order, read with up to N requests in flight at once, as
// Linux's readahead does (fuse_readahead and fuse_send_readpages of fs/fuse/file.c). A line on standard error counts.

import { EINVAL } from "../../device/spec/errno";
import { O_RDONLY, S_IFREG } from "../../device/spec/fuse";
import { FUSE_OPEN, FUSE_READ, FUSE_RELEASE } from "../../device/spec/fuse-opcode";
import { Bytes } from "../lib/bytes";
import { print, say } from "../lib/console";
import { FuseClient } from "../lib/fuse";
import { FuseRequest } from "../lib/fuse-request";
import { MAX_READAHEAD } from "../lib/mount-linux";
import { allocatePages } from "../lib/pages";
import { Node } from "../lib/path";
import { VirtioFsLinux } from "../lib/virtio-fs-linux";

/** Returns 0 or an errno. */
export function reads(fs: VirtioFsLinux, fuse: FuseClient, path: Bytes, most: u32): i32 {
  const node = new Node();
  let error = node.walk(fuse, path);
  if (error == 0 && node.type != S_IFREG) error = EINVAL;
  if (error == 0) error = fuse.getattr(node.id);
  const size = fuse.size;
  if (error == 0) error = fuse.open(FUSE_OPEN, node.id, O_RDONLY);
  if (error == 0) {
    const handle = fuse.handle;
    error = new Readahead(fs, fuse, node.id, handle, size).run(most);
    fuse.release(FUSE_RELEASE, node.id, handle);
  }
  node.forget(fuse);
  fs.drain();
  if (error == 0) say(fs.counts());
  return error;
}

/** Reads of `chunk` bytes in a window that slides over the file; slot i has the reads i, i + slots, i + 2 slots, … */
class Readahead {
  private readonly chunk: u32;
  private readonly total: u64;

  constructor(
    private readonly fs: VirtioFsLinux,
    private readonly fuse: FuseClient,
    private readonly node: u64,
    private readonly handle: u64,
    private readonly size: u64,
  ) {
    this.chunk = min(MAX_READAHEAD, fs.maxData());
    this.total = (size + this.chunk - 1) / this.chunk;
  }

  run(most: u32): i32 {
    const slots = min<u64>(most, this.total) as u32;
    const requests = new StaticArray<FuseRequest>(slots);
    const buffers = allocatePages(slots * this.chunk);
    for (let slot: u32 = 0; slot < slots; slot++) {
      requests[slot] = this.fs.newRequest();
      this.send(requests[slot], slot, buffers + slot * this.chunk);
    }
    let error: i32 = 0;
    for (let i: u64 = 0; i < this.total; i++) {
      const slot = (i % slots) as u32;
      const request = requests[slot];
      const buffer = buffers + slot * this.chunk;
      this.fs.awaitRequest(request);
      const failed = request.check();
      if (failed != 0) error = failed;
      // After an error nothing more is sent: the window empties.
      if (error == 0) print(buffer, request.bodyBytes);
      if (error == 0 && i + slots < this.total) this.send(request, i + slots, buffer);
    }
    return error;
  }

  private send(request: FuseRequest, index: u64, buffer: usize): void {
    const offset = index * this.chunk;
    const bytes = min<u64>(this.size - offset, this.chunk) as u32;
    this.fuse.prepareRead(request, FUSE_READ, this.node, this.handle, offset, buffer, bytes);
    this.fs.submit(request);
  }
}
