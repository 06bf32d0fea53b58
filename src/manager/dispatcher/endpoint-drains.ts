// On the leader: what the hosts have applied, and the tasks that wait until no host sends them anything
// new. All of it is memory: after a change of leader the dispatchers tell anew, and the agents ask anew.
import { SwarmError, sleep, type Clock, type Logger, type Timer } from '../../base/index.ts';
import { desiredAlive } from '../../model/index.ts';
import type { Store } from '../store/index.ts';
import { ENDPOINT_DRAINS_MAX, ENDPOINT_DRAIN_LIMIT_MS } from './limits.ts';
import { hostsThatKnow, missingHosts } from './endpoint-drain.ts';

/** Between two looks at whether a host's daemon is still away. */
const AWAY_LOOK_MS = 250;

interface Waiting {
  readonly taskId: string;
  readonly since: number;
  readonly missing: Set<string>;
  timer: Timer;
  readonly answer: (missing: string[]) => void;
  readonly giveUp: (error: Error) => void;
}

export class EndpointDrains {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #isAway: (nodeId: string) => boolean;
  readonly #applied = new Map<string, number>();
  readonly #waiting = new Set<Waiting>();

  /** `isAway`: the host's daemon may be back at any moment; until then its kernel goes on as it was. */
  constructor(store: Store, clock: Clock, logger: Logger, isAway: (nodeId: string) => boolean) {
    this.#store = store;
    this.#clock = clock;
    this.#logger = logger;
    this.#isAway = isAway;
    store.watch((changes) => {
      if (changes.some(({ table }) => table === 'node')) this.#nodesChanged();
    });
  }

  /** Leadership is gone: those that wait ask the next leader. */
  stop(): void {
    for (const waiting of this.#waiting) {
      waiting.timer.cancel();
      waiting.giveUp(new SwarmError('unavailable', 'this manager leads no more'));
    }
    this.#waiting.clear();
    this.#applied.clear();
  }

  /** Hosts have applied their sets; an older word than a known one changes nothing. */
  applied(hosts: readonly { nodeId: string; index: number }[]): void {
    for (const { nodeId, index } of hosts) {
      if (index <= (this.#applied.get(nodeId) ?? -1)) continue;
      this.#applied.set(nodeId, index);
      for (const waiting of this.#waiting) {
        if (waiting.since > index || !waiting.missing.delete(nodeId)) continue;
        if (waiting.missing.size === 0) this.#end(waiting);
      }
    }
  }

  /** Up to which index each host has applied its set. */
  acknowledged(): { nodeId: string; index: number }[] {
    return Array.from(this.#applied, ([nodeId, index]) => ({ nodeId, index }));
  }

  /**
   * Resolves with the hosts that were waited for in vain; with none for a task that is not to stop in
   * the state of `index` or later. A follower may have applied more than this leader.
   */
  async whenDrained(question: {
    readonly nodeId: string;
    readonly taskId: string;
    readonly index: number;
  }): Promise<string[]> {
    const { nodeId, taskId, index } = question;
    const stop = new AbortController();
    const late = sleep(this.#clock, ENDPOINT_DRAIN_LIMIT_MS, stop.signal);
    await Promise.race([this.#store.applied(index), late]);
    stop.abort();
    const { view } = this.#store;
    const task = view.get('task', taskId);
    if (task === undefined || task.nodeId !== nodeId || desiredAlive(task)) return [];
    const missing = missingHosts(view, task, (id) => this.#applied.get(id));
    if (missing.size === 0) return [];
    if (this.#waiting.size >= ENDPOINT_DRAINS_MAX) return [...missing];
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        taskId,
        since: task.stoppingSince ?? task.version,
        missing,
        timer: this.#clock.after(ENDPOINT_DRAIN_LIMIT_MS, () => this.#late(waiting)),
        answer: resolve,
        giveUp: reject,
      };
      this.#waiting.add(waiting);
    });
  }

  #late(waiting: Waiting): void {
    const { taskId, missing } = waiting;
    if ([...missing].some((id) => this.#isAway(id))) {
      waiting.timer = this.#clock.after(AWAY_LOOK_MS, () => this.#late(waiting));
      return;
    }
    this.#logger.warn(
      { taskId, hosts: [...missing] },
      'hosts did not say in time that they send nothing new to a task that stops',
    );
    this.#end(waiting);
  }

  #end(waiting: Waiting): void {
    waiting.timer.cancel();
    this.#waiting.delete(waiting);
    waiting.answer([...waiting.missing]);
  }

  /** A host that went down or was removed is not waited for any longer. */
  #nodesChanged(): void {
    const { view } = this.#store;
    for (const id of this.#applied.keys()) {
      if (view.get('node', id) === undefined) this.#applied.delete(id);
    }
    for (const waiting of this.#waiting) {
      const task = view.get('task', waiting.taskId);
      const known = task === undefined ? new Set<string>() : hostsThatKnow(view, task);
      for (const id of waiting.missing) if (!known.has(id)) waiting.missing.delete(id);
      if (waiting.missing.size === 0) this.#end(waiting);
    }
  }
}
