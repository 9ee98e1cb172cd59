// The firmware guest: what OVMF does with a virtio file system from reset to a file's bytes, as one WASI program. The
// parts are named for the drivers that they follow: PciBusDxe, Virtio10Dxe, VirtioFsDxe. A boot is one run of a new
// instance; nothing of it is left in the next.
//
//   ovmf            boots: finds the device and opens a FUSE session
//   ovmf ls PATH    then lists a directory of the share
//   ovmf cat PATH   then prints a file of the share
//
// Exit codes: 0; 1 when the file or the device fails; 2 for wrong usage. One line on standard error says which.

import { FUSE_ROOT_ID, O_RDONLY } from "../../device/spec/fuse";
import { FUSE_OPENDIR, FUSE_RELEASEDIR } from "../../device/spec/fuse-opcode";
import { VIRTIO_FS_MAX_BUFFER } from "../../device/spec/virtio-fs";
import { Bytes } from "../lib/bytes";
import { cat } from "../lib/cat";
import { commandLine } from "../lib/command-line";
import { dieOfUsage, dieOnPath } from "../lib/console";
import { errnoName } from "../lib/errno-name";
import { FuseClient } from "../lib/fuse";
import { ls } from "../lib/ls";
import { allocateUpTo } from "../lib/pages";
import { Node } from "../lib/path";
import { findVirtioFs } from "../lib/find-device";
import { VirtioPci } from "../lib/virtio-pci";
import { bindVirtioFs } from "./virtio-fs";

/** The buffer of a directory. */
const LS_BYTES: u32 = 65536;

const USAGE = "ovmf [ls PATH | cat PATH]";

export function _start(): void {
  const words = commandLine();
  const command = words.length == 0 ? "" : words[0].toString();
  if (words.length != 0 && !(words.length == 2 && (command == "ls" || command == "cat"))) dieOfUsage(USAGE);

  const fuse = bindVirtioFs(new VirtioPci(findVirtioFs()));
  if (words.length != 0) run(fuse, command, words[1]);
}

/** One command on the opened volume (VirtioFsOpenVolume), which is closed again however the command ends. */
function run(fuse: FuseClient, command: string, path: Bytes): void {
  let error = fuse.open(FUSE_OPENDIR, FUSE_ROOT_ID, O_RDONLY);
  if (error == 0) {
    const volume = fuse.handle;
    const node = new Node();
    error = node.walk(fuse, path);
    if (error == 0) {
      const most: u32 = command == "ls" ? LS_BYTES : VIRTIO_FS_MAX_BUFFER;
      error = command == "ls" ? ls(fuse, node, allocateUpTo(most)) : cat(fuse, node, allocateUpTo(most));
    }
    node.forget(fuse);
    fuse.release(FUSE_RELEASEDIR, FUSE_ROOT_ID, volume);
  }
  if (error != 0) dieOnPath(command, path, errnoName(error));
}
