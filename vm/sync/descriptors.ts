// The descriptor numbers that travel over sockets: one table for the machine, so a number means the same object to
// whoever receives it (SCM_RIGHTS makes a duplicate; here the number itself is the duplicate).

import type { Doorbell } from "./doorbell.js";
import type { EventFd } from "./eventfd.js";

export type Descriptor =
  | { readonly kind: "eventfd"; readonly eventfd: EventFd }
  /** An eventfd that a doorbell can watch, in its slot there. */
  | { readonly kind: "kick"; readonly eventfd: EventFd; readonly doorbell: Doorbell; readonly slot: number }
  /** Guest RAM's memfd. */
  | { readonly kind: "memory" }
  | { readonly kind: "socket" };

/** 0 means "no descriptor" in shared records, so numbers start after the three standard ones. */
const FIRST = 3;

export class Descriptors {
  readonly #objects: Descriptor[] = [];

  add(object: Descriptor): number {
    return this.#objects.push(object) - 1 + FIRST;
  }

  get(fd: number): Descriptor | undefined {
    return this.#objects[fd - FIRST];
  }
}
