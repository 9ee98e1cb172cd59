// A machine from tables, for one guest program: a PCI function, the registers of a virtio-fs device that remember what
// was written, and a device that answers each request of the ring at once. It records every access in order.

import { type Machine, Stuck } from "./guest.js";

export const RAM_BASE = 0x80000000;
const ECAM_BASE = 0x30000000;

/** The virtio function is 00:01.0. */
const FUNCTION = ECAM_BASE + (1 << 15);

/** Structures in BAR 4, as the capabilities below say. */
const STRUCTURES = [
  ["common", 0x0000, 0x1000],
  ["device", 0x2000, 0x1000],
  ["notify", 0x3000, 0x1000],
] as const;

/** The ring as VirtioRingInit lays it out for 128 entries (protocol.md 7.2). */
export const RING_128 = {
  availFlags: 2048,
  availIdx: 2050,
  availRing: 2052,
  usedFlags: 4096,
  usedIdx: 4098,
  used: 4100,
};

/** Configuration space of the function: identity, BAR 4 (64-bit, prefetchable), capability list. */
export function configSpace(): Buffer {
  const config = Buffer.alloc(256);
  config.writeUInt16LE(0x1af4, 0x00); // vendor
  config.writeUInt16LE(0x105a, 0x02); // device: 0x1040 + 26
  config.writeUInt16LE(0x0010, 0x06); // status: capability list
  config.writeUInt8(0x40, 0x34); // its first entry
  capability(config, 0x40, 0x54, 16, 1, 0x0000, 0x1000); // common
  capability(config, 0x54, 0x68, 16, 3, 0x1000, 0x1000); // ISR
  capability(config, 0x68, 0x7c, 16, 4, 0x2000, 0x1000); // device
  capability(config, 0x7c, 0x00, 20, 2, 0x3000, 0x1000); // notify
  config.writeUInt32LE(4, 0x7c + 16); // its multiplier
  return config;
}

/** struct virtio_pci_cap at `at`, in BAR 4. */
export function capability(
  config: Buffer,
  at: number,
  next: number,
  length: number,
  type: number,
  offset: number,
  size: number,
): void {
  config.set([0x09, next, length, type, 4, 0, 0, 0], at);
  config.writeUInt32LE(offset, at + 8);
  config.writeUInt32LE(size, at + 12);
}

export interface Request {
  /** Addresses as the descriptors give them, and what is behind. */
  readonly readable: readonly { gpa: bigint; bytes: Buffer }[];
  readonly writable: readonly { gpa: bigint; length: number }[];
  readonly bytes: Buffer;
}

/** What the device writes; its used length where that is not the truth, and its used id where that is no head. */
export interface Answer {
  readonly bytes: Buffer;
  readonly usedLength?: number;
  readonly usedId?: number;
}

export interface Setting {
  /** Pages of wasm. */
  readonly pages?: number;
  readonly config?: Buffer;
  readonly features?: readonly [number, number];
  /** Bits of device_status that read as 0 whatever was written. */
  readonly refusedStatus?: number;
  readonly tag?: Buffer;
  readonly requestQueues?: number;
  readonly queueSize?: number;
  readonly notifyOff?: number;
  /** How often the guest stalls before the answer comes. */
  readonly stalls?: number;
  serve?(request: Request): Answer;
}

export class FakeMachine implements Machine {
  readonly memory: WebAssembly.Memory;
  /** Every access to a device register and to a shared word of the ring, in order; PCI configuration apart. */
  readonly trace: string[] = [];
  readonly configTrace: string[] = [];
  readonly requests: Request[] = [];
  readonly registers = Buffer.alloc(64);
  readonly #deviceConfig: Buffer;
  readonly #features: readonly [number, number];
  readonly #bar = Buffer.alloc(8);
  #seenIdx = 0;
  #stalls = 0;

  constructor(readonly setting: Setting = {}) {
    const pages = setting.pages ?? 32;
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    // What the last boot left: the guest must not take its memory for zeroed.
    new Uint8Array(this.memory.buffer).fill(0xa5);
    this.config = setting.config ?? configSpace();
    this.#features = setting.features ?? [0, 1];
    this.#deviceConfig = Buffer.concat([Buffer.alloc(36), Buffer.alloc(4)]);
    (setting.tag ?? Buffer.from("myfs")).copy(this.#deviceConfig);
    this.#deviceConfig.writeUInt32LE(setting.requestQueues ?? 1, 36);
  }

  readonly config: Buffer;

  /** gpa of BAR 4. */
  get bar(): number {
    return Number(this.#bar.readBigUInt64LE() & ~0xfn);
  }

  /** Offset in guest RAM of a 64-bit register of the queue: desc 32, driver 40, device 48. */
  area(register: number): number {
    return Number(this.registers.readBigUInt64LE(register)) - RAM_BASE;
  }

  ram(offset: number, length: number): Buffer {
    return Buffer.from(new Uint8Array(this.memory.buffer).slice(offset, offset + length));
  }

  get #view(): DataView {
    return new DataView(this.memory.buffer);
  }

  mmioRead(lo: number, hi: number, width: number): number {
    if (hi === 0 && lo >= ECAM_BASE && lo < ECAM_BASE + 0x10000000) return this.#configRead(lo, width);
    const [name, offset] = this.#structure(lo, hi);
    const value = this.#registerRead(name, offset, width);
    this.trace.push(`R${8 * width} ${name}+${offset}`);
    return value;
  }

  mmioWrite(lo: number, hi: number, width: number, value: number): void {
    if (hi === 0 && lo >= ECAM_BASE && lo < ECAM_BASE + 0x10000000) this.#configWrite(lo, width, value);
    else this.#registerWrite(lo, hi, width, value);
  }

  #configRead(lo: number, width: number): number {
    this.configTrace.push(`R${8 * width} ${lo.toString(16)}`);
    const offset = lo - FUNCTION;
    if (offset < 0 || offset >= 0x1000) return 2 ** (8 * width) - 1;
    if (offset >= 0x20 && offset < 0x28) return this.#bar.readUIntLE(offset - 0x20, width);
    return offset < this.config.length ? this.config.readUIntLE(offset, width) : 0;
  }

  #configWrite(lo: number, width: number, value: number): void {
    this.configTrace.push(`W${8 * width} ${lo.toString(16)} 0x${value.toString(16)}`);
    const offset = lo - FUNCTION;
    if (offset === 0x04) this.config.writeUInt16LE(value & 6, 0x04);
    // BAR 4: 16 KiB, 64-bit, prefetchable.
    if (offset === 0x20) this.#bar.writeUInt32LE(((value & 0xffffc000) | 0xc) >>> 0, 0);
    if (offset === 0x24) this.#bar.writeUInt32LE(value, 4);
  }

  #structure(lo: number, hi: number): readonly [string, number] {
    const at = hi * 2 ** 32 + lo - this.bar;
    if (!(this.config.readUInt16LE(4) & 2)) throw new Error("a register access while memory decoding is off");
    for (const [name, offset, size] of STRUCTURES) if (at >= offset && at < offset + size) return [name, at - offset];
    throw new Error(`no register at 0x${lo.toString(16)}`);
  }

  #registerRead(name: string, offset: number, width: number): number {
    if (name === "device") return this.#deviceConfig.readUIntLE(offset, width);
    if (offset === 4) return this.#features[this.registers.readUInt32LE(0)]!;
    if (offset === 24) return this.setting.queueSize ?? 128;
    if (offset === 30) return this.setting.notifyOff ?? 1;
    return this.registers.readUIntLE(offset, width);
  }

  #registerWrite(lo: number, hi: number, width: number, value: number): void {
    const [name, offset] = this.#structure(lo, hi);
    this.trace.push(`W${8 * width} ${name}+${offset} 0x${value.toString(16)}`);
    if (name === "common") {
      this.registers.writeUIntLE(value, offset, width);
      if (offset === 20) this.registers[20] = value & ~(this.setting.refusedStatus ?? 0);
    } else if (name === "notify" && (this.setting.stalls ?? 0) === 0) this.#answer();
  }

  ramLoad16(ptr: number): number {
    this.trace.push(`load ${this.#word(ptr)}`);
    return this.#view.getUint16(ptr, true);
  }

  ramStore16(ptr: number, value: number): void {
    this.trace.push(`store ${this.#word(ptr)} ${value}`);
    this.#view.setUint16(ptr, value, true);
  }

  stall(micros: number, ptr: number, seen: number): void {
    this.trace.push(`stall ${micros} ${this.#word(ptr)} ${seen}`);
    this.#stalls++;
    if (this.#stalls === this.setting.stalls) this.#answer();
    else if (this.#stalls > (this.setting.stalls ?? 0)) throw new Stuck("the guest polls, and nothing will come");
  }

  #word(ptr: number): string {
    if (ptr === this.area(40)) return "avail.flags";
    if (ptr === this.area(40) + 2) return "avail.idx";
    if (ptr === this.area(48)) return "used.flags";
    if (ptr === this.area(48) + 2) return "used.idx";
    throw new Error(`no shared word at 0x${ptr.toString(16)}`);
  }

  /** Serves the one request that is pending, as a device does that trusts its driver. */
  #answer(): void {
    const view = this.#view;
    const [desc, avail, used] = [this.area(32), this.area(40), this.area(48)];
    const size = this.setting.queueSize ?? 128;
    if (view.getUint16(avail + 2, true) !== ((this.#seenIdx + 1) & 0xffff)) throw new Error("a kick before avail.idx");
    const slot = this.#seenIdx % size;
    const head = view.getUint16(avail + 4 + 2 * slot, true);

    const readable: { gpa: bigint; bytes: Buffer }[] = [];
    const writable: { gpa: bigint; length: number }[] = [];
    for (let i = head, more = true; more; i = view.getUint16(desc + 16 * i + 14, true)) {
      const gpa = view.getBigUint64(desc + 16 * i, true);
      const length = view.getUint32(desc + 16 * i + 8, true);
      const flags = view.getUint16(desc + 16 * i + 12, true);
      if (flags & 2) writable.push({ gpa, length });
      else readable.push({ gpa, bytes: this.ram(Number(gpa) - RAM_BASE, length) });
      more = (flags & 1) !== 0;
    }
    const request = { readable, writable, bytes: Buffer.concat(readable.map(({ bytes }) => bytes)) };
    this.requests.push(request);

    const answer = this.setting.serve?.(request) ?? { bytes: Buffer.alloc(0) };
    let rest = answer.bytes;
    for (const { gpa, length } of writable) {
      new Uint8Array(this.memory.buffer).set(rest.subarray(0, length), Number(gpa) - RAM_BASE);
      rest = rest.subarray(length);
    }
    if (rest.length !== 0 && answer.usedLength === undefined) throw new Error("no room for the answer");
    view.setUint32(used + 4 + 8 * slot, answer.usedId ?? head, true);
    view.setUint32(used + 8 + 8 * slot, answer.usedLength ?? answer.bytes.length, true);
    this.#seenIdx = (this.#seenIdx + 1) & 0xffff;
    view.setUint16(used + 2, this.#seenIdx, true);
  }
}
