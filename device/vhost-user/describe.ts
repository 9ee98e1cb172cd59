// One line a message, for timelines and reports: "SET_VRING_ENABLE q1 num=1", "ADD_MEM_REG gpa=0x80000000 size=0xa0000".
// Addresses in the front-end's own space are left out where a guest-physical one says it, because they differ by run.

import { VHOST_USER_REPLY_MASK } from "../spec/vhost-user.js";
import type { Message } from "./message.js";
import { type Payload, type Region, vringIndex } from "./payload.js";
import { messageName, rowOf } from "./table.js";

const hex = (value: bigint | number) => `0x${value.toString(16)}`;

const describeRegion = ({ gpa, size }: Region) => `gpa=${hex(gpa)} size=${hex(size)}`;

function describePayload(payload: Payload): string {
  switch (payload.kind) {
    case "none":
      return "";
    case "u64":
      return hex(payload.value);
    case "vringState":
      return `q${payload.index} num=${payload.num}`;
    case "vringAddr":
      return `q${payload.index} desc=${hex(payload.desc)} used=${hex(payload.used)} avail=${hex(payload.avail)}`;
    case "memoryTable":
      return payload.regions.map((region) => `[${describeRegion(region)}]`).join(" ");
    case "memoryRegion":
      return describeRegion(payload.region);
    case "log":
      return `size=${hex(payload.mmapSize)} offset=${hex(payload.mmapOffset)}`;
    case "iotlb":
      return `type=${payload.type} iova=${hex(payload.iova)} size=${hex(payload.size)} perm=${payload.perm}`;
    case "config":
      return `offset=${payload.offset} size=${payload.bytes.length}`;
    case "inflight":
      return `size=${hex(payload.mmapSize)} queues=${payload.numQueues} queue-size=${payload.queueSize}`;
    case "shared":
      return `uuid=${Array.from(payload.uuid, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
    case "deviceState":
      return `direction=${payload.direction} phase=${payload.phase}`;
    case "opaque":
      return `${payload.bytes.length} bytes`;
  }
}

/** `message` as one line: name, "reply" or "ack" if it is one, payload. */
export function describe(message: Message): string {
  const { request, flags, payload, fds } = message;
  const row = rowOf(request);
  const words = [messageName(request)];
  const isReply = (flags & VHOST_USER_REPLY_MASK) !== 0;
  if (isReply) words.push(row?.reply === undefined ? "ack" : "reply");
  if (!isReply && payload.kind === "u64" && row?.request.fds === "bit 8") {
    words.push(`q${vringIndex(payload.value)}`, ...(fds.length === 0 ? ["no-fd"] : []));
  } else {
    const text = describePayload(payload);
    if (text !== "") words.push(text);
  }
  return words.join(" ");
}
