// The driver side for tests: one queue of driver.wasm in a memory, and the arrays of buffers that it is given.

import { RAM_BASE } from "../../vm/spec/board.js";
import { VIRTQ_DESC_F_WRITE, VirtqDesc } from "../../device/spec/virtq.js";
import type { Buffer } from "../model/split-queue.js";
import type { RingAreas } from "../../device/virtqueue.js";
import { type DriverExports, instantiateDriver } from "./wasm.js";

/** Offsets: the queue's private memory, its rings, and from TABLES on places for arrays of buffers. */
const QUEUE = 0x10000;
const RINGS = 0x20000;
const TABLES = 0x30000;

export class DriverQueue {
  readonly driver: DriverExports;
  readonly areas: RingAreas;
  readonly view: DataView;
  /** Places for an array of buffers; a chain in flight owns one, as an indirect table belongs to the device till then. */
  private readonly freePlaces: number[];
  private readonly places = new Map<number, number>();

  constructor(
    readonly memory: WebAssembly.Memory,
    size: number,
    eventIdx: boolean,
    driver: DriverExports = instantiateDriver(memory),
    inOrder = false,
  ) {
    this.driver = driver;
    this.view = new DataView(memory.buffer);
    this.freePlaces = Array.from({ length: size + 1 }, (_, i) => TABLES + i * (size + 1) * VirtqDesc.SIZEOF);
    driver.init(QUEUE, RINGS, size, Number(eventIdx), Number(inOrder));
    this.areas = {
      desc: driver.descArea(QUEUE),
      avail: driver.availArea(QUEUE),
      used: driver.usedArea(QUEUE),
      size,
    };
  }

  /** Offers a chain; undefined if it does not fit. At most size + 1 buffers. */
  add(buffers: readonly Buffer[], indirect: boolean): number | undefined {
    const place = this.freePlaces[0]!;
    buffers.forEach(({ addr, len, write }, i) => {
      const desc = place + i * VirtqDesc.SIZEOF;
      this.view.setBigUint64(desc + VirtqDesc.ADDR, addr, true);
      this.view.setUint32(desc + VirtqDesc.LEN, len, true);
      this.view.setUint16(desc + VirtqDesc.FLAGS, write ? VIRTQ_DESC_F_WRITE : 0, true);
    });
    const head = indirect
      ? this.driver.addIndirect(QUEUE, place, buffers.length)
      : this.driver.add(QUEUE, place, buffers.length);
    if (head < 0) return undefined;
    this.places.set(head, this.freePlaces.shift()!);
    return head;
  }

  publish(): void {
    this.driver.publish(QUEUE);
  }
  kick(): boolean {
    return this.driver.kickPrepare(QUEUE) !== 0;
  }
  poll(): number {
    return this.driver.poll(QUEUE);
  }
  /** The head, or a negative VIRTQ_NONE / VIRTQ_USED_BAD_* of guest-fw/lib/virtq.ts. */
  reap(): number {
    const head = this.driver.reap(QUEUE);
    if (head >= 0) this.freePlaces.push(this.places.get(head)!);
    return head;
  }
  reapedLen(): number {
    return this.driver.reapedLen(QUEUE) >>> 0;
  }
  freeCount(): number {
    return this.driver.freeCount(QUEUE);
  }
  wantCalls(wanted: boolean): void {
    if (wanted) this.driver.enableCalls(QUEUE);
    else this.driver.disableCalls(QUEUE);
  }

  /** This memory's translation: one region, [RAM_BASE, RAM_BASE + bytes). */
  translate(addr: bigint, len: number): number | undefined {
    const offset = addr - BigInt(RAM_BASE);
    if (offset < 0n || offset + BigInt(len) > BigInt(this.memory.buffer.byteLength)) return undefined;
    return Number(offset);
  }
}
