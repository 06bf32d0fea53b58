// RawNode: the contract of this package.
//
// A member is a pure state machine. The host owns time, disk, network and the state machine that is
// replicated; it calls in with ticks, messages and wishes, and carries out what `ready` says:
//
//   every tick:            node.tick()
//   a message came in:     node.step(message)
//   then, while node.hasReady():
//     const ready = node.ready();
//     1. write ready.hardState, ready.snapshot and ready.entries to stable storage, as one record
//        that is found whole or not at all after a crash (or else in this order, and after a crash
//        lower the commit index to the end of the log); sync it if ready.mustSync or if there is a
//        snapshot; then make the storage give them back;
//     2. send ready.messages (a message that is lost is repaired later; order is not needed);
//     3. replace the state machine by ready.snapshot, if there is one; apply
//        ready.committedEntries in order, and call applyConfChange for each entry that is a
//        membership change (or drop it, but then on every member);
//     4. node.advance().
//
// Between `ready` and `advance` nothing else may be called but applyConfChange.
//
// With `asyncStorageWrites` there is no `advance`, and `ready` may be called again at once. Work on
// stable storage is then a message to LOCAL_APPEND_THREAD and work on the state machine one to
// LOCAL_APPLY_THREAD. Each of the two must do its messages in order; when one is done, its
// `responses` are sent: those to other members over the network, those to ourselves by `step`.
// Entries, hardState and snapshot in `ready` are then only for information.
//
// Nothing here keeps time or draws random numbers; the same calls give the same results.
// All numbers are JavaScript numbers up to 2^53 − 1.
import { encodeConfChange, type ConfChange } from './conf-change.ts';
import { invariant, RaftError } from './errors.ts';
import { isLocalMessage, isResponse, makeMessage, type Message } from './message.ts';
import { completeOptions, type RaftOptions } from './options.ts';
import { Raft } from './raft.ts';
import {
  storageAppend,
  storageAppendResponse,
  storageApply,
  storageApplyResponse,
  type Ready,
} from './ready.ts';
import { statusOf, type RaftStatus } from './status.ts';
import {
  sameHardState,
  type ConfState,
  type EntryType,
  type HardState,
  type Role,
  type SoftState,
} from './types.ts';

/** One member of a Raft group, to be driven by its host. */
export class RawNode {
  readonly #raft: Raft;
  readonly #async: boolean;
  #softState: SoftState;
  #hardState: HardState;
  // Answers to ourselves that the next `advance` stands for.
  #stepsOnAdvance: readonly Message[] = [];
  #accepted = false;

  /** Continues from what the storage holds. Throws `options` for options that cannot work. */
  constructor(options: RaftOptions) {
    const complete = completeOptions(options);
    this.#raft = new Raft(complete);
    this.#async = complete.asyncStorageWrites;
    this.#softState = this.#raft.softState;
    this.#hardState = this.#raft.hardState;
  }

  /** One unit of time has passed. */
  tick(): void {
    this.#raft.tick();
  }

  /**
   * Ticks until one of them does something, as of now: 1 is the very next, Infinity is never. A host may
   * sleep through those before it, and make up for them in front of its next call.
   */
  get ticksToNext(): number {
    return this.#raft.ticksToNext;
  }

  /** Stands for leader now; without effect where that is not allowed. */
  campaign(): void {
    this.#local({ type: 'MsgHup' });
  }

  /** Proposes bytes. Throws `proposalDropped` when there is no leader to take them. */
  propose(data: Uint8Array): void {
    this.#propose('normal', data);
  }

  /** Proposes several payloads, all or none. Throws `proposalDropped`. */
  proposeAll(payloads: readonly Uint8Array[]): void {
    if (payloads.length === 0) return;
    const entries = payloads.map((data) => ({ term: 0, index: 0, type: 'normal' as const, data }));
    this.#local({ type: 'MsgProp', entries });
  }

  /**
   * Proposes a membership change. One that does not fit (another is not yet applied, or the joint
   * phase must be left first) enters the log as an empty entry. `simple` writes an entry of the
   * older kind, for a single step. Throws `proposalDropped`.
   */
  proposeConfChange(change: ConfChange, options: { simple?: boolean } = {}): void {
    const simple = options.simple === true;
    if (simple && change.changes.length !== 1) {
      throw new RaftError('confChange', 'a simple membership change has exactly one step');
    }
    this.#propose(simple ? 'confChange' : 'confChangeV2', encodeConfChange(change));
  }

  /** A committed membership change is applied. Throws `confChange` when it is impossible. */
  applyConfChange(change: ConfChange): ConfState {
    return this.#raft.applyConfChange(change);
  }

  /** Handles a message from another member, or a response of a local thread. */
  step(message: Message): void {
    // The local threads have negative addresses.
    const fromLocalThread = message.from < 0;
    if (isLocalMessage(message.type) && !fromLocalThread) throw new RaftError('localMessage');
    const known = fromLocalThread || this.#raft.tracker.progress.has(message.from);
    if (isResponse(message.type) && !known) throw new RaftError('unknownPeer');
    this.#raft.step(message);
  }

  /** True when `ready` has something to say. */
  hasReady(): boolean {
    const raft = this.#raft;
    return (
      raft.messages.length > 0 ||
      raft.messagesAfterAppend.length > 0 ||
      raft.log.unstable.hasNext ||
      raft.log.hasNextCommittedEntries(!this.#async) ||
      raft.log.unstable.nextSnapshot() !== undefined ||
      raft.readStates.length > 0 ||
      this.#changedSoftState() !== undefined ||
      this.#changedHardState() !== undefined
    );
  }

  /** Takes the work that is due; it will not be given again. */
  ready(): Ready {
    invariant(!this.#accepted, 'ready called before advance');
    const raft = this.#raft;
    const entries = raft.log.unstable.nextEntries();
    const hardState = this.#changedHardState();
    const snapshot = raft.log.unstable.nextSnapshot();
    const committedEntries = raft.log.nextCommittedEntries(!this.#async);
    const ready: Ready = {
      softState: this.#changedSoftState(),
      hardState,
      readStates: raft.readStates,
      entries,
      snapshot,
      committedEntries,
      messages: this.#messagesOf({ entries, hardState, snapshot, committedEntries }),
      mustSync:
        entries.length > 0 ||
        (hardState !== undefined &&
          (hardState.term !== this.#hardState.term || hardState.vote !== this.#hardState.vote)),
    };
    this.#accept(ready);
    return ready;
  }

  /** The work of the last `ready` is done. Not with `asyncStorageWrites`. */
  advance(): void {
    invariant(!this.#async, 'advance called with asyncStorageWrites');
    const steps = this.#stepsOnAdvance;
    this.#stepsOnAdvance = [];
    this.#accepted = false;
    for (const message of steps) this.#raft.step(message);
  }

  /**
   * Asks for a linearizable read; a `readState` with this context follows, unless the request is
   * lost on the way (no leader): then ask again with another context.
   */
  readIndex(context: Uint8Array): void {
    this.#raft.step(makeMessage({ type: 'MsgReadIndex', context }));
  }

  /** Asks the leader to hand over to `to`, a voter; given up after an election time-out. */
  transferLeadership(to: number): void {
    this.#raft.step(makeMessage({ type: 'MsgTransferLeader', from: to }));
  }

  /** Makes a follower forget its leader, so that it votes for another although it heard it lately. */
  forgetLeader(): void {
    this.#local({ type: 'MsgForgetLeader' });
  }

  /** The last message to this member was not delivered. */
  reportUnreachable(id: number): void {
    this.#raft.step(makeMessage({ type: 'MsgUnreachable', from: id }));
  }

  /** A snapshot to this member was delivered, or not. Must be called for every MsgSnap. */
  reportSnapshot(id: number, delivered: boolean): void {
    this.#raft.step(makeMessage({ type: 'MsgSnapStatus', from: id, reject: !delivered }));
  }

  status(): RaftStatus {
    return statusOf(this.#raft);
  }

  /** True for the leader; cheaper than `status`. */
  get isLeader(): boolean {
    return this.#raft.role === 'leader';
  }

  /** The current role; cheaper than `status`. */
  get role(): Role {
    return this.#raft.role;
  }

  /** The current term; cheaper than `status`. */
  get term(): number {
    return this.#raft.term;
  }

  /** The leader of the current term, NONE if none is known; cheaper than `status`. */
  get lead(): number {
    return this.#raft.lead;
  }

  /** The highest index known to be committed; cheaper than `status`. */
  get commit(): number {
    return this.#raft.log.committed;
  }

  /** The last entry of the log, stable or not; cheaper than `status`. */
  get lastIndex(): number {
    return this.#raft.log.lastIndex();
  }

  /** Sets the ticks until the next election, once; for tests that need a certain winner. */
  setElectionTimeout(ticks: number): void {
    this.#raft.randomizedElectionTimeout = ticks;
  }

  #local(fields: Pick<Message, 'type'> & Partial<Message>): void {
    this.#raft.step(makeMessage({ ...fields, from: this.#raft.id }));
  }

  #propose(type: EntryType, data: Uint8Array): void {
    this.#local({ type: 'MsgProp', entries: [{ term: 0, index: 0, type, data }] });
  }

  #changedSoftState(): SoftState | undefined {
    const { softState } = this.#raft;
    const { lead, role } = this.#softState;
    return softState.lead === lead && softState.role === role ? undefined : softState;
  }

  #changedHardState(): HardState | undefined {
    const { hardState } = this.#raft;
    return sameHardState(hardState, this.#hardState) ? undefined : hardState;
  }

  #messagesOf(
    work: Pick<Ready, 'entries' | 'hardState' | 'snapshot' | 'committedEntries'>,
  ): readonly Message[] {
    const raft = this.#raft;
    if (!this.#async) {
      const others = raft.messagesAfterAppend.filter((message) => message.to !== raft.id);
      return others.length === 0 ? raft.messages : [...raft.messages, ...others];
    }
    const messages = [...raft.messages];
    const append = storageAppend(raft, work);
    if (append !== undefined) messages.push(append);
    if (work.committedEntries.length > 0) messages.push(storageApply(raft, work.committedEntries));
    return messages;
  }

  #accept(ready: Ready): void {
    const raft = this.#raft;
    if (ready.softState !== undefined) this.#softState = ready.softState;
    if (ready.hardState !== undefined) this.#hardState = ready.hardState;
    if (!this.#async) {
      const steps = raft.messagesAfterAppend.filter((message) => message.to === raft.id);
      const appended = storageAppendResponse(raft, ready.snapshot);
      if (appended !== undefined) steps.push(appended);
      if (ready.committedEntries.length > 0) {
        steps.push(storageApplyResponse(raft, ready.committedEntries));
      }
      this.#stepsOnAdvance = steps;
      this.#accepted = true;
    }
    raft.readStates = [];
    raft.messages = [];
    raft.messagesAfterAppend = [];
    raft.log.unstable.accept();
    raft.log.acceptApplying(ready.committedEntries, !this.#async);
  }
}
