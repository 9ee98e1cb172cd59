// A real eventfd in the place of one of the machine's: what it is to a driver and to a front-end.

import { closeSync, readFileSync, readSync, writeSync } from "node:fs";
import type { Notifier } from "../../device/front-end/vhost-device.js";
import type { EventCounter } from "../../vm/sync/eventfd.js";
import { Op } from "../../vm/sync/op.js";
import type { Libc } from "./libc.js";

/** Nothing that the explorer could see: it does not run real back-ends. */
const NO_FOOTPRINT = { reads: [], writes: [] };

export class NativeEventFd implements EventCounter, Notifier {
  readonly eventfd = this;
  #fd: number;

  constructor(
    readonly libc: Libc,
    readonly name: string,
  ) {
    this.#fd = libc.eventfd(0);
  }

  get fd(): number {
    return this.#fd;
  }

  /** Another one in its place; what has been passed on of the old one lives as long as who got it keeps it. */
  create(initial: number): Op<number> {
    return this.op("create", `count ${initial}`, () => {
      this.close();
      this.#fd = this.libc.eventfd(initial);
      return 0;
    });
  }

  add(n: number): Op<number> {
    return this.op("add", `+${n}`, () => {
      this.write(n);
      return 0;
    });
  }

  read(): Op<number> {
    return this.op("read", "", () => this.take());
  }

  testAndClear(): Op<number> {
    return this.op("read", "", () => Number(this.take() !== 0));
  }

  clear(): Op<number> {
    return this.testAndClear();
  }

  write(n: number): void {
    const count = Buffer.alloc(8);
    count.writeBigUInt64LE(BigInt(n));
    writeSync(this.#fd, count);
  }

  /** The whole count, which is then 0. */
  take(): number {
    const count = Buffer.alloc(8);
    try {
      readSync(this.#fd, count);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EAGAIN") return 0;
      throw error;
    }
    return Number(count.readBigUInt64LE());
  }

  /** The count, which stays: fdinfo's "eventfd-count", hexadecimal. */
  count(): number {
    const [, digits] = /^eventfd-count:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${this.#fd}`, "utf8"))!;
    return Number.parseInt(digits!, 16);
  }

  close(): void {
    closeSync(this.#fd);
  }

  protected op(verb: string, detail: string, attempt: () => number): Op<number> {
    return new Op(`${this.name}.${verb}`, NO_FOOTPRINT, attempt, { detail });
  }
}
