// The FUSE server, memoised: what it answers is a function of the requests before, of this one's bytes, and of the room
// for its reply. Where one buffer ends and the next begins means nothing to it.

import { MemoryBacking } from "../../device/fuse/backing/memory.js";
import { Cursor, type ScatterGather } from "../../device/fuse/scatter-gather.js";
import { FuseSession } from "../../device/fuse/session.js";
import { MEMORY_TREE } from "../scenario/boot-machine.js";

interface Request {
  readonly bytes: Uint8Array;
  readonly room: number;
}

/** What has been served; the number is unique. */
interface Served {
  readonly id: number;
  readonly requests: readonly Request[];
  readonly answers: Map<string, Answer>;
}

interface Answer {
  readonly reply: Uint8Array;
  readonly to: Served;
}

/** Fills the room for a reply before it is served, to find writes beyond the reply. */
const UNTOUCHED = 0xa5;

export class MemoisedServer {
  #served: Served = { id: 0, requests: [], answers: new Map() };
  readonly #all = [this.#served];

  /** The number of what has been served up to now: state. */
  get served(): number {
    return this.#served.id;
  }

  set served(id: number) {
    this.#served = this.#all[id]!;
  }

  /** The process ends; the next one has served nothing. */
  restart(): void {
    this.#served = this.#all[0]!;
  }

  /** @returns the bytes written into the writable segments */
  serve(message: ScatterGather): number {
    const bytes = new Cursor(message.memory, message.readable).copy(lengthOf(message.readable));
    const request: Request = { bytes, room: lengthOf(message.writable) };
    const key = `${request.room};${bytes.join()}`;
    let answer = this.#served.answers.get(key);
    if (!answer) {
      answer = this.#ask(this.#served, request);
      this.#served.answers.set(key, answer);
    }
    let at = 0;
    for (const view of new Cursor(message.memory, message.writable).take(answer.reply.length)) {
      view.set(answer.reply.subarray(at, at + view.length));
      at += view.length;
    }
    this.#served = answer.to;
    return answer.reply.length;
  }

  #ask(served: Served, request: Request): Answer {
    const session = new FuseSession(new MemoryBacking(MEMORY_TREE));
    const requests = [...served.requests, request];
    const replies = requests.map((each) => handle(session, each));
    session.close();
    const to: Served = { id: this.#all.length, requests, answers: new Map() };
    this.#all.push(to);
    return { reply: replies.at(-1)!, to };
  }
}

function handle(session: FuseSession, { bytes, room }: Request): Uint8Array {
  const memory = new Uint8Array(bytes.length + room).fill(UNTOUCHED);
  memory.set(bytes);
  const readable = [{ offset: 0, length: bytes.length }];
  const writable = [{ offset: bytes.length, length: room }];
  const end = bytes.length + session.handle({ memory, readable, writable });
  // Such bytes would have to be remembered too.
  if (memory.subarray(end).some((byte) => byte !== UNTOUCHED))
    throw new Error("the FUSE server wrote beyond its reply");
  return memory.slice(bytes.length, end);
}

function lengthOf(segments: ScatterGather["readable"]): number {
  return segments.reduce((sum, { length }) => sum + length, 0);
}
