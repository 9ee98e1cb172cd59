// A machine from tables for the guests that drive the device as Linux does: hiprio and request queue with registers of
// their own, an MSI-X table, indirect tables and event indices. Its device works while the guest sleeps in wfi, and
// interrupts only where the driver has asked for it. It records every access in order.

import { vringNeedEvent } from "../../device/spec/virtq.js";
import { type Answer, capability, configSpace, RAM_BASE, type Request } from "./fake-machine.js";
import { type Machine, Stuck } from "./guest.js";

const ECAM_BASE = 0x30000000;
const FUNCTION = ECAM_BASE + (1 << 15);
const MSI_ADDRESS = 0x28000000;

const DESC_F_NEXT = 1;
const DESC_F_WRITE = 2;
const DESC_F_INDIRECT = 4;

export const INDIRECT_DESC = 2 ** 28;
export const EVENT_IDX = 2 ** 29;

export interface LinuxSetting {
  readonly pages?: number;
  /** Offered features; VERSION_1 is bit 0 of the second word. */
  readonly features?: readonly [number, number];
  readonly refusedStatus?: number;
  /** How often device_status reads as before after a reset. */
  readonly slowReset?: number;
  readonly tag?: Buffer;
  readonly requestQueues?: number;
  readonly numQueues?: number;
  readonly queueSize?: number;
  readonly vectors?: number;
  /** 4.1.5.1.2.1: vectors that read back as NO_VECTOR. */
  readonly refusedVectors?: boolean;
  /** The device asks for no notifications (NO_NOTIFY, or an avail_event that is never passed). */
  readonly suppressKicks?: boolean;
  /** In which order it completes what it finds on the request queue. */
  readonly reversed?: boolean;
  serve?(request: Request, queue: number): Answer;
}

/** Configuration space with MSI-X in BAR 1, as QEMU has it. */
function linuxConfig(vectors: number): Buffer {
  const config = configSpace();
  config.writeUInt8(0x90, 0x34);
  if (vectors === 0) config.writeUInt8(0x40, 0x34);
  config.set([0x11, 0x40], 0x90);
  config.writeUInt16LE(Math.max(vectors - 1, 0), 0x92);
  config.writeUInt32LE(1, 0x94); // table: BAR 1, offset 0
  config.writeUInt32LE(0x800 | 1, 0x98); // pending bits
  capability(config, 0x54, 0x68, 16, 3, 0x1000, 0x1000); // ISR
  return config;
}

class Queue {
  readonly registers = Buffer.alloc(64);
  seenIdx = 0;
  usedIdx = 0;

  area(register: number): number {
    return Number(this.registers.readBigUInt64LE(register)) - RAM_BASE;
  }
}

export class FakeLinuxMachine implements Machine {
  readonly memory: WebAssembly.Memory;
  readonly trace: string[] = [];
  readonly requests: (Request & { readonly queue: number; readonly indirect: boolean })[] = [];
  readonly queues = [new Queue(), new Queue()];
  readonly config: Buffer;
  readonly msixTable = Buffer.alloc(0x1000);
  /** Chains found at each look at a queue that found any. */
  readonly batches: number[] = [];
  readonly #common = Buffer.alloc(64);
  readonly #bars = Buffer.alloc(24);
  readonly #device = Buffer.alloc(40);
  #resets = 0;

  constructor(readonly setting: LinuxSetting = {}) {
    const pages = setting.pages ?? 64;
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    new Uint8Array(this.memory.buffer).fill(0xa5);
    this.config = linuxConfig(setting.vectors ?? 3);
    (setting.tag ?? Buffer.from("myfs")).copy(this.#device);
    this.#device.writeUInt32LE(setting.requestQueues ?? 1, 36);
    for (let vector = 0; vector < 256; vector++) this.msixTable[16 * vector + 12] = 1; // masked
  }

  /** What the driver has accepted, low word first. */
  readonly driverFeatures = [0, 0];
  get status(): number {
    return this.#common[20]!;
  }

  ram(offset: number, length: number): Buffer {
    return Buffer.from(new Uint8Array(this.memory.buffer).slice(offset, offset + length));
  }

  get #view(): DataView {
    return new DataView(this.memory.buffer);
  }

  mmioRead(lo: number, _hi: number, width: number): number {
    if (lo >= ECAM_BASE && lo < 0x40000000) {
      const at = lo - FUNCTION;
      if (at < 0 || at >= 0x1000) return 2 ** (8 * width) - 1;
      return at >= 0x10 && at < 0x28 ? this.#bars.readUIntLE(at - 0x10, width) : this.config.readUIntLE(at, width);
    }
    const [name, offset] = this.#register(lo);
    if (name === "msix") return this.msixTable.readUIntLE(offset, width);
    this.trace.push(`R${8 * width} ${name}+${offset}`);
    if (name === "device") return this.#device.readUIntLE(offset, width);
    if (offset === 4) return (this.setting.features ?? [INDIRECT_DESC + EVENT_IDX, 1])[this.#common.readUInt32LE(0)]!;
    if (offset === 18) return this.setting.numQueues ?? 2;
    if (offset === 20 && this.#resets-- > 0) return 0xf;
    if (this.setting.refusedVectors && (offset === 16 || offset === 26)) return 0xffff;
    if (offset === 24) return this.setting.queueSize ?? 128;
    if (offset === 30) return this.#common.readUInt16LE(22);
    return offset < 24 ? this.#common.readUIntLE(offset, width) : this.#selected.registers.readUIntLE(offset, width);
  }

  mmioWrite(lo: number, _hi: number, width: number, value: number): void {
    if (lo >= ECAM_BASE && lo < 0x40000000) {
      const at = lo - FUNCTION;
      if (at === 0x04) this.config.writeUInt16LE(value & 0x406, at);
      if (at === 0x92) this.config.writeUInt16LE((this.config.readUInt16LE(at) & 0x7ff) | (value & 0xc000), at);
      if (at >= 0x10 && at < 0x28) this.#writeBar(at - 0x10, value);
      return;
    }
    const [name, offset] = this.#register(lo);
    if (name === "msix") {
      this.msixTable.writeUIntLE(value, offset, width);
      return;
    }
    this.trace.push(`W${8 * width} ${name}+${offset} 0x${value.toString(16)}`);
    if (name !== "common") return;
    if (offset >= 24) this.#selected.registers.writeUIntLE(value, offset, width);
    else this.#common.writeUIntLE(value, offset, width);
    if (offset === 12) this.driverFeatures[this.#common.readUInt32LE(8)] = value;
    if (offset !== 20) return;
    this.#common[20] = value & ~(this.setting.refusedStatus ?? 0);
    if (value === 0) this.#resets = this.setting.slowReset ?? 0;
  }

  // BAR 1: 4 KiB, 32 bits. BAR 4: 16 KiB, 64 bits, prefetchable.
  #writeBar(at: number, value: number): void {
    if (at === 4) this.#bars.writeUInt32LE((value & 0xfffff000) >>> 0, at);
    if (at === 16) this.#bars.writeUInt32LE(((value & 0xffffc000) | 0xc) >>> 0, at);
    if (at === 20) this.#bars.writeUInt32LE(value, at);
  }

  get #selected(): Queue {
    return this.queues[this.#common.readUInt16LE(22)]!;
  }

  #register(lo: number): readonly [string, number] {
    const msix = lo - this.#bars.readUInt32LE(4);
    if (msix >= 0 && msix < 0x1000) return ["msix", msix];
    const at = lo - ((this.#bars.readUInt32LE(16) & ~0xf) >>> 0);
    const names: Record<number, string> = { 0: "common", 1: "isr", 2: "device", 3: "notify" };
    const name = names[Math.floor(at / 0x1000)];
    if (name === undefined) throw new Error(`no register at 0x${lo.toString(16)}`);
    return [name, at % 0x1000];
  }

  ramLoad16(ptr: number): number {
    this.trace.push(`load ${this.#word(ptr)}`);
    return this.#view.getUint16(ptr, true);
  }

  ramStore16(ptr: number, value: number): void {
    this.trace.push(`store ${this.#word(ptr)} ${value}`);
    this.#view.setUint16(ptr, value, true);
  }

  stall(): never {
    throw new Error("a Linux driver does not poll");
  }

  sleep(micros: number): void {
    this.trace.push(`sleep ${micros}`);
  }

  /** The device does what there is to do; then those of its vectors that interrupt wake the guest. */
  wfi(): number {
    this.trace.push("wfi");
    let pending = 0;
    for (const q of this.queues.keys()) if (this.#work(q)) pending |= this.#interrupt(q);
    if (pending === 0) throw new Stuck("the guest sleeps, and nothing will wake it");
    return pending;
  }

  /** The bit of a queue's interrupt, as its vector's table entry sends it. */
  #interrupt(q: number): number {
    const vector = this.queues[q]!.registers.readUInt16LE(26);
    const entry = 16 * vector;
    if (!(this.config.readUInt16LE(0x92) & 0x8000) || this.msixTable[entry + 12]! & 1) return 0;
    if (this.msixTable.readUInt32LE(entry) !== MSI_ADDRESS) throw new Error("a message to nowhere");
    return 1 << this.msixTable.readUInt32LE(entry + 8);
  }

  #word(ptr: number): string {
    const size = this.setting.queueSize ?? 128;
    for (const [q, queue] of this.queues.entries()) {
      if (ptr === queue.area(40)) return `q${q}.avail.flags`;
      if (ptr === queue.area(40) + 2) return `q${q}.avail.idx`;
      if (ptr === queue.area(40) + 4 + 2 * size) return `q${q}.used_event`;
      if (ptr === queue.area(48)) return `q${q}.used.flags`;
      if (ptr === queue.area(48) + 2) return `q${q}.used.idx`;
      if (ptr === queue.area(48) + 4 + 8 * size) return `q${q}.avail_event`;
    }
    throw new Error(`no shared word at 0x${ptr.toString(16)}`);
  }

  /** Serves all that is pending on a queue. @returns whether the driver wants to be told */
  #work(q: number): boolean {
    const queue = this.queues[q]!;
    if (queue.registers.readUInt16LE(28) !== 1) return false;
    const view = this.#view;
    const [avail, used] = [queue.area(40), queue.area(48)];
    const size = this.setting.queueSize ?? 128;
    const eventIdx = (this.driverFeatures[0]! & EVENT_IDX) !== 0;
    const end = view.getUint16(avail + 2, true);
    const heads: number[] = [];
    for (let i = queue.seenIdx; i !== end; i = (i + 1) & 0xffff) {
      heads.push(view.getUint16(avail + 4 + 2 * (i % size), true));
    }
    if (heads.length === 0) return false;
    this.batches.push(heads.length);
    if (this.setting.reversed) heads.reverse();
    const old = queue.usedIdx;
    for (const head of heads) {
      const { usedLength, usedId } = this.#serve(q, head);
      const element = used + 4 + 8 * (queue.usedIdx % size);
      view.setUint32(element, usedId, true);
      view.setUint32(element + 4, usedLength, true);
      queue.usedIdx = (queue.usedIdx + 1) & 0xffff;
    }
    queue.seenIdx = end;
    view.setUint16(used + 2, queue.usedIdx, true);
    // What the device wants to be told of next: an index just behind is 65535 entries away.
    const event = this.setting.suppressKicks ? (end - 1) & 0xffff : end;
    if (eventIdx) view.setUint16(used + 4 + 8 * size, event, true);
    else view.setUint16(used, this.setting.suppressKicks ? 1 : 0, true);
    if (eventIdx) return vringNeedEvent(view.getUint16(avail + 4 + 2 * size, true), queue.usedIdx, old);
    return (view.getUint16(avail, true) & 1) === 0;
  }

  #serve(q: number, head: number): { usedLength: number; usedId: number } {
    const view = this.#view;
    const desc = this.queues[q]!.area(32);
    const readable: { gpa: bigint; bytes: Buffer }[] = [];
    const writable: { gpa: bigint; length: number }[] = [];
    const indirect = (view.getUint16(desc + 16 * head + 12, true) & DESC_F_INDIRECT) !== 0;
    const table = indirect ? Number(view.getBigUint64(desc + 16 * head, true)) - RAM_BASE : desc;
    for (let i = indirect ? 0 : head, more = true; more; i = view.getUint16(table + 16 * i + 14, true)) {
      const gpa = view.getBigUint64(table + 16 * i, true);
      const length = view.getUint32(table + 16 * i + 8, true);
      const flags = view.getUint16(table + 16 * i + 12, true);
      if (flags & DESC_F_WRITE) writable.push({ gpa, length });
      else readable.push({ gpa, bytes: this.ram(Number(gpa) - RAM_BASE, length) });
      more = (flags & DESC_F_NEXT) !== 0;
    }
    const bytes = Buffer.concat(readable.map((buffer) => buffer.bytes));
    const request = { readable, writable, bytes, queue: q, indirect };
    this.requests.push(request);
    const answer = this.setting.serve?.(request, q) ?? { bytes: Buffer.alloc(0) };
    let rest = answer.bytes;
    for (const { gpa, length } of writable) {
      new Uint8Array(this.memory.buffer).set(rest.subarray(0, length), Number(gpa) - RAM_BASE);
      rest = rest.subarray(length);
    }
    return { usedLength: answer.usedLength ?? answer.bytes.length, usedId: answer.usedId ?? head };
  }
}
