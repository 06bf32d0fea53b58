// What a member wants its host to do next, and the messages to the two local threads when the host
// writes and applies asynchronously.
import { makeMessage, type Message } from './message.ts';
import type { RaftState } from './raft-state.ts';
import {
  LOCAL_APPEND_THREAD,
  LOCAL_APPLY_THREAD,
  type Entry,
  type HardState,
  type ReadState,
  type Snapshot,
  type SoftState,
} from './types.ts';

/** Work for the host; what is undefined or empty has not changed. */
export interface Ready {
  readonly softState: SoftState | undefined;
  /** To be written before any of `messages` is sent. */
  readonly hardState: HardState | undefined;
  /** Reads that may be answered once their index is applied. */
  readonly readStates: readonly ReadState[];
  /** To be written before any of `messages` is sent. */
  readonly entries: readonly Entry[];
  /** To be written, and the state machine to be replaced by it. */
  readonly snapshot: Snapshot | undefined;
  /** To be applied. */
  readonly committedEntries: readonly Entry[];
  /** To be sent after the writes (asynchronous storage writes: at once). */
  readonly messages: readonly Message[];
  /** Whether the writes must be synced; else they may be lost in a crash of the machine. */
  readonly mustSync: boolean;
}

/** The answer that the entries (and the snapshot) handed out so far are stable, if one is needed. */
export function storageAppendResponse(
  raft: RaftState,
  snapshot: Snapshot | undefined,
): Message | undefined {
  const { hasEntries } = raft.log.unstable;
  if (!hasEntries && snapshot === undefined) return undefined;
  const last = hasEntries ? raft.log.lastEntry() : { term: 0, index: 0 };
  return makeMessage({
    type: 'MsgStorageAppendResp',
    to: raft.id,
    from: LOCAL_APPEND_THREAD,
    // Entries may be replaced and come back with equal index and term in a later term (A-B-A): the
    // term lets a late answer be told apart.
    term: raft.term,
    index: last.index,
    logTerm: last.term,
    snapshot,
  });
}

/** The answer that these entries have been applied. */
export function storageApplyResponse(raft: RaftState, entries: readonly Entry[]): Message {
  return makeMessage({
    type: 'MsgStorageApplyResp',
    to: raft.id,
    from: LOCAL_APPLY_THREAD,
    entries,
  });
}

/** The order to the log writer; undefined when there is nothing to write and nobody waits for it. */
export function storageAppend(
  raft: RaftState,
  work: Pick<Ready, 'entries' | 'hardState' | 'snapshot'>,
): Message | undefined {
  const { entries, hardState, snapshot } = work;
  const waiting = raft.messagesAfterAppend;
  const nothing = entries.length === 0 && hardState === undefined && snapshot === undefined;
  if (nothing && waiting.length === 0) return undefined;
  const response = storageAppendResponse(raft, snapshot);
  return makeMessage({
    type: 'MsgStorageAppend',
    to: LOCAL_APPEND_THREAD,
    from: raft.id,
    term: hardState?.term ?? 0,
    vote: hardState?.vote ?? 0,
    commit: hardState?.commit ?? 0,
    entries,
    snapshot,
    responses: response === undefined ? waiting : [...waiting, response],
  });
}

/** The order to the state machine. */
export function storageApply(raft: RaftState, entries: readonly Entry[]): Message {
  return makeMessage({
    type: 'MsgStorageApply',
    to: LOCAL_APPLY_THREAD,
    from: raft.id,
    entries,
    responses: [storageApplyResponse(raft, entries)],
  });
}
