// What the leader sends: entries, or a snapshot to those that need entries it no longer has, and
// heartbeats.
import { invariant } from './errors.ts';
import type { Progress } from './progress.ts';
import type { RaftState } from './raft-state.ts';
import { emptyBytes, payloadSizeOf } from './types.ts';

/** Sends to one member: entries if it may have some, in any case the commit index. */
export function sendAppend(raft: RaftState, to: number): void {
  maybeSendAppend(raft, to, true);
}

/** Sends to everybody else. */
export function broadcastAppend(raft: RaftState): void {
  for (const id of raft.tracker.ids) if (id !== raft.id) sendAppend(raft, id);
}

/** False when nothing was sent: the member's window is full, or there is nothing and that may be. */
export function maybeSendAppend(raft: RaftState, to: number, sendIfEmpty: boolean): boolean {
  const progress = raft.tracker.progress.get(to);
  invariant(progress !== undefined, `append to ${to}, which is no member`);
  if (progress.isPaused) return false;
  const previous = progress.next - 1;
  const logTerm = raft.log.term(previous);
  if (logTerm === undefined) return sendSnapshot(raft, to, progress);
  // With a full window only an empty message goes out, to get an answer from which to go on.
  const throttled = progress.state === 'replicate' && progress.inflights.full;
  const entries = throttled
    ? []
    : raft.log.entriesFrom(progress.next, raft.options.maxSizePerMessage);
  if (entries === undefined) return sendSnapshot(raft, to, progress);
  if (entries.length === 0 && !sendIfEmpty) return false;
  raft.send({
    type: 'MsgApp',
    to,
    index: previous,
    logTerm,
    entries,
    commit: raft.log.committed,
  });
  progress.sent(entries.length, payloadSizeOf(entries));
  progress.sentCommit = raft.log.committed;
  return true;
}

function sendSnapshot(raft: RaftState, to: number, progress: Progress): boolean {
  // Somebody who is not there would only keep the snapshot from being collected.
  if (!progress.recentActive) return false;
  const snapshot = raft.log.snapshot();
  if (snapshot === undefined) return false;
  invariant(snapshot.index > 0, 'the log is compacted but there is no snapshot');
  progress.becomeSnapshot(snapshot.index);
  raft.send({ type: 'MsgSnap', to, snapshot });
  return true;
}

/** Heartbeats to everybody, with the newest waiting read request, if any. */
export function broadcastHeartbeat(raft: RaftState): void {
  broadcastHeartbeatWith(raft, raft.readRequests.lastContext ?? emptyBytes);
}

/** Heartbeats that ask everybody to confirm `context`. */
export function broadcastHeartbeatWith(raft: RaftState, context: Uint8Array): void {
  for (const to of raft.tracker.ids) {
    if (to === raft.id) continue;
    const progress = raft.tracker.progress.get(to);
    if (progress === undefined) continue;
    // A member must not commit what it may not have: our view of its log is the bound.
    const commit = Math.min(progress.match, raft.log.committed);
    raft.send({ type: 'MsgHeartbeat', to, commit, context });
    progress.sentCommit = commit;
  }
}
