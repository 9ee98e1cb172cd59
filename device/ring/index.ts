// ring.wasm: the device side of the split virtqueue over guest RAM (its memory import). Exports only. The areas come as
// offsets into that memory, already translated from gpas, inside guest RAM and aligned (virtio 1.4, 2.7: 16, 2, 4), the
// queue size as a power of two: the caller checks them when a ring starts. Each function but `consume` makes at most one
// access to a word that the driver may write or poll at the same time, so that a scheduler can interleave the calls.

export { availHead, availIdx } from "./avail";
export { chainStep, descAddrHi, descAddrLo, descFlags, descLen, descNext, walkState, walkTotal } from "./chain";
export { consume, ranAvail, ranSum, ranUsed, walk } from "./consume";
export { availFlags, setAvailEvent, setUsedFlags, usedEvent } from "./notify";
export { usedFill, usedPublish } from "./used";
