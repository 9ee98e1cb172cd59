// The passing of time (Linux: usleep_range, delay.h). It waits for nobody.

/** Comes back after `micros` or later. */
@external("env", "sleep")
export declare function sleep(micros: u32): void;
