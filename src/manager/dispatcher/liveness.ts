// On the leader: which nodes were heard from, and which are down. A node is down after three missed
// heartbeats, however the connection looks, unless its machine still answers: then only the daemon is
// away, and has some seconds to come back. Deadlines move along when this process itself was stalled, so
// that a pause here never declares anything dead out there; and a node whose manager fell silent with it
// gets time to find another one.
import { messageOf, type Clock, type Logger, type Timer } from '../../base/index.ts';
import { update, type Node } from '../../model/index.ts';
import type { Store } from '../store/index.ts';
import {
  GRACE_HEARTBEATS,
  HEARD_HEARTBEATS,
  MISSED_HEARTBEATS,
  PROBES_MAX,
  PROBE_LIMIT_MS,
  RESTART_GRACE_MS,
  RESTART_LIMIT_MS,
} from './limits.ts';

/** Between two checks while a deadline is near, and at most while none is. */
const CHECK_MS = 100;
const CHECK_MAX_MS = 500;
/** A check that comes this much too late means that the process was stalled. */
const STALL_MS = 100;
/** What a check is late by the nodes get as well; less than this is no sign of anything. */
const LATE_MS = 20;

/** Whether the machine at `host:port` answers at all, be it that it refuses; false after `limitMs`. */
export type Probe = (address: string, limitMs: number) => Promise<boolean>;

/** On the leader: which nodes are up. */
export class Liveness {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #periodMs: () => number;
  readonly #probe: Probe;
  readonly #deadlines = new Map<string, number>();
  /** Nodes that were silent while their machine answered, and until when they may be. */
  readonly #away = new Map<string, number>();
  /** Nodes whose machine is being asked, and what the last ones to be asked have said. */
  readonly #probing = new Set<string>();
  readonly #answered = new Set<string>();
  /** Epochs of the sessions that were given time because their manager is silent: once each. */
  readonly #excused = new Map<string, number>();
  /** When each node registered here, and the sessions that agents kept up for a while since. */
  readonly #registeredAt = new Map<string, number>();
  readonly #kept = new Map<string, { readonly epoch: number; readonly at: number }>();
  #timer: Timer | undefined;
  #checkAt = 0;

  constructor(
    store: Store,
    clock: Clock,
    logger: Logger,
    { periodMs, probe }: { readonly periodMs: () => number; readonly probe: Probe },
  ) {
    this.#store = store;
    this.#clock = clock;
    this.#logger = logger;
    this.#periodMs = periodMs;
    this.#probe = probe;
  }

  /** The node's daemon is silent and its machine is not: it may be back at any moment. */
  isAway(nodeId: string): boolean {
    return this.#away.has(nodeId);
  }

  /**
   * Leadership gained: every node that is not known to be down gets time to be heard from, much more
   * when nobody led before (`firstLeader`): then all of the cluster may just be coming back.
   */
  start(firstLeader: boolean): void {
    this.stop();
    const now = this.#clock.monotonicMs();
    const grace = Math.max(firstLeader ? RESTART_GRACE_MS : 0, GRACE_HEARTBEATS * this.#periodMs());
    for (const node of this.#store.view.all('node')) {
      this.#guarded(node.id, () => {
        if (node.status.state !== 'down') this.#deadlines.set(node.id, now + grace);
      });
    }
    this.#schedule();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#deadlines.clear();
    this.#excused.clear();
    this.#away.clear();
    this.#answered.clear();
    this.#registeredAt.clear();
    this.#kept.clear();
  }

  /**
   * Whether an agent is there that knows of its session `epoch`: it was heard again after it had
   * registered, and lately. Until then its answer may have been lost on the way.
   */
  isKept(nodeId: string, epoch: number): boolean {
    const kept = this.#kept.get(nodeId);
    if (kept?.epoch !== epoch) return false;
    return this.#clock.monotonicMs() - kept.at < MISSED_HEARTBEATS * this.#periodMs();
  }

  /** Takes heartbeats; returns the nodes whose sessions must end and begin anew. */
  heartbeats(heartbeats: readonly { nodeId: string; epoch: number }[]): string[] {
    const refused: string[] = [];
    const deadline = this.#clock.monotonicMs() + MISSED_HEARTBEATS * this.#periodMs();
    for (const { nodeId, epoch } of heartbeats) {
      const node = this.#store.view.get('node', nodeId);
      const current = this.#store.view.get('session', nodeId)?.epoch === epoch;
      if (node === undefined || !current || node.status.state === 'down') refused.push(nodeId);
      else {
        this.#heard(nodeId, deadline);
        const since = this.#registeredAt.get(nodeId);
        const now = this.#clock.monotonicMs();
        if (since !== undefined && now - since > this.#periodMs()) {
          this.#kept.set(nodeId, { epoch, at: now });
        }
      }
    }
    return refused;
  }

  registered(nodeId: string): void {
    this.#registeredAt.set(nodeId, this.#clock.monotonicMs());
    this.#kept.delete(nodeId);
    this.#heard(nodeId, this.#clock.monotonicMs() + MISSED_HEARTBEATS * this.#periodMs());
  }

  /** The node is there and this manager has no time for it yet: that is no sign of the node. */
  seen(nodeId: string): void {
    if (!this.#deadlines.has(nodeId)) return;
    this.#heard(nodeId, this.#clock.monotonicMs() + MISSED_HEARTBEATS * this.#periodMs());
  }

  /** Nobody waits for a node that has said that it leaves. */
  left(nodeId: string): void {
    this.#deadlines.delete(nodeId);
    this.#away.delete(nodeId);
    this.#kept.delete(nodeId);
  }

  #heard(nodeId: string, deadline: number): void {
    this.#deadlines.set(nodeId, deadline);
    this.#away.delete(nodeId);
    this.#answered.delete(nodeId);
  }

  #schedule(): void {
    const pauseMs = this.#pauseMs();
    this.#checkAt = this.#clock.monotonicMs() + pauseMs;
    this.#timer = this.#clock.after(pauseMs, () => {
      this.#check();
      this.#schedule();
    });
  }

  /** Deadlines only move away while nodes are heard: nobody looks before the first could be near. */
  #pauseMs(): number {
    let first = Infinity;
    for (const deadline of this.#deadlines.values()) first = Math.min(first, deadline);
    const quietMs = first - PROBE_LIMIT_MS - CHECK_MS - this.#clock.monotonicMs();
    return Math.min(CHECK_MAX_MS, Math.max(CHECK_MS, quietMs));
  }

  #check(): void {
    const now = this.#clock.monotonicMs();
    const stalled = now - this.#checkAt;
    if (stalled > LATE_MS) {
      for (const [id, deadline] of this.#deadlines) this.#deadlines.set(id, deadline + stalled);
      for (const [id, limit] of this.#away) this.#away.set(id, limit + stalled);
    }
    if (stalled > STALL_MS) {
      this.#logger.warn(
        { stalledMs: Math.round(stalled) },
        'the event loop was stalled, all deadlines moved',
      );
      return;
    }
    for (const [id, deadline] of this.#deadlines) {
      this.#guarded(id, () => this.#checkNode(id, deadline, now));
    }
  }

  #checkNode(id: string, deadline: number, now: number): void {
    // Asked ahead, so that a dead machine is down no later for it.
    if (deadline - now <= PROBE_LIMIT_MS + CHECK_MS) this.#ask(id);
    if (deadline >= now) return;
    if (this.#excuse(id, now) || this.#isRestarted(id, now)) return;
    this.#deadlines.delete(id);
    this.#excused.delete(id);
    this.#away.delete(id);
    const node = this.#store.view.get('node', id);
    if (node !== undefined && node.status.state !== 'down') this.#declareDown(node);
  }

  /** A node whose record can't be read costs the others nothing; it is not watched until it registers. */
  #guarded(id: string, look: () => void): void {
    try {
      look();
    } catch (error) {
      this.#deadlines.delete(id);
      this.#logger.error({ nodeId: id, error: messageOf(error) }, 'the node cannot be watched');
    }
  }

  /** Looks whether the node's machine answers; what came of it counts at the deadline. */
  #ask(id: string): void {
    const node = this.#store.view.get('node', id);
    const limit = this.#away.get(id) ?? Infinity;
    if (node === undefined || node.status.address === '' || this.#probing.has(id)) return;
    if (this.#probing.size >= PROBES_MAX || this.#clock.monotonicMs() >= limit) return;
    this.#probing.add(id);
    const told = (answers: boolean): void => {
      this.#probing.delete(id);
      if (answers) this.#answered.add(id);
      else this.#answered.delete(id);
    };
    this.#probe(node.status.address, PROBE_LIMIT_MS).then(told, (error: unknown) => {
      this.#logger.debug({ nodeId: id, error: messageOf(error) }, 'the machine was not asked');
      told(false);
    });
  }

  /** Its machine answers: it is not down before the daemon was away for too long. */
  #isRestarted(id: string, now: number): boolean {
    const silent = MISSED_HEARTBEATS * this.#periodMs();
    const limit = this.#away.get(id) ?? now + Math.max(0, RESTART_LIMIT_MS - silent);
    if (!this.#answered.has(id) || now >= limit) return false;
    if (!this.#away.has(id)) {
      const hostname = this.#store.view.get('node', id)?.description?.hostname;
      this.#logger.info({ nodeId: id, hostname }, 'node is silent, its machine answers');
    }
    this.#away.set(id, limit);
    this.#deadlines.set(id, Math.min(limit, now + PROBE_LIMIT_MS + 2 * CHECK_MS));
    return true;
  }

  /** The node's heartbeats came through a manager that is silent itself: that is no sign of the node. */
  #excuse(id: string, now: number): boolean {
    const session = this.#store.view.get('session', id);
    if (session === undefined || session.managerId === id) return false;
    if (this.#excused.get(id) === session.epoch || this.#isHeard(session.managerId, now))
      return false;
    this.#excused.set(id, session.epoch);
    this.#deadlines.set(id, now + GRACE_HEARTBEATS * this.#periodMs());
    return true;
  }

  /** Within the last heartbeats but one: a node that is merely late has not missed two. */
  #isHeard(id: string, now: number): boolean {
    const deadline = this.#deadlines.get(id);
    const left = MISSED_HEARTBEATS - HEARD_HEARTBEATS;
    return deadline !== undefined && deadline - now > left * this.#periodMs();
  }

  #declareDown(node: Node): void {
    this.#logger.warn({ nodeId: node.id, hostname: node.description?.hostname }, 'node is down');
    const status = {
      ...node.status,
      state: 'down',
      message: 'heartbeat failure',
      since: this.#store.time.now(),
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
