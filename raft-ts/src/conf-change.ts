// Membership changes: what a change asks for, its bytes in a log entry, and the arithmetic that
// turns one membership into the next. A change of one voter is made directly; anything more goes
// through a joint phase in which both the old and the new voters must agree (Ongaro, §4.3).
import { invariant, RaftError } from './errors.ts';
import type { Progress } from './progress.ts';
import { isVoter } from './quorum.ts';
import { emptyMembership, type Membership, type Tracker } from './tracker.ts';
import { emptyBytes, type ConfState, type Entry } from './types.ts';

/** One step of a change. `updateMember` changes nothing here, it only carries `context` along. */
export type ConfChangeType = 'addVoter' | 'removeMember' | 'updateMember' | 'addLearner';

/** One member's step. */
export interface ConfChangeSingle {
  readonly type: ConfChangeType;
  readonly memberId: number;
}

/**
 * How the joint phase is used: `auto` only if needed, left by itself; `implicit` always, left by
 * itself; `explicit` always, left when a change without steps is proposed.
 */
export type ConfChangeTransition = 'auto' | 'implicit' | 'explicit';

/** A change of the membership; without steps it leaves the joint phase. */
export interface ConfChange {
  readonly transition: ConfChangeTransition;
  readonly changes: readonly ConfChangeSingle[];
  /** The owner's bytes, delivered with the change. */
  readonly context: Uint8Array;
}

/** Completes a change. */
export function makeConfChange(
  changes: readonly ConfChangeSingle[],
  options: { transition?: ConfChangeTransition; context?: Uint8Array } = {},
): ConfChange {
  return {
    transition: options.transition ?? 'auto',
    changes,
    context: options.context ?? emptyBytes,
  };
}

/** True when the change only ends the joint phase. */
export function leavesJoint(change: ConfChange): boolean {
  return change.changes.length === 0 && change.transition === 'auto';
}

const TYPES: readonly ConfChangeType[] = ['addVoter', 'removeMember', 'updateMember', 'addLearner'];
const TRANSITIONS: readonly ConfChangeTransition[] = ['auto', 'implicit', 'explicit'];

/** Bytes of a change: transition, count, (type, id as float64) each, context; none if all is empty. */
export function encodeConfChange(change: ConfChange): Uint8Array {
  if (leavesJoint(change) && change.context.length === 0) return emptyBytes;
  const bytes = new Uint8Array(3 + change.changes.length * 9 + change.context.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, TRANSITIONS.indexOf(change.transition));
  view.setUint16(1, change.changes.length);
  let offset = 3;
  for (const single of change.changes) {
    view.setUint8(offset, TYPES.indexOf(single.type));
    view.setFloat64(offset + 1, single.memberId);
    offset += 9;
  }
  bytes.set(change.context, offset);
  return bytes;
}

/** The change in an entry. Throws `confChange` for bytes that are none. */
export function decodeConfChange(entry: Entry): ConfChange {
  invariant(entry.type !== 'normal', `entry ${entry.index} is no membership change`);
  const { data } = entry;
  if (data.length === 0) return makeConfChange([]);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const transition = TRANSITIONS[view.getUint8(0)];
  const count = data.length < 3 ? 0 : view.getUint16(1);
  if (transition === undefined || data.length < 3 + count * 9) throw damaged(entry);
  const changes: ConfChangeSingle[] = [];
  for (let i = 0; i < count; i++) {
    const type = TYPES[view.getUint8(3 + i * 9)];
    if (type === undefined) throw damaged(entry);
    changes.push({ type, memberId: view.getFloat64(4 + i * 9) });
  }
  return { transition, changes, context: data.subarray(3 + count * 9) };
}

function damaged(entry: Entry): RaftError {
  return new RaftError('confChange', `entry ${entry.index} holds a damaged membership change`);
}

/** A membership with the progress of all its members. */
export interface NextMembership {
  readonly membership: Membership;
  readonly progress: ReadonlyMap<number, Progress>;
}

/** The membership after `change`, entering or leaving the joint phase as it says. */
export function nextMembership(
  tracker: Tracker,
  change: ConfChange,
  lastIndex: number,
): NextMembership {
  if (leavesJoint(change)) return leaveJoint(tracker);
  if (change.transition !== 'auto' || change.changes.length > 1) {
    return enterJoint(tracker, change.changes, change.transition !== 'explicit', lastIndex);
  }
  return simpleChange(tracker, change.changes, lastIndex);
}

/** Enters the joint phase. Throws `confChange` when already in it or when no voter would be left. */
export function enterJoint(
  tracker: Tracker,
  changes: readonly ConfChangeSingle[],
  autoLeave: boolean,
  lastIndex: number,
): NextMembership {
  if (tracker.isJoint) throw new RaftError('confChange', 'config is already joint');
  if (tracker.membership.voters.incoming.size === 0) {
    throw new RaftError('confChange', "can't make a zero-voter config joint");
  }
  const draft = draftOf(tracker);
  draft.outgoing = new Set(draft.incoming);
  for (const single of changes) step(draft, single, lastIndex);
  return finish(draft, autoLeave);
}

/** Leaves the joint phase. Throws `confChange` when not in it. */
export function leaveJoint(tracker: Tracker): NextMembership {
  if (!tracker.isJoint) throw new RaftError('confChange', "can't leave a non-joint config");
  const draft = draftOf(tracker);
  for (const id of draft.learnersNext) {
    draft.learners.add(id);
    const progress = draft.progress.get(id);
    invariant(progress !== undefined, `no progress for ${id}`);
    draft.progress.set(id, progress.withLearner(true));
  }
  draft.learnersNext.clear();
  for (const id of draft.outgoing) {
    if (!draft.incoming.has(id) && !draft.learners.has(id)) draft.progress.delete(id);
  }
  draft.outgoing.clear();
  return finish(draft, false);
}

/** Changes at most one voter, without a joint phase. */
export function simpleChange(
  tracker: Tracker,
  changes: readonly ConfChangeSingle[],
  lastIndex: number,
): NextMembership {
  if (tracker.isJoint) {
    throw new RaftError('confChange', "can't apply simple config change in joint config");
  }
  const draft = draftOf(tracker);
  for (const single of changes) step(draft, single, lastIndex);
  // The graver reason is the one to name.
  requireVoters(draft);
  const before = tracker.membership.voters.incoming;
  let differing = 0;
  for (const id of before) if (!draft.incoming.has(id)) differing++;
  for (const id of draft.incoming) if (!before.has(id)) differing++;
  if (differing > 1) {
    throw new RaftError('confChange', 'more than one voter changed without entering joint config');
  }
  return finish(draft, draft.autoLeave);
}

/** The membership that a snapshot recorded; all members start anew at `lastIndex`. */
export function restoreMembership(
  tracker: Tracker,
  confState: ConfState,
  lastIndex: number,
): NextMembership {
  const membership: Membership = {
    voters: {
      incoming: new Set(confState.voters),
      outgoing: new Set(confState.votersOutgoing),
    },
    learners: new Set(confState.learners),
    learnersNext: new Set(confState.learnersNext),
    autoLeave: confState.autoLeave,
  };
  const progress = new Map<number, Progress>();
  for (const id of [...confState.voters, ...confState.votersOutgoing, ...confState.learners]) {
    progress.set(id, freshProgress(tracker, membership.learners.has(id), lastIndex));
  }
  return { membership, progress };
}

interface Draft {
  readonly tracker: Tracker;
  readonly incoming: Set<number>;
  outgoing: Set<number>;
  readonly learners: Set<number>;
  readonly learnersNext: Set<number>;
  readonly autoLeave: boolean;
  readonly progress: Map<number, Progress>;
}

function draftOf(tracker: Tracker): Draft {
  const { membership } = tracker;
  return {
    tracker,
    incoming: new Set(membership.voters.incoming),
    outgoing: new Set(membership.voters.outgoing),
    learners: new Set(membership.learners),
    learnersNext: new Set(membership.learnersNext),
    autoLeave: membership.autoLeave,
    progress: new Map(tracker.progress),
  };
}

function step(draft: Draft, single: ConfChangeSingle, lastIndex: number): void {
  // Id 0 stands for a change that was refused before it was applied.
  if (single.memberId === 0) return;
  if (single.type === 'addVoter') makeVoter(draft, single.memberId, lastIndex);
  else if (single.type === 'addLearner') makeLearner(draft, single.memberId, lastIndex);
  else if (single.type === 'removeMember') removeMember(draft, single.memberId);
}

function makeVoter(draft: Draft, id: number, lastIndex: number): void {
  const progress = draft.progress.get(id);
  draft.progress.set(
    id,
    progress?.withLearner(false) ?? freshProgress(draft.tracker, false, lastIndex),
  );
  draft.learners.delete(id);
  draft.learnersNext.delete(id);
  draft.incoming.add(id);
}

function makeLearner(draft: Draft, id: number, lastIndex: number): void {
  const progress = draft.progress.get(id);
  if (progress === undefined) {
    draft.progress.set(id, freshProgress(draft.tracker, true, lastIndex));
    draft.learners.add(id);
    return;
  }
  if (draft.learners.has(id)) return;
  draft.incoming.delete(id);
  draft.learnersNext.delete(id);
  // Nobody may be voter and learner at once: a voter of the outgoing half has to wait.
  if (draft.outgoing.has(id)) {
    draft.learnersNext.add(id);
  } else {
    draft.progress.set(id, progress.withLearner(true));
    draft.learners.add(id);
  }
}

function removeMember(draft: Draft, id: number): void {
  draft.incoming.delete(id);
  draft.learners.delete(id);
  draft.learnersNext.delete(id);
  // The outgoing half still needs it.
  if (!draft.outgoing.has(id)) draft.progress.delete(id);
}

function freshProgress(tracker: Tracker, isLearner: boolean, lastIndex: number): Progress {
  const progress = tracker.newProgress(Math.max(lastIndex, 1), isLearner);
  // Counts as heard from, so that the next check of the quorum does not hold its youth against it.
  progress.recentActive = true;
  return progress;
}

function requireVoters(draft: Draft): void {
  if (draft.incoming.size === 0) throw new RaftError('confChange', 'removed all voters');
}

function finish(draft: Draft, autoLeave: boolean): NextMembership {
  requireVoters(draft);
  const membership: Membership = {
    ...emptyMembership,
    voters: { incoming: draft.incoming, outgoing: draft.outgoing },
    learners: draft.learners,
    learnersNext: draft.learnersNext,
    autoLeave,
  };
  for (const id of draft.learners) {
    invariant(!isVoter(membership.voters, id), `${id} is both voter and learner`);
  }
  for (const id of draft.progress.keys()) {
    const known = isVoter(membership.voters, id) || draft.learners.has(id);
    invariant(known, `progress of ${id}, which is no member`);
  }
  return { membership, progress: draft.progress };
}
