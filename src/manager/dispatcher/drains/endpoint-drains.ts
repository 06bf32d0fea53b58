// On the leader: what the hosts have applied, and the tasks that wait until no host sends them anything
// new. All of it is memory: after a change of leader the dispatchers tell anew, and the agents ask anew.
import { SwarmError, sleep, type Clock, type Logger, type Timer } from '../../../base/index.ts';
import { desiredAlive, type StoreChange, type Task } from '../../../model/index.ts';
import type { Store } from '../../store/index.ts';
import { NetworkDrain, drainedNetworks, type Draining } from './endpoint-drain.ts';
import { ENDPOINT_DRAINS_MAX, ENDPOINT_DRAIN_LIMIT_MS } from './limits.ts';

/** Between two looks at whether a host's daemon is still away. */
const AWAY_LOOK_MS = 250;

interface Waiting extends Draining {
  readonly taskId: string;
  /** Those of its networks where hosts are missing. */
  readonly networks: Set<NetworkDrain>;
  timer: Timer;
  readonly answer: (missing: string[]) => void;
  readonly giveUp: (error: Error) => void;
}

/** On the leader: answers when no host sends anything new to a task. */
export class EndpointDrains {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #isAway: (nodeId: string) => boolean;
  readonly #applied = new Map<string, number>();
  readonly #waiting = new Set<Waiting>();
  /** Of the networks that somebody asked about. */
  readonly #networks = new Map<string, NetworkDrain>();

  /** `isAway`: the host's daemon may be back at any moment; until then its kernel goes on as it was. */
  constructor(store: Store, clock: Clock, logger: Logger, isAway: (nodeId: string) => boolean) {
    this.#store = store;
    this.#clock = clock;
    this.#logger = logger;
    this.#isAway = isAway;
    store.watch((changes) => changes.forEach((change) => this.#observe(change)));
    store.onRestored(() => this.#networks.clear());
  }

  /** Leadership is gone: those that wait ask the next leader. */
  stop(): void {
    for (const waiting of this.#waiting) {
      waiting.timer.cancel();
      waiting.giveUp(new SwarmError('unavailable', 'this manager leads no more'));
    }
    this.#waiting.clear();
    this.#networks.clear();
    this.#applied.clear();
  }

  /** Hosts have applied their sets; an older word than a known one changes nothing. */
  applied(hosts: readonly { nodeId: string; index: number }[]): void {
    for (const { nodeId, index } of hosts) {
      if (index <= (this.#applied.get(nodeId) ?? -1)) continue;
      this.#applied.set(nodeId, index);
      for (const network of this.#networks.values()) network.acknowledged(nodeId, index);
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
    if (this.#waiting.size >= ENDPOINT_DRAINS_MAX) return this.#missing(task);
    return new Promise((resolve, reject) => this.#wait(task, resolve, reject));
  }

  #wait(task: Task, answer: Waiting['answer'], giveUp: Waiting['giveUp']): void {
    const networks = this.#networksOf(task);
    const waiting: Waiting = {
      taskId: task.id,
      since: sinceOf(task),
      networks: new Set(networks),
      timer: this.#clock.after(ENDPOINT_DRAIN_LIMIT_MS, () => this.#late(waiting)),
      done: (network) => {
        waiting.networks.delete(network);
        if (waiting.networks.size === 0) this.#end(waiting, []);
      },
      answer,
      giveUp,
    };
    this.#waiting.add(waiting);
    for (const network of networks) network.add(waiting);
    if (networks.length === 0) this.#end(waiting, []);
  }

  #networksOf(task: Task): NetworkDrain[] {
    const { view } = this.#store;
    return drainedNetworks(view, task).map((id) => {
      let network = this.#networks.get(id);
      if (network === undefined) {
        network = new NetworkDrain(view, id, (nodeId) => this.#applied.get(nodeId));
        this.#networks.set(id, network);
      }
      return network;
    });
  }

  #missing(task: Task): string[] {
    const since = sinceOf(task);
    return [...new Set(this.#networksOf(task).flatMap((network) => network.missing(since)))];
  }

  #late(waiting: Waiting): void {
    const { taskId, since, networks } = waiting;
    const missing = [...new Set([...networks].flatMap((network) => network.missing(since)))];
    if (missing.some((id) => this.#isAway(id))) {
      waiting.timer = this.#clock.after(AWAY_LOOK_MS, () => this.#late(waiting));
      return;
    }
    this.#logger.warn(
      { taskId, hosts: missing },
      'hosts did not say in time that they send nothing new to a task that stops',
    );
    for (const network of networks) network.remove(waiting);
    this.#end(waiting, missing);
  }

  #end(waiting: Waiting, missing: string[]): void {
    waiting.timer.cancel();
    this.#waiting.delete(waiting);
    waiting.answer(missing);
  }

  /** A host that went down, was removed or has no task there any more is not waited for. */
  #observe(change: StoreChange): void {
    if (change.table === 'node') {
      const id = change.after?.id ?? change.before?.id ?? '';
      if (change.after === undefined) this.#applied.delete(id);
      if (change.before?.status.state === change.after?.status.state) return;
      for (const network of this.#networks.values()) network.nodeChanged(id);
    } else if (change.table === 'network') {
      // Nobody waits there: a network with tasks is not removed.
      if (change.after === undefined) this.#networks.delete(change.before?.id ?? '');
    } else if (change.table === 'task' && this.#networks.size > 0) {
      const { before, after } = change;
      const networks = [...(before?.networks ?? []), ...(after?.networks ?? [])];
      for (const id of new Set(networks.map(({ networkId }) => networkId))) {
        this.#networks.get(id)?.taskChanged(before, after);
      }
    }
  }
}

/** From where on hosts send a task that is to stop nothing new. */
function sinceOf(task: Task): number {
  return task.stoppingSince ?? task.version;
}
