// Where the machine has its virtio file system device.

import { VIRTIO_ID_FS } from "../../device/spec/virtio";
import { die } from "./console";
import { enumeratePci, PciFunction } from "./pci";
import { VirtioPci } from "./virtio-pci";

export function findVirtioFs(): PciFunction {
  const functions = enumeratePci();
  for (let i = 0; i < functions.length; i++) {
    if (VirtioPci.is(functions[i], VIRTIO_ID_FS)) return functions[i];
  }
  die("no virtio file system device on PCI bus 0");
  return unreachable();
}
