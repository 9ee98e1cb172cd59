// The machine: guest RAM, a bus with PCI on it, interrupts, and what a vCPU's exits do. What KVM and a VMM's core are.

import { Bus } from "./bus.js";
import { InterruptController } from "./irq.js";
import { GuestMemory } from "./memory.js";
import type { PciFunction } from "./pci/function.js";
import { HostBridge } from "./pci/host-bridge.js";
import type { Actor } from "./sync/op.js";
import type { SyncMemory } from "./sync/words.js";
import { type Exits, exitsOf } from "./vcpu.js";

export class Machine {
  readonly ram: GuestMemory;
  readonly bus = new Bus();
  readonly irq: InterruptController;
  readonly pci = new HostBridge(this.bus);
  readonly exits: Exits;

  constructor(sync: SyncMemory, memory: WebAssembly.Memory) {
    this.ram = new GuestMemory(memory, sync);
    this.irq = new InterruptController(sync);
    this.exits = exitsOf(this.bus, this.ram, this.irq);
  }

  /** Puts a function on the bus; slot 0 is the host bridge. */
  plug(slot: number, fn: PciFunction): void {
    this.pci.plug(slot, fn);
  }

  /** Machine reset: every device is reset, RAM keeps its contents. The guest is not running. */
  *reset(): Actor {
    yield* this.pci.reset();
    yield* this.irq.reset();
  }
}
