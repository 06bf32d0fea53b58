// Majorities, and joint majorities of two groups of voters: what is committed, who won a vote.
// Pure functions; an empty group agrees to everything, which makes a joint quorum with an empty
// half the same as the other half alone.

/** How a vote stands. */
export type VoteResult = 'pending' | 'lost' | 'won';

/** A group of voters, or two while a membership change is in its joint phase. */
export interface JointVoters {
  readonly incoming: ReadonlySet<number>;
  readonly outgoing: ReadonlySet<number>;
}

/** The highest index known to a majority; Infinity for an empty group. */
export function majorityCommitted(
  voters: ReadonlySet<number>,
  indexOf: (id: number) => number | undefined,
): number {
  if (voters.size === 0) return Infinity;
  const indexes: number[] = [];
  for (const id of voters) indexes.push(indexOf(id) ?? 0);
  indexes.sort((a, b) => b - a);
  return indexes[Math.floor(voters.size / 2)] ?? 0;
}

/** The highest index known to majorities of both halves. */
export function jointCommitted(
  voters: JointVoters,
  indexOf: (id: number) => number | undefined,
): number {
  return Math.min(
    majorityCommitted(voters.incoming, indexOf),
    majorityCommitted(voters.outgoing, indexOf),
  );
}

/** The state of a vote in one group. */
export function majorityVote(
  voters: ReadonlySet<number>,
  voteOf: (id: number) => boolean | undefined,
): VoteResult {
  let yes = 0;
  let missing = 0;
  for (const id of voters) {
    const vote = voteOf(id);
    if (vote === undefined) missing++;
    else if (vote) yes++;
  }
  const needed = voters.size === 0 ? 0 : Math.floor(voters.size / 2) + 1;
  if (yes >= needed) return 'won';
  return yes + missing >= needed ? 'pending' : 'lost';
}

/** The state of a vote that both halves must win. */
export function jointVote(
  voters: JointVoters,
  voteOf: (id: number) => boolean | undefined,
): VoteResult {
  const incoming = majorityVote(voters.incoming, voteOf);
  const outgoing = majorityVote(voters.outgoing, voteOf);
  if (incoming === 'lost' || outgoing === 'lost') return 'lost';
  return incoming === 'won' && outgoing === 'won' ? 'won' : 'pending';
}

/** All voters of both halves, sorted. */
export function voterIds(voters: JointVoters): number[] {
  return [...new Set([...voters.incoming, ...voters.outgoing])].sort((a, b) => a - b);
}

/** True when `id` votes in either half. */
export function isVoter(voters: JointVoters, id: number): boolean {
  return voters.incoming.has(id) || voters.outgoing.has(id);
}
