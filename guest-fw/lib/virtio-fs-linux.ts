// The virtio file system driver of Linux: fs/fuse/virtio_fs.c above drivers/virtio/virtio.c, from virtio_dev_probe to
// the requests of a mount. Unlike EDK2's it sets every queue up, negotiates the ring features, waits for interrupts,
// and sends FUSE_FORGET through the hiprio queue. A probe alone sends no request.
//
// Two departures: without MSI-X it gives up, where Linux would use INTA#; and it judges a reply, where Linux trusts its
// device (FuseRequest.check).

import { FuseForgetIn, FuseInHeader } from "../../device/spec/fuse";
import {
  VIRTIO_CONFIG_S_ACKNOWLEDGE,
  VIRTIO_CONFIG_S_DRIVER,
  VIRTIO_CONFIG_S_DRIVER_OK,
  VIRTIO_CONFIG_S_FEATURES_OK,
  VIRTIO_F_ACCESS_PLATFORM,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_VERSION_1,
} from "../../device/spec/virtio";
import {
  VIRTIO_FS_MAX_BUFFER,
  VIRTIO_FS_QUEUE_HIPRIO,
  VIRTIO_FS_QUEUE_REQUEST,
  VIRTIO_FS_TAG_SIZE,
  VirtioFsConfig,
} from "../../device/spec/virtio-fs";
import { VirtqDesc } from "../../device/spec/virtq";
import { FUSE_HEADER_BUFFERS, FuseRequest } from "./fuse-request";
import { FuseTransport } from "./fuse-transport";
import { wfi } from "./irq";
import { allocatePages } from "./pages";
import { gpa } from "./shared";
import { Statistics } from "./statistics";
import { VirtioFsVq } from "./virtio-fs-vq";
import { VirtioPciModern } from "./virtio-pci-modern";
import { VIRTQ_NONE } from "./virtq";

const VERSION_1: u64 = 1 << (VIRTIO_F_VERSION_1 as u64);
const FEATURES: u64 =
  VERSION_1 |
  (1 << (VIRTIO_F_ACCESS_PLATFORM as u64)) |
  (1 << (VIRTIO_F_EVENT_IDX as u64)) |
  (1 << (VIRTIO_F_INDIRECT_DESC as u64));

/** vp_find_vqs_msix: the first vector is the configuration's, then one a queue. */
const CONFIG_VECTOR: u32 = 0;
const FIRST_QUEUE_VECTOR: u32 = 1;

/** fs/fuse and the page cache beneath it hold data in pages. */
const PAGE: u32 = 4096;

/** struct virtio_fs_forget_req: in_header and forget_in in one piece. */
const FORGET_BYTES: u32 = FuseInHeader.SIZEOF + FuseForgetIn.SIZEOF;

export class VirtioFsLinux extends FuseTransport {
  readonly hiprio: VirtioFsVq;
  readonly requests: VirtioFsVq;
  /** By the head of its chain: what is in flight on the request queue. */
  private readonly inFlight: StaticArray<FuseRequest | null>;
  /** By the head of its chain: a FUSE_FORGET each; and the one buffer that describes the next one. */
  private readonly forgets: usize;
  private readonly forgetBuffer: usize;

  /** virtio_dev_probe, up to the end of virtio_fs_probe. The device is live when this returns, and nothing is on its way. @param more features that it takes besides Linux's */
  constructor(
    private readonly modern: VirtioPciModern,
    more: u64 = 0,
  ) {
    super(modern);
    const features = negotiate(modern, FEATURES | more);

    // virtio_fs_read_tag, and virtio_fs_setup_vqs: hiprio and, with one CPU, one request queue.
    readTag(modern);
    if (modern.readConfig32(VirtioFsConfig.NUM_REQUEST_QUEUES) == 0) modern.fail("it has no request queue");
    const msix = modern.msix;
    if (msix.vectors < FIRST_QUEUE_VECTOR + VIRTIO_FS_QUEUE_REQUEST + 1) modern.fail("it has too few MSI-X vectors");
    msix.enable();
    modern.requestIrq(CONFIG_VECTOR);
    modern.checkVector(modern.setConfigVector(CONFIG_VECTOR));
    const hiprio = setUp(modern, VIRTIO_FS_QUEUE_HIPRIO, features);
    const requests = setUp(modern, VIRTIO_FS_QUEUE_REQUEST, features);
    // vp_modern_find_vqs: "once we do this, there's no way to go back except reset".
    modern.enableQueue(hiprio.index);
    modern.enableQueue(requests.index);

    const size = requests.ring.size;
    if (size <= FUSE_HEADER_BUFFERS) modern.fail("its request queue has " + size.toString() + " entries");
    this.hiprio = hiprio;
    this.requests = requests;
    this.inFlight = new StaticArray<FuseRequest | null>(size);
    this.forgets = allocatePages(hiprio.ring.size * FORGET_BYTES);
    this.forgetBuffer = heap.alloc(VirtqDesc.SIZEOF);

    // virtio_device_ready
    modern.addStatus(VIRTIO_CONFIG_S_DRIVER_OK);
  }

  /** The end of virtio_dev_probe: had the driver not set DRIVER_OK, it would be set now. */
  probed(): void {
    if (!(this.modern.getStatus() & VIRTIO_CONFIG_S_DRIVER_OK)) this.device.fail("DRIVER_OK did not stay set");
  }

  /** A page a buffer, as many as the queue has room for beside the headers. */
  newRequest(): FuseRequest {
    return new FuseRequest(this.device, PAGE, this.maxData() / PAGE);
  }
  maxData(): u32 {
    return min<u32>(VIRTIO_FS_MAX_BUFFER, (this.requests.ring.size - FUSE_HEADER_BUFFERS) * PAGE);
  }
  /** FUSE_REQ_ID_STEP: odd numbers are kept for FUSE_INTERRUPT. */
  uniqueStep(): u64 {
    return 2;
  }

  exchange(request: FuseRequest): void {
    this.submit(request);
    this.awaitRequest(request);
  }

  /** virtio_fs_enqueue_req: sends a sealed request. When the queue is full it waits until it is not (ENOSPC). */
  submit(request: FuseRequest): void {
    let head: i32;
    while ((head = this.requests.submit(request.buffers, request.count)) == VIRTQ_NONE) this.wait();
    this.inFlight[head] = request;
  }

  awaitRequest(request: FuseRequest): void {
    while (!request.done) this.wait();
  }

  /** virtio_fs_send_forget: out of the caller's hands at once, unless the queue is full. */
  forget(request: FuseRequest): void {
    const vq = this.hiprio;
    while (vq.ring.freeCount == 0) this.wait();
    const at = this.forgets + vq.ring.freeHead * FORGET_BYTES;
    memory.copy(at, request.inAddress, FORGET_BYTES);
    store<u32>(at, 0, FuseInHeader.PID); // the kernel's own doing
    store<u64>(this.forgetBuffer, gpa(at), VirtqDesc.ADDR);
    store<u32>(this.forgetBuffer, FORGET_BYTES, VirtqDesc.LEN);
    store<u16>(this.forgetBuffer, 0, VirtqDesc.FLAGS);
    vq.submit(this.forgetBuffer, 1);
  }

  /** virtio_fs_drain_all_queues_locked: comes back when nothing is in flight. */
  drain(): void {
    while (this.hiprio.ring.inFlight != 0 || this.requests.ring.inFlight != 0) this.wait();
  }

  /** What has happened on both queues, in a line: request queue + hiprio. */
  counts(): string {
    const requests = this.requests;
    const hiprio = this.hiprio;
    return (
      requests.kicks.toString() + " + " + hiprio.kicks.toString() + " kicks, " +
      Statistics.interrupts.toString() + " interrupts, " +
      requests.completed.toString() + " + " + hiprio.completed.toString() + " requests"
    );
  }

  /** Sleeps until a queue interrupts, and completes what is back: virtio_fs_vq_done and the work that it schedules. */
  private wait(): void {
    const pending = wfi();
    if (pending & (1 << this.hiprio.vector)) {
      Statistics.interrupts++;
      this.hiprioDone();
    }
    if (pending & (1 << this.requests.vector)) {
      Statistics.interrupts++;
      this.requestsDone();
    }
  }

  /** virtio_fs_hiprio_done_work */
  private hiprioDone(): void {
    const vq = this.hiprio;
    do {
      vq.beginCompletions();
      while (vq.next() != VIRTQ_NONE) {}
    } while (!vq.endCompletions());
  }

  /** virtio_fs_requests_done_work */
  private requestsDone(): void {
    const vq = this.requests;
    let head: i32;
    do {
      vq.beginCompletions();
      while ((head = vq.next()) != VIRTQ_NONE) {
        const request = this.inFlight[head]!;
        this.inFlight[head] = null;
        request.used = vq.ring.reapedLen;
        request.done = true;
      }
    } while (!vq.endCompletions());
  }
}

/** register_virtio_device and virtio_dev_probe: virtio 1.4, 3.1.1, steps 1 to 6. Returns the features. */
function negotiate(device: VirtioPciModern, known: u64): u64 {
  device.reset();
  device.addStatus(VIRTIO_CONFIG_S_ACKNOWLEDGE);
  device.addStatus(VIRTIO_CONFIG_S_DRIVER);
  const offered = device.getDeviceFeatures();
  if (!(offered & VERSION_1)) device.fail("it does not offer VIRTIO_F_VERSION_1");
  const features = offered & known;
  device.setGuestFeatures(features);
  device.addStatus(VIRTIO_CONFIG_S_FEATURES_OK);
  if (!(device.getStatus() & VIRTIO_CONFIG_S_FEATURES_OK)) device.fail("it does not accept its own features");
  return features;
}

/**
 * virtio_cread_bytes of the tag. 2.5.1: "The driver MUST NOT assume reads from fields greater than 32 bits wide are
 * atomic"; so they are read again until the generation stays the same.
 */
function readTag(device: VirtioPciModern): void {
  let first: u32 = 0;
  let before: u32;
  let generation = device.getGeneration();
  do {
    before = generation;
    for (let i = 0; i < VIRTIO_FS_TAG_SIZE; i++) {
      const byte = device.readConfig8(VirtioFsConfig.TAG + i);
      if (i == 0) first = byte;
    }
    generation = device.getGeneration();
  } while (generation != before);
  if (first == 0) device.fail("its tag is empty");
}

function setUp(device: VirtioPciModern, queue: u32, features: u64): VirtioFsVq {
  if (queue >= device.getNumQueues()) device.fail("it has too few queues");
  const size = device.getQueueSize(queue);
  if (popcnt<u32>(size) != 1) device.fail("queue " + queue.toString() + " has " + size.toString() + " entries");
  const vector = FIRST_QUEUE_VECTOR + queue;
  const vq = new VirtioFsVq(device, queue, vector, size, features);
  device.requestIrq(vector);
  return vq;
}
