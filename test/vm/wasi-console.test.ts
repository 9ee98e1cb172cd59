import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fdRead, fdWrite } from "../../vm/wasi-console.js";

const SUCCESS = 0;
const EBADF = 8;
const EFAULT = 21;
const MIB = 1024 * 1024;

/** A guest's memory with `bytes[i] = i & 0xff`, and what its console got. */
function guest() {
  const bytes = new Uint8Array(new SharedArrayBuffer(4096));
  bytes.forEach((_, i) => {
    bytes[i] = i;
  });
  const out: { fd: number; data: number[] }[] = [];
  const write = fdWrite(bytes, {
    stdout: (data) => out.push({ fd: 1, data: [...data] }),
    stderr: (data) => out.push({ fd: 2, data: [...data] }),
  });
  const view = new DataView(bytes.buffer);
  /** Puts a struct ciovec array at `at`: { u32 buf; u32 buf_len } each. */
  const vectors = (at: number, ...list: [number, number][]): void =>
    list.forEach(([buf, length], i) => {
      view.setUint32(at + 8 * i, buf, true);
      view.setUint32(at + 8 * i + 4, length, true);
    });
  return { bytes, view, out, write, vectors };
}

describe("fd_write (WASI preview1)", () => {
  it("gathers the buffers of standard output and of standard error, and counts them", () => {
    const { view, out, write, vectors } = guest();
    vectors(0x200, [0x10, 3], [0x20, 0], [0x30, 2]);
    expect(write(1, 0x200, 3, 0x300)).toBe(SUCCESS);
    expect(write(2, 0x200, 1, 0x304)).toBe(SUCCESS);
    expect([view.getUint32(0x300, true), view.getUint32(0x304, true)]).toEqual([5, 3]);
    expect(out.filter(({ fd }) => fd === 1).flatMap(({ data }) => data)).toEqual([0x10, 0x11, 0x12, 0x30, 0x31]);
    expect(out.filter(({ fd }) => fd === 2).flatMap(({ data }) => data)).toEqual([0x10, 0x11, 0x12]);
  });

  it("hands out a copy, which the guest cannot change any more", () => {
    const bytes = new Uint8Array(new SharedArrayBuffer(64));
    let got: Uint8Array | undefined;
    const keep = (data: Uint8Array): void => {
      got = data;
    };
    const view = new DataView(bytes.buffer);
    view.setUint32(0, 32, true);
    view.setUint32(4, 1, true);
    bytes[32] = 65;
    fdWrite(bytes, { stdout: keep, stderr: keep })(1, 0, 1, 16);
    bytes[32] = 66;
    expect(got).toEqual(Uint8Array.of(65));
    expect(got!.buffer).toBeInstanceOf(ArrayBuffer);
  });

  it.each([0, 3, -1, 0x7fffffff])("descriptor %d is EBADF", (fd) => {
    const { write, out } = guest();
    expect(write(fd, 0, 0, 0)).toBe(EBADF);
    expect(out).toEqual([]);
  });

  it.each([
    ["the list outside", 4096, 1, 0],
    ["the list's end outside", 4089, 1, 0],
    ["the list at a negative pointer", -8, 1, 0],
    ["a negative count", 0, -1, 0],
    ["a count whose bytes wrap at 2^32", 0, 0x20000000, 0],
    ["more than IOV_MAX (1024)", 0, 1025, 0],
    ["the answer outside", 0, 0, 4093],
    ["the answer at a negative pointer", 0, 0, -4],
  ])("%s is EFAULT, and nothing is printed", (_, iovs, count, written) => {
    const { write, out } = guest();
    expect(write(1, iovs, count, written)).toBe(EFAULT);
    expect(out).toEqual([]);
  });

  it.each([
    [4096, 1],
    [4095, 2],
    [0, 4097],
    [0xffffffff, 1],
    [16, 0xffffffff],
  ])("a buffer at %d of %d bytes is EFAULT", (buf, length) => {
    const { write, vectors, out } = guest();
    vectors(0x200, [buf, length]);
    expect(write(1, 0x200, 1, 0)).toBe(EFAULT);
    expect(out).toEqual([]);
  });

  it("takes at most 1 MiB a call, however often a list names all of memory: the rest is a short write", () => {
    const bytes = new Uint8Array(new SharedArrayBuffer(2 * MIB));
    const view = new DataView(bytes.buffer);
    for (let i = 0; i < 1024; i++) {
      view.setUint32(8 * i, 0, true);
      view.setUint32(8 * i + 4, i === 0 ? 5 : 2 * MIB, true);
    }
    const lengths: number[] = [];
    const take = (data: Uint8Array): void => void lengths.push(data.length);
    expect(fdWrite(bytes, { stdout: take, stderr: take })(1, 0, 1024, 16384)).toBe(SUCCESS);
    expect(lengths).toEqual([5, MIB - 5]);
    expect(view.getUint32(16384, true)).toBe(MIB);
  });

  it("never throws and never prints a byte that is not the guest's, for any arguments", () => {
    const wild = fc.oneof(fc.nat(4100), fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }));
    const vector = fc.tuple(fc.oneof(fc.nat(4100), wild), fc.oneof(fc.nat(64), wild));
    const seen = { [SUCCESS]: 0, [EFAULT]: 0 } as Record<number, number>;
    fc.assert(
      fc.property(
        fc.array(vector, { maxLength: 4 }),
        fc.oneof(fc.constant(0x800), wild),
        fc.oneof(fc.nat(4), wild),
        fc.oneof(fc.constant(0x900), wild),
        (list, iovs, count, written) => {
          const { bytes, write, vectors, out } = guest();
          vectors(0x800, ...list);
          const before = bytes.slice();
          const errno = write(1, iovs, count, written);
          seen[errno]!++;
          const printed = out.reduce((sum, { data }) => sum + data.length, 0);
          expect(printed).toBeLessThanOrEqual(4 * 4096);
          if (errno === SUCCESS) expect(new DataView(bytes.buffer).getUint32(written >>> 0, true)).toBe(printed);
          // Nothing of the guest's memory changes but the count, and that only on success.
          const changed = [...bytes.keys()].filter((i) => bytes[i] !== before[i]);
          const at = written >>> 0;
          expect(changed.every((i) => errno === SUCCESS && i >= at && i < at + 4)).toBe(true);
        },
      ),
      { seed: 10, numRuns: 1000 },
    );
    expect(Object.keys(seen)).toEqual([`${SUCCESS}`, `${EFAULT}`]);
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(50);
  });
});

describe("fd_read (WASI preview1)", () => {
  /** A guest's memory of 4 KiB, and what its input was asked for. */
  function reader(input: Uint8Array | undefined) {
    const bytes = new Uint8Array(new SharedArrayBuffer(4096));
    const view = new DataView(bytes.buffer);
    const asked: number[] = [];
    const stdin = (most: number): Uint8Array => {
      asked.push(most);
      return input!.subarray(0, most);
    };
    const read = fdRead(bytes, { stdout() {}, stderr() {}, ...(input && { stdin }) });
    const vectors = (at: number, ...list: [number, number][]): void =>
      list.forEach(([buf, length], i) => {
        view.setUint32(at + 8 * i, buf, true);
        view.setUint32(at + 8 * i + 4, length, true);
      });
    return { bytes, view, asked, read, vectors };
  }

  it("scatters what there is over the buffers, in one wait for all of them, and counts it", () => {
    const { bytes, view, asked, read, vectors } = reader(Uint8Array.of(1, 2, 3, 4));
    vectors(0x200, [0x10, 3], [0x20, 0], [0x30, 5]);
    expect(read(0, 0x200, 3, 0x300)).toBe(SUCCESS);
    expect([[...bytes.slice(0x10, 0x13)], [...bytes.slice(0x30, 0x35)]]).toEqual([
      [1, 2, 3],
      [4, 0, 0, 0, 0],
    ]);
    expect([view.getUint32(0x300, true), asked]).toEqual([4, [8]]);
  });

  it("reads nothing at the end, and where there is no input", () => {
    for (const input of [new Uint8Array(), undefined]) {
      const { view, read, vectors } = reader(input);
      view.setUint32(0x300, 77, true);
      vectors(0x200, [0x10, 3]);
      expect(read(0, 0x200, 1, 0x300)).toBe(SUCCESS);
      expect(view.getUint32(0x300, true)).toBe(0);
    }
  });

  it("does not wait for no bytes", () => {
    const { asked, read, vectors } = reader(Uint8Array.of(1));
    vectors(0x200, [0x10, 0]);
    expect([read(0, 0x200, 1, 0x300), read(0, 0x200, 0, 0x300), asked]).toEqual([SUCCESS, SUCCESS, []]);
  });

  it.each([1, 2, 3, -1])("descriptor %d is EBADF", (fd) => {
    expect(reader(Uint8Array.of(1)).read(fd, 0x200, 0, 0x300)).toBe(EBADF);
  });

  it("is EFAULT, and takes no input, for any list, buffer or count outside memory", () => {
    const wild = fc.oneof(fc.nat(4100), fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }));
    const vector = fc.tuple(fc.oneof(fc.nat(4100), wild), fc.oneof(fc.nat(64), wild));
    const seen = { [SUCCESS]: 0, [EFAULT]: 0 } as Record<number, number>;
    fc.assert(
      fc.property(
        fc.array(vector, { maxLength: 4 }),
        fc.oneof(fc.constant(0x800), wild),
        fc.oneof(fc.nat(4), wild),
        fc.oneof(fc.constant(0x900), wild),
        (list, iovs, count, at) => {
          const { bytes, asked, read, vectors } = reader(Uint8Array.of(9, 9, 9));
          vectors(0x800, ...list);
          const before = bytes.slice();
          const errno = read(0, iovs, count, at);
          seen[errno]!++;
          if (errno === SUCCESS) return;
          expect(asked).toEqual([]);
          expect(bytes).toEqual(before);
        },
      ),
      { seed: 11, numRuns: 1000 },
    );
    expect(Object.keys(seen)).toEqual([`${SUCCESS}`, `${EFAULT}`]);
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(50);
  });
});
