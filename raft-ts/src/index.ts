// raft-ts: Raft as a pure core. Start at RawNode.
export {
  decodeConfChange,
  encodeConfChange,
  enterJoint,
  leaveJoint,
  makeConfChange,
  simpleChange,
  type ConfChange,
  type ConfChangeSingle,
  type ConfChangeTransition,
  type ConfChangeType,
  type NextMembership,
} from './conf-change.ts';
export {
  describeChanges,
  describeConfState,
  describeEntry,
  describeHardState,
  describeMembership,
  describeMessage,
  describeProgress,
  describeReady,
  describeRole,
  describeSnapshot,
  describeSoftState,
  type PayloadFormat,
} from './describe.ts';
export { RaftError, type RaftErrorReason } from './errors.ts';
export { MemoryStorage } from './memory-storage.ts';
export {
  isLocalMessage,
  isMessageType,
  isResponse,
  makeMessage,
  type Message,
  type MessageFields,
  type MessageType,
} from './message.ts';
export type { RaftOptions, ReadOnlyMode } from './options.ts';
export type { ProgressState } from './progress.ts';
export {
  jointCommitted,
  jointVote,
  majorityCommitted,
  majorityVote,
  type JointVoters,
  type VoteResult,
} from './quorum.ts';
export { RawNode } from './raw-node.ts';
export type { Ready } from './ready.ts';
export { progressStatusOf, type ProgressStatus, type RaftStatus } from './status.ts';
export type { Storage } from './storage.ts';
export { Tracker, type Membership } from './tracker.ts';
export {
  emptyBytes,
  emptyConfState,
  emptyHardState,
  sameHardState,
  LOCAL_APPEND_THREAD,
  LOCAL_APPLY_THREAD,
  NO_LIMIT,
  NONE,
  type ConfState,
  type Entry,
  type EntryId,
  type EntryType,
  type HardState,
  type ReadState,
  type Role,
  type Snapshot,
  type SoftState,
} from './types.ts';
