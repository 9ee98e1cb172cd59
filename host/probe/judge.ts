// The verdict on one wait of the guest, off the ring, the kick eventfd's count, and one more kick: if that brings the
// answer, the guest's own kick was lost; an answer that comes by itself was only slow.

import type { Op, Result } from "../../vm/sync/op.js";
import type { ProbedMachine, RingState } from "./machine.js";

/** In the order of what is worse. `wedged`: no answer, not even to another kick. */
export const ANSWERS = ["answered", "slow", "lost", "wedged"] as const;
export type Answer = (typeof ANSWERS)[number];

/** Thrown into a guest that will not be answered. */
export class NoAnswer extends Error {
  override name = "NoAnswer";
}

/** An answer within this many milliseconds is none to remark on. */
export const PROMPT_MS = 200;
/** What a back-end gets that has something to do. */
const BUSY_MS = 2000;
/** Looks without a sleep, since an answer mostly takes some ten microseconds. */
const SPIN_MS = 0.2;
const SLEEP_MICROS = 100;

export class Judge {
  #worst: Answer = "answered";

  /** @param say puts a line into the story of the trial */
  constructor(
    readonly machine: ProbedMachine,
    readonly say: (line: string) => void,
  ) {}

  /** Of all waits so far. */
  get answer(): Answer {
    return this.#worst;
  }

  /** Waits for what the guest waits for. @throws NoAnswer */
  await(op: Op): Result {
    const prompt = this.#look(op, PROMPT_MS);
    if (prompt !== undefined) return prompt;
    const pending = this.machine.pending();
    this.say(`no answer within ${PROMPT_MS} ms: ${pending.map(describe).join("; ") || "no request is pending"}`);
    const slow = this.#lookOnWhileBusy(op);
    if (slow !== undefined) return this.#decide("slow", slow);
    for (const { queue } of pending) {
      this.say(`another kick of q${queue}`);
      this.machine.kick(queue).write(1);
    }
    const rescued = this.#look(op, BUSY_MS);
    if (rescued !== undefined) return this.#decide("lost", rescued);
    this.#decide("wedged", 0);
    throw new NoAnswer();
  }

  /**
   * As long again: a kick that was taken had the ring looked at, or is lost. Longer while a kick is not taken, or a
   * thread of the back-end runs or would like to.
   */
  #lookOnWhileBusy(op: Op): Result | undefined {
    const busy = (): boolean =>
      this.machine.socket.peerRuns() || this.machine.pending().some((ring) => ring.kickCount > 0);
    for (let waited = 0; waited < BUSY_MS; waited += PROMPT_MS) {
      const wasBusy = busy();
      const result = this.#look(op, PROMPT_MS);
      if (result !== undefined || !(wasBusy || busy())) return result;
    }
    return undefined;
  }

  #decide(answer: Answer, result: Result): Result {
    if (ANSWERS.indexOf(answer) > ANSWERS.indexOf(this.#worst)) this.#worst = answer;
    this.say(answer);
    return result;
  }

  #look(op: Op, ms: number): Result | undefined {
    const begun = performance.now();
    for (;;) {
      this.machine.takeCalls();
      const result = op.attempt();
      if (result !== undefined) return result;
      const waited = performance.now() - begun;
      if (waited > ms) return undefined;
      if (waited > SPIN_MS) this.machine.socket.libc.sleep(SLEEP_MICROS);
    }
  }
}

function describe({ queue, availIdx, usedIdx, kickCount }: RingState): string {
  return `q${queue} avail.idx ${availIdx}, used.idx ${usedIdx}, eventfd-count ${kickCount}`;
}
