// fd_write and fd_read of WASI preview1 for a guest's console. Ours in both engines: @wasmer/wasi's own gives its output
// only after the guest has ended, and cannot wait for input.

export interface GuestConsole {
  stdout(bytes: Uint8Array): void;
  stderr(bytes: Uint8Array): void;
  /** Up to `most` bytes of input, one at least; none at its end. It may wait. Absent: there is no input. */
  stdin?(most: number): Uint8Array;
}

const SUCCESS = 0;
const EBADF = 8;
const EFAULT = 21;
/** The longest list of buffers taken from a guest in one call (Linux: IOV_MAX). */
const IOV_MAX = 1024;
/** The most bytes moved in one call: more is a short write or read, as write(2) may answer (Linux: 0x7ffff000). */
const BYTES_MAX = 1024 * 1024;

interface Buffer {
  readonly at: number;
  readonly length: number;
}

/**
 * The buffers of an iovec or ciovec list, cut off at BYTES_MAX.
 * @returns undefined where the list or a buffer leaves the guest's memory, or is too long
 */
function buffersOf(bytes: Uint8Array, view: DataView, iovs: number, count: number): Buffer[] | undefined {
  const inside = (at: number, length: number): boolean => at + length <= bytes.length;
  const list = iovs >>> 0;
  if (count >>> 0 > IOV_MAX || !inside(list, 8 * count)) return undefined;
  const buffers: Buffer[] = [];
  let total = 0;
  for (let i = 0; i < count && total < BYTES_MAX; i++) {
    const at = view.getUint32(list + 8 * i, true);
    const offered = view.getUint32(list + 8 * i + 4, true);
    if (!inside(at, offered)) return undefined;
    const length = Math.min(offered, BYTES_MAX - total);
    buffers.push({ at, length });
    total += length;
  }
  return buffers;
}

/**
 * @param bytes the guest's memory. Buffers are copied out before anyone looks at them: the guest's other threads and
 *   devices can write there, and a browser's TextDecoder takes no shared memory
 */
export function fdWrite(bytes: Uint8Array, guestConsole: GuestConsole) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return (fd: number, iovs: number, count: number, written: number): number => {
    const sink = fd === 1 ? guestConsole.stdout : fd === 2 ? guestConsole.stderr : undefined;
    if (!sink) return EBADF;
    const buffers = buffersOf(bytes, view, iovs, count);
    if (!buffers || (written >>> 0) + 4 > bytes.length) return EFAULT;
    for (const { at, length } of buffers) sink.call(guestConsole, bytes.slice(at, at + length));
    view.setUint32(written >>> 0, total(buffers), true);
    return SUCCESS;
  };
}

/** @param bytes the guest's memory */
export function fdRead(bytes: Uint8Array, guestConsole: GuestConsole) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return (fd: number, iovs: number, count: number, read: number): number => {
    if (fd !== 0) return EBADF;
    const buffers = buffersOf(bytes, view, iovs, count);
    if (!buffers || (read >>> 0) + 4 > bytes.length) return EFAULT;
    const room = total(buffers);
    const taken = room > 0 ? guestConsole.stdin?.(room) : undefined;
    let done = 0;
    for (const { at, length } of taken ? buffers : []) {
      bytes.set(taken!.subarray(done, done + length), at);
      done += length;
    }
    view.setUint32(read >>> 0, taken?.length ?? 0, true);
    return SUCCESS;
  };
}

function total(buffers: readonly Buffer[]): number {
  return buffers.reduce((sum, { length }) => sum + length, 0);
}
