// What a back-end must keep to on a vhost-user connection, message by message.

import {
  VHOST_USER_GET_VRING_BASE,
  VHOST_USER_REPLY_MASK,
  VHOST_USER_SET_PROTOCOL_FEATURES,
  VHOST_USER_SET_VRING_KICK,
} from "../../device/spec/vhost-user.js";
import type { ChannelStep } from "../../device/vhost-user/channel.js";
import { expectedReply, type Message, messageName, vringIndex } from "../../device/vhost-user/message.js";
import type { Report } from "./rules.js";

/** What is remembered of a request. */
interface Request {
  readonly request: number;
  readonly flags: number;
  /** Its payload, where that is a u64. */
  readonly value: string;
}

export interface ConnectionState {
  /** Sent by the front-end and not begun to be read, in order. */
  readonly underWay: readonly Request[];
  /** The request that the back-end has taken up, while it owes the answer; else -1. */
  readonly owed: number;
  readonly protocolFeatures: string;
}

export const NEW_CONNECTION: ConnectionState = { underWay: [], owed: -1, protocolFeatures: "0" };

/** What a message does to a ring. */
export interface RingEvent {
  readonly queue: number;
  readonly running: boolean;
}

/** @returns with it the ring that begins or ends to run, if one does */
export function connectionStep(
  state: ConnectionState,
  step: Exclude<ChannelStep, { does: "accept" }>,
  report: Report,
): [ConnectionState, RingEvent?] {
  if (step.does === "receive request") return receive(state);
  const { message } = step;
  if ((message.flags & VHOST_USER_REPLY_MASK) === 0)
    return [{ ...state, underWay: [...state.underWay, remembered(message)] }];
  if (message.request !== state.owed) report("replies are asked for", `${messageName(message.request)} is answered`);
  const { payload } = message;
  const stops = message.request === VHOST_USER_GET_VRING_BASE && payload.kind === "vringState";
  return [{ ...state, owed: -1 }, stops ? { queue: payload.index, running: false } : undefined];
}

function remembered({ request, flags, payload }: Message): Request {
  return { request, flags, value: payload.kind === "u64" ? payload.value.toString() : "0" };
}

/** The back-end takes up the next request, or finds that the connection has ended. */
function receive(state: ConnectionState): [ConnectionState, RingEvent?] {
  const [next, ...underWay] = state.underWay;
  if (!next) return [state];
  const negotiates = next.request === VHOST_USER_SET_PROTOCOL_FEATURES;
  const protocolFeatures = negotiates ? next.value : state.protocolFeatures;
  const owed = expectedReply(next, BigInt(protocolFeatures)) === "none" ? -1 : next.request;
  const starts = next.request === VHOST_USER_SET_VRING_KICK;
  const event = starts ? { queue: vringIndex(BigInt(next.value)), running: true } : undefined;
  return [{ underWay, owed, protocolFeatures }, event];
}
