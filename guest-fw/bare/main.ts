// A driver without a device protocol, for a device of any type: sets one queue up, makes a request available that means
// nothing (zeroes to read, room to write), kicks, and polls until the device has used it. Which types use such a request
// is theirs; a queue that only receives does not.
//
//   bare QUEUE
//
// Exit codes: 0; 1 when the device fails; 2 for wrong usage. One line on standard error says which.

import { VIRTIO_CONFIG_S_DRIVER_OK } from "../../device/spec/virtio";
import { VIRTQ_DESC_F_WRITE, VirtqDesc, VirtqUsed } from "../../device/spec/virtq";
import { commandLine } from "../lib/command-line";
import { dieOfUsage } from "../lib/console";
import { findVirtioFs } from "../lib/find-device";
import { negotiate } from "../lib/negotiate";
import { wholeNumber } from "../lib/number";
import { allocatePages } from "../lib/pages";
import { gpa } from "../lib/shared";
import { VirtioPci } from "../lib/virtio-pci";
import { Virtqueue, virtqPrivateBytes, virtqRingBytes } from "../lib/virtq";

@external("env", "stall")
declare function stall(micros: u32, ptr: u32, seen: u32): void;

const READABLE: u32 = 64;
const WRITABLE: u32 = 256;
const STALL: u32 = 64; // microseconds

export function _start(): void {
  const words = commandLine();
  const index = words.length == 1 ? wholeNumber(words[0]) : -1;
  if (index < 0) dieOfUsage("bare QUEUE");

  // The lab's board calls every device it carries a file system; who serves it decides what it is.
  const device = new VirtioPci(findVirtioFs());
  const status = negotiate(device, 0);
  device.setQueueSel(index);
  const size = device.getQueueNumMax();
  if (size < 2) device.fail("it has no such queue");
  const ring = changetype<Virtqueue>(allocatePages(virtqPrivateBytes(size)));
  ring.init(allocatePages(virtqRingBytes(size)), size, false);
  device.setQueueAddress(ring);
  device.setStatus(status | VIRTIO_CONFIG_S_DRIVER_OK);

  const buffers = allocatePages(2 * VirtqDesc.SIZEOF);
  place(buffers, READABLE, 0);
  place(buffers + VirtqDesc.SIZEOF, WRITABLE, VIRTQ_DESC_F_WRITE);
  ring.disableCalls();
  ring.add(buffers, 2);
  ring.publish();
  device.setQueueNotify(index);
  while (ring.poll() == 0) stall(STALL, (ring.used + VirtqUsed.IDX) as u32, ring.usedIdx);
  if (ring.reap() < 0) device.giveUp("its used ring makes no sense");
}

/** Describes a zeroed buffer of its own. */
function place(desc: usize, length: u32, flags: u32): void {
  const buffer = allocatePages(length);
  memory.fill(buffer, 0, length);
  store<u64>(desc, gpa(buffer), VirtqDesc.ADDR);
  store<u32>(desc, length, VirtqDesc.LEN);
  store<u16>(desc, flags as u16, VirtqDesc.FLAGS);
}
