// One member: compares terms, handles what concerns every role, and hands the rest to the role.
import { stepCandidate } from './candidate.ts';
import { nextMembership, restoreMembership, type ConfChange } from './conf-change.ts';
import { answerVoteRequest, leaderHoldsLease, startElection } from './election.ts';
import { stepFollower } from './follower.ts';
import { stepLeader } from './leader.ts';
import { switchMembership } from './membership.ts';
import { makeMessage, type Message } from './message.ts';
import type { CompleteRaftOptions } from './options.ts';
import { RaftState } from './raft-state.ts';
import { emptyBytes, NONE, sizeOf, type ConfState, type Snapshot } from './types.ts';

/** The state with the rules applied to it. */
export class Raft extends RaftState {
  constructor(options: CompleteRaftOptions) {
    super(options);
    const { hardState, confState } = options.storage.initialState();
    switchMembership(this, restoreMembership(this.tracker, confState, this.log.lastIndex()));
    this.term = hardState.term;
    this.vote = hardState.vote;
    // What was applied is committed, even if the host had not yet written that down.
    this.log.commitTo(Math.max(hardState.commit, options.applied));
    if (options.applied > 0) this.log.appliedTo(options.applied, 0);
    this.becomeFollower(this.term, NONE);
  }

  tick(): void {
    this.lease.tick();
    if (this.role === 'leader') this.#tickLeader();
    else this.#tickOther();
  }

  /** Ticks until one of them does something: 1 is the very next, Infinity is never. */
  get ticksToNext(): number {
    if (this.role === 'leader') {
      const { electionTicks, heartbeatTicks } = this.options;
      const toCheck = electionTicks - this.electionElapsed;
      return Math.max(1, Math.min(toCheck, heartbeatTicks - this.heartbeatElapsed));
    }
    if (!this.promotable) return Infinity;
    return Math.max(1, this.randomizedElectionTimeout - this.electionElapsed);
  }

  #tickOther(): void {
    this.electionElapsed++;
    if (this.promotable && this.electionElapsed >= this.randomizedElectionTimeout) {
      this.electionElapsed = 0;
      this.step(makeMessage({ type: 'MsgHup', from: this.id }));
    }
  }

  #tickLeader(): void {
    this.heartbeatElapsed++;
    this.electionElapsed++;
    if (this.electionElapsed >= this.options.electionTicks) {
      this.electionElapsed = 0;
      if (this.options.checkQuorum) {
        this.step(makeMessage({ type: 'MsgCheckQuorum', from: this.id }));
      }
      // A transfer that takes longer has failed: proposals are taken again.
      this.leadTransferee = NONE;
    }
    if (this.role === 'leader' && this.heartbeatElapsed >= this.options.heartbeatTicks) {
      this.heartbeatElapsed = 0;
      this.step(makeMessage({ type: 'MsgBeat', from: this.id }));
    }
  }

  /** Handles one message. Throws `proposalDropped` for a proposal that cannot be taken now. */
  step(message: Message): void {
    if (message.reject && message.commit > 0) this.#learnCommit(message);
    if (message.term > this.term) {
      if (!this.#meetHigherTerm(message)) return;
    } else if (message.term !== 0 && message.term < this.term) {
      this.#answerLowerTerm(message);
      return;
    }
    switch (message.type) {
      case 'MsgHup':
        startElection(this, this.options.preVote ? 'preElection' : 'election');
        return;
      case 'MsgStorageAppendResp':
        this.#storageAppended(message);
        return;
      case 'MsgStorageApplyResp':
        this.#storageApplied(message);
        return;
      case 'MsgVote':
      case 'MsgPreVote':
        answerVoteRequest(this, message);
        return;
      default:
    }
    if (this.role === 'leader') stepLeader(this, message);
    else if (this.role === 'follower') stepFollower(this, message);
    else stepCandidate(this, message);
  }

  applyConfChange(change: ConfChange): ConfState {
    // A snapshot that is being put in place has brought its own membership, which is newer than that
    // of any entry still being applied.
    if (this.log.unstable.snapshot !== undefined) return this.tracker.confState();
    return switchMembership(this, nextMembership(this.tracker, change, this.log.lastIndex()));
  }

  /** False when the message is to be ignored. */
  #meetHigherTerm(message: Message): boolean {
    const isVote = message.type === 'MsgVote' || message.type === 'MsgPreVote';
    if (isVote && leaderHoldsLease(this, message)) return false;
    // A pre-vote asks about a term that nobody has entered yet, and so does the yes to it.
    if (message.type === 'MsgPreVote') return true;
    if (message.type === 'MsgPreVoteResp' && !message.reject) return true;
    const fromLeader =
      message.type === 'MsgApp' || message.type === 'MsgHeartbeat' || message.type === 'MsgSnap';
    this.becomeFollower(message.term, fromLeader ? message.from : NONE);
    return true;
  }

  #answerLowerTerm(message: Message): void {
    if (message.type === 'MsgApp' || message.type === 'MsgHeartbeat') {
      // A leader behind in term would otherwise never learn of ours (paper, §5.1): our requests for
      // votes do not reach it with leases, pre-votes, or while we go by an older membership.
      this.send({ type: 'MsgAppResp', to: message.from });
    } else if (message.type === 'MsgPreVote') {
      // The candidate must learn our term, or two members could block each other for ever.
      this.send({ type: 'MsgPreVoteResp', to: message.from, term: this.term, reject: true });
    } else if (message.type === 'MsgStorageAppendResp' && message.snapshot !== undefined) {
      // Entries of an older term may have been replaced since; a snapshot is good in any.
      this.#snapshotApplied(message.snapshot);
    }
  }

  /** Somebody that has left refused its vote, and tells what it knows to be committed. */
  #learnCommit({ type, commit, logTerm }: Message): void {
    if (type !== 'MsgVoteResp' && type !== 'MsgPreVoteResp') return;
    if (this.log.matches({ index: commit, term: logTerm })) this.log.commitTo(commit);
  }

  #storageAppended(message: Message): void {
    if (message.index !== 0) {
      this.log.unstable.stableTo({ index: message.index, term: message.logTerm });
    }
    if (message.snapshot !== undefined) this.#snapshotApplied(message.snapshot);
  }

  #storageApplied(message: Message): void {
    const last = message.entries.at(-1);
    if (last === undefined) return;
    this.#appliedTo(last.index, sizeOf(message.entries));
    this.release(message.entries);
  }

  #snapshotApplied(snapshot: Snapshot): void {
    this.log.unstable.stableSnapshotTo(snapshot.index);
    this.#appliedTo(snapshot.index, 0);
  }

  #appliedTo(index: number, bytes: number): void {
    const applied = Math.max(index, this.log.applied);
    this.log.appliedTo(applied, bytes);
    const leaves = this.tracker.membership.autoLeave && applied >= this.pendingConfIndex;
    if (!leaves || this.role !== 'leader') return;
    // The joint phase ends by a change without steps. It cannot be refused for its size, and while
    // leadership is handed over the next leader will do it.
    if (this.leadTransferee !== NONE || !this.tracker.progress.has(this.id)) return;
    const entries = [{ term: 0, index: 0, type: 'confChangeV2' as const, data: emptyBytes }];
    this.step(makeMessage({ type: 'MsgProp', from: this.id, entries }));
  }
}
