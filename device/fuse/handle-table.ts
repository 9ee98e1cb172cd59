// The files and directories that the guest has open, by fh.

import type { OpenFile } from "./backing/backing.js";

/** An open directory: a snapshot of its names, so that an offset into it keeps its meaning. */
export interface OpenDirectory {
  names: readonly Uint8Array[];
  /** Some of it has been handed out, so that a read from the start means a rewinddir and wants the names of now. */
  read: boolean;
}

/** Valid from its OPEN to its RELEASE, and only together with the nodeid that it was opened for. */
type Handle =
  | { readonly nodeid: bigint; readonly kind: "file"; readonly open: OpenFile }
  | { readonly nodeid: bigint; readonly kind: "directory"; readonly open: OpenDirectory };

export class HandleTable {
  readonly #max: number;
  readonly #maxNames: number;
  readonly #handles = new Map<bigint, Handle>();
  #names = 0;
  #nextFh = 1n;

  /** `max`: how many handles may be open; `maxNames`: how many names the snapshots may hold, all together. */
  constructor(max: number, maxNames: number) {
    this.#max = max;
    this.#maxNames = maxNames;
  }

  get size(): number {
    return this.#handles.size;
  }

  get full(): boolean {
    return this.#handles.size >= this.#max;
  }

  addFile(nodeid: bigint, open: OpenFile): bigint {
    return this.#add({ nodeid, kind: "file", open });
  }

  addDirectory(nodeid: bigint, open: OpenDirectory): bigint {
    this.#names += open.names.length;
    return this.#add({ nodeid, kind: "directory", open });
  }

  file(fh: bigint, nodeid: bigint): OpenFile | undefined {
    const handle = this.#handles.get(fh);
    return handle?.kind === "file" && handle.nodeid === nodeid ? handle.open : undefined;
  }

  directory(fh: bigint, nodeid: bigint): OpenDirectory | undefined {
    const handle = this.#handles.get(fh);
    return handle?.kind === "directory" && handle.nodeid === nodeid ? handle.open : undefined;
  }

  has(fh: bigint, nodeid: bigint): boolean {
    return this.#handles.get(fh)?.nodeid === nodeid;
  }

  /** Whether the snapshots may hold `names` more. */
  hasRoomFor(names: number): boolean {
    return this.#names + names <= this.#maxNames;
  }

  /** Gives an open directory a newer snapshot. */
  rewind(directory: OpenDirectory, names: readonly Uint8Array[]): void {
    this.#names += names.length - directory.names.length;
    directory.names = names;
    directory.read = false;
  }

  /** Closes a handle; the caller has found it with `file` or `directory`. */
  release(fh: bigint): void {
    const handle = this.#handles.get(fh);
    if (handle === undefined) throw new Error(`release of fh ${fh}, which is not open`);
    this.#handles.delete(fh);
    if (handle.kind === "file") handle.open.close();
    else this.#names -= handle.open.names.length;
  }

  /** Closes them all. */
  clear(): void {
    for (const fh of this.#handles.keys()) this.release(fh);
  }

  #add(handle: Handle): bigint {
    const fh = this.#nextFh++;
    this.#handles.set(fh, handle);
    return fh;
  }
}
