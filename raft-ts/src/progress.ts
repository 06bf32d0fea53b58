// What the leader knows of one member, and how it sends to it:
//   probe      it does not know where their logs part: one message at a time;
//   replicate  their logs meet: messages stream until the window is full;
//   snapshot   the member needs entries that are compacted: wait until it has a snapshot.
import { invariant } from './errors.ts';
import type { Inflights } from './inflights.ts';

/** The manner of sending. */
export type ProgressState = 'probe' | 'replicate' | 'snapshot';

/** The leader's view of one member. */
export class Progress {
  state: ProgressState = 'probe';
  /** Highest index known to be in the member's log. */
  match = 0;
  /** The next index to send. */
  next: number;
  /** Highest commit index sent, so that an unchanged one is not sent again. */
  sentCommit = 0;
  pendingSnapshot = 0;
  /** Something was heard from it since the last check of the quorum. */
  recentActive = false;
  /** No more entries until an answer or a heartbeat's answer comes. */
  paused = false;
  readonly isLearner: boolean;
  readonly inflights: Inflights;

  constructor(next: number, isLearner: boolean, inflights: Inflights) {
    this.next = next;
    this.isLearner = isLearner;
    this.inflights = inflights;
  }

  /** The same view under another role; a membership draft that fails must leave this one alone. */
  withLearner(isLearner: boolean): Progress {
    if (isLearner === this.isLearner) return this;
    const copy = new Progress(this.next, isLearner, this.inflights);
    copy.state = this.state;
    copy.match = this.match;
    copy.sentCommit = this.sentCommit;
    copy.pendingSnapshot = this.pendingSnapshot;
    copy.recentActive = this.recentActive;
    copy.paused = this.paused;
    return copy;
  }

  get isPaused(): boolean {
    return this.state === 'snapshot' || this.paused;
  }

  becomeProbe(): void {
    // A snapshot that was sent has arrived or failed; what follows it is the best guess.
    const next = Math.max(this.match + 1, this.pendingSnapshot + 1);
    this.#enter('probe');
    this.next = next;
    this.sentCommit = Math.min(this.sentCommit, next - 1);
  }

  becomeReplicate(): void {
    this.#enter('replicate');
    this.next = this.match + 1;
  }

  becomeSnapshot(index: number): void {
    this.#enter('snapshot');
    this.pendingSnapshot = index;
    this.next = index + 1;
    this.sentCommit = index;
  }

  /** Entries were put into a message. */
  sent(count: number, bytes: number): void {
    invariant(this.state !== 'snapshot', 'entries sent to a member that waits for a snapshot');
    if (this.state === 'replicate') {
      if (count > 0) {
        this.next += count;
        this.inflights.add(this.next - 1, bytes);
      }
      this.paused = this.inflights.full;
    } else if (count > 0) {
      this.paused = true;
    }
  }

  /** True when a message without entries would tell the member of a higher commit index. */
  canBumpCommit(commit: number): boolean {
    return commit > this.sentCommit && this.sentCommit < this.next - 1;
  }

  /** The member has everything up to `index`; false when that is no news. */
  acknowledged(index: number): boolean {
    if (index <= this.match) return false;
    this.match = index;
    this.next = Math.max(this.next, index + 1);
    this.paused = false;
    return true;
  }

  /**
   * The member refused entries that follow `rejected`; `hint` is the highest index at which the
   * logs may meet. False when the answer is out of date.
   */
  rejected(rejected: number, hint: number): boolean {
    if (this.state === 'replicate') {
      if (rejected <= this.match) return false;
      this.next = this.match + 1;
    } else {
      // A probe is answered one by one: any other index belongs to an earlier message.
      if (this.next - 1 !== rejected) return false;
      this.next = Math.max(Math.min(rejected, hint + 1), this.match + 1);
      this.paused = false;
    }
    this.sentCommit = Math.min(this.sentCommit, this.next - 1);
    return true;
  }

  #enter(state: ProgressState): void {
    this.state = state;
    this.paused = false;
    this.pendingSnapshot = 0;
    this.inflights.reset();
  }
}
