// A rule of vhost-user.rst (of QEMU 7.2) that can be seen from outside.

import { BackEndError } from "../../../device/front-end/vhost-device.js";
import type { Peer } from "../peer.js";

/** What was seen: nothing wrong; the input refused, where it may be; or what is wrong. */
export type Finding = "kept" | "refused" | { readonly broken: string };

export interface Rule {
  readonly id: string;
  /** As the document has it. */
  readonly rule: string;
  readonly section: string;
  /** Is it about this back-end? Told after the features are known; absent: about every one. */
  applies?(peer: Peer): boolean;
  /** On a connection of its own, on which nothing has been said. @throws BackEndError */
  check(peer: Peer): Finding;
}

export const brokenIf = (broken: boolean, seen: string): Finding => (broken ? { broken: seen } : "kept");

/**
 * What becomes of bytes that no front-end may send. The back-end may close the connection ("If back-end detects some
 * error such as incompatible features, it may also close the connection") or go on; it must not fall silent.
 */
export function hostile(peer: Peer, attack: () => void): Finding {
  try {
    attack();
    peer.fence();
    return "kept";
  } catch (error) {
    if (!(error instanceof BackEndError)) throw error;
    // What it said to it may be refused here as it is no reply to what is awaited: a non-zero ACK, mostly.
    return peer.socket.hungUp(HANG_UP_MS) ? "refused" : { broken: error.message };
  }
}

const HANG_UP_MS = 200;
