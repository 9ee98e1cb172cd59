// What a driver counts for a guest's last words. No state of the guest: nothing is decided by it, so a scheduler that
// compares guests leaves it out (export-globals.js).

export class Statistics {
  /** Interrupts that queues sent. */
  static interrupts: u32 = 0;
}
