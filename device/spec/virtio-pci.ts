// Virtio over the PCI bus (virtio 1.4, 4.1; names as in Linux include/uapi/linux/virtio_pci.h).
// Portable subset: compiled by tsc and by asc (see device/spec/portable.d.ts).

/** 4.1.2: "Any PCI device with PCI Vendor ID 0x1AF4, and PCI Device ID 0x1000 through 0x107F inclusive is a virtio device." */
export const PCI_VENDOR_ID_REDHAT_QUMRANET = 0x1af4;
/** 4.1.2.1: the PCI device id of a non-transitional device is this plus the virtio device id. */
export const VIRTIO_PCI_DEVICE_ID_BASE = 0x1040;

/** 4.1.4: struct virtio_pci_cap. */
export const enum VirtioPciCap {
  CAP_VNDR = 0,
  CAP_NEXT = 1,
  CAP_LEN = 2,
  CFG_TYPE = 3,
  BAR = 4,
  ID = 5,
  OFFSET = 8,
  LENGTH = 12,
  SIZEOF = 16,
}

/** 4.1.4.4: struct virtio_pci_notify_cap, which begins with a virtio_pci_cap. */
export const enum VirtioPciNotifyCap {
  NOTIFY_OFF_MULTIPLIER = 16,
  SIZEOF = 20,
}

/** 4.1.4.9: struct virtio_pci_cfg_cap, which begins with a virtio_pci_cap. */
export const enum VirtioPciCfgCap {
  PCI_CFG_DATA = 16,
  SIZEOF = 20,
}

// 4.1.4: cfg_type.
export const VIRTIO_PCI_CAP_COMMON_CFG = 1;
export const VIRTIO_PCI_CAP_NOTIFY_CFG = 2;
export const VIRTIO_PCI_CAP_ISR_CFG = 3;
export const VIRTIO_PCI_CAP_DEVICE_CFG = 4;
export const VIRTIO_PCI_CAP_PCI_CFG = 5;

/** 4.1.4.3: struct virtio_pci_common_cfg. The le64 fields are two le32, low half first (4.1.3). */
export const enum VirtioPciCommonCfg {
  DEVICE_FEATURE_SELECT = 0x00,
  DEVICE_FEATURE = 0x04,
  DRIVER_FEATURE_SELECT = 0x08,
  DRIVER_FEATURE = 0x0c,
  CONFIG_MSIX_VECTOR = 0x10,
  NUM_QUEUES = 0x12,
  DEVICE_STATUS = 0x14,
  CONFIG_GENERATION = 0x15,
  QUEUE_SELECT = 0x16,
  QUEUE_SIZE = 0x18,
  QUEUE_MSIX_VECTOR = 0x1a,
  QUEUE_ENABLE = 0x1c,
  QUEUE_NOTIFY_OFF = 0x1e,
  QUEUE_DESC = 0x20,
  QUEUE_DRIVER = 0x28,
  QUEUE_DEVICE = 0x30,
  QUEUE_NOTIF_CONFIG_DATA = 0x38,
  QUEUE_RESET = 0x3a,
  ADMIN_QUEUE_INDEX = 0x3c,
  ADMIN_QUEUE_NUM = 0x3e,
  SIZEOF = 0x40,
}

/** 4.1.5.1.2: no MSI-X vector is mapped. */
export const VIRTIO_MSI_NO_VECTOR = 0xffff;

// 4.1.4.5: ISR status.
export const VIRTIO_PCI_ISR_QUEUE = 1;
export const VIRTIO_PCI_ISR_CONFIG = 2;
