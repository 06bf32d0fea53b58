// Removals of tasks: one at a time for each, tried again and again until the task is gone or nobody
// wants to know any more.
import {
  backoffMs,
  messageOf,
  sleep,
  type Clock,
  type Logger,
  type Random,
} from '../base/index.ts';
import { untilAborted } from '../base/async/index.ts';

const RETRY = { minMs: 1_000, maxMs: 30_000 };

export interface RemovalOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export class Removals {
  readonly #options: RemovalOptions;
  /** A task that is assigned again meanwhile waits for the end of it. */
  readonly #running = new Map<string, Promise<void>>();
  readonly #ending = new AbortController();

  constructor(options: RemovalOptions) {
    this.#options = options;
  }

  has(taskId: string): boolean {
    return this.#running.has(taskId);
  }

  /** Joins one that runs. Resolves when the task is gone, or all was ended. */
  run(taskId: string, remove: () => Promise<void>): Promise<void> {
    const running = this.#running.get(taskId);
    if (running !== undefined) return running;
    const removal = this.#remove(taskId, remove).finally(() => this.#running.delete(taskId));
    this.#running.set(taskId, removal);
    return removal;
  }

  /** Nothing is tried any more; the next start finds what is left. */
  end(): void {
    this.#ending.abort();
  }

  /** Ends all that is not done within this time; returns what says that it is done. */
  endAfter(limitMs: number): () => void {
    const { clock, logger } = this.#options;
    const timer = clock.after(limitMs, () => {
      logger.error({ tasks: [...this.#running.keys()] }, 'tasks that can’t be removed are left');
      this.end();
    });
    return () => timer.cancel();
  }

  async #remove(taskId: string, remove: () => Promise<void>): Promise<void> {
    const { clock, random, logger } = this.#options;
    const { signal } = this.#ending;
    for (let tries = 0; !signal.aborted; tries++) {
      try {
        return await untilAborted(remove(), signal, 'the removal');
      } catch (error) {
        if (signal.aborted) return;
        logger.warn({ taskId, error: messageOf(error) }, 'removal is tried again');
        await sleep(clock, backoffMs(tries, RETRY, random), signal);
      }
    }
  }
}
