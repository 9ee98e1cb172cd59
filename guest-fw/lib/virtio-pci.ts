// A virtio 1.x device on PCI, seen from its driver: EDK2's OvmfPkg/Virtio10Dxe (virtio 1.4, 4.1). Each method is the
// register accesses of the VIRTIO_DEVICE_PROTOCOL function of its name, in that order and of that width.

import { VIRTIO_CONFIG_S_FAILED } from "../../device/spec/virtio";
import {
  PCI_VENDOR_ID_REDHAT_QUMRANET,
  VIRTIO_PCI_CAP_COMMON_CFG,
  VIRTIO_PCI_CAP_DEVICE_CFG,
  VIRTIO_PCI_CAP_NOTIFY_CFG,
  VIRTIO_PCI_DEVICE_ID_BASE,
  VirtioPciCap,
  VirtioPciCommonCfg,
  VirtioPciNotifyCap,
} from "../../device/spec/virtio-pci";
import { PCI_CAP_ID_VNDR } from "../../vm/spec/pci";
import { die } from "./console";
import { read16, read32, read8, write16, write32, write64, write8 } from "./mmio";
import { PciFunction } from "./pci";
import { gpa } from "./shared";
import { Virtqueue } from "./virtq";

/** The common configuration that is used: all up to the queue's areas. */
const COMMON_BYTES: u32 = VirtioPciCommonCfg.QUEUE_NOTIF_CONFIG_DATA;

const REFUSED = "virtio device refused: ";

/** One virtio structure in a BAR; its gpa is 0 while it has not been found. */
class Structure {
  gpa: u64 = 0;
  length: u32 = 0;
}

export class VirtioPci {
  protected readonly common: Structure = new Structure();
  protected readonly notify: Structure = new Structure();
  protected readonly config: Structure = new Structure();
  private notifyOffMultiplier: u32 = 0;
  /** device_status as last written. */
  private status: u32 = 0;

  /** Virtio10BindingStart: finds the device's structures and lets it answer. */
  constructor(readonly pci: PciFunction) {
    const capabilities = pci.capabilities(PCI_CAP_ID_VNDR);
    for (let i = 0; i < capabilities.length; i++) this.parse(pci.config + capabilities[i]);
    if (this.common.length < COMMON_BYTES) die(REFUSED + "it has no common configuration");
    if (this.notify.length == 0) die(REFUSED + "it has no notification structure");
    pci.enable();
  }

  /** Is it the device with this virtio device id? */
  static is(pci: PciFunction, deviceId: u32): bool {
    return pci.vendor == PCI_VENDOR_ID_REDHAT_QUMRANET && pci.device == VIRTIO_PCI_DEVICE_ID_BASE + deviceId;
  }

  /** 4.1.4: struct virtio_pci_cap at `capability`. */
  private parse(capability: u64): void {
    const type = read8(capability + VirtioPciCap.CFG_TYPE);
    let structure: Structure;
    // "The driver MUST ignore any vendor-specific capability structure which has a reserved cfg_type value."
    if (type == VIRTIO_PCI_CAP_COMMON_CFG) structure = this.common;
    else if (type == VIRTIO_PCI_CAP_NOTIFY_CFG) structure = this.notify;
    else if (type == VIRTIO_PCI_CAP_DEVICE_CFG) structure = this.config;
    else return;

    // "The driver MUST accept a cap_len value which is larger than specified here."
    const size: u32 = type == VIRTIO_PCI_CAP_NOTIFY_CFG ? VirtioPciNotifyCap.SIZEOF : VirtioPciCap.SIZEOF;
    if (read8(capability + VirtioPciCap.CAP_LEN) < size) return;
    // "The driver MUST ignore any vendor-specific capability structure which has a reserved bar value."
    const bar = read8(capability + VirtioPciCap.BAR);
    if (bar >= <u32>this.pci.bars.length || this.pci.bars[bar] == 0) return;
    // "The driver SHOULD use the first instance of each virtio structure type they can support."
    if (structure.gpa != 0) return;

    structure.gpa = this.pci.bars[bar] + read32(capability + VirtioPciCap.OFFSET);
    structure.length = read32(capability + VirtioPciCap.LENGTH);
    if (type == VIRTIO_PCI_CAP_NOTIFY_CFG) {
      this.notifyOffMultiplier = read32(capability + VirtioPciNotifyCap.NOTIFY_OFF_MULTIPLIER);
    }
  }

  /** Virtio10SetDeviceStatus; 0 is a device reset. */
  setStatus(status: u32): void {
    this.status = status;
    write8(this.common.gpa + VirtioPciCommonCfg.DEVICE_STATUS, status);
  }
  getStatus(): u32 {
    return read8(this.common.gpa + VirtioPciCommonCfg.DEVICE_STATUS);
  }

  getDeviceFeatures(): u64 {
    return this.featureWord(0) | (this.featureWord(1) << 32);
  }

  private featureWord(select: u32): u64 {
    write32(this.common.gpa + VirtioPciCommonCfg.DEVICE_FEATURE_SELECT, select);
    return read32(this.common.gpa + VirtioPciCommonCfg.DEVICE_FEATURE);
  }

  setGuestFeatures(features: u64): void {
    for (let select: u32 = 0; select < 2; select++) {
      write32(this.common.gpa + VirtioPciCommonCfg.DRIVER_FEATURE_SELECT, select);
      write32(this.common.gpa + VirtioPciCommonCfg.DRIVER_FEATURE, (features >> (32 * select)) as u32);
    }
  }

  /** Virtio10ReadDevice, in the two widths that are needed; read while the driver initializes. */
  readConfig8(offset: u32): u32 {
    return read8(this.configField(offset, 1));
  }
  readConfig32(offset: u32): u32 {
    return read32(this.configField(offset, 4));
  }

  private configField(offset: u32, width: u32): u64 {
    if (offset + width > this.config.length) this.fail("its device configuration is too short");
    return this.config.gpa + offset;
  }

  setQueueSel(queue: u32): void {
    write16(this.common.gpa + VirtioPciCommonCfg.QUEUE_SELECT, queue);
  }

  /** queue_size of the selected queue: its maximum, as it has not been written. */
  getQueueNumMax(): u32 {
    return read16(this.common.gpa + VirtioPciCommonCfg.QUEUE_SIZE);
  }

  /**
   * 4.1.5.1.2: the MSI-X vector of the configuration's changes, and of the selected queue (before it is enabled).
   * Returns what reads back: VIRTIO_MSI_NO_VECTOR where the device has no such vector.
   */
  setConfigVector(vector: u32): u32 {
    write16(this.common.gpa + VirtioPciCommonCfg.CONFIG_MSIX_VECTOR, vector);
    return read16(this.common.gpa + VirtioPciCommonCfg.CONFIG_MSIX_VECTOR);
  }
  setQueueVector(vector: u32): u32 {
    write16(this.common.gpa + VirtioPciCommonCfg.QUEUE_MSIX_VECTOR, vector);
    return read16(this.common.gpa + VirtioPciCommonCfg.QUEUE_MSIX_VECTOR);
  }

  /** Virtio10SetQueueAddress: the selected queue's three areas, and then queue_enable. */
  setQueueAddress(ring: Virtqueue): void {
    this.writeQueueAddress(ring);
    // 4.1.4.3.2: "The driver MUST configure the other virtqueue fields before enabling the virtqueue with
    // queue_enable."
    write16(this.common.gpa + VirtioPciCommonCfg.QUEUE_ENABLE, 1);
  }

  protected writeQueueAddress(ring: Virtqueue): void {
    write64(this.common.gpa + VirtioPciCommonCfg.QUEUE_DESC, gpa(ring.desc));
    write64(this.common.gpa + VirtioPciCommonCfg.QUEUE_DRIVER, gpa(ring.avail));
    write64(this.common.gpa + VirtioPciCommonCfg.QUEUE_DEVICE, gpa(ring.used));
  }

  /** Virtio10SetQueueNotify: four accesses that trap to learn where, and then the one that kicks. */
  setQueueNotify(queue: u32): void {
    const selected = read16(this.common.gpa + VirtioPciCommonCfg.QUEUE_SELECT);
    write16(this.common.gpa + VirtioPciCommonCfg.QUEUE_SELECT, queue);
    const notifyOff = read16(this.common.gpa + VirtioPciCommonCfg.QUEUE_NOTIFY_OFF);
    write16(this.common.gpa + VirtioPciCommonCfg.QUEUE_SELECT, selected);
    write16(this.notifyAddress(notifyOff), queue);
  }

  /** 4.1.4.4: where a queue whose queue_notify_off this is takes its notifications. */
  protected notifyAddress(notifyOff: u32): u64 {
    const offset = (notifyOff as u64) * this.notifyOffMultiplier;
    if (offset + 2 > this.notify.length) this.giveUp("its queue_notify_off is outside the notification structure");
    return this.notify.gpa + offset;
  }

  /** During initialization; 3.1.1: "the driver SHOULD set the FAILED status bit to indicate that it has given up". */
  fail(reason: string): void {
    this.setStatus(this.status | VIRTIO_CONFIG_S_FAILED);
    die(REFUSED + reason);
  }

  /** Once it runs: the driver unbinds from a device that breaks the protocol, which resets it. */
  giveUp(reason: string): void {
    this.setStatus(0);
    die(REFUSED + reason);
  }
}
