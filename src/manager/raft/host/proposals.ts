// Proposals and membership changes on their way: known by the index and term they got in the log.
import type { Entry } from 'raft-ts';
import { SwarmError } from '../../../base/index.ts';
import {
  PROPOSALS_PENDING_MAX,
  PROPOSAL_BYTES_MAX,
  type CompletedProposal,
} from '../contract/index.ts';

/** One payload, and how its owner knows it. */
export interface ProposalItem {
  readonly token: number;
  readonly payload: Uint8Array;
}

interface Pending {
  readonly token: number;
  readonly term: number;
}

/** Payload proposals waiting to be applied. */
export class PendingProposals {
  readonly #fail: (token: number, error: Error) => void;
  #pending = new Map<number, Pending>();

  constructor(fail: (token: number, error: Error) => void) {
    this.#fail = fail;
  }

  /** Why these cannot be proposed now; undefined when they can. */
  refusalOf(items: readonly ProposalItem[], isLeader: boolean): SwarmError | undefined {
    if (!isLeader) return notLeader();
    const large = items.find((item) => item.payload.length > PROPOSAL_BYTES_MAX);
    if (large !== undefined) {
      const message = `change of ${large.payload.length} bytes is larger than ${PROPOSAL_BYTES_MAX}`;
      return new SwarmError('invalid', message);
    }
    if (this.#pending.size + items.length <= PROPOSALS_PENDING_MAX) return undefined;
    return new SwarmError('exhausted', 'too many changes wait to be committed: retry later');
  }

  /** These items are the entries from `firstIndex` on. */
  add(items: readonly ProposalItem[], firstIndex: number, term: number): void {
    for (const [position, { token }] of items.entries()) {
      this.#pending.set(firstIndex + position, { token, term });
    }
  }

  /** The proposals that these entries complete. One whose place another entry took has failed. */
  take(entries: readonly Entry[]): CompletedProposal[] {
    const completed: CompletedProposal[] = [];
    if (this.#pending.size === 0) return completed;
    for (const { index, term } of entries) {
      const pending = this.#pending.get(index);
      if (pending === undefined) continue;
      this.#pending.delete(index);
      if (pending.term === term) completed.push({ token: pending.token, index });
      else this.#fail(pending.token, leadershipLost());
    }
    return completed;
  }

  failAll(error: Error): void {
    const pending = this.#pending;
    this.#pending = new Map();
    for (const { token } of pending.values()) this.#fail(token, error);
  }
}

interface Waiter {
  resolve(): void;
  reject(error: Error): void;
}

/** Membership changes waiting to be applied. */
export class PendingChanges {
  #waiters = new Map<number, Waiter & { readonly term: number }>();
  readonly #next: Waiter[] = [];

  get size(): number {
    return this.#waiters.size;
  }

  /** Resolves when the entry at `index` is applied and still is the change. */
  wait(index: number, term: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiters.set(index, { term, resolve, reject });
    });
  }

  /** Resolves when any further change is applied. */
  waitForNext(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#next.push({ resolve, reject });
    });
  }

  applied(entry: Entry): void {
    if (entry.type !== 'normal') for (const next of this.#next.splice(0)) next.resolve();
    const waiter = this.#waiters.get(entry.index);
    if (waiter === undefined) return;
    this.#waiters.delete(entry.index);
    if (entry.term === waiter.term && entry.type !== 'normal') waiter.resolve();
    else waiter.reject(changeRefused());
  }

  failAll(error: Error): void {
    const waiters = this.#waiters;
    this.#waiters = new Map();
    for (const waiter of waiters.values()) waiter.reject(error);
    for (const waiter of this.#next.splice(0)) waiter.reject(error);
  }
}

/** This manager is not the leader. */
export function notLeader(): SwarmError {
  return new SwarmError('unavailable', 'this manager is not the leader: ask the leader, or retry');
}

/** This manager takes nothing any more. */
export function stopping(): SwarmError {
  return new SwarmError('unavailable', 'this manager is stopping: ask another one');
}

/** What was proposed here may or may not be committed. */
export function leadershipLost(): SwarmError {
  return new SwarmError(
    'unavailable',
    'leadership was lost before the change was confirmed: it may have happened, look before retry',
  );
}

function changeRefused(): SwarmError {
  return new SwarmError('unavailable', 'another membership change is under way: retry later');
}
