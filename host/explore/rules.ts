// The rules that invariants hold a system to, each with the sentence of the standard that it is.

export interface RuleText {
  /** As the standard says it, or what follows from what it says. */
  readonly text: string;
  readonly source: "virtio 1.4" | "vhost-user.rst";
  readonly section: string;
}

export const RULES = {
  "element before index": {
    text: "a used ring element is complete before used.idx covers it",
    source: "virtio 1.4",
    section: "2.7.8.2",
  },
  "each request answered once": {
    text: "an avail ring entry is taken once, in turn and after it was offered; its head comes back in one used element",
    source: "virtio 1.4",
    section: "2.7.8",
  },
  "a stopped ring is left alone": {
    text: "stopped: the back-end must not process the ring at all",
    source: "vhost-user.rst",
    section: "Ring states",
  },
  "replies are asked for": {
    text: "a request is answered if it has a reply of its own, or asks for an ACK and REPLY_ACK is negotiated; and once",
    source: "vhost-user.rst",
    section: "Communication",
  },
  "descriptors are read once": {
    text: "the driver can rewrite a descriptor at any time: what was checked is what is used",
    source: "virtio 1.4",
    section: "2.7.5",
  },
  "memory of others is not written": {
    text: "a device writes the used ring and the device-writable buffers of chains that it has taken, nothing else",
    source: "virtio 1.4",
    section: "2.7.5.1",
  },
} as const satisfies Record<string, RuleText>;

export type Rule = keyof typeof RULES;

/** A rule that an op breaks. */
export interface Broken {
  readonly rule: Rule;
  /** What was done. */
  readonly detail: string;
}

export interface BrokenAt extends Broken {
  /** The number of the op, from 1. */
  readonly at: number;
}

/** A rule, broken by the last op of an order. */
export interface Breaking extends Broken {
  readonly order: readonly number[];
}

/** Told of each. */
export type Report = (rule: Rule, detail: string) => void;
