// The states of rings.

import {
  VHOST_USER_PROTOCOL_F_RESET_DEVICE,
  VHOST_USER_RESET_DEVICE,
  VHOST_USER_SET_VRING_CALL,
} from "../../../device/spec/vhost-user.js";
import { vringFd } from "../../../device/vhost-user/message.js";
import { NativeEventFd } from "../../native/eventfd.js";
import { type Peer, PROTOCOL_FEATURES } from "../peer.js";
import { brokenIf, type Rule } from "./rule.js";

const RING_STATES = "Ring states";
const enables = (peer: Peer): boolean => (peer.features & PROTOCOL_FEATURES) !== 0n;

/** Everything but a kick and SET_VRING_ENABLE. */
function prepare(peer: Peer, bit30 = true): void {
  peer.negotiate();
  peer.setFeatures(bit30);
  peer.setMemory();
}

export const RINGS: readonly Rule[] = [
  {
    id: "serves",
    rule: "started and enabled.",
    section: RING_STATES,
    check(peer) {
      peer.serve();
      return brokenIf(!peer.answers(), "no answer from a ring that is started and enabled");
    },
  },
  {
    id: "stopped-at-first",
    rule: "Each ring is initialized in a stopped state. [...] stopped: the back-end must not process the ring at all.",
    section: RING_STATES,
    check(peer) {
      prepare(peer);
      peer.placeRing();
      if (enables(peer)) peer.enable(1);
      peer.fence();
      return brokenIf(!peer.keepsQuiet(), "an answer from a ring without a kick descriptor");
    },
  },
  {
    id: "disabled-at-first",
    rule: "If VHOST_USER_F_PROTOCOL_FEATURES has been negotiated, the ring is initialized in a disabled state and is enabled by VHOST_USER_SET_VRING_ENABLE with parameter 1. [...] started but disabled: the back-end must process the ring without causing any side effects.",
    section: RING_STATES,
    applies: enables,
    check(peer) {
      prepare(peer);
      peer.startRing();
      peer.fence();
      return brokenIf(!peer.keepsQuiet(), "an answer from a ring that was never enabled");
    },
  },
  {
    id: "enabled-without-bit-30",
    rule: "If VHOST_USER_F_PROTOCOL_FEATURES has not been negotiated, the ring starts directly in the enabled state.",
    section: RING_STATES,
    check(peer) {
      prepare(peer, false);
      peer.startRing();
      peer.fence();
      return brokenIf(!peer.answers(), "no answer from a ring without SET_VRING_ENABLE");
    },
  },
  {
    id: "disable",
    rule: "Rings can be enabled or disabled by VHOST_USER_SET_VRING_ENABLE.",
    section: RING_STATES,
    applies: enables,
    check(peer) {
      peer.serve();
      if (!peer.answers()) return { broken: "no answer before" };
      peer.enable(0);
      return brokenIf(!peer.keepsQuiet(), "an answer from a ring that was disabled");
    },
  },
  {
    id: "enable-again",
    rule: "Rings can be enabled or disabled by VHOST_USER_SET_VRING_ENABLE.",
    section: RING_STATES,
    applies: enables,
    check(peer) {
      peer.serve();
      peer.enable(0);
      peer.enable(1);
      return brokenIf(!peer.answers(), "no answer from a ring that was disabled and enabled again");
    },
  },
  {
    id: "base",
    rule: "Get the available vring base offset.",
    section: "VHOST_USER_GET_VRING_BASE",
    check(peer) {
      peer.serve();
      if (!peer.answers() || !peer.answers()) return { broken: "no answer" };
      const base = peer.getBase();
      return brokenIf(base !== 2, `after two requests ${base}`);
    },
  },
  {
    id: "stop",
    rule: "and stop ring upon receiving VHOST_USER_GET_VRING_BASE.",
    section: RING_STATES,
    check(peer) {
      peer.serve();
      if (!peer.answers()) return { broken: "no answer before" };
      peer.getBase();
      return brokenIf(!peer.keepsQuiet(), "an answer from a ring that was stopped");
    },
  },
  {
    id: "restart-at-base",
    rule: "Sets the base offset in the available vring.",
    section: "VHOST_USER_SET_VRING_BASE",
    check(peer) {
      peer.serve();
      if (!peer.answers()) return { broken: "no answer before" };
      peer.startRing(peer.getBase());
      peer.fence();
      return brokenIf(!peer.answers(), "no answer from a ring that was started again where it stood");
    },
  },
  {
    id: "call-signalled",
    rule: "Set the event file descriptor to signal when buffers are used.",
    section: "VHOST_USER_SET_VRING_CALL",
    check(peer) {
      peer.serve();
      peer.call.take();
      if (!peer.answers()) return { broken: "no answer" };
      return brokenIf(!peer.awaits(() => peer.call.count() > 0), "an answer, and no call");
    },
  },
  {
    id: "call-replaced",
    rule: "While processing the rings (whether they are enabled or not), the back-end must support changing some configuration aspects on the fly.",
    section: RING_STATES,
    check(peer) {
      peer.serve();
      const other = new NativeEventFd(peer.stage.libc, "other");
      try {
        peer.send(VHOST_USER_SET_VRING_CALL, vringFd(peer.index, "fd"), [other.fd]);
        peer.fence();
        other.take();
        if (!peer.answers()) return { broken: "no answer" };
        return brokenIf(!peer.awaits(() => other.count() > 0), "the call went elsewhere");
      } finally {
        other.close();
      }
    },
  },
  {
    id: "reset-device",
    rule: "Ask the vhost user back-end to disable all rings and reset all internal device state to the initial state, ready to be reinitialized.",
    section: "VHOST_USER_RESET_DEVICE",
    applies: (peer) => peer.has(VHOST_USER_PROTOCOL_F_RESET_DEVICE),
    check(peer) {
      peer.serve();
      if (!peer.answers()) return { broken: "no answer before" };
      const base = peer.getBase();
      peer.send(VHOST_USER_RESET_DEVICE);
      peer.setFeatures();
      peer.startRing(base);
      peer.fence();
      if (!peer.keepsQuiet()) return { broken: "an answer from a ring that was not enabled since" };
      peer.enable(1);
      return brokenIf(!peer.answers(), "no answer from a ring that was set up again");
    },
  },
];
