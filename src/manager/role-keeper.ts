// On the leader: carries out demotions. A node whose desired role is worker leaves Raft first; only then
// does it get a worker's certificate. (Promotion is driven by the node itself, which asks to be added.)
import { MANAGER } from './access/index.ts';
import { messageOf, type Clock, type Logger, type Timer } from '../base/index.ts';
import type { StoreChange } from '../model/index.ts';
import type { Leader } from './leader.ts';
import type { Store } from './store/index.ts';

/** Between two tries, doubled from the one to the other; any change of a manager is a try, too. */
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 16_000;

/** On the leader: takes demoted managers out of Raft. */
export class RoleKeeper {
  readonly #store: Store;
  readonly #leader: Leader;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #timer: Timer | undefined;
  #stopWatching: (() => void) | undefined;
  #busy = false;
  #tries = 0;
  /** The last failure in the log: one that stays is there once. */
  #logged = '';
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
    this.#tries = 0;
    this.#logged = '';
    this.#stopWatching = this.#store.watch((changes) => {
      if (changes.some(isOfManager)) void this.#check();
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
    this.#timer?.cancel();
    try {
      const failure = await this.#removeAll(this.#demoted());
      if (failure === undefined) this.#tries = 0;
      else this.#later(failure);
    } finally {
      this.#busy = false;
      if (this.#again) void this.#check();
    }
  }

  #demoted(): string[] {
    return [...this.#store.view.all('node')].flatMap((node) =>
      node.manager !== undefined && node.spec.Role === 'worker' ? [node.id] : [],
    );
  }

  /** All in one step; if that can't be, each that can be. */
  async #removeAll(nodeIds: readonly string[]): Promise<unknown> {
    const failure = await this.#remove(nodeIds);
    if (failure === undefined || nodeIds.length < 2) return failure;
    for (const nodeId of nodeIds) if (this.#running) await this.#remove([nodeId]);
    return failure;
  }

  async #remove(nodeIds: readonly string[]): Promise<unknown> {
    if (nodeIds.length === 0) return undefined;
    try {
      await this.#leader.execute('leader.removeMembers', { nodeIds }, MANAGER);
      return undefined;
    } catch (error) {
      return error;
    }
  }

  #later(failure: unknown): void {
    if (!this.#running) return;
    const text = messageOf(failure);
    if (text !== this.#logged) this.#logger.warn({ error: text }, 'a demotion is not finished yet');
    this.#logged = text;
    const delayMs = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(this.#tries++, 10));
    this.#timer = this.#clock.after(delayMs, () => void this.#check());
  }
}

/** Of a member of Raft: only of such there is something to carry out. */
function isOfManager(change: StoreChange): boolean {
  if (change.table !== 'node') return false;
  return change.before?.manager !== undefined || change.after?.manager !== undefined;
}
