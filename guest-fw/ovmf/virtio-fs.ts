// Binding the virtio file system device: OvmfPkg/VirtioFsDxe, VirtioFsInit and VirtioFsFuseInitSession, which run one
// directly after the other. The first request is on its way as soon as DRIVER_OK has been written.

import { FUSE_DO_READDIRPLUS, FUSE_KERNEL_VERSION } from "../../device/spec/fuse";
import { VIRTIO_CONFIG_S_DRIVER_OK, VIRTIO_F_ACCESS_PLATFORM } from "../../device/spec/virtio";
import { VIRTIO_FS_QUEUE_REQUEST, VIRTIO_FS_TAG_SIZE, VirtioFsConfig } from "../../device/spec/virtio-fs";
import { errnoName } from "../lib/errno-name";
import { FuseClient, InitOffer, InitReply } from "../lib/fuse";
import { negotiate } from "../lib/negotiate";
import { RequestQueue } from "../lib/request-queue";
import { VirtioPci } from "../lib/virtio-pci";

const ACCESS_PLATFORM: u64 = 1 << (VIRTIO_F_ACCESS_PLATFORM as u64);

/** VirtioFsDxe speaks 7.31: what it offers, and the least that it takes. */
const MAJOR: u32 = FUSE_KERNEL_VERSION;
const MINOR: u32 = 31;
/** The least max_write that it takes. */
const LEAST_MAX_WRITE: u32 = 4096;

/** VirtioFsBindingStart. Returns the share's FUSE session, or does not return. */
export function bindVirtioFs(device: VirtioPci): FuseClient {
  const fuse = new FuseClient(initialize(device));
  const refusal = initSession(fuse);
  if (refusal !== null) device.giveUp(refusal);
  return fuse;
}

/** VirtioFsFuseInitSession. Returns why the session is refused, or null. */
function initSession(fuse: FuseClient): string | null {
  const offer = new InitOffer();
  offer.minor = MINOR;
  offer.flags = FUSE_DO_READDIRPLUS;
  offer.pid = 1;
  const reply = new InitReply();
  const error = fuse.init(offer, reply);
  if (error != 0) return "it refuses FUSE_INIT: " + errnoName(error);
  if (reply.major < MAJOR || (reply.major == MAJOR && reply.minor < MINOR)) {
    return "it speaks FUSE " + reply.major.toString() + "." + reply.minor.toString() + ", and 7.31 is the least";
  }
  if (!(reply.flags & FUSE_DO_READDIRPLUS)) return "it has no FUSE_READDIRPLUS";
  if (reply.maxWrite < LEAST_MAX_WRITE) return "its max_write is below 4096";
  return null;
}

/** VirtioFsInit: virtio 1.4, 3.1.1 "Driver Requirements: Device Initialization", step by step. */
function initialize(device: VirtioPci): RequestQueue {
  // 1 to 6. No ring feature.
  const status = negotiate(device, ACCESS_PLATFORM);

  // 7. Device-specific setup: the configuration, then the virtqueue. Only a request queue; hiprio is never touched.
  checkTag(device);
  if (device.readConfig32(VirtioFsConfig.NUM_REQUEST_QUEUES) < 1) device.fail("it has no request queue");

  device.setQueueSel(VIRTIO_FS_QUEUE_REQUEST);
  const size = device.getQueueNumMax(); // used as it is, never written
  // 2.7: "Queue Size value is always a power of 2." The driver needs 2: a request and its reply.
  if (size < 2 || popcnt<u32>(size) != 1) device.fail("its request queue has " + size.toString() + " entries");
  const queue = new RequestQueue(device, VIRTIO_FS_QUEUE_REQUEST, size);
  device.setQueueAddress(queue.ring);

  // 8. Set the DRIVER_OK status bit. At this point the device is "live".
  device.setStatus(status | VIRTIO_CONFIG_S_DRIVER_OK);
  return queue;
}

/** The tag names the share; the driver takes printable ASCII only, up to the first NUL. */
function checkTag(device: VirtioPci): void {
  const tag = new StaticArray<u8>(VIRTIO_FS_TAG_SIZE);
  for (let i = 0; i < VIRTIO_FS_TAG_SIZE; i++) tag[i] = device.readConfig8(VirtioFsConfig.TAG + i) as u8;
  for (let i = 0; i < VIRTIO_FS_TAG_SIZE && tag[i] != 0; i++) {
    if (tag[i] < 0x20 || tag[i] > 0x7e) device.fail("its tag is not printable ASCII");
  }
}
