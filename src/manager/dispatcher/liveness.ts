// On the leader: which nodes were heard from, and which are down. A node is down after three missed
// heartbeats, however the connection looks. Deadlines move along when this process itself was stalled,
// so that a pause here never declares anything dead out there; and a node whose manager fell silent with
// it gets time to find another one.
import type { Clock, Logger, Timer } from '../../base/index.ts';
import { update, type Node } from '../../model/index.ts';
import type { Store } from '../store/index.ts';
import { GRACE_BEATS, HEARD_BEATS, MISSED_BEATS, RESTART_GRACE_MS } from './limits.ts';

const CHECK_MS = 100;
/** A check that comes this much too late means that the process was stalled. */
const STALL_MS = 100;

export class Liveness {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #periodMs: () => number;
  readonly #deadlines = new Map<string, number>();
  /** Epochs of the sessions that were given time because their manager is silent: once each. */
  readonly #excused = new Map<string, number>();
  #timer: Timer | undefined;
  #lastCheck = 0;

  constructor(store: Store, clock: Clock, logger: Logger, periodMs: () => number) {
    this.#store = store;
    this.#clock = clock;
    this.#logger = logger;
    this.#periodMs = periodMs;
  }

  /**
   * Leadership gained: every node that is not known to be down gets time to be heard from, much more
   * when nobody led before (`firstLeader`): then all of the cluster may just be coming back.
   */
  start(firstLeader: boolean): void {
    this.stop();
    const now = this.#clock.monotonicMs();
    const grace = Math.max(firstLeader ? RESTART_GRACE_MS : 0, GRACE_BEATS * this.#periodMs());
    for (const node of this.#store.view.all('node')) {
      if (node.status.state === 'down') continue;
      this.#deadlines.set(node.id, now + grace);
    }
    this.#lastCheck = now;
    this.#schedule();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#deadlines.clear();
    this.#excused.clear();
  }

  /** Takes heartbeats; returns the nodes whose sessions must end and begin anew. */
  beats(beats: readonly { nodeId: string; epoch: number }[]): string[] {
    const refused: string[] = [];
    const deadline = this.#clock.monotonicMs() + MISSED_BEATS * this.#periodMs();
    for (const { nodeId, epoch } of beats) {
      const node = this.#store.view.get('node', nodeId);
      const current = this.#store.view.get('session', nodeId)?.epoch === epoch;
      if (node === undefined || !current || node.status.state === 'down') refused.push(nodeId);
      else this.#deadlines.set(nodeId, deadline);
    }
    return refused;
  }

  registered(nodeId: string): void {
    this.#deadlines.set(nodeId, this.#clock.monotonicMs() + MISSED_BEATS * this.#periodMs());
  }

  #schedule(): void {
    this.#timer = this.#clock.after(CHECK_MS, () => {
      this.#schedule();
      this.#check();
    });
  }

  #check(): void {
    const now = this.#clock.monotonicMs();
    const stalled = now - this.#lastCheck - CHECK_MS;
    this.#lastCheck = now;
    if (stalled > STALL_MS) {
      this.#logger.warn(
        { stalledMs: Math.round(stalled) },
        'the event loop was stalled, all deadlines moved',
      );
      for (const [id, deadline] of this.#deadlines) this.#deadlines.set(id, deadline + stalled);
      return;
    }
    for (const [id, deadline] of this.#deadlines) {
      if (deadline > now) continue;
      if (this.#excuse(id, now)) continue;
      this.#deadlines.delete(id);
      this.#excused.delete(id);
      const node = this.#store.view.get('node', id);
      if (node !== undefined && node.status.state !== 'down') this.#declareDown(node);
    }
  }

  /** The node's heartbeats came through a manager that is silent itself: that is no sign of the node. */
  #excuse(id: string, now: number): boolean {
    const session = this.#store.view.get('session', id);
    if (session === undefined || session.managerId === id) return false;
    if (this.#excused.get(id) === session.epoch || this.#isHeard(session.managerId, now))
      return false;
    this.#excused.set(id, session.epoch);
    this.#deadlines.set(id, now + GRACE_BEATS * this.#periodMs());
    return true;
  }

  /** Within the last beats but one: a node that is merely late has not missed two. */
  #isHeard(id: string, now: number): boolean {
    const deadline = this.#deadlines.get(id);
    const left = MISSED_BEATS - HEARD_BEATS;
    return deadline !== undefined && deadline - now > left * this.#periodMs();
  }

  #declareDown(node: Node): void {
    this.#logger.warn({ nodeId: node.id, hostname: node.description?.hostname }, 'node is down');
    const status = {
      ...node.status,
      state: 'down',
      message: 'heartbeat failure',
      since: this.#clock.now(),
    } as const;
    this.#store.tryPropose([update('node', { ...node, status })]).then(
      (result) => {
        // Somebody else wrote the node meanwhile: look again at the next check.
        if (!result.ok) this.#deadlines.set(node.id, 0);
      },
      () => this.#deadlines.set(node.id, 0),
    );
  }
}
