// Reads that wait: first for a quorum to confirm who leads (read index), then for this manager to
// have applied that far. All reads of one tick share a question; a lost question is asked again.
import { SwarmError } from '../../../base/index.ts';
import { BARRIERS_PENDING_MAX } from '../contract/index.ts';

interface Waiter {
  resolve(): void;
  reject(error: Error): void;
}

interface Question {
  readonly context: Uint8Array;
  readonly waiters: Waiter[];
  /** Ticks until it is asked again, and until it is given up. */
  retryTicks: number;
  leftTicks: number;
}

interface Confirmed {
  readonly index: number;
  readonly waiters: readonly Waiter[];
}

/** The waiting reads of one manager. */
export class Barriers {
  readonly #raftId: number;
  readonly #ask: (context: Uint8Array) => void;
  readonly #retryTicks: number;
  readonly #giveUpTicks: number;
  #questions = new Map<string, Question>();
  #next: Waiter[] = [];
  #confirmed: Confirmed[] = [];
  #sequence: number;
  #size = 0;

  /** `seed` must differ between runs of this manager, so that late answers to an earlier run miss. */
  constructor(options: {
    raftId: number;
    seed: number;
    retryTicks: number;
    giveUpTicks: number;
    ask: (context: Uint8Array) => void;
  }) {
    this.#raftId = options.raftId;
    this.#sequence = options.seed;
    this.#retryTicks = options.retryTicks;
    this.#giveUpTicks = options.giveUpTicks;
    this.#ask = options.ask;
  }

  /** Resolves once everything committed before the call is applied here. */
  wait(): Promise<void> {
    if (this.#size >= BARRIERS_PENDING_MAX) {
      return Promise.reject(new SwarmError('exhausted', 'too many reads wait: retry later'));
    }
    return new Promise((resolve, reject) => {
      this.#size++;
      this.#next.push({ resolve, reject });
    });
  }

  get hasNext(): boolean {
    return this.#next.length > 0;
  }

  /** Asks for those that came since the last question. */
  askNext(): void {
    if (this.#next.length === 0) return;
    const waiters = this.#next;
    this.#next = [];
    this.#put(waiters, this.#giveUpTicks);
  }

  #put(waiters: Waiter[], leftTicks: number): void {
    const context = new Uint8Array(16);
    const view = new DataView(context.buffer);
    view.setFloat64(0, this.#raftId);
    view.setFloat64(8, this.#sequence++);
    this.#questions.set(keyOf(context), {
      context,
      waiters,
      retryTicks: this.#retryTicks,
      leftTicks,
    });
    this.#ask(context);
  }

  /** A quorum has confirmed that nothing beyond `index` was committed when the question came. */
  confirmed(context: Uint8Array, index: number, applied: number): void {
    const question = this.#questions.get(keyOf(context));
    if (question === undefined) return;
    this.#questions.delete(keyOf(context));
    this.#confirmed.push({ index, waiters: question.waiters });
    this.applied(applied);
  }

  applied(index: number): void {
    if (this.#confirmed.length === 0) return;
    const due = this.#confirmed.filter((confirmed) => confirmed.index <= index);
    this.#confirmed = this.#confirmed.filter((confirmed) => confirmed.index > index);
    for (const { waiters } of due) {
      this.#size -= waiters.length;
      for (const waiter of waiters) waiter.resolve();
    }
  }

  /** Ticks until a question is asked again or given up; Infinity while none is under way. */
  get ticksToNext(): number {
    let next = Infinity;
    for (const { retryTicks } of this.#questions.values()) next = Math.min(next, retryTicks);
    return Math.max(1, next);
  }

  tick(): void {
    // A copy: questions that are asked again must wait for the next tick.
    const questions = Array.from(this.#questions);
    for (const [key, question] of questions) {
      question.leftTicks--;
      if (--question.retryTicks > 0) continue;
      this.#questions.delete(key);
      // A new context each time: an old question must not be answered by newer heartbeats only.
      if (question.leftTicks > 0) this.#put(question.waiters, question.leftTicks);
      else this.#reject(question.waiters, noAnswer());
    }
  }

  failAll(error: Error): void {
    const confirmed = this.#confirmed.flatMap((entry) => entry.waiters);
    const asked = [...this.#questions.values()].flatMap((question) => question.waiters);
    const waiters = [...confirmed, ...asked, ...this.#next];
    this.#confirmed = [];
    this.#questions = new Map();
    this.#next = [];
    this.#reject(waiters, error);
  }

  #reject(waiters: readonly Waiter[], error: Error): void {
    this.#size -= waiters.length;
    for (const waiter of waiters) waiter.reject(error);
  }
}

function keyOf(context: Uint8Array): string {
  return context.join(',');
}

function noAnswer(): SwarmError {
  return new SwarmError('unavailable', 'no leader confirmed the read in time: retry later');
}
