// fd_write of WASI preview1 for a guest's console. Ours in both engines: @wasmer/wasi's own gives its output only after
// the guest has ended.

export interface GuestConsole {
  stdout(bytes: Uint8Array): void;
  stderr(bytes: Uint8Array): void;
}

const SUCCESS = 0;
const EBADF = 8;
const EFAULT = 21;
/** The longest list of buffers taken from a guest in one call (Linux: IOV_MAX). */
const IOV_MAX = 1024;
/** The most bytes taken in one call: more is a short write, as write(2) may answer (Linux: 0x7ffff000). */
const WRITE_MAX = 1024 * 1024;

/**
 * @param bytes the guest's memory. Buffers are copied out before anyone looks at them: the guest's other threads and
 *   devices can write there, and a browser's TextDecoder takes no shared memory
 */
export function fdWrite(bytes: Uint8Array, guestConsole: GuestConsole) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return (fd: number, iovs: number, count: number, written: number): number => {
    const sink = fd === 1 ? guestConsole.stdout : fd === 2 ? guestConsole.stderr : undefined;
    if (!sink) return EBADF;
    const inside = (at: number, length: number): boolean => at >= 0 && at + length <= bytes.length;
    const list = iovs >>> 0;
    if (count >>> 0 > IOV_MAX || !inside(list, 8 * count) || !inside(written >>> 0, 4)) return EFAULT;
    let total = 0;
    for (let i = 0; i < count && total < WRITE_MAX; i++) {
      const at = view.getUint32(list + 8 * i, true);
      const offered = view.getUint32(list + 8 * i + 4, true);
      if (!inside(at, offered)) return EFAULT;
      const length = Math.min(offered, WRITE_MAX - total);
      sink.call(guestConsole, bytes.slice(at, at + length));
      total += length;
    }
    view.setUint32(written >>> 0, total, true);
    return SUCCESS;
  };
}
