// What a vhost-user endpoint refuses, as data. QEMU reports such bytes and closes the socket, rust-vmm's vhost crate
// returns Error::InvalidMessage and ends the connection. A refusal here always means that: the connection fails, and
// the receiver closes every file descriptor that came with the message. Sections are the titles in vhost-user.rst.
//
// What needs the back-end's state is not decided here: whether a ring index exists, whether a feature was negotiated,
// whether an address lies in a region. There the request is well formed, and a sender that asked for it is owed an ACK.

const RULES = {
  "header cut short": "Header",
  "version is not 1": "Header",
  "reserved flag bit set": "Header",
  "reply flag in a request": "Header",
  "no reply flag in a reply": "Header",
  "need_reply flag in a reply": "VHOST_USER_PROTOCOL_F_REPLY_ACK",
  "reply to another request": "Communication",
  "unknown request": "Front-end message types",
  "payload larger than 4096 bytes": "Header",
  "payload size wrong for the message": "Payload",
  "payload cut short": "Header",
  "padding is not zero": "Payload",
  "number of regions is not 1 to 8": "Multiple Memory regions description",
  "number of regions does not match the payload size": "Multiple Memory regions description",
  "region size is 0": "Memory region description",
  "region overflows 64 bits": "Memory region description",
  "regions overlap": "Multiple Memory regions description",
  "config size does not match the payload size": "Virtio device config space",
  "num out of range": "Front-end message types",
  "wrong number of file descriptors": "Communication",
  "no-fd bit contradicts the file descriptors": "Front-end message types",
  "error and file descriptor in one reply": "VHOST_USER_SET_DEVICE_STATE_FD",
} as const;

export type Rule = keyof typeof RULES;

/** A peer's message that breaks `refused`, a rule of vhost-user.rst's `section`. */
export interface Refused {
  readonly refused: Rule;
  readonly section: string;
}

export function refuse(rule: Rule): Refused {
  return { refused: rule, section: RULES[rule] };
}

export function isRefused(result: object): result is Refused {
  return "refused" in result;
}
