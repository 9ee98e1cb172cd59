// The back-ends that can take the back-end's seat, by the names people know them under.

import type { Variant } from "./back-end.js";
import { C_VIRTIOFSD } from "./libvhost-user.js";
import { REKICK } from "./rekick.js";
import { RUST_0_10, RUST_0_12, RUST_0_13_1, RUST_0_22 } from "./rust.js";

export const BACK_END_VARIANTS = {
  rekick: REKICK,
  "rust-0.10": RUST_0_10,
  "rust-0.12": RUST_0_12,
  "rust-0.13.1": RUST_0_13_1,
  "rust-0.22": RUST_0_22,
  c: C_VIRTIOFSD,
} as const satisfies Record<string, Variant>;
