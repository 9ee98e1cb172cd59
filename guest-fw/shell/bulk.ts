// bulk N: makes N small files in a new directory `bulk`, renames, lists and removes them, and says how many of each.
// Its loops take nothing from the heap, which gives nothing back.

import { FUSE_ROOT_ID, O_CREAT, O_WRONLY, S_IFREG } from "../../device/spec/fuse";
import { FUSE_RELEASE, FUSE_RMDIR, FUSE_UNLINK } from "../../device/spec/fuse-opcode";
import { Bytes } from "../lib/bytes";
import { printText } from "../lib/console";
import { Directory } from "../lib/directory";
import { FuseClient } from "../lib/fuse";
import { Node } from "../lib/path";
import { Share } from "./share";

const MODE: u32 = 0o755;
const FILE_MODE: u32 = S_IFREG | 0o644;

const DIGITS: u32 = 9;
const NAME_BYTES: u32 = 1 + DIGITS;
const ZERO: u32 = 0x30;
const OLD_NAME = memory.data(16);
const NEW_NAME = memory.data(16);

/** `n` or `r` and the number of a file in nine digits. */
function name(at: usize, letter: u32, number: u32): void {
  store<u8>(at, letter as u8);
  for (let i = DIGITS; i > 0; i--) {
    store<u8>(at + i, (ZERO + (number % 10)) as u8);
    number /= 10;
  }
}
const LETTER_NEW: u32 = 0x6e;
const LETTER_RENAMED: u32 = 0x72;

export function bulk(share: Share, files: u32): i32 {
  const fuse = share.fuse;
  const text = String.UTF8.encode("bulk");
  share.at = new Bytes(changetype<usize>(text), text.byteLength);
  const path = share.at;
  let error = fuse.mkdir(FUSE_ROOT_ID, path.at, path.length, MODE);
  if (error != 0) return error;
  fuse.forget(fuse.node);

  const directory = new Node();
  error = directory.walk(fuse, path);
  if (error == 0) error = inside(share, directory, files);
  directory.forget(fuse);
  if (error == 0) error = fuse.remove(FUSE_RMDIR, FUSE_ROOT_ID, path.at, path.length);
  if (error != 0) return error;
  share.fs.drain();
  printText(share.fs.counts() + "\n");
  return 0;
}

function inside(share: Share, directory: Node, files: u32): i32 {
  const fuse = share.fuse;
  for (let i: u32 = 0; i < files; i++) {
    name(OLD_NAME, LETTER_NEW, i);
    const error = make(fuse, directory.id);
    if (error != 0) return error;
  }
  printText("made " + files.toString() + "\n");

  for (let i: u32 = 0; i < files; i++) {
    name(OLD_NAME, LETTER_NEW, i);
    name(NEW_NAME, LETTER_RENAMED, i);
    const error = fuse.rename(directory.id, OLD_NAME, NAME_BYTES, directory.id, NEW_NAME, NAME_BYTES);
    if (error != 0) return error;
  }
  printText("renamed " + files.toString() + "\n");

  const listing = new Directory(fuse, share.buffer);
  const unopened = listing.open(directory);
  if (unopened != 0) return unopened;
  let listed: u32 = 0;
  while (listing.next()) if (load<u8>(listing.name) == LETTER_RENAMED) listed++;
  listing.close();
  if (listing.error != 0) return listing.error;
  printText("listed " + listed.toString() + "\n");

  for (let i: u32 = 0; i < files; i++) {
    name(NEW_NAME, LETTER_RENAMED, i);
    const error = fuse.remove(FUSE_UNLINK, directory.id, NEW_NAME, NAME_BYTES);
    if (error != 0) return error;
  }
  printText("removed " + files.toString() + "\n");
  return 0;
}

/** The file OLD_NAME, whose contents are its name. */
function make(fuse: FuseClient, directory: u64): i32 {
  let error = fuse.create(directory, OLD_NAME, NAME_BYTES, O_WRONLY | O_CREAT, FILE_MODE);
  if (error != 0) return error;
  const node = fuse.node;
  const handle = fuse.handle;
  error = fuse.write(node, handle, 0, OLD_NAME, NAME_BYTES);
  const failed = fuse.flush(node, handle);
  fuse.release(FUSE_RELEASE, node, handle);
  fuse.forget(node);
  return error != 0 ? error : failed;
}
