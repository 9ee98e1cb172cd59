// Guest RAM that a back-end can map: a sealed memfd under the shared WebAssembly.Memory that the guest and the driver's
// code run on.

import { closeSync } from "node:fs";
import { GuestMemory } from "../../vm/memory.js";
import type { Libc } from "./libc.js";

export class NativeRam {
  readonly memory: WebAssembly.Memory;
  readonly fd: number;

  constructor(libc: Libc, bytes: number) {
    this.memory = GuestMemory.allocate(bytes);
    this.fd = libc.memfd("guest-ram", bytes);
    libc.mapOver(this.memory, this.fd);
  }

  /** The mapping ends with the memory. */
  close(): void {
    closeSync(this.fd);
  }
}
