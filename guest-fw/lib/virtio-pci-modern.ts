// The same device under Linux: drivers/virtio/virtio_pci_modern.c, virtio_pci_modern_dev.c and virtio_pci_common.c
// (virtio 1.4, 4.1.4.3 and 4.1.5). Each method is the register accesses of the function that it names.

import { VirtioPciCommonCfg, VIRTIO_MSI_NO_VECTOR } from "../../device/spec/virtio-pci";
import { Msix } from "./irq";
import { read16, read8, write16 } from "./mmio";
import { PciFunction } from "./pci";
import { sleep } from "./time";
import { VirtioPci } from "./virtio-pci";
import { Virtqueue } from "./virtq";

/** msleep(1) */
const RESET_POLL_MICROS: u32 = 1000;

export class VirtioPciModern extends VirtioPci {
  readonly msix: Msix;

  constructor(pci: PciFunction) {
    super(pci);
    this.msix = new Msix(pci);
  }

  /**
   * vp_reset. 4.1.4.3.2: "After writing 0 to device_status, the driver MUST wait for a read of device_status to return 0
   * before reinitializing the device."
   */
  reset(): void {
    this.setStatus(0);
    while (this.getStatus() != 0) sleep(RESET_POLL_MICROS);
  }

  /** virtio_add_status */
  addStatus(bits: u32): void {
    this.setStatus(this.getStatus() | bits);
  }

  /** vp_generation */
  getGeneration(): u32 {
    return read8(this.common.gpa + VirtioPciCommonCfg.CONFIG_GENERATION);
  }

  /** vp_modern_get_num_queues */
  getNumQueues(): u32 {
    return read16(this.common.gpa + VirtioPciCommonCfg.NUM_QUEUES);
  }

  /** The first half of setup_vq: the size of a queue; 0 if it cannot be used. */
  getQueueSize(queue: u32): u32 {
    this.setQueueSel(queue);
    const size = this.getQueueNumMax();
    this.setQueueSel(queue);
    return read16(this.common.gpa + VirtioPciCommonCfg.QUEUE_ENABLE) == 0 ? size : 0;
  }

  /** vp_active_vq, then vp_modern_map_vq_notify. Returns where the queue is notified. */
  activate(queue: u32, ring: Virtqueue, vector: u32): u64 {
    this.setQueueSel(queue);
    write16(this.common.gpa + VirtioPciCommonCfg.QUEUE_SIZE, ring.size);
    this.setQueueSel(queue);
    this.writeQueueAddress(ring);
    this.setQueueSel(queue);
    this.checkVector(this.setQueueVector(vector));
    this.setQueueSel(queue);
    return this.notifyAddress(read16(this.common.gpa + VirtioPciCommonCfg.QUEUE_NOTIFY_OFF));
  }

  /** vp_modern_set_queue_enable */
  enableQueue(queue: u32): void {
    this.setQueueSel(queue);
    write16(this.common.gpa + VirtioPciCommonCfg.QUEUE_ENABLE, 1);
  }

  /** request_irq: the vector sends the interrupt of its own number from now on. */
  requestIrq(vector: u32): void {
    this.msix.setVector(vector, vector);
    this.msix.unmask(vector);
  }

  /** 4.1.5.1.2.2: "After mapping an event to vector, the driver MUST verify success by reading the Vector field value". */
  checkVector(read: u32): void {
    if (read == VIRTIO_MSI_NO_VECTOR) this.fail("it has no MSI-X vector left");
  }
}
