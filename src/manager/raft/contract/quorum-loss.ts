// Whether a group can still decide anything once some of its members are gone.

/** What it takes to say. */
export interface QuorumQuestion {
  /** Raft ids that vote now. */
  readonly voters: readonly number[];
  /** Raft ids that were heard lately, the leader's own included. */
  readonly active: readonly number[];
  /** Raft ids that are to go. */
  readonly leaving: readonly number[];
}

/** The reason why the members must not go; undefined when they may. */
export function quorumLoss({ voters, active, leaving }: QuorumQuestion): string | undefined {
  const rest = voters.filter((id) => !leaving.includes(id));
  const reachable = rest.filter((id) => active.includes(id)).length;
  const needed = Math.floor(rest.length / 2) + 1;
  if (reachable >= needed) return undefined;
  return (
    `it would lose the quorum: of the ${rest.length} managers left ${reachable} would be ` +
    `reachable, ${needed} are needed; bring managers back or add some first`
  );
}
