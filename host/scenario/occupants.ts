// Who can take which seat: the released programs that each occupant stands for, and how well it is known that they do
// what it does. What they do is the business of the device's variants; this is what people are told.

/**
 * How the behaviour is known: seen on the real program, read in its source, or deduced from its neighbours and its
 * history. `ours` has no other original.
 */
export type Certainty = "measured" | "read" | "inferred" | "ours";

export interface Occupant {
  readonly standsFor: string;
  /** In what it differs from the others in its seat. */
  readonly does: string;
  readonly certainty: Certainty;
  /** Where it was seen or read, and what of it was not. */
  readonly source: string;
}

const GUEST = {
  ovmf: {
    standsFor: "OVMF's PciBusDxe, Virtio10Dxe and VirtioFsDxe",
    does: "FUSE_INIT directly after DRIVER_OK, polling without end",
    certainty: "read",
    source: "edk2 at c5aa7e7d94; status writes and requests as traced with OVMF 2022.11",
  },
  linux: {
    standsFor: "Linux's virtio_fs driver",
    does: "all queues, interrupts and EVENT_IDX; FUSE_INIT at a mount some time after the probe",
    certainty: "read",
    source: "fs/fuse/virtio_fs.c at 0078a1667cbf",
  },
  "linux-probe": {
    standsFor: "a Linux driver that uses its queue in its probe",
    does: "as linux, but the request goes out of the probe itself",
    certainty: "read",
    source: "the same driver; what drivers of other devices do (rust-vmm/vhost#247)",
  },
  shell: {
    standsFor: "Linux's virtio_fs driver, and a shell on the mounted share",
    does: "as linux, mounted at once; reads and writes files by command, one or a line each",
    certainty: "read",
    source: "the same driver; its requests as fs/fuse makes them, without caches",
  },
  bench: {
    standsFor: "nobody: requests to be measured, above Linux's virtio_fs driver",
    does: "as linux, mounted at once, with large buffers; takes VIRTIO_F_IN_ORDER where it is offered",
    certainty: "ours",
    source: "the same driver; VIRTIO_F_IN_ORDER by virtio 1.4, 2.7.9",
  },
} as const satisfies Record<string, Occupant>;

const FRONT_END = {
  "qemu-7.1": {
    standsFor: "QEMU up to 7.1",
    does: "rings are enabled at SET_FEATURES, since bit 30 is not acked; no SET_VRING_ENABLE",
    certainty: "inferred",
    source: "source of 7.2.22 and the history of hw/virtio; no trace",
  },
  "qemu-8.1": {
    standsFor: "QEMU 7.2 to 8.1",
    does: "SET_VRING_ENABLE is sent and forgotten",
    certainty: "measured",
    source: "traces of 7.2.22",
  },
  "qemu-8.2": {
    standsFor: "QEMU 8.2 and later",
    does: "SET_VRING_ENABLE is waited for; RESET_DEVICE at a reset, where negotiated",
    certainty: "measured",
    source: "traces of 10.0.13",
  },
  "qemu-8.2-no-reply-ack": {
    standsFor: "QEMU 8.2 and later, with a back-end that does not offer REPLY_ACK",
    does: "each SET_VRING_ENABLE is followed by a GET_FEATURES exchange as a fence",
    certainty: "read",
    source: "source of 10.0.13; no trace",
  },
  "cloud-hypervisor": {
    standsFor: "cloud-hypervisor of mid-2022",
    does: "every message asks for an ACK and is waited for; no GET_VRING_BASE: a reset or a pause only disables",
    certainty: "read",
    source:
      "source at 00800b849985, no trace; which protocol features it asks for is inferred; kick eventfds of a later version are born with 0",
  },
  ioctl: {
    standsFor: "QEMU's vhost-net: goes with the back-end kernel only",
    does: "no socket: the kernel is called, and has done what is asked when the call returns",
    certainty: "inferred",
    source: "source of hw/virtio/vhost.c 7.2.22; what is vhost-net's own from the published description",
  },
} as const satisfies Record<string, Occupant>;

const BACK_END = {
  rekick: {
    standsFor: "our own, and the default",
    does: "a kick is not taken while the ring is disabled, and enabling looks at the ring",
    certainty: "ours",
    source: "S. Hajnoczi's proposal in the review of the fix",
  },
  "rust-0.10": {
    standsFor: "rust-vmm's vhost-user-backend 0.10.1 and 0.11.0, as in virtiofsd 1.7.2",
    does: "takes the kick, then tests `enabled`; each start disables the rings",
    certainty: "read",
    source: "source of 0.10.1; protocol features of virtiofsd 1.3.0: 1.7.2 was not read",
  },
  "rust-0.12": {
    standsFor: "vhost-user-backend 0.12.0 and 0.13.0",
    does: "as rust-0.10, but SET_VRING_KICK is what disables a ring",
    certainty: "read",
    source: "source of 0.12.0; what its virtiofsd offers is not known: as rust-0.10",
  },
  "rust-0.13.1": {
    standsFor: "vhost-user-backend 0.13.1 to 0.21.0, as in virtiofsd 1.13.2",
    does: "as rust-0.10, but no start disables a ring; RESET_DEVICE",
    certainty: "read",
    source: "source up to 0.21.0 (RESET_DEVICE since 0.17.0); features as negotiated by 1.13.2",
  },
  "rust-0.22": {
    standsFor: "vhost-user-backend 0.22.0 and later, as in virtiofsd 1.14.0",
    does: "watches the kick only while the ring is ready and enabled; then as rust-0.13.1",
    certainty: "read",
    source: "source of 0.22.0; features as negotiated by 1.13.2 and 1.14.0",
  },
  c: {
    standsFor: "the C virtiofsd of QEMU 7.2",
    does: "SET_VRING_ENABLE has no effect, SET_VRING_KICK starts a thread",
    certainty: "read",
    source: "source of 7.2; features and log lines as seen with 7.2.22",
  },
  kernel: {
    standsFor: "Linux's vhost-net, as far as threads and rings go: goes with the front-end ioctl only",
    does: "serves a ring while it has a backend; what it serves is not network but the lab's device, FUSE",
    certainty: "read",
    source:
      "drivers/vhost/{vhost,net}.c of an old version; that the lab's device is as willing as a tap device is inferred",
  },
} as const satisfies Record<string, Occupant>;

export type GuestName = keyof typeof GUEST;
export type FrontEndName = keyof typeof FRONT_END;
export type BackEndName = keyof typeof BACK_END;

const names = <Name extends string>(occupants: Record<Name, Occupant>): Name[] => Object.keys(occupants) as Name[];

export const GUESTS = names(GUEST);
export const FRONT_ENDS = names(FRONT_END);
export const BACK_ENDS = names(BACK_END);

/** Seat by seat, as their real programs follow one another on the way of a request. */
export const OCCUPANTS: readonly ({ readonly seat: string; readonly name: string } & Occupant)[] = Object.entries({
  guest: GUEST,
  "front-end": FRONT_END,
  "back-end": BACK_END,
}).flatMap(([seat, occupants]) => Object.entries(occupants).map(([name, occupant]) => ({ seat, name, ...occupant })));
