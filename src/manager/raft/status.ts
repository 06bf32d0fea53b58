// When a status is worth telling.
import type { ConsensusStatus } from './consensus.ts';

/** True when the two differ at most in the applied index, which changes all the time. */
export function sameStatus(a: ConsensusStatus, b: ConsensusStatus): boolean {
  return (
    a.term === b.term &&
    a.isLeader === b.isLeader &&
    a.leader?.raftId === b.leader?.raftId &&
    a.active.join() === b.active.join() &&
    a.voters.join() === b.voters.join() &&
    a.members.length === b.members.length &&
    a.members.every((member, position) => {
      const other = b.members[position];
      return (
        member.raftId === other?.raftId &&
        member.nodeId === other.nodeId &&
        member.address === other.address
      );
    })
  );
}
