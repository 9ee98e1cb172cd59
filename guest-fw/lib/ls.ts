// ls PATH: the names in a directory, one a line, a directory's with a slash (in EDK2 VirtioFsSimpleFileRead of a
// directory, OvmfPkg/VirtioFsDxe).

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
import { print } from "./console";
import { FuseClient } from "./fuse";
import { Node } from "./path";

const ENTRY_HEAD: u32 = FuseDirentplus.DIRENT + FuseDirent.NAME;

const DOT: u8 = 0x2e;
const SLASH: u8 = 0x2f;
const NEWLINE: u8 = 0x0a;

/** Through `buffer`, its length the most that is read at once. Returns 0 or an errno. */
export function ls(fuse: FuseClient, node: Node, buffer: Bytes): i32 {
  if (node.type != S_IFDIR) return ENOTDIR;

  let error = fuse.open(FUSE_OPENDIR, node.id, O_RDONLY);
  if (error != 0) return error;
  const handle = fuse.handle;
  let offset: u64 = 0;
  for (;;) {
    error = fuse.read(FUSE_READDIRPLUS, node.id, handle, offset, buffer.at, buffer.length);
    if (error != 0 || fuse.dataLength == 0) break;
    offset = list(fuse, buffer.at, fuse.dataLength);
  }
  fuse.release(FUSE_RELEASEDIR, node.id, handle);
  return error;
}

/** Prints the names of one reply, `length` bytes at `entries`. Returns the offset at which the directory goes on. */
function list(fuse: FuseClient, entries: usize, length: u32): u64 {
  let next: u64 = 0;
  // A line is shorter than its entry: the text takes the entries' place from the left.
  let text: u32 = 0;
  for (let at: u32 = 0; at < length; ) {
    const left = length - at;
    if (left < ENTRY_HEAD) fuse.giveUp("a directory entry is cut off");
    const entry = entries + at;
    const nameLength = load<u32>(entry, FuseDirentplus.DIRENT + FuseDirent.NAMELEN);
    if (nameLength == 0 || nameLength > left - ENTRY_HEAD) fuse.giveUp("a directory entry's name length is impossible");
    next = load<u64>(entry, FuseDirentplus.DIRENT + FuseDirent.OFF);
    at += fuseDirentAlign(ENTRY_HEAD + nameLength);

    const node = load<u64>(entry, FuseEntryOut.NODEID);
    const mode = load<u32>(entry, FuseEntryOut.ATTR + FuseAttr.MODE);
    const name = entry + ENTRY_HEAD;
    if (!isDotOrDotDot(name, nameLength)) {
      memory.copy(entries + text, name, nameLength);
      text += nameLength;
      if ((mode & S_IFMT) == S_IFDIR) store<u8>(entries + text++, SLASH);
      store<u8>(entries + text++, NEWLINE);
    }
    // Each entry that comes with a node has looked it up.
    if (node != 0) fuse.forget(node);
  }
  print(entries, text);
  return next;
}

function isDotOrDotDot(name: usize, length: u32): bool {
  return length <= 2 && load<u8>(name) == DOT && load<u8>(name + length - 1) == DOT;
}
