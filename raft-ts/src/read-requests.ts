// The leader's queue of read requests that wait for a quorum to confirm its leadership: each
// heartbeat carries the newest request's context, and an answer to it confirms all before it.
import type { Message } from './message.ts';

/** One request. */
export interface ReadRequest {
  readonly message: Message;
  /** The commit index when it came. */
  readonly index: number;
  /** The tick at which it came. */
  readonly askedAt: number;
  readonly key: string;
  readonly acks: Set<number>;
}

/** Requests in the order they came, known by their context. */
export class ReadRequests {
  #queue: ReadRequest[] = [];

  /** A context that waits already is not queued twice. */
  add(message: Message, index: number, askedAt: number): void {
    const key = keyOf(message.context);
    if (this.#queue.some((request) => request.key === key)) return;
    this.#queue.push({ message, index, askedAt, key, acks: new Set() });
  }

  /** A member confirmed the heartbeat with this context. Undefined when it is no longer waited for. */
  acknowledge(from: number, context: Uint8Array): ReadonlySet<number> | undefined {
    const key = keyOf(context);
    const request = this.#queue.find((candidate) => candidate.key === key);
    request?.acks.add(from);
    return request?.acks;
  }

  /** Takes out the request with this context and all before it. */
  takeUpTo(context: Uint8Array): readonly ReadRequest[] {
    const key = keyOf(context);
    const position = this.#queue.findIndex((request) => request.key === key);
    return position < 0 ? [] : this.#queue.splice(0, position + 1);
  }

  get lastContext(): Uint8Array | undefined {
    return this.#queue.at(-1)?.message.context;
  }

  clear(): void {
    this.#queue = [];
  }
}

function keyOf(context: Uint8Array): string {
  return String.fromCharCode(...context);
}
