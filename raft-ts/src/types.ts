// The small types everything in this package speaks of. All numbers (terms, indexes, member ids,
// sizes) are JavaScript numbers and must stay at or below 2^53 − 1; at a million entries a second
// that lasts 285 years.

/** "No member": the leader while none is known, the vote while none is given. */
export const NONE = 0;
/** Address of the host's log writer in asynchronous storage writes; never a member's id. */
export const LOCAL_APPEND_THREAD = -1;
/** Address of the host's state machine in asynchronous storage writes; never a member's id. */
export const LOCAL_APPLY_THREAD = -2;
/** Turns a limit off. */
export const NO_LIMIT = Number.MAX_SAFE_INTEGER;

/** What an entry carries: the owner's bytes, or a change of the membership. */
export type EntryType = 'normal' | 'confChange' | 'confChangeV2';

/** One entry of the log. */
export interface Entry {
  readonly term: number;
  readonly index: number;
  readonly type: EntryType;
  readonly data: Uint8Array;
}

/** Names one entry: two logs that agree on it agree on everything before it. */
export interface EntryId {
  readonly term: number;
  readonly index: number;
}

/** What must survive a restart besides the log itself. */
export interface HardState {
  readonly term: number;
  readonly vote: number;
  readonly commit: number;
}

/** The role of a member in its current term. */
export type Role = 'follower' | 'candidate' | 'preCandidate' | 'leader';

/** What may be lost at a restart; for the host's information. */
export interface SoftState {
  readonly lead: number;
  readonly role: Role;
}

/** The membership as a snapshot records it. */
export interface ConfState {
  readonly voters: readonly number[];
  /** The voters that are being left, while the change is in its joint phase. */
  readonly votersOutgoing: readonly number[];
  readonly learners: readonly number[];
  /** Voters of the outgoing half that become learners when the joint phase ends. */
  readonly learnersNext: readonly number[];
  readonly autoLeave: boolean;
}

/** The state machine as of `index`; what `data` holds is the host's affair. */
export interface Snapshot {
  readonly index: number;
  readonly term: number;
  readonly confState: ConfState;
  readonly data: Uint8Array;
}

/** The answer to a `readIndex` call: reads are linearizable once `index` has been applied. */
export interface ReadState {
  readonly index: number;
  readonly context: Uint8Array;
}

/** The initial values of a member that has never run. */
export const emptyHardState: HardState = { term: 0, vote: NONE, commit: 0 };

/** A membership without members. */
export const emptyConfState: ConfState = {
  voters: [],
  votersOutgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
};

/** No payload. */
export const emptyBytes: Uint8Array = new Uint8Array(0);

/** True when both would be written the same way. */
export function sameHardState(a: HardState, b: HardState): boolean {
  return a.term === b.term && a.vote === b.vote && a.commit === b.commit;
}

// What an entry costs in limits besides its payload: term, index, type and their framing.
const ENTRY_OVERHEAD_BYTES = 16;

/** Size of the entries as limits count them. */
export function sizeOf(entries: readonly Entry[]): number {
  let size = 0;
  for (const entry of entries) size += entry.data.length + ENTRY_OVERHEAD_BYTES;
  return size;
}

/** Size of the payloads alone. */
export function payloadSizeOf(entries: readonly Entry[]): number {
  let size = 0;
  for (const entry of entries) size += entry.data.length;
  return size;
}

/** The longest prefix within `maxBytes`, but at least one entry, so that a big one gets through. */
export function limitSize(entries: readonly Entry[], maxBytes: number): readonly Entry[] {
  let size = 0;
  for (const [position, entry] of entries.entries()) {
    size += entry.data.length + ENTRY_OVERHEAD_BYTES;
    if (position > 0 && size > maxBytes) return entries.slice(0, position);
  }
  return entries;
}
