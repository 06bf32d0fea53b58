// Text forms of everything, the same as etcd's, so that its scripts can be replayed and people who
// know them can read ours.
import { decodeConfChange, type ConfChangeSingle } from './conf-change.ts';
import type { Message } from './message.ts';
import type { ProgressState } from './progress.ts';
import type { Ready } from './ready.ts';
import type { ProgressStatus } from './status.ts';
import type { Membership } from './tracker.ts';
import {
  LOCAL_APPEND_THREAD,
  LOCAL_APPLY_THREAD,
  NONE,
  type ConfState,
  type Entry,
  type HardState,
  type Role,
  type Snapshot,
  type SoftState,
} from './types.ts';

/** How payloads are shown. */
export type PayloadFormat = (data: Uint8Array) => string;

const quoted: PayloadFormat = (data) => JSON.stringify(new TextDecoder().decode(data));

const ROLES: Readonly<Record<Role, string>> = {
  follower: 'StateFollower',
  candidate: 'StateCandidate',
  preCandidate: 'StatePreCandidate',
  leader: 'StateLeader',
};

const PROGRESS_STATES: Readonly<Record<ProgressState, string>> = {
  probe: 'StateProbe',
  replicate: 'StateReplicate',
  snapshot: 'StateSnapshot',
};

const CHANGES = {
  addVoter: 'v',
  addLearner: 'l',
  removeMember: 'r',
  updateMember: 'u',
} as const;

const ENTRY_TYPES = {
  normal: 'EntryNormal',
  confChange: 'EntryConfChange',
  confChangeV2: 'EntryConfChangeV2',
} as const;

/** E.g. `StateLeader`. */
export function describeRole(role: Role): string {
  return ROLES[role];
}

/** E.g. `r1 v4`. */
export function describeChanges(changes: readonly ConfChangeSingle[]): string {
  return changes.map((change) => `${CHANGES[change.type]}${change.memberId}`).join(' ');
}

/** E.g. `1/12 EntryNormal "prop_1"`. */
export function describeEntry(entry: Entry, format: PayloadFormat = quoted): string {
  const content =
    entry.type === 'normal' ? format(entry.data) : describeChanges(decodeConfChange(entry).changes);
  const head = `${entry.term}/${entry.index} ${ENTRY_TYPES[entry.type]}`;
  return content === '' ? head : `${head} ${content}`;
}

/** E.g. `Voters:[1 2 3] VotersOutgoing:[1] Learners:[] LearnersNext:[] AutoLeave:true`. */
export function describeConfState(state: ConfState): string {
  const list = (ids: readonly number[]): string => `[${ids.join(' ')}]`;
  return (
    `Voters:${list(state.voters)} VotersOutgoing:${list(state.votersOutgoing)} ` +
    `Learners:${list(state.learners)} LearnersNext:${list(state.learnersNext)} ` +
    `AutoLeave:${String(state.autoLeave)}`
  );
}

/** E.g. `voters=(1 2)&&(1) learners=(3) autoleave`. */
export function describeMembership(membership: Membership): string {
  const list = (ids: ReadonlySet<number>): string =>
    `(${[...ids].sort((a, b) => a - b).join(' ')})`;
  const { incoming, outgoing } = membership.voters;
  let text = `voters=${list(incoming)}`;
  if (outgoing.size > 0) text += `&&${list(outgoing)}`;
  if (membership.learners.size > 0) text += ` learners=${list(membership.learners)}`;
  if (membership.learnersNext.size > 0) text += ` learners_next=${list(membership.learnersNext)}`;
  return membership.autoLeave ? `${text} autoleave` : text;
}

/** E.g. `Term:1 Vote:2 Commit:10`. */
export function describeHardState(state: HardState): string {
  const vote = state.vote === NONE ? '' : ` Vote:${state.vote}`;
  return `Term:${state.term}${vote} Commit:${state.commit}`;
}

/** E.g. `Lead:1 State:StateLeader`. */
export function describeSoftState(state: SoftState): string {
  return `Lead:${state.lead} State:${describeRole(state.role)}`;
}

/** E.g. `Index:4 Term:1 ConfState:Voters:[1] …`. */
export function describeSnapshot(snapshot: Snapshot): string {
  const { index, term, confState } = snapshot;
  return `Index:${index} Term:${term} ConfState:${describeConfState(confState)}`;
}

/** E.g. `StateReplicate match=14 next=18 paused inflight=3[full]`. */
export function describeProgress(progress: ProgressStatus): string {
  const parts = [
    PROGRESS_STATES[progress.state],
    `match=${progress.match}`,
    `next=${progress.next}`,
  ];
  if (progress.isLearner) parts.push('learner');
  if (progress.isPaused) parts.push('paused');
  if (progress.pendingSnapshot > 0) parts.push(`pendingSnap=${progress.pendingSnapshot}`);
  if (!progress.recentActive) parts.push('inactive');
  if (progress.inflight > 0) {
    parts.push(`inflight=${progress.inflight}${progress.inflightFull ? '[full]' : ''}`);
  }
  return parts.join(' ');
}

/** One line, or several for several entries, a snapshot, or responses. */
export function describeMessage(message: Message, format: PayloadFormat = quoted): string {
  return describeIndented(message, '', format);
}

function describeIndented(message: Message, indent: string, format: PayloadFormat): string {
  const { type, term, logTerm, index } = message;
  let text =
    `${indent}${describeAddress(message.from)}->${describeAddress(message.to)} ` +
    `${type} Term:${term} Log:${logTerm}/${index}`;
  if (message.reject) text += ` Rejected (Hint: ${message.rejectHint})`;
  if (message.commit !== 0) text += ` Commit:${message.commit}`;
  if (message.vote !== NONE) text += ` Vote:${message.vote}`;
  const [first, ...rest] = message.entries;
  if (first !== undefined && rest.length === 0) {
    text += ` Entries:[${describeEntry(first, format)}]`;
  } else if (first !== undefined) {
    const lines = message.entries.map((entry) => `\n${indent}  ${describeEntry(entry, format)}`);
    text += ` Entries:[${lines.join('')}\n${indent}]`;
  }
  if (message.snapshot !== undefined) {
    text += `\n${indent}  Snapshot: ${describeSnapshot(message.snapshot)}`;
  }
  if (message.responses.length > 0) {
    const lines = message.responses.map(
      (response) => `\n${describeIndented(response, `${indent}  `, format)}`,
    );
    text += ` Responses:[${lines.join('')}\n${indent}]`;
  }
  return text;
}

function describeAddress(id: number): string {
  if (id === NONE) return 'None';
  if (id === LOCAL_APPEND_THREAD) return 'AppendThread';
  return id === LOCAL_APPLY_THREAD ? 'ApplyThread' : String(id);
}

/** Several lines; `<empty Ready>` when there is nothing to do. */
export function describeReady(ready: Ready, format: PayloadFormat = quoted): string {
  const lines: string[] = [];
  if (ready.softState !== undefined) lines.push(describeSoftState(ready.softState));
  if (ready.hardState !== undefined) {
    lines.push(`HardState ${describeHardState(ready.hardState)}`);
  }
  if (ready.readStates.length > 0) {
    const states = ready.readStates.map((state) => `{${state.index} ${format(state.context)}}`);
    lines.push(`ReadStates [${states.join(' ')}]`);
  }
  if (ready.entries.length > 0) {
    lines.push('Entries:', ...ready.entries.map((entry) => describeEntry(entry, format)));
  }
  if (ready.snapshot !== undefined) lines.push(`Snapshot ${describeSnapshot(ready.snapshot)}`);
  if (ready.committedEntries.length > 0) {
    lines.push('CommittedEntries:');
    lines.push(...ready.committedEntries.map((entry) => describeEntry(entry, format)));
  }
  if (ready.messages.length > 0) {
    lines.push('Messages:', ...ready.messages.map((message) => describeMessage(message, format)));
  }
  if (lines.length === 0) return '<empty Ready>';
  return [`Ready MustSync=${String(ready.mustSync)}:`, ...lines].join('\n');
}
