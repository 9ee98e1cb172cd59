// ls PATH: the names in a directory, one a line, a directory's with a slash.

import { NAME_MAX } from "../../device/spec/fuse";
import { Bytes } from "./bytes";
import { print } from "./console";
import { Directory } from "./directory";
import { FuseClient } from "./fuse";
import { Node } from "./path";

/** Lines are gathered here and written together. */
const TEXT_BYTES: u32 = 4096;
const TEXT = memory.data(4096, 16);

const SLASH: u8 = 0x2f;
const NEWLINE: u8 = 0x0a;

/** Through `buffer`, its length the most that is read at once. Returns 0 or an errno. */
export function ls(fuse: FuseClient, node: Node, buffer: Bytes): i32 {
  const directory = new Directory(fuse, buffer);
  const error = directory.open(node);
  if (error != 0) return error;
  let text: u32 = 0;
  while (directory.next()) {
    const length = directory.nameLength;
    if (length > <u32>NAME_MAX) fuse.giveUp("a directory entry's name is longer than any name may be");
    if (text + length + 2 > TEXT_BYTES) {
      print(TEXT, text);
      text = 0;
    }
    memory.copy(TEXT + text, directory.name, length);
    text += length;
    if (directory.isDirectory) store<u8>(TEXT + text++, SLASH);
    store<u8>(TEXT + text++, NEWLINE);
  }
  print(TEXT, text);
  directory.close();
  return directory.error;
}
