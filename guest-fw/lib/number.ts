// Whole numbers on the command line.

import { Bytes } from "./bytes";

const ZERO: u8 = 0x30;
const NINE: u8 = 0x39;
const MOST_DIGITS: u32 = 9;

/** The decimal number of one to nine digits that `text` is, or -1. */
export function wholeNumber(text: Bytes): i32 {
  if (text.length == 0 || text.length > MOST_DIGITS) return -1;
  let value: i32 = 0;
  for (let i: u32 = 0; i < text.length; i++) {
    const digit = load<u8>(text.at + i);
    if (digit < ZERO || digit > NINE) return -1;
    value = value * 10 + (digit - ZERO);
  }
  return value;
}
