// What carries FUSE requests to the server: a driver of the virtio file system device (in Linux: fuse_iqueue_ops). Two
// exist: EDK2's, which polls one request at a time (request-queue.ts), and Linux's (virtio-fs-linux.ts).

import { FuseRequest } from "./fuse-request";
import { VirtioPci } from "./virtio-pci";

export abstract class FuseTransport {
  constructor(readonly device: VirtioPci) {}

  /** A request that fits this transport, to be used again and again. */
  abstract newRequest(): FuseRequest;
  /** The most bytes of data in one request. */
  abstract maxData(): u32;
  /** in_header.unique grows by this from request to request. */
  abstract uniqueStep(): u64;

  /** Sends a sealed request and waits for its answer: `used`. */
  abstract exchange(request: FuseRequest): void;
  /** Sends a sealed FUSE_FORGET, which is not answered; the request can be used again when this returns. */
  abstract forget(request: FuseRequest): void;
}
