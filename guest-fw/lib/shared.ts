// The words of guest RAM that driver and device share while both run: avail.idx, used.idx, the flags and the event
// words. Every access to one goes through here, and nothing else does.
//
// Built plainly, an access is a sequentially consistent atomic. Built with GUEST_STEPS=1 it is a call to the engine
// that runs the guest, so that a scheduler can put other actors' steps before and after it.

import { RAM_BASE } from "../../vm/spec/board";

@external("env", "ram_load16")
declare function ramLoad16(ptr: u32): u32;

@external("env", "ram_store16")
declare function ramStore16(ptr: u32, value: u32): void;

/** Loads the 16-bit word at `ptr`; what the device wrote before it stored the word is visible to later loads. */
export function loadIndex(ptr: usize): u32 {
  if (isDefined(GUEST_STEPS)) return ramLoad16(ptr as u32);
  return atomic.load<u16>(ptr);
}

/** Stores the 16-bit word at `ptr`; orders all that the driver wrote so far before it. */
export function storeIndex(ptr: usize, value: u32): void {
  if (isDefined(GUEST_STEPS)) ramStore16(ptr as u32, value);
  else atomic.store<u16>(ptr, value as u16);
}

/** The guest-physical address by which the device knows the guest's own `ptr`. */
export function gpa(ptr: usize): u64 {
  return (RAM_BASE as u64) + (ptr as u64);
}
