// write PATH and cp FROM TO: what changes the bytes of a file (open(2) with O_CREAT and O_TRUNC, write(2), close(2)).

import { EINVAL, EIO, EISDIR, ENOENT } from "../../device/spec/errno";
import { O_CREAT, O_RDONLY, O_TRUNC, O_WRONLY, S_IFDIR, S_IFMT, S_IFREG } from "../../device/spec/fuse";
import { FUSE_OPEN, FUSE_READ, FUSE_RELEASE } from "../../device/spec/fuse-opcode";
import { Bytes } from "../lib/bytes";
import { Node } from "../lib/path";
import { Share } from "./share";

const MODE: u32 = S_IFREG | 0o644;

/** A file that is written from its beginning. */
class Output {
  private node: u64 = 0;
  private handle: u64 = 0;
  private offset: u64 = 0;

  constructor(private readonly share: Share) {}

  /** @param source a node that must not be written over  @returns 0 or an errno; `close` is due only after 0 */
  open(path: Bytes, source: u64): i32 {
    const share = this.share;
    const fuse = share.fuse;
    const parent = new Node();
    let error = share.walkToParent(parent, path);
    if (error == 0) {
      const name = share.name;
      error = fuse.lookup(parent.id, name.at, name.length);
      if (error == 0) error = this.reopen(fuse.node, fuse.mode & S_IFMT, source);
      else if (error == ENOENT) {
        error = fuse.create(parent.id, name.at, name.length, O_WRONLY | O_CREAT | O_TRUNC, MODE);
        this.node = fuse.node;
        this.handle = fuse.handle;
      }
    }
    parent.forget(fuse);
    return error;
  }

  private reopen(node: u64, type: u32, source: u64): i32 {
    const fuse = this.share.fuse;
    const atomic = this.share.atomicTruncate;
    let error: i32 = type == S_IFDIR ? EISDIR : type != S_IFREG || node == source ? EINVAL : 0;
    if (error == 0) error = fuse.open(FUSE_OPEN, node, atomic ? O_WRONLY | O_TRUNC : O_WRONLY);
    if (error == 0) {
      this.node = node;
      this.handle = fuse.handle;
      if (!atomic) error = fuse.truncate(node, this.handle, 0);
      if (error != 0) fuse.release(FUSE_RELEASE, node, this.handle);
    }
    if (error != 0) fuse.forget(node);
    return error;
  }

  /** All of `length` bytes at `at`. */
  append(at: usize, length: u32): i32 {
    const fuse = this.share.fuse;
    for (let done: u32 = 0; done < length; done += fuse.dataLength) {
      const error = fuse.write(this.node, this.handle, this.offset, at + done, length - done);
      if (error != 0) return error;
      if (fuse.dataLength == 0) return EIO;
      this.offset += fuse.dataLength;
    }
    return 0;
  }

  /** Returns what the server says of it at FUSE_FLUSH, as close(2) does. */
  close(): i32 {
    const fuse = this.share.fuse;
    const error = fuse.flush(this.node, this.handle);
    fuse.release(FUSE_RELEASE, this.node, this.handle);
    fuse.forget(this.node);
    return error;
  }
}

/** Standard input to a file. */
export function write(share: Share, path: Bytes): i32 {
  const output = new Output(share);
  let error = output.open(path, 0);
  if (error != 0) return error;
  const buffer = share.buffer;
  while (error == 0) {
    const length = share.stdin.read(buffer.at, buffer.length);
    if (length == 0) break;
    error = output.append(buffer.at, length);
  }
  const failed = output.close();
  return error != 0 ? error : failed;
}

/** A regular file's bytes, up to where a read finds no more, to another. */
export function cp(share: Share, from: Bytes, to: Bytes): i32 {
  const fuse = share.fuse;
  const source = new Node();
  let error = share.walk(source, from);
  if (error == 0 && source.type != S_IFREG) error = source.type == S_IFDIR ? EISDIR : EINVAL;
  if (error == 0) error = fuse.open(FUSE_OPEN, source.id, O_RDONLY);
  if (error == 0) {
    const handle = fuse.handle;
    error = copy(share, from, source.id, handle, to);
    fuse.release(FUSE_RELEASE, source.id, handle);
  }
  source.forget(fuse);
  return error;
}

function copy(share: Share, from: Bytes, source: u64, handle: u64, to: Bytes): i32 {
  const fuse = share.fuse;
  const output = new Output(share);
  let error = output.open(to, source);
  if (error != 0) return error;
  const buffer = share.buffer;
  for (let offset: u64 = 0; error == 0; ) {
    error = fuse.read(FUSE_READ, source, handle, offset, buffer.at, buffer.length);
    if (error != 0) share.at = from;
    if (error != 0 || fuse.dataLength == 0) break;
    const length = fuse.dataLength;
    offset += length;
    error = output.append(buffer.at, length);
  }
  const failed = output.close();
  return error != 0 ? error : failed;
}
