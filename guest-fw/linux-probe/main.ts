// A Linux driver that uses a queue inside its probe, directly after virtio_device_ready, as others than virtio_fs do
// (for example drivers/gpio/gpio-virtio.c). Here it is the same driver as `linux`, and the request is FUSE_INIT.
//
//   linux-probe   boots: finds the device and opens a FUSE session
//
// Exit codes: 0; 1 when the device fails; 2 for wrong usage. One line on standard error says which.

import { commandLine } from "../lib/command-line";
import { dieOfUsage } from "../lib/console";
import { findVirtioFs } from "../lib/find-device";
import { mount } from "../lib/mount-linux";
import { VirtioFsLinux } from "../lib/virtio-fs-linux";
import { VirtioPciModern } from "../lib/virtio-pci-modern";

export function _start(): void {
  if (commandLine().length != 0) dieOfUsage("linux-probe");
  const fs = new VirtioFsLinux(new VirtioPciModern(findVirtioFs()));
  mount(fs);
  fs.probed();
}
