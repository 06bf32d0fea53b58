// The agent's side of "no host sends anything new to this task": says what this host has applied, and
// asks the managers about the tasks that are to stop here.
import { abortedWith } from '../base/async/index.ts';
import { sleep, type Clock } from '../base/index.ts';

/**
 * Without an answer a task is stopped after this long: a little more than the leader waits for a host
 * whose daemon is being restarted, so that its answer (which names the hosts) normally comes first.
 */
export const ANSWER_LIMIT_MS = 12_500;

/** The session's half that is needed here. */
export interface DrainSession {
  drain(taskId: string): void;
}

/** What came of an endpoint drain; `missing` is undefined when no manager answered in time. */
export interface Drained {
  readonly missing: readonly string[] | undefined;
}

/** Questions of this agent that are open, one a task. */
export class DrainQuestions {
  readonly #clock: Clock;
  readonly #session: () => DrainSession | undefined;
  readonly #open = new Map<string, (missing: readonly string[]) => void>();

  constructor(clock: Clock, session: () => DrainSession | undefined) {
    this.#clock = clock;
    this.#session = session;
  }

  /** Resolves when the managers answer, the limit is over, or `signal` aborts. */
  async ask(taskId: string, signal: AbortSignal): Promise<Drained> {
    if (signal.aborted) return { missing: undefined };
    const stop = abortedWith(signal);
    const answered = new Promise<readonly string[]>((resolve) => this.#open.set(taskId, resolve));
    this.#session()?.drain(taskId);
    try {
      const late = sleep(this.#clock, ANSWER_LIMIT_MS, stop.signal).then(() => undefined);
      return { missing: await Promise.race([answered, late]) };
    } finally {
      stop.abort();
      this.#open.delete(taskId);
    }
  }

  /** The managers' answer. */
  answered(taskId: string, missing: readonly string[]): void {
    this.#open.get(taskId)?.(missing);
  }

  /** A new session: the one before it may have taken questions with it. */
  askAgain(): void {
    for (const taskId of this.#open.keys()) this.#session()?.drain(taskId);
  }
}

/** Says what has been applied: one look at a time, for the newest set there is. */
export class AppliedSets {
  readonly #settled: () => Promise<void>;
  readonly #tell: (index: number) => void;
  #newest = 0;
  #looking = false;

  constructor(settled: () => Promise<void>, tell: (index: number) => void) {
    this.#settled = settled;
    this.#tell = tell;
  }

  /** The set of `index` was handed to the overlay. */
  handedOver(index: number): void {
    this.#newest = index;
    if (!this.#looking) void this.#look();
  }

  async #look(): Promise<void> {
    this.#looking = true;
    try {
      for (let told = -1; told !== this.#newest;) {
        const index = this.#newest;
        await this.#settled();
        this.#tell(index);
        told = index;
      }
    } finally {
      this.#looking = false;
    }
  }
}
