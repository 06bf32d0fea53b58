// A picture of a member for people and for the host's decisions.
import type { Progress, ProgressState } from './progress.ts';
import type { RaftState } from './raft-state.ts';
import { toConfState } from './tracker.ts';
import type { ConfState, HardState, SoftState } from './types.ts';

/** The leader's view of one member. */
export interface ProgressStatus {
  readonly id: number;
  readonly state: ProgressState;
  readonly match: number;
  readonly next: number;
  readonly isLearner: boolean;
  readonly isPaused: boolean;
  readonly recentActive: boolean;
  readonly pendingSnapshot: number;
  readonly inflight: number;
  readonly inflightFull: boolean;
}

/** A member's state; `progress` is empty but at the leader. */
export interface RaftStatus {
  readonly id: number;
  readonly hardState: HardState;
  readonly softState: SoftState;
  readonly applied: number;
  readonly lastIndex: number;
  readonly leadTransferee: number;
  readonly confState: ConfState;
  readonly progress: readonly ProgressStatus[];
}

/** The state as of now. */
export function statusOf(raft: RaftState): RaftStatus {
  const { progress } = raft.tracker;
  const members = raft.role === 'leader' ? raft.tracker.ids : [];
  return {
    id: raft.id,
    hardState: raft.hardState,
    softState: raft.softState,
    applied: raft.log.applied,
    lastIndex: raft.log.lastIndex(),
    leadTransferee: raft.leadTransferee,
    confState: toConfState(raft.tracker.membership),
    progress: members.flatMap((id) => {
      const member = progress.get(id);
      return member === undefined ? [] : [progressStatusOf(id, member)];
    }),
  };
}

/** The form of `status`, and of the text in describe.ts. */
export function progressStatusOf(id: number, progress: Progress): ProgressStatus {
  return {
    id,
    state: progress.state,
    match: progress.match,
    next: progress.next,
    isLearner: progress.isLearner,
    isPaused: progress.isPaused,
    recentActive: progress.recentActive,
    pendingSnapshot: progress.pendingSnapshot,
    inflight: progress.inflights.count,
    inflightFull: progress.inflights.full,
  };
}
