// The messages between members, between a member and itself, and between a member and the two
// local threads of asynchronous storage writes. Names are those of etcd's raft.
import { emptyBytes, NONE, type Entry, type Snapshot } from './types.ts';

const MESSAGE_TYPES = [
  'MsgHup',
  'MsgBeat',
  'MsgProp',
  'MsgApp',
  'MsgAppResp',
  'MsgVote',
  'MsgVoteResp',
  'MsgSnap',
  'MsgHeartbeat',
  'MsgHeartbeatResp',
  'MsgUnreachable',
  'MsgSnapStatus',
  'MsgCheckQuorum',
  'MsgTransferLeader',
  'MsgTimeoutNow',
  'MsgReadIndex',
  'MsgReadIndexResp',
  'MsgPreVote',
  'MsgPreVoteResp',
  'MsgStorageAppend',
  'MsgStorageAppendResp',
  'MsgStorageApply',
  'MsgStorageApplyResp',
  'MsgForgetLeader',
] as const;

/** All kinds of messages. */
export type MessageType = (typeof MESSAGE_TYPES)[number];

/** True for the name of a kind; for hosts that read messages from a wire. */
export function isMessageType(name: string): name is MessageType {
  return MESSAGE_TYPES.some((type) => type === name);
}

/** One message; fields that a kind does not use hold 0, false or nothing. */
export interface Message {
  readonly type: MessageType;
  readonly to: number;
  readonly from: number;
  readonly term: number;
  /** With `index`: the entry before `entries`, the sender's last entry, or a hint after a reject. */
  readonly logTerm: number;
  readonly index: number;
  readonly entries: readonly Entry[];
  readonly commit: number;
  readonly vote: number;
  readonly reject: boolean;
  readonly rejectHint: number;
  readonly snapshot: Snapshot | undefined;
  /** Identifies a read request or a forced election. */
  readonly context: Uint8Array;
  /** To be sent once the local thread has done the work of this message. */
  readonly responses: readonly Message[];
}

/** What a caller has to say of a message; the rest is filled in. */
export type MessageFields = Pick<Message, 'type'> & Partial<Message>;

/** Completes a message; every message is made here, so that all have one shape. */
export function makeMessage(fields: MessageFields): Message {
  return {
    type: fields.type,
    to: fields.to ?? NONE,
    from: fields.from ?? NONE,
    term: fields.term ?? 0,
    logTerm: fields.logTerm ?? 0,
    index: fields.index ?? 0,
    entries: fields.entries ?? NO_ENTRIES,
    commit: fields.commit ?? 0,
    vote: fields.vote ?? NONE,
    reject: fields.reject ?? false,
    rejectHint: fields.rejectHint ?? 0,
    snapshot: fields.snapshot,
    context: fields.context ?? emptyBytes,
    responses: fields.responses ?? NO_MESSAGES,
  };
}

const NO_ENTRIES: readonly Entry[] = [];
const NO_MESSAGES: readonly Message[] = [];

const LOCAL: ReadonlySet<MessageType> = new Set<MessageType>([
  'MsgHup',
  'MsgBeat',
  'MsgUnreachable',
  'MsgSnapStatus',
  'MsgCheckQuorum',
  'MsgStorageAppend',
  'MsgStorageAppendResp',
  'MsgStorageApply',
  'MsgStorageApplyResp',
]);

/** True for kinds that only a member's own host may hand in. */
export function isLocalMessage(type: MessageType): boolean {
  return LOCAL.has(type);
}

const RESPONSES: ReadonlySet<MessageType> = new Set<MessageType>([
  'MsgAppResp',
  'MsgVoteResp',
  'MsgHeartbeatResp',
  'MsgUnreachable',
  'MsgReadIndexResp',
  'MsgPreVoteResp',
  'MsgStorageAppendResp',
  'MsgStorageApplyResp',
]);

/** True for answers: from a member that is not (any more) part of the group they mean nothing. */
export function isResponse(type: MessageType): boolean {
  return RESPONSES.has(type);
}

/** The answer to a vote or pre-vote request. */
export function voteResponseOf(type: 'MsgVote' | 'MsgPreVote'): 'MsgVoteResp' | 'MsgPreVoteResp' {
  return type === 'MsgVote' ? 'MsgVoteResp' : 'MsgPreVoteResp';
}
