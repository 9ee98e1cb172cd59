// Requests to be measured, one after the other, above the driver of guest `linux`. No released driver: its buffers are
// large, and it takes VIRTIO_F_IN_ORDER where that is offered.
//
//   bench                      boots and mounts
//   bench getattr N PATH       then asks N times for the attributes of a path
//   bench read N BYTES PATH    then reads the first BYTES of a file N times
//
// The N requests are made between two lines on standard output, `begin` and `end`. Exit codes: 0; 1 when the file or the
// device fails; 2 for wrong usage.

import { EIO } from "../../device/spec/errno";
import { O_RDONLY } from "../../device/spec/fuse";
import { FUSE_OPEN, FUSE_READ, FUSE_RELEASE } from "../../device/spec/fuse-opcode";
import { VIRTIO_F_IN_ORDER } from "../../device/spec/virtio";
import { commandLine } from "../lib/command-line";
import { dieOfUsage, dieOnPath, printText } from "../lib/console";
import { errnoName } from "../lib/errno-name";
import { findVirtioFs } from "../lib/find-device";
import { FuseClient } from "../lib/fuse";
import { FuseRequest } from "../lib/fuse-request";
import { mount } from "../lib/mount-linux";
import { wholeNumber } from "../lib/number";
import { allocatePages } from "../lib/pages";
import { Node } from "../lib/path";
import { VirtioFsLinux } from "../lib/virtio-fs-linux";
import { VirtioPciModern } from "../lib/virtio-pci-modern";

const USAGE = "bench [getattr N PATH | read N BYTES PATH]";

const DATA_BUFFER: u32 = 65536;
const MOST_DATA: u32 = 1 << 20;

class VirtioFsBench extends VirtioFsLinux {
  constructor(modern: VirtioPciModern) {
    super(modern, 1 << (VIRTIO_F_IN_ORDER as u64));
  }

  newRequest(): FuseRequest {
    return new FuseRequest(this.device, DATA_BUFFER, MOST_DATA / DATA_BUFFER);
  }
  maxData(): u32 {
    return MOST_DATA;
  }
}

export function _start(): void {
  const words = commandLine();
  const command = words.length > 0 ? words[0].toString() : "";
  const getattr = command == "getattr" && words.length == 3;
  const read = command == "read" && words.length == 4;
  const times = getattr || read ? wholeNumber(words[1]) : 1;
  const bytes = read ? wholeNumber(words[2]) : 1;
  if ((words.length > 0 && !getattr && !read) || times < 1 || bytes < 1 || bytes > <i32>MOST_DATA) dieOfUsage(USAGE);

  const fs = new VirtioFsBench(new VirtioPciModern(findVirtioFs()));
  fs.probed();
  const fuse = mount(fs).fuse;
  if (words.length == 0) return;

  const path = words[words.length - 1];
  const node = new Node();
  let error = node.walk(fuse, path);
  if (error == 0) error = getattr ? attributes(fuse, node.id, times) : reads(fuse, node.id, times, bytes);
  if (error != 0) dieOnPath(command, path, errnoName(error));
  node.forget(fuse);
  fs.drain();
}

/** Returns 0 or an errno, as all here. */
function attributes(fuse: FuseClient, node: u64, times: u32): i32 {
  printText("begin\n");
  for (let i: u32 = 0; i < times; i++) {
    const error = fuse.getattr(node);
    if (error != 0) return error;
  }
  printText("end\n");
  return 0;
}

function reads(fuse: FuseClient, node: u64, times: u32, bytes: u32): i32 {
  const opened = fuse.open(FUSE_OPEN, node, O_RDONLY);
  if (opened != 0) return opened;
  const handle = fuse.handle;
  const buffer = allocatePages(bytes);
  printText("begin\n");
  for (let i: u32 = 0; i < times; i++) {
    const error = fuse.read(FUSE_READ, node, handle, 0, buffer, bytes);
    if (error != 0) return error;
    if (fuse.dataLength != bytes) return EIO; // the file is shorter
  }
  printText("end\n");
  fuse.release(FUSE_RELEASE, node, handle);
  return 0;
}
