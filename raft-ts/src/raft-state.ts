// Everything a member knows, and the moves that all roles share: entering a role, sending, the
// bookkeeping of proposals. What a role does with a message is in follower.ts, candidate.ts and
// leader.ts; raft.ts puts them together.
import { invariant } from './errors.ts';
import { RaftLog } from './log.ts';
import { Lease } from './lease.ts';
import { makeMessage, type Message, type MessageFields, type MessageType } from './message.ts';
import type { CompleteRaftOptions } from './options.ts';
import { ReadRequests } from './read-requests.ts';
import { Tracker } from './tracker.ts';
import {
  NONE,
  payloadSizeOf,
  type Entry,
  type EntryType,
  type HardState,
  type ReadState,
  type Role,
  type SoftState,
} from './types.ts';

const VOTING: ReadonlySet<MessageType> = new Set<MessageType>([
  'MsgVote',
  'MsgVoteResp',
  'MsgPreVote',
  'MsgPreVoteResp',
]);

/** One member's state. */
export class RaftState {
  readonly options: CompleteRaftOptions;
  readonly id: number;
  readonly log: RaftLog;
  readonly tracker: Tracker;

  term = 0;
  vote = NONE;
  role: Role = 'follower';
  lead = NONE;
  isLearner = false;
  /** Whom leadership is being handed to. */
  leadTransferee = NONE;
  /** A membership change may be in the log up to here: no other before it is applied. */
  pendingConfIndex = 0;

  /** Leader: ticks since the last check; others: ticks since a leader was heard or a vote given. */
  electionElapsed = 0;
  heartbeatElapsed = 0;
  /** Between one and two election time-outs, drawn anew for every role and term. */
  randomizedElectionTimeout = 0;

  /** Messages that may go out at once. */
  messages: Message[] = [];
  /** Messages that promise something: only after what precedes them is on stable storage. */
  messagesAfterAppend: Message[] = [];
  readStates: ReadState[] = [];
  readonly readRequests = new ReadRequests();
  readonly lease: Lease;
  /** Read requests that came before the first commit of this term. */
  postponedReads: Message[] = [];
  #uncommittedBytes = 0;

  constructor(options: CompleteRaftOptions) {
    this.options = options;
    this.id = options.id;
    this.log = new RaftLog(options.storage, options.maxCommittedSizePerReady);
    this.tracker = new Tracker(options);
    this.lease = new Lease(options, options.storage.initialState().hardState.term > 0);
  }

  get softState(): SoftState {
    return { lead: this.lead, role: this.role };
  }

  get hardState(): HardState {
    return { term: this.term, vote: this.vote, commit: this.log.committed };
  }

  /** True when this member may become leader. */
  get promotable(): boolean {
    const progress = this.tracker.progress.get(this.id);
    return (
      progress !== undefined && !progress.isLearner && this.log.unstable.snapshot === undefined
    );
  }

  /** Queues a message; `term` is filled in unless the message is about another one. */
  send(fields: MessageFields): void {
    const term = fields.term ?? this.#termFor(fields.type);
    const from = fields.from === undefined || fields.from === NONE ? this.id : fields.from;
    const message = makeMessage({ ...fields, from, term });
    invariant(!VOTING.has(message.type) || message.term !== 0, 'vote without a term');
    if (
      message.type === 'MsgAppResp' ||
      message.type === 'MsgVoteResp' ||
      message.type === 'MsgPreVoteResp'
    ) {
      // These say "it is written down": a vote, entries. So they wait until it is.
      this.messagesAfterAppend.push(message);
      return;
    }
    invariant(message.to !== this.id, `${message.type} to itself`);
    this.messages.push(message);
  }

  /** Forwarded requests carry no term: they are the same in any. */
  #termFor(type: MessageType): number {
    return type === 'MsgProp' || type === 'MsgReadIndex' ? 0 : this.term;
  }

  reset(term: number): void {
    if (this.term !== term) {
      this.term = term;
      this.vote = NONE;
    }
    this.lead = NONE;
    this.electionElapsed = 0;
    this.heartbeatElapsed = 0;
    this.drawElectionTimeout();
    this.leadTransferee = NONE;
    this.tracker.resetVotes();
    const lastIndex = this.log.lastIndex();
    const progress = new Map<number, ReturnType<Tracker['newProgress']>>();
    for (const [id, before] of this.tracker.progress) {
      const fresh = this.tracker.newProgress(lastIndex + 1, before.isLearner);
      if (id === this.id) fresh.match = lastIndex;
      progress.set(id, fresh);
    }
    this.tracker.progress = progress;
    this.pendingConfIndex = 0;
    this.#uncommittedBytes = 0;
    this.readRequests.clear();
    this.lease.reset();
    this.postponedReads = [];
  }

  drawElectionTimeout(): void {
    const { electionTicks, random } = this.options;
    this.randomizedElectionTimeout = electionTicks + random(electionTicks);
  }

  becomeFollower(term: number, lead: number): void {
    this.reset(term);
    this.lead = lead;
    this.role = 'follower';
  }

  becomeCandidate(): void {
    invariant(this.role !== 'leader', 'a leader cannot become a candidate');
    this.reset(this.term + 1);
    this.vote = this.id;
    this.role = 'candidate';
  }

  /** Changes neither term nor vote: the question costs nothing if the answer is no. */
  becomePreCandidate(): void {
    invariant(this.role !== 'leader', 'a leader cannot become a pre-candidate');
    this.tracker.resetVotes();
    this.lead = NONE;
    this.role = 'preCandidate';
  }

  becomeLeader(): void {
    invariant(this.role !== 'follower', 'a follower cannot become leader at once');
    this.reset(this.term);
    this.lead = this.id;
    this.role = 'leader';
    const own = this.tracker.progress.get(this.id);
    invariant(own !== undefined, 'a leader that is no member');
    own.becomeReplicate();
    own.recentActive = true;
    // An earlier leader may have left a membership change anywhere in the log: none of our own
    // until all of it is applied.
    this.pendingConfIndex = this.log.lastIndex();
    const appended = this.appendAsLeader([{ type: 'normal', data: new Uint8Array(0) }]);
    invariant(appended, 'the entry that opens a term was dropped');
  }

  /** Adds entries to our log and answers to ourselves once they are stable. False when too many wait. */
  appendAsLeader(drafts: readonly { type: EntryType; data: Uint8Array }[]): boolean {
    const last = this.log.lastIndex();
    const entries: Entry[] = drafts.map((draft, position) => ({
      term: this.term,
      index: last + 1 + position,
      type: draft.type,
      data: draft.data,
    }));
    if (!this.#reserve(entries)) return false;
    const index = this.log.append(entries);
    this.send({ type: 'MsgAppResp', to: this.id, index });
    return true;
  }

  /** These entries no longer wait to be committed. */
  release(entries: readonly Entry[]): void {
    this.#uncommittedBytes = Math.max(0, this.#uncommittedBytes - payloadSizeOf(entries));
  }

  /** Commits what a quorum has; true when the commit index moved. */
  maybeCommit(): boolean {
    return this.log.maybeCommit({ term: this.term, index: this.tracker.committed() });
  }

  /** True once an entry of this term is committed: only then is our commit index known to be current. */
  get committedInTerm(): boolean {
    return this.log.term(this.log.committed) === this.term;
  }

  #reserve(entries: readonly Entry[]): boolean {
    const bytes = payloadSizeOf(entries);
    const limit = this.options.maxUncommittedSize;
    // The first one always fits, and so does what has no payload: progress must remain possible.
    if (this.#uncommittedBytes > 0 && bytes > 0 && this.#uncommittedBytes + bytes > limit) {
      return false;
    }
    this.#uncommittedBytes += bytes;
    return true;
  }
}
