// driver.wasm: the driver side of the split virtqueue alone, for tests, benchmarks and real back-ends. Only exports: a
// queue is given by the address of its private memory (virtqPrivateBytes). What each call means: virtq.ts.

import { Stream } from "./stream";
import { Virtqueue } from "./virtq";

export {
  VIRTQ_NONE,
  VIRTQ_USED_BAD_ID,
  VIRTQ_USED_BAD_IDX,
  VIRTQ_USED_BAD_LEN,
  virtqPrivateBytes,
  virtqRingBytes,
} from "./virtq";

export function init(queue: usize, rings: usize, size: u32, eventIdx: bool, inOrder: bool): void {
  changetype<Virtqueue>(queue).init(rings, size, eventIdx, inOrder);
}
export function descArea(queue: usize): usize {
  return changetype<Virtqueue>(queue).desc;
}
export function availArea(queue: usize): usize {
  return changetype<Virtqueue>(queue).avail;
}
export function usedArea(queue: usize): usize {
  return changetype<Virtqueue>(queue).used;
}
export function freeCount(queue: usize): u32 {
  return changetype<Virtqueue>(queue).freeCount;
}
export function add(queue: usize, buffers: usize, count: u32): i32 {
  return changetype<Virtqueue>(queue).add(buffers, count);
}
export function addIndirect(queue: usize, buffers: usize, count: u32): i32 {
  return changetype<Virtqueue>(queue).addIndirect(buffers, count);
}
export function publish(queue: usize): void {
  changetype<Virtqueue>(queue).publish();
}
export function kickPrepare(queue: usize): bool {
  return changetype<Virtqueue>(queue).kickPrepare();
}
export function poll(queue: usize): u32 {
  return changetype<Virtqueue>(queue).poll();
}
export function reap(queue: usize): i32 {
  return changetype<Virtqueue>(queue).reap();
}
export function reapedLen(queue: usize): u32 {
  return changetype<Virtqueue>(queue).reapedLen;
}
export function disableCalls(queue: usize): void {
  changetype<Virtqueue>(queue).disableCalls();
}
export function enableCalls(queue: usize): void {
  changetype<Virtqueue>(queue).enableCalls();
}

export { streamBytes } from "./stream";
export function streamInit(
  stream: usize,
  queue: usize,
  requests: usize,
  chain: u32,
  indirect: bool,
  batch: u32,
  outstanding: u32,
  payload: u32,
  source: usize,
  notify: u32,
): void {
  changetype<Stream>(stream).init(queue, requests, chain, indirect, batch, outstanding, payload, source, notify);
}
export function streamRun(stream: usize, target: u32, looks: u32, patience: u32): i32 {
  return changetype<Stream>(stream).run(target, looks, patience);
}
export function streamReturned(stream: usize): u32 {
  return changetype<Stream>(stream).returned;
}
