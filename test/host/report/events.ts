// A trace written by hand: the last steps before the published hang, three actors.

import type { TraceEvent } from "../../../vm/sync/trace.js";

export const op = (at: number, actor: string, name: string, detail = "", result = 0): TraceEvent => ({
  kind: "op",
  actor,
  at,
  name,
  detail,
  result,
});
export const note = (at: number, actor: string, name: string, detail: string): TraceEvent => ({
  kind: "note",
  actor,
  at,
  name,
  detail,
});

/** Each actor's buffer after the other, as an engine collects them; the clock starts at 1000. */
export const SEED_HANG: readonly TraceEvent[] = [
  note(1000, "vcpu", "read[device_feature]", "=> 1"),
  note(1001, "vcpu", "write[driver_feature]", "<= 1"),
  note(1002, "vcpu", "write[device_status]", "<= 15"),
  op(1003, "vcpu", "q1.kick.create", "count 1"),
  op(1004, "vcpu", "to-back-end.send", "SET_VRING_KICK q1", 20),
  op(1012, "vcpu", "to-back-end.send", "SET_VRING_ENABLE q1 num=1", 20),
  op(1013, "vcpu", "q1.used.idx.load", "", 0),
  op(1014, "vcpu", "q1.avail.idx.store", "= 1"),
  op(1015.5, "vcpu", "q1.kick.add", "+1"),

  op(1005, "control", "to-back-end.receive", "", 12),
  op(1006, "control", "to-back-end.receive", "", 8),
  op(1007, "control", "epoll.add", "q1.kick"),
  op(1018, "control", "to-back-end.receive", "", 12),
  op(1019, "control", "to-back-end.receive", "", 8),
  op(1024, "control", "q1.store", "enabled=1"),
  op(1025, "control", "q1.lock.unlock"),

  op(1008, "data", "epoll.wait", "", 2),
  op(1009, "data", "q1.kick.read", "", 1), // the count that the eventfd was born with: no request is lost
  op(1010, "data", "q1.enabled.load", "", 0),
  note(1011, "data", "kick dropped", "q1: count 1"),
  op(1016, "data", "epoll.wait", "", 2),
  op(1020, "data", "q1.lock.lock"),
  op(1021, "data", "q1.kick.read", "", 1),
  op(1022, "data", "q1.enabled.load", "", 0),
  note(1023, "data", "kick dropped", "q1: count 1"),
];
