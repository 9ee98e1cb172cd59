// A queue of the driver's own (driver.wasm) in guest RAM, without a machine around it: for rules about one ring. Its
// request is FUSE_INIT as VirtioFsDxe sends it, by itself a whole conversation; or, to a device of another type, zeroes.

import { FUSE_KERNEL_VERSION, FuseInHeader, FuseInitIn, FuseInitOut, FuseOutHeader } from "../../device/spec/fuse.js";
import { FUSE_INIT } from "../../device/spec/fuse-opcode.js";
import { VIRTQ_DESC_F_WRITE, VirtqDesc } from "../../device/spec/virtq.js";
import type { RingAreas } from "../../device/virtqueue.js";
import { RAM_BASE } from "../../vm/spec/board.js";

/** What is used of driver.wasm's exports (guest-fw/lib/driver.ts). */
interface DriverExports {
  init(queue: number, rings: number, size: number, eventIdx: number): void;
  descArea(queue: number): number;
  availArea(queue: number): number;
  usedArea(queue: number): number;
  add(queue: number, buffers: number, count: number): number;
  publish(queue: number): void;
  poll(queue: number): number;
  reap(queue: number): number;
}

const SIZE = 128;
/** Offsets into guest RAM, above its hole. */
const PRIVATE = 0x200000;
const RINGS = 0x210000;
const TABLE = 0x220000;
const REQUEST = 0x230000;
const REPLY = 0x240000;
/** VirtioFsDxe's version. */
const MINOR = 31;
const REQUEST_BYTES = FuseInHeader.SIZEOF + FuseInitIn.SIZEOF;
const REPLY_BYTES = FuseOutHeader.SIZEOF + FuseInitOut.SIZEOF;

export class BareQueue {
  readonly areas: RingAreas;
  readonly #driver: DriverExports;

  constructor(
    readonly memory: WebAssembly.Memory,
    module: WebAssembly.Module,
    readonly request: "FUSE_INIT" | "nothing",
  ) {
    this.#driver = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as DriverExports;
    const driver = this.#driver;
    driver.init(PRIVATE, RINGS, SIZE, 0);
    const [desc, avail, used] = [driver.descArea(PRIVATE), driver.availArea(PRIVATE), driver.usedArea(PRIVATE)];
    this.areas = { size: SIZE, desc, avail, used };
  }

  /** Makes one request available. The kick is the caller's. */
  offer(): void {
    const view = new DataView(this.memory.buffer);
    if (this.request === "FUSE_INIT") writeFuseInit(view);
    const buffers = [
      { at: REQUEST, bytes: REQUEST_BYTES, flags: 0 },
      { at: REPLY, bytes: REPLY_BYTES, flags: VIRTQ_DESC_F_WRITE },
    ];
    for (const [i, { at, bytes, flags }] of buffers.entries()) {
      const desc = TABLE + i * VirtqDesc.SIZEOF;
      view.setBigUint64(desc + VirtqDesc.ADDR, BigInt(RAM_BASE + at), true);
      view.setUint32(desc + VirtqDesc.LEN, bytes, true);
      view.setUint16(desc + VirtqDesc.FLAGS, flags, true);
    }
    this.#driver.add(PRIVATE, TABLE, buffers.length);
    this.#driver.publish(PRIVATE);
  }

  /** Takes an answer, if one is there. */
  answered(): boolean {
    return this.#driver.poll(PRIVATE) > 0 && this.#driver.reap(PRIVATE) >= 0;
  }
}

function writeFuseInit(view: DataView): void {
  view.setUint32(REQUEST + FuseInHeader.LEN, REQUEST_BYTES, true);
  view.setUint32(REQUEST + FuseInHeader.OPCODE, FUSE_INIT, true);
  view.setBigUint64(REQUEST + FuseInHeader.UNIQUE, 1n, true);
  view.setUint32(REQUEST + FuseInHeader.SIZEOF + FuseInitIn.MAJOR, FUSE_KERNEL_VERSION, true);
  view.setUint32(REQUEST + FuseInHeader.SIZEOF + FuseInitIn.MINOR, MINOR, true);
}
