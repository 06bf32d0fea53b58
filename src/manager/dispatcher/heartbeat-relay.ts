// The heartbeats of a manager's sessions on their way to the leader: the first goes at once, those that
// follow it closely go in one call, and while none comes nothing wakes anybody.
import { messageOf, type Clock, type Logger, type Timer } from '../../base/index.ts';
import type { LeaderApi } from '../methods/index.ts';
import { BEATS_PER_PERIOD } from './limits.ts';

/** What it works on. */
export interface HeartbeatRelayPorts {
  readonly leader: LeaderApi;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Of the cluster's heartbeats. */
  readonly periodMs: () => number;
  /** The leader has given this node's session up. */
  readonly refused: (nodeId: string) => void;
}

/** The heartbeats of one manager's sessions. */
export class HeartbeatRelay {
  readonly #ports: HeartbeatRelayPorts;
  /** Epochs by node, of those that were heard since the last call. */
  readonly #heard = new Map<string, number>();
  #timer: Timer | undefined;
  #sentAt = -Infinity;
  #sending = false;
  #closed = false;

  constructor(ports: HeartbeatRelayPorts) {
    this.#ports = ports;
  }

  /** A session was heard from; the leader is told within half a period. */
  heard(nodeId: string, epoch: number): void {
    this.#heard.set(nodeId, epoch);
    this.#schedule();
  }

  /** The node's session here is over. */
  forget(nodeId: string): void {
    this.#heard.delete(nodeId);
  }

  /** All sessions are over. */
  clear(): void {
    this.#heard.clear();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#sending || this.#closed) return;
    const { clock, periodMs } = this.#ports;
    const delayMs = this.#sentAt + periodMs() / BEATS_PER_PERIOD - clock.monotonicMs();
    if (delayMs <= 0) {
      void this.#send();
      return;
    }
    this.#timer = clock.after(delayMs, () => {
      this.#timer = undefined;
      void this.#send();
    });
  }

  async #send(): Promise<void> {
    if (this.#heard.size === 0 || this.#closed) return;
    const { leader, clock, logger, refused } = this.#ports;
    const heartbeats = [...this.#heard].map(([nodeId, epoch]) => ({ nodeId, epoch }));
    this.#heard.clear();
    this.#sending = true;
    this.#sentAt = clock.monotonicMs();
    try {
      if (leader.tellHeartbeats) await leader.tellHeartbeats({ heartbeats }, refused);
      else {
        const answer = await leader.forward('leader.heartbeats', { heartbeats });
        for (const nodeId of answer.refused) refused(nodeId);
      }
    } catch (error) {
      logger.debug({ error: messageOf(error) }, 'heartbeats did not reach the leader');
    } finally {
      this.#sending = false;
      if (this.#heard.size > 0) this.#schedule();
    }
  }
}
