// What a host says of itself: leader, members, and who was heard lately.
import type { RawNode } from 'raft-ts';
import type { ConsensusStatus } from '../contract/index.ts';
import type { HostMembers } from './host-members.ts';

/** What it works on. */
export interface HostStatusPorts {
  readonly node: RawNode;
  readonly members: HostMembers;
  readonly raftId: number;
  /** Ticks for which somebody who was heard counts as active. */
  readonly activeTicks: number;
  changed(status: ConsensusStatus): void;
}

/** The status of one host, and when it was last told. */
export class HostStatus {
  readonly #ports: HostStatusPorts;
  readonly #heardAt = new Map<number, number>();
  #ticks = 0;
  #told: ConsensusStatus | undefined;
  #toldLead = 0;

  constructor(ports: HostStatusPorts) {
    this.#ports = ports;
  }

  /** Whether somebody counts as active no more for it. */
  ticks(count: number): boolean {
    const { activeTicks } = this.#ports;
    const before = this.#ticks - activeTicks;
    this.#ticks += count;
    for (const at of this.#heardAt.values()) {
      if (at >= before && at < this.#ticks - activeTicks) return true;
    }
    return false;
  }

  /** A message of this member arrived. Whether it was not active before. */
  heard(raftId: number): boolean {
    const before = this.#heardAt.get(raftId) ?? -Infinity;
    this.#heardAt.set(raftId, this.#ticks);
    return before < this.#ticks - this.#ports.activeTicks;
  }

  /** Term, role or leader is another than told; cheaper than to publish. */
  get isStale(): boolean {
    const { node } = this.#ports;
    const told = this.#told;
    return (
      told?.term !== node.term || told.isLeader !== node.isLeader || this.#toldLead !== node.lead
    );
  }

  /** Members heard within an election time-out, this one included. */
  activeIds(): number[] {
    const { members, raftId, activeTicks } = this.#ports;
    const since = this.#ticks - activeTicks;
    return members.table.all
      .map((member) => member.raftId)
      .filter((id) => id === raftId || (this.#heardAt.get(id) ?? -Infinity) >= since);
  }

  /** The status as of now. */
  at(appliedIndex: number): ConsensusStatus {
    const { node, members, raftId } = this.#ports;
    return {
      raftId,
      term: node.term,
      leader: members.table.get(node.lead),
      isLeader: node.isLeader,
      members: members.table.all,
      voters: members.confState.voters,
      active: this.activeIds(),
      appliedIndex,
    };
  }

  /** Tells the status if it is another than the last one told. */
  publish(appliedIndex: number): void {
    const status = this.at(appliedIndex);
    this.#toldLead = this.#ports.node.lead;
    if (this.#told !== undefined && sameStatus(this.#told, status)) return;
    this.#told = status;
    this.#ports.changed(status);
  }
}

/** True when the two differ at most in the applied index, which changes all the time. */
function sameStatus(a: ConsensusStatus, b: ConsensusStatus): boolean {
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
