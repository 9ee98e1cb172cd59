// One actor on its thread. The engine part is ThreadPerformer; this is what surrounds it: build the system, run the
// actor, hand the trace back.

import type { Backing } from "../../device/fuse/backing/backing.js";
import { MemoryBacking } from "../../device/fuse/backing/memory.js";
import type { RingExports } from "../../device/virtqueue.js";
import { prepareWasi, runWasiGuest } from "../../vm/guest-wasi.js";
import { ActorState, Stopped, ThreadPerformer } from "../../vm/sync/perform.js";
import { SyncMemory } from "../../vm/sync/words.js";
import { MEMORY_TREE } from "../scenario/boot-machine.js";
import { SCRIPT } from "../scenario/catalog/index.js";
import type { RunGuest } from "../scenario/catalog/script.js";
import { DELAY_POINTS } from "../scenario/delays.js";
import { System } from "../scenario/system.js";
import { ConsoleFlow } from "./flow.js";
import { ConsoleInput } from "./input.js";
import { type ActorApi, type ActorResult, BOOT_NOTE, type Job, type Setup, type VcpuResult } from "./job.js";

export interface ActorPlatform {
  /** Opens a host directory, where this platform can. */
  openHostDir(path: string): Backing;
  /** Microseconds, comparable between Workers. */
  clock(): number;
}

export function createActor({ openHostDir, clock }: ActorPlatform): ActorApi {
  let setup: Setup;
  let index: number;
  let guestConsole: Parameters<ActorApi["setup"]>[2];

  function begin(job: Job) {
    const sync = new SyncMemory(setup.sync);
    const ring = new WebAssembly.Instance(setup.ring, { env: { memory: setup.memory } }).exports;
    const backing = (): Backing =>
      job.share.kind === "host-dir" ? openHostDir(job.share.path) : new MemoryBacking(job.share.tree ?? MEMORY_TREE);
    // The performer that the notes go to needs records that the system allocates: tied here, before anybody runs.
    let performer: ThreadPerformer | undefined;
    const note = job.trace ? (name: string, detail: string) => performer?.note(name, detail) : undefined;
    const system = new System(sync, setup.memory, ring as unknown as RingExports, job.scenario, backing, note);
    const flow = new ConsoleFlow(sync);
    const input = new ConsoleInput(sync, setup.input);
    const record = index === 0 ? system.vcpu : system.loops[index - 1]!.record;
    const { trace, schedule } = job;
    performer = new ThreadPerformer(system.steering, record, index, {
      trace,
      schedule,
      clock,
      delays: delaysOf(job, record.actor),
    });
    return { system, performer, flow, input };
  }

  return {
    async setup(given, actor, console) {
      setup = given;
      index = actor;
      guestConsole = console;
      if (actor === 0) await prepareWasi();
    },

    runVcpu(job): VcpuResult {
      const { system, performer, flow, input } = begin(job);
      const { machine, steering } = system;
      let completed = 0;
      let exitCode = 0;
      let printed = 0;
      const print = (fd: 1 | 2) => (bytes: Uint8Array) => {
        printed += bytes.length;
        guestConsole(fd, bytes);
        flow.sent(bytes.length, () => steering.stopping);
      };
      // On this thread a guest runs to its end within one step of the script: its exits are performed inside it.
      const guest: RunGuest = function* (exits, args = job.guestArgs) {
        exitCode = runWasiGuest(setup.guest, setup.memory, exits, (exit) => performer.run(exit), args, {
          stdout: print(1),
          stderr: print(2),
          stdin: (most) => input.take(most, () => steering.stopping),
        });
      };
      performer.record.publish(ActorState.RUNNING);
      try {
        performer.note(BOOT_NOTE, "1");
        performer.run(SCRIPT[job.scenario.script].run(system, guest));
        for (completed = 1; completed < job.boots && exitCode === 0; completed++) {
          performer.run(machine.reset());
          performer.note(BOOT_NOTE, `${completed + 1}`);
          performer.run(guest(machine.exits));
        }
        performer.record.publish(ActorState.DONE);
      } catch (error) {
        if (!(error instanceof Stopped)) throw error;
      }
      return { completed, exitCode, printed, ...recordedBy(performer) };
    },

    runLoop(job): ActorResult {
      const { system, performer } = begin(job);
      const loop = system.loops[index - 1]!;
      performer.record.publish(ActorState.RUNNING);
      try {
        while (performer.run(loop.round()));
        performer.record.publish(ActorState.DEAD);
      } catch (error) {
        if (!(error instanceof Stopped)) throw error;
      } finally {
        system.close();
      }
      return recordedBy(performer);
    },
  };
}

function recordedBy({ recorded: { events, dropped } }: ThreadPerformer): ActorResult {
  return { events, dropped };
}

function delaysOf(job: Job, actor: string): ReadonlyMap<string, number> {
  const mine = job.scenario.delays.flatMap(({ point, micros }) => {
    const at = DELAY_POINTS[point];
    if (!at) throw new Error(`no delay point ${point}`);
    return at.actor === actor ? [[at.op, micros] as const] : [];
  });
  return new Map(mine);
}
