// What the front-end says of memory.

import { memoryRegions } from "../../../device/front-end/address-space.js";
import {
  VHOST_USER_ADD_MEM_REG,
  VHOST_USER_GET_MAX_MEM_SLOTS,
  VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS,
  VHOST_USER_REM_MEM_REG,
} from "../../../device/spec/vhost-user.js";
import type { Peer } from "../peer.js";
import { brokenIf, type Rule } from "./rule.js";

const slots = (peer: Peer): boolean => peer.has(VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS);

function addRegions(peer: Peer): void {
  for (const region of memoryRegions(peer.ram))
    peer.run(peer.messenger.sendAcked(VHOST_USER_ADD_MEM_REG, { kind: "memoryRegion", region }, [peer.stage.ram.fd]));
}

function serveRing(peer: Peer): boolean {
  peer.startRing();
  peer.enable(1);
  return peer.answers();
}

export const MEMORY: readonly Rule[] = [
  {
    id: "max-mem-slots",
    rule: "The back-end should return the message with a u64 payload containing the maximum number of memory slots for QEMU to expose to the guest.",
    section: "VHOST_USER_GET_MAX_MEM_SLOTS",
    applies: slots,
    check(peer) {
      peer.negotiate();
      const most = peer.get(VHOST_USER_GET_MAX_MEM_SLOTS);
      return brokenIf(most < 1n, `${most} slots`);
    },
  },
  {
    id: "add-mem-reg",
    rule: "The message payload contains a memory region descriptor struct, describing a region of guest memory which the back-end device must map in.",
    section: "VHOST_USER_ADD_MEM_REG",
    applies: slots,
    check(peer) {
      peer.negotiate();
      peer.setFeatures();
      addRegions(peer);
      return brokenIf(!serveRing(peer), "no answer from a ring in a region that was added");
    },
  },
  {
    id: "rem-mem-reg",
    rule: "The message payload contains a memory region descriptor struct, describing a region of guest memory which the back-end device must unmap.",
    section: "VHOST_USER_REM_MEM_REG",
    applies: slots,
    check(peer) {
      peer.negotiate();
      peer.setFeatures();
      addRegions(peer);
      for (const region of memoryRegions(peer.ram)) {
        const ack = peer.ask(VHOST_USER_REM_MEM_REG, { kind: "memoryRegion", region });
        if (ack !== 0n) return { broken: `acknowledged with ${ack}` };
      }
      addRegions(peer);
      return brokenIf(!serveRing(peer), "no answer from a ring in a region that was removed and added again");
    },
  },
  {
    id: "mem-table-again",
    rule: "Sets the memory map regions on the back-end so it can translate the vring addresses.",
    section: "VHOST_USER_SET_MEM_TABLE",
    check(peer) {
      peer.negotiate();
      peer.setFeatures();
      peer.setMemory();
      peer.setMemory();
      return brokenIf(!serveRing(peer), "no answer after a second table");
    },
  },
];
