// The entries of a directory, one after the other (in EDK2 VirtioFsSimpleFileRead of a directory, OvmfPkg/VirtioFsDxe;
// in Linux fuse_readdir, fs/fuse/readdir.c).

import { ENOTDIR } from "../../device/spec/errno";
import {
  FuseAttr,
  FuseDirent,
  FuseDirentplus,
  FuseEntryOut,
  O_RDONLY,
  S_IFDIR,
  S_IFMT,
  fuseDirentAlign,
} from "../../device/spec/fuse";
import { FUSE_OPENDIR, FUSE_READDIRPLUS, FUSE_RELEASEDIR } from "../../device/spec/fuse-opcode";
import { Bytes } from "./bytes";
import { FuseClient } from "./fuse";
import { Node } from "./path";

const ENTRY_HEAD: u32 = FuseDirentplus.DIRENT + FuseDirent.NAME;

const DOT: u8 = 0x2e;

export class Directory {
  private node: u64 = 0;
  private handle: u64 = 0;
  /** Where the directory goes on after the reply in the buffer: its bytes, and how many of them are behind us. */
  private offset: u64 = 0;
  private length: u32 = 0;
  private at: u32 = 0;

  // What `next` found, until it is called again.
  name: usize = 0;
  nameLength: u32 = 0;
  isDirectory: bool = false;
  /** An error by which the reading ended, or 0. */
  error: i32 = 0;

  /** @param buffer for the replies; its length is the most that is read at once */
  constructor(
    private readonly fuse: FuseClient,
    private readonly buffer: Bytes,
  ) {}

  /** Returns 0 or an errno; `close` is due only after 0. */
  open(node: Node): i32 {
    if (node.type != S_IFDIR) return ENOTDIR;
    const error = this.fuse.open(FUSE_OPENDIR, node.id, O_RDONLY);
    if (error != 0) return error;
    this.node = node.id;
    this.handle = this.fuse.handle;
    return 0;
  }

  close(): void {
    this.fuse.release(FUSE_RELEASEDIR, this.node, this.handle);
  }

  /** Goes to the next entry, without "." and "..". Returns false at the end. */
  next(): bool {
    do {
      if (this.at >= this.length && !this.refill()) return false;
    } while (!this.take());
    return true;
  }

  private refill(): bool {
    const fuse = this.fuse;
    this.error = fuse.read(
      FUSE_READDIRPLUS,
      this.node,
      this.handle,
      this.offset,
      this.buffer.at,
      this.buffer.length,
    );
    this.length = this.error == 0 ? fuse.dataLength : 0;
    this.at = 0;
    return this.length != 0;
  }

  /** The entry here. Returns whether it is one to show. */
  private take(): bool {
    const left = this.length - this.at;
    if (left < ENTRY_HEAD) this.fuse.giveUp("a directory entry is cut off");
    const entry = this.buffer.at + this.at;
    const nameLength = load<u32>(entry, FuseDirentplus.DIRENT + FuseDirent.NAMELEN);
    if (nameLength == 0 || nameLength > left - ENTRY_HEAD) {
      this.fuse.giveUp("a directory entry's name length is impossible");
    }
    this.offset = load<u64>(entry, FuseDirentplus.DIRENT + FuseDirent.OFF);
    this.at += fuseDirentAlign(ENTRY_HEAD + nameLength);
    this.name = entry + ENTRY_HEAD;
    this.nameLength = nameLength;
    this.isDirectory = (load<u32>(entry, FuseEntryOut.ATTR + FuseAttr.MODE) & S_IFMT) == S_IFDIR;
    // Each entry that comes with a node has looked it up.
    const node = load<u64>(entry, FuseEntryOut.NODEID);
    if (node != 0) this.fuse.forget(node);
    return !isDotOrDotDot(this.name, nameLength);
  }
}

function isDotOrDotDot(name: usize, length: u32): bool {
  return length <= 2 && load<u8>(name) == DOT && load<u8>(name + length - 1) == DOT;
}
