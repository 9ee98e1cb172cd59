// The control plane of a back-end: the thread that handles vhost-user messages, strictly one after the other. What
// vhost-user-backend's handler.rs (VhostUserHandler) and libvhost-user's vu_dispatch are. Where released programs
// differ, the variant says what is done.

import type { Actor } from "../../vm/sync/op.js";
import {
  VHOST_USER_ADD_MEM_REG,
  VHOST_USER_F_PROTOCOL_FEATURES,
  VHOST_USER_GET_FEATURES,
  VHOST_USER_GET_MAX_MEM_SLOTS,
  VHOST_USER_GET_PROTOCOL_FEATURES,
  VHOST_USER_GET_QUEUE_NUM,
  VHOST_USER_GET_VRING_BASE,
  VHOST_USER_REM_MEM_REG,
  VHOST_USER_RESET_DEVICE,
  VHOST_USER_RESET_OWNER,
  VHOST_USER_SET_BACKEND_REQ_FD,
  VHOST_USER_SET_FEATURES,
  VHOST_USER_SET_MEM_TABLE,
  VHOST_USER_SET_OWNER,
  VHOST_USER_SET_PROTOCOL_FEATURES,
  VHOST_USER_SET_VRING_ADDR,
  VHOST_USER_SET_VRING_BASE,
  VHOST_USER_SET_VRING_CALL,
  VHOST_USER_SET_VRING_ENABLE,
  VHOST_USER_SET_VRING_ERR,
  VHOST_USER_SET_VRING_KICK,
  VHOST_USER_SET_VRING_NUM,
} from "../spec/vhost-user.js";
import { VIRTIO_F_EVENT_IDX, VIRTIO_F_INDIRECT_DESC } from "../spec/virtio.js";
import { VIRTQ_MAX_SIZE, VirtqUsed } from "../spec/virtq.js";
import { CLOSED } from "../vhost-user/channel.js";
import { ack, describe, isRefused, type Message, messageName, reply, vringIndex } from "../vhost-user/message.js";
import type { Payload, Region } from "../vhost-user/payload.js";
import { expectedReply, hasFeature, requiredFeature } from "../vhost-user/table.js";
import { ringLabels } from "../virtqueue.js";
import type { BackEnd, Vring } from "./back-end.js";
import { MAX_REGIONS, type MappedRegion, mappedRegion } from "./mem-table.js";

/** What handling a request gives: its own reply's payload, or whether it was done (an ACK of 0 or 1). */
type Outcome = Payload | "done" | "failed" | "aborted";

const u64 = (value: bigint): Payload => ({ kind: "u64", value });

/**
 * One message, from its first byte to the reply. @returns false when the connection has ended, and the thread with it
 */
export function* controlPlane(backEnd: BackEnd): Actor<boolean> {
  const { channel, variant } = backEnd.parts;
  // The whole message before the lock: libvhost-user reads its rest with the lock held, and a front-end that keeps the
  // rest back would stop its queue threads.
  const message = yield* channel.receive();
  if (message === CLOSED || isRefused(message)) {
    if (message !== CLOSED)
      backEnd.note("connection refused", `${message.refused} (vhost-user.rst, ${message.section})`);
    yield* channel.close();
    return false;
  }
  if (variant.locking === "dispatch") yield* backEnd.dispatch.lock();
  const open = yield* answer(backEnd, message, yield* handle(backEnd, message));
  if (variant.locking === "dispatch") yield* backEnd.dispatch.unlock();
  return open;
}

/**
 * REPLY_ACK: "the back-end must respond with zero when NEED_REPLY was set and the operation is completed"; the ACK leaves
 * after the handler has returned, so that whoever waits for it finds the request in force. A failure that no ACK can
 * tell ends the connection. @returns whether the connection goes on
 */
function* answer(backEnd: BackEnd, message: Message, outcome: Outcome): Actor<boolean> {
  const { channel } = backEnd.parts;
  const protocolFeatures = BigInt((yield* backEnd.connection.get("protocolFeatures")) >>> 0);
  const acked = expectedReply(message, protocolFeatures) === "ack";
  if (outcome === "aborted") {
    backEnd.note("process aborts", describe(message));
    yield* channel.close();
    return false;
  }
  if (outcome === "failed") {
    backEnd.note("request failed", describe(message));
    if (acked) yield* channel.send(ack(message.request, 1n));
    else yield* channel.close();
    return acked;
  }
  if (outcome !== "done") yield* channel.send(reply(message.request, outcome));
  else if (acked) yield* channel.send(ack(message.request, 0n));
  return true;
}

function* handle(backEnd: BackEnd, message: Message): Actor<Outcome> {
  const { variant } = backEnd.parts;
  const { payload, fds } = message;
  const needs = requiredFeature(message.request);
  if (needs !== undefined) {
    const negotiated = BigInt((yield* backEnd.connection.get("protocolFeatures")) >>> 0);
    if (!hasFeature(negotiated, needs)) return "failed";
  }
  switch (message.request) {
    case VHOST_USER_GET_FEATURES:
      return u64(variant.features);
    case VHOST_USER_GET_PROTOCOL_FEATURES:
      return u64(variant.protocolFeatures);
    case VHOST_USER_GET_QUEUE_NUM:
      return u64(BigInt(backEnd.rings.length));
    case VHOST_USER_GET_MAX_MEM_SLOTS:
      return u64(BigInt(MAX_REGIONS));
    case VHOST_USER_SET_OWNER:
    case VHOST_USER_SET_BACKEND_REQ_FD:
      return "done"; // our back-ends never call the front-end
    case VHOST_USER_RESET_OWNER:
      yield* variant.resetOwner(backEnd);
      return "done";
    case VHOST_USER_SET_PROTOCOL_FEATURES:
      return yield* setProtocolFeatures(backEnd, carried(payload));
    case VHOST_USER_SET_FEATURES:
      return yield* setFeatures(backEnd, carried(payload));
    case VHOST_USER_ADD_MEM_REG:
    case VHOST_USER_REM_MEM_REG:
    case VHOST_USER_SET_MEM_TABLE:
      return yield* setMemory(backEnd, message);
    case VHOST_USER_RESET_DEVICE:
      yield* variant.resetDevice(backEnd);
      return "done";
    case VHOST_USER_SET_VRING_KICK:
    case VHOST_USER_SET_VRING_CALL:
    case VHOST_USER_SET_VRING_ERR:
      return yield* setVringFd(backEnd, message.request, vringIndex(carried(payload)), fds[0] ?? 0);
    default:
      if (payload.kind === "vringState" || payload.kind === "vringAddr")
        return yield* setVring(backEnd, message.request, payload);
      backEnd.note("not served", messageName(message.request));
      return "failed";
  }
}

const carried = (payload: Payload): bigint => (payload.kind === "u64" ? payload.value : 0n);

function* setProtocolFeatures(backEnd: BackEnd, features: bigint): Actor<Outcome> {
  if ((features & ~backEnd.parts.variant.protocolFeatures) !== 0n) return "failed";
  yield* backEnd.connection.set({ protocolFeatures: Number(BigInt.asIntN(32, features)) });
  return "done";
}

function* setFeatures(backEnd: BackEnd, features: bigint): Actor<Outcome> {
  const { features: offered, demandedFeatures } = backEnd.parts.variant;
  if ((features & ~offered) !== 0n || (features & demandedFeatures) !== demandedFeatures) return "failed";
  yield* backEnd.connection.set({
    features: Number(BigInt.asIntN(32, features)),
    featuresHigh: Number(BigInt.asIntN(32, features >> 32n)),
  });
  yield* backEnd.parts.variant.setFeatures(backEnd, features);
  if (backEnd.parts.variant.ringFeaturesAt === "SET_FEATURES") {
    for (const ring of backEnd.rings) yield* backEnd.set(ring, ringFeatures(features));
  }
  return "done";
}

const ringFeatures = (features: bigint): { eventIdx: number; indirect: number } => ({
  eventIdx: Number(hasFeature(features, VIRTIO_F_EVENT_IDX)),
  indirect: Number(hasFeature(features, VIRTIO_F_INDIRECT_DESC)),
});

function* setVringFd(backEnd: BackEnd, id: number, index: number, fd: number): Actor<Outcome> {
  const ring = backEnd.rings[index];
  if (!ring) return "failed";
  if (id === VHOST_USER_SET_VRING_ERR) yield* backEnd.set(ring, { err: fd });
  else if (id === VHOST_USER_SET_VRING_CALL) yield* backEnd.parts.variant.setCall(backEnd, ring, fd);
  else {
    // A descriptor that is no eventfd, or whose events are another ring's, cannot be watched for this one.
    const own = backEnd.parts.events[index]!.kicks.some(({ eventfd }) => eventfd === backEnd.kickOf(fd)?.eventfd);
    if (fd !== 0 && !own) return "failed";
    const { variant } = backEnd.parts;
    if (variant.abortsAtKick && (yield* variant.abortsAtKick(backEnd, ring))) return "aborted";
    yield* variant.setKick(backEnd, ring, fd);
  }
  return "done";
}

function* setVring(
  backEnd: BackEnd,
  id: number,
  payload: Extract<Payload, { kind: "vringState" | "vringAddr" }>,
): Actor<Outcome> {
  const ring = backEnd.rings[payload.index];
  if (!ring) return "failed";
  if (payload.kind === "vringAddr")
    return id === VHOST_USER_SET_VRING_ADDR ? yield* setAddr(backEnd, ring, payload) : "failed";
  const { num } = payload;
  switch (id) {
    case VHOST_USER_SET_VRING_NUM:
      if (num < 1 || num > VIRTQ_MAX_SIZE || (num & (num - 1)) !== 0) return "failed";
      yield* backEnd.set(ring, { size: num });
      return "done";
    case VHOST_USER_SET_VRING_BASE: {
      if (num > 0xffff) return "failed";
      if (backEnd.parts.variant.ringFeaturesAt === "SET_FEATURES") {
        yield* backEnd.set(ring, { nextAvail: num });
        return "done";
      }
      const features = BigInt((yield* backEnd.connection.get("features")) >>> 0);
      yield* backEnd.set(ring, { nextAvail: num, ...ringFeatures(features) });
      return "done";
    }
    case VHOST_USER_SET_VRING_ENABLE: {
      const features = BigInt((yield* backEnd.connection.get("features")) >>> 0);
      if (!hasFeature(features, VHOST_USER_F_PROTOCOL_FEATURES)) return "failed";
      yield* backEnd.parts.variant.setEnable(backEnd, ring, num === 1);
      return "done";
    }
    case VHOST_USER_GET_VRING_BASE: {
      const base = yield* backEnd.parts.variant.stopRing(backEnd, ring);
      return base === undefined ? "failed" : { kind: "vringState", index: ring.index, num: base };
    }
    default:
      return "failed";
  }
}

/** SET_VRING_ADDR: the front-end's virtual addresses become RAM offsets; used.idx is taken over from guest memory. */
function* setAddr(backEnd: BackEnd, ring: Vring, addr: Extract<Payload, { kind: "vringAddr" }>): Actor<Outcome> {
  const table = yield* backEnd.memory.load();
  const size = backEnd.parts.variant.locking === "ring" ? yield* readSize(ring) : yield* ring.state.get("size");
  const areas = table.ringAreas(size, addr);
  if (size === 0 || areas === undefined) return "failed";
  const { words } = backEnd.parts.ram;
  words.label(`q${ring.index}`, ringLabels(ring.index, areas));
  const usedIdx = yield* words.load16(areas.used + VirtqUsed.IDX);
  yield* backEnd.set(ring, { desc: areas.desc, avail: areas.avail, used: areas.used, nextUsed: usedIdx });
  return "done";
}

function* readSize(ring: Vring): Actor<number> {
  return yield* ring.lock.holding(function* () {
    return yield* ring.state.get("size");
  });
}

/** Memory messages: the table is replaced as a whole. REM_MEM_REG names a region by its gpa, size and address. */
function* setMemory(backEnd: BackEnd, { request, payload, fds }: Message): Actor<Outcome> {
  const named =
    payload.kind === "memoryTable" ? payload.regions : payload.kind === "memoryRegion" ? [payload.region] : [];
  const old = request === VHOST_USER_SET_MEM_TABLE ? [] : (yield* backEnd.memory.load()).regions;
  const ramBytes = backEnd.parts.ram.bytes.length;
  if (request === VHOST_USER_REM_MEM_REG) {
    const rest = old.filter((r) => !named.some((region) => isNamedBy(r, region)));
    if (rest.length === old.length) return "failed";
    yield* backEnd.memory.replace(rest);
    return "done";
  }
  if (!named.every((region) => region.offset + region.size <= BigInt(ramBytes))) return "failed";
  const files = fds.every((fd) => backEnd.parts.descriptors.get(fd)?.kind === "memory");
  const table = [...old, ...named.map(mappedRegion)];
  if (!files || table.length > MAX_REGIONS || overlapping(table)) return "failed";
  yield* backEnd.memory.replace(table);
  return "done";
}

const u64Of = (hi: number, lo: number): bigint => (BigInt(hi) << 32n) | BigInt(lo);

/** REM_MEM_REG: a region is identified by its guest address, user address and size; the mmap offset is ignored. */
function isNamedBy(r: MappedRegion, { gpa, size, uaddr }: Region): boolean {
  return u64Of(r.hi, r.lo) === gpa && u64Of(r.uaddrHi, r.uaddrLo) === uaddr && BigInt(r.size) === size;
}

function overlapping(regions: readonly MappedRegion[]): boolean {
  const start = (r: MappedRegion): bigint => u64Of(r.hi, r.lo);
  return regions.some((a, i) =>
    regions.slice(i + 1).some((b) => start(a) < start(b) + BigInt(b.size) && start(b) < start(a) + BigInt(a.size)),
  );
}
