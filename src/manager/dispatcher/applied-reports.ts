// On every manager: passes on to the leader up to where the hosts that are served here have applied
// their sets. One call at a time; what comes meanwhile, or closely after, goes with the next.
import { messageOf, type Clock, type Logger, type Timer } from '../../base/index.ts';
import type { LeaderApi } from '../methods/index.ts';
import { APPLIED_PAUSE_MS } from './limits.ts';

/** Tells the leader up to which index the hosts of this manager’s sessions have applied. */
export class AppliedReports {
  readonly #leader: LeaderApi;
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** Newest index by host: at most one entry for each session. */
  #next = new Map<string, number>();
  #timer: Timer | undefined;
  #sentAt = -Infinity;
  #sending = false;

  constructor(leader: LeaderApi, clock: Clock, logger: Logger) {
    this.#leader = leader;
    this.#clock = clock;
    this.#logger = logger;
  }

  add(nodeId: string, index: number): void {
    if (index <= (this.#next.get(nodeId) ?? -1)) return;
    this.#next.set(nodeId, index);
    this.#schedule();
  }

  close(): void {
    this.#timer?.cancel();
    this.#next.clear();
  }

  #schedule(): void {
    if (this.#sending || this.#timer !== undefined || this.#next.size === 0) return;
    const now = this.#clock.monotonicMs();
    const pause = Math.max(0, this.#sentAt + APPLIED_PAUSE_MS - now);
    this.#timer = this.#clock.after(pause, () => {
      this.#timer = undefined;
      void this.#send();
    });
  }

  async #send(): Promise<void> {
    this.#sending = true;
    this.#sentAt = this.#clock.monotonicMs();
    const hosts = [...this.#next].map(([nodeId, index]) => ({ nodeId, index }));
    this.#next = new Map();
    try {
      await this.#leader.forward('leader.applied', { hosts });
    } catch (error) {
      // Whoever leads next is told everything anew.
      this.#logger.debug(
        { error: messageOf(error) },
        'what hosts applied did not reach the leader',
      );
    } finally {
      this.#sending = false;
      this.#schedule();
    }
  }
}
