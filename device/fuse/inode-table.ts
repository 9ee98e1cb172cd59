// The nodes that the guest knows, by nodeid.

import { EBADF, ENFILE, ENOTDIR } from "../spec/errno.js";
import { FUSE_ROOT_ID, S_IFDIR } from "../spec/fuse.js";
import type { Attr, Backing, Found, Node } from "./backing/backing.js";
import type { Failed } from "./failed.js";

/**
 * A node while the guest holds references to it. Every entry of a reply that names it adds one to `nlookup`, FORGET takes
 * them off, and at 0 the node goes back to its backing. Its names may change or go meanwhile: a nodeid is no name.
 */
export interface Inode {
  readonly nodeid: bigint;
  readonly node: Node;
  nlookup: number;
}

/** A node of which the guest has been given one reference more. */
export interface Held {
  readonly inode: Inode;
  readonly attr: Attr;
}

/** A nodeid is never given out twice, not even after `clear`, so that one generation is enough for all. */
export class InodeTable {
  readonly #backing: Backing;
  readonly #max: number;
  readonly #root: Inode;
  readonly #byNodeid = new Map<bigint, Inode>();
  /** Two names of one file lead to one node. */
  readonly #byKey = new Map<string, Inode>();
  #nextNodeid = BigInt(FUSE_ROOT_ID) + 1n;

  /** `max`: how many nodes the guest may hold, the root among them. */
  constructor(backing: Backing, max: number) {
    this.#backing = backing;
    this.#max = max;
    this.#root = { nodeid: BigInt(FUSE_ROOT_ID), node: backing.root, nlookup: 0 };
    this.#add(this.#root);
  }

  /** Nodes held, the root among them. */
  get size(): number {
    return this.#byNodeid.size;
  }

  get(nodeid: bigint): Inode | undefined {
    return this.#byNodeid.get(nodeid);
  }

  /** The directory that a request names as its place. */
  directory(nodeid: bigint): Inode | Failed {
    const inode = this.#byNodeid.get(nodeid);
    if (inode === undefined) return -EBADF;
    return inode.node.type === S_IFDIR ? inode : -ENOTDIR;
  }

  /** No new node can be held, so none should be made. */
  get full(): boolean {
    return this.#byNodeid.size >= this.#max;
  }

  /** Looks a name up in a directory; on success the guest holds one reference more. */
  lookup(parent: Inode, name: Uint8Array): Held | Failed {
    const found = this.#backing.lookup(parent.node, name);
    return typeof found === "number" ? found : this.hold(found);
  }

  /** Gives the guest a reference on what the backing has found or made. */
  hold(found: Found): Held | Failed {
    let inode = this.#byKey.get(found.node.key);
    if (inode !== undefined) {
      this.#backing.merge(inode.node, found.node);
    } else if (this.full) {
      this.#backing.forget(found.node);
      return -ENFILE;
    } else {
      inode = { nodeid: this.#nextNodeid++, node: found.node, nlookup: 0 };
      this.#add(inode);
    }
    inode.nlookup += 1;
    return { inode, attr: found.attr };
  }

  /** Takes references off; more than there are, an unknown node and the root are all harmless. */
  forget(nodeid: bigint, nlookup: bigint): void {
    const inode = this.#byNodeid.get(nodeid);
    if (inode === undefined || inode === this.#root) return;
    inode.nlookup = nlookup >= BigInt(inode.nlookup) ? 0 : inode.nlookup - Number(nlookup);
    if (inode.nlookup === 0) this.#drop(inode);
  }

  /** Drops every node but the root. */
  clear(): void {
    for (const inode of this.#byNodeid.values()) {
      if (inode !== this.#root) this.#drop(inode);
    }
  }

  #add(inode: Inode): void {
    this.#byNodeid.set(inode.nodeid, inode);
    this.#byKey.set(inode.node.key, inode);
  }

  #drop(inode: Inode): void {
    this.#byNodeid.delete(inode.nodeid);
    this.#byKey.delete(inode.node.key);
    this.#backing.forget(inode.node);
  }
}
