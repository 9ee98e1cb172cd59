// Where a delay can be put on real threads: before one kind of op of one actor.

/** Points by name: the actor, the op's name, and what happens there in the real program. */
export const DELAY_POINTS: Readonly<Record<string, { actor: string; op: string; about: string }>> = {
  "before-handle-event": {
    actor: "data",
    op: "q1.lock.lock",
    about: "back-end worker, at the top of handle_event, no lock held (rust-…); the mail's debug message",
  },
  "before-enabled-test": {
    actor: "data",
    op: "q1.enabled.load",
    about: "back-end worker, before it tests `enabled` (rust-…); it has the kick, and holds the lock",
  },
  "before-kick-read": { actor: "data", op: "q1.kick.read", about: "back-end worker, before it reads the kick eventfd" },
  "before-receive": { actor: "control", op: "to-back-end.receive", about: "control plane, before each recvmsg" },
  "before-send": { actor: "vcpu", op: "to-back-end.send", about: "front-end, before each message" },
  "before-kick": { actor: "vcpu", op: "q1.kick.add", about: "guest, before its kick reaches the eventfd" },
};
