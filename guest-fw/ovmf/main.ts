// The firmware guest: what OVMF does with a virtio file system from reset to a file's bytes, as one WASI program. The
// parts are named for the drivers that they follow: PciBusDxe, Virtio10Dxe, VirtioFsDxe. A boot is one run of a new
// instance; nothing of it is left in the next.
//
//   ovmf            boots: finds the device and opens a FUSE session
//   ovmf ls PATH    then lists a directory of the share
//   ovmf cat PATH   then prints a file of the share
//
// Exit codes: 0; 1 when the file or the device fails; 2 for wrong usage. One line on standard error says which.

import { FUSE_ROOT_ID } from "../../device/spec/fuse";
import { FUSE_OPENDIR, FUSE_RELEASEDIR } from "../../device/spec/fuse-opcode";
import { VIRTIO_ID_FS } from "../../device/spec/virtio";
import { Bytes } from "../lib/bytes";
import { commandLine } from "../lib/command-line";
import { die, dieOfUsage, dieOnPath } from "../lib/console";
import { errnoName } from "../lib/errno-name";
import { FuseClient } from "../lib/fuse";
import { enumeratePci } from "../lib/pci";
import { VirtioPci } from "../lib/virtio-pci";
import { cat } from "./cat";
import { ls } from "./ls";
import { Node } from "./path";
import { bindVirtioFs } from "./virtio-fs";

const USAGE = "ovmf [ls PATH | cat PATH]";

export function _start(): void {
  const words = commandLine();
  const command = words.length == 0 ? "" : words[0].toString();
  if (words.length != 0 && !(words.length == 2 && (command == "ls" || command == "cat"))) dieOfUsage(USAGE);

  const fuse = bindVirtioFs(findVirtioFs());
  if (words.length != 0) run(fuse, command, words[1]);
}

function findVirtioFs(): VirtioPci {
  const functions = enumeratePci();
  for (let i = 0; i < functions.length; i++) {
    if (VirtioPci.is(functions[i], VIRTIO_ID_FS)) return new VirtioPci(functions[i]);
  }
  die("no virtio file system device on PCI bus 0");
  return unreachable();
}

/** One command on the opened volume (VirtioFsOpenVolume), which is closed again however the command ends. */
function run(fuse: FuseClient, command: string, path: Bytes): void {
  let error = fuse.open(FUSE_OPENDIR, FUSE_ROOT_ID);
  if (error == 0) {
    const volume = fuse.handle;
    const node = new Node();
    error = node.walk(fuse, path);
    if (error == 0) error = command == "ls" ? ls(fuse, node) : cat(fuse, node);
    node.forget(fuse);
    fuse.release(FUSE_RELEASEDIR, FUSE_ROOT_ID, volume);
  }
  if (error != 0) dieOnPath(command, path, errnoName(error));
}
