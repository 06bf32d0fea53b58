// On the leader: carries out demotions. A node whose wished role is worker leaves Raft first; only then
// does it get a worker's certificate. (Promotion is driven by the node itself, which asks to be added.)
import { messageOf, type Clock, type Logger, type Timer } from '../base/index.ts';
import type { Leader } from './leader.ts';
import type { Store } from './store/index.ts';

const RETRY_MS = 1_000;

export class RoleKeeper {
  readonly #store: Store;
  readonly #leader: Leader;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #timer: Timer | undefined;
  #stopWatching: (() => void) | undefined;
  #busy = false;
  /** Something changed while it was busy. */
  #again = false;
  #running = false;

  constructor(store: Store, leader: Leader, clock: Clock, logger: Logger) {
    this.#store = store;
    this.#leader = leader;
    this.#clock = clock;
    this.#logger = logger;
  }

  start(): void {
    this.stop();
    this.#running = true;
    this.#stopWatching = this.#store.watch((changes) => {
      if (changes.some((change) => change.table === 'node')) void this.#check();
    });
    void this.#check();
  }

  stop(): void {
    this.#running = false;
    this.#stopWatching?.();
    this.#timer?.cancel();
  }

  async #check(): Promise<void> {
    this.#again = this.#busy;
    if (this.#busy || !this.#running) return;
    this.#busy = true;
    try {
      const nodeIds: string[] = [];
      for (const node of this.#store.view.all('node')) {
        if (node.spec.Role === 'worker' && node.manager !== undefined) nodeIds.push(node.id);
      }
      if (nodeIds.length > 0) await this.#leader.call('leader.removeMembers', { nodeIds });
    } catch (error) {
      if (!this.#running) return;
      this.#logger.warn({ error: messageOf(error) }, 'a demotion is not finished yet');
      this.#timer = this.#clock.after(RETRY_MS, () => void this.#check());
    } finally {
      this.#busy = false;
      if (this.#again) void this.#check();
    }
  }
}
