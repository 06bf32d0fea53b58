// The membership, the leader's view of every member, and the votes of an election.
import { Inflights } from './inflights.ts';
import { Progress } from './progress.ts';
import {
  isVoter,
  jointCommitted,
  jointVote,
  voterIds,
  type JointVoters,
  type VoteResult,
} from './quorum.ts';
import type { ConfState } from './types.ts';

/** Who takes part; during a joint change `voters.outgoing` is not empty. */
export interface Membership {
  readonly voters: JointVoters;
  readonly learners: ReadonlySet<number>;
  readonly learnersNext: ReadonlySet<number>;
  /** Leave the joint phase by itself as soon as it is applied. */
  readonly autoLeave: boolean;
}

/** Nobody. */
export const emptyMembership: Membership = {
  voters: { incoming: new Set(), outgoing: new Set() },
  learners: new Set(),
  learnersNext: new Set(),
  autoLeave: false,
};

/** Bounds of the window of every member. */
export interface InflightLimits {
  readonly maxInflightMessages: number;
  readonly maxInflightBytes: number;
}

/** Membership and progress together. */
export class Tracker {
  membership: Membership = emptyMembership;
  progress: ReadonlyMap<number, Progress> = new Map();
  readonly limits: InflightLimits;
  #votes = new Map<number, boolean>();

  constructor(limits: InflightLimits) {
    this.limits = limits;
  }

  newProgress(next: number, isLearner: boolean): Progress {
    const { maxInflightMessages, maxInflightBytes } = this.limits;
    return new Progress(next, isLearner, new Inflights(maxInflightMessages, maxInflightBytes));
  }

  /** All members, learners too, sorted: the order in which messages go out. */
  get ids(): number[] {
    return [...this.progress.keys()].sort((a, b) => a - b);
  }

  get voterIds(): number[] {
    return voterIds(this.membership.voters);
  }

  isVoter(id: number): boolean {
    return isVoter(this.membership.voters, id);
  }

  get isJoint(): boolean {
    return this.membership.voters.outgoing.size > 0;
  }

  /** True when one member alone decides everything. */
  get isSingleton(): boolean {
    return this.membership.voters.incoming.size === 1 && !this.isJoint;
  }

  /** The highest index in the logs of a quorum. */
  committed(): number {
    return jointCommitted(this.membership.voters, (id) => this.progress.get(id)?.match);
  }

  /** True when a quorum was heard since the flags were cleared. */
  quorumActive(): boolean {
    const active = (id: number): boolean | undefined => {
      const progress = this.progress.get(id);
      return progress === undefined ? undefined : progress.recentActive;
    };
    return jointVote(this.membership.voters, active) === 'won';
  }

  resetVotes(): void {
    this.#votes = new Map();
  }

  /** Counts a vote; the first one of a member stands. */
  recordVote(id: number, granted: boolean): void {
    if (!this.#votes.has(id)) this.#votes.set(id, granted);
  }

  voteResult(): VoteResult {
    return jointVote(this.membership.voters, (id) => this.#votes.get(id));
  }

  confState(): ConfState {
    return toConfState(this.membership);
  }
}

/** The form that snapshots keep. */
export function toConfState(membership: Membership): ConfState {
  return {
    voters: sorted(membership.voters.incoming),
    votersOutgoing: sorted(membership.voters.outgoing),
    learners: sorted(membership.learners),
    learnersNext: sorted(membership.learnersNext),
    autoLeave: membership.autoLeave,
  };
}

function sorted(ids: ReadonlySet<number>): number[] {
  return [...ids].sort((a, b) => a - b);
}
