// The two built queue modules as the tests see them, instantiated over one memory that plays guest RAM.

import { readFileSync } from "node:fs";
import type { RingExports } from "../../device/virtqueue.js";

/** What driver.wasm exports (guest-fw/lib/driver.ts): the driver side. */
export interface DriverExports {
  readonly VIRTQ_NONE: WebAssembly.Global;
  readonly VIRTQ_USED_BAD_IDX: WebAssembly.Global;
  readonly VIRTQ_USED_BAD_ID: WebAssembly.Global;
  readonly VIRTQ_USED_BAD_LEN: WebAssembly.Global;
  virtqPrivateBytes(size: number): number;
  virtqRingBytes(size: number): number;
  init(queue: number, rings: number, size: number, eventIdx: number, inOrder: number): void;
  descArea(queue: number): number;
  availArea(queue: number): number;
  usedArea(queue: number): number;
  freeCount(queue: number): number;
  add(queue: number, buffers: number, count: number): number;
  addIndirect(queue: number, buffers: number, count: number): number;
  publish(queue: number): void;
  kickPrepare(queue: number): number;
  poll(queue: number): number;
  reap(queue: number): number;
  reapedLen(queue: number): number;
  disableCalls(queue: number): void;
  enableCalls(queue: number): void;
}

export function builtWasm(name: "ring" | "driver"): { bytes: Uint8Array<ArrayBuffer>; text: string } {
  const path = new URL(`../../dist/wasm/${name}`, import.meta.url);
  return {
    bytes: new Uint8Array(readFileSync(new URL(`${path}.wasm`))),
    text: readFileSync(new URL(`${path}.wat`), "utf8"),
  };
}

const modules = {
  ring: new WebAssembly.Module(builtWasm("ring").bytes),
  driver: new WebAssembly.Module(builtWasm("driver").bytes),
};

/** 2 MiB of guest RAM, as both modules import it. */
export function guestRam(): WebAssembly.Memory {
  return new WebAssembly.Memory({ initial: 32, maximum: 65536, shared: true });
}

export function instantiateRing(memory: WebAssembly.Memory): RingExports {
  return new WebAssembly.Instance(modules.ring, { env: { memory } }).exports as unknown as RingExports;
}

export function instantiateDriver(memory: WebAssembly.Memory): DriverExports {
  return new WebAssembly.Instance(modules.driver, { env: { memory } }).exports as unknown as DriverExports;
}
