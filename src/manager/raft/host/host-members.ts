// Membership of the group as the host handles it: who may be added and removed, learners that are
// promoted once they have caught up, and whom leadership can go to.
import {
  emptyConfState,
  makeConfChange,
  RaftError,
  type ConfChange,
  type ConfChangeSingle,
  type ConfState,
  type Entry,
  type ProgressStatus,
  type RawNode,
  type Snapshot,
} from 'raft-ts';
import { SwarmError } from '../../../base/index.ts';
import {
  MEMBERS_MET_MAX,
  PROMOTION_LAG_ENTRIES,
  quorumLoss,
  type Member,
} from '../contract/index.ts';
import { encodeMembers, MemberTable } from '../wire/index.ts';
import { notLeader, PendingChanges } from './proposals.ts';

/** What it works on. */
export interface HostMembersPorts {
  readonly node: RawNode;
  readonly self: Member;
  /** From the snapshot that the member starts from. */
  readonly confState: ConfState | undefined;
  readonly table: Uint8Array | undefined;
  /** Whom a new member can talk to before it has any log. */
  readonly joining: readonly Member[];
  /** Raft ids heard lately. */
  active(): readonly number[];
  peersChanged(peers: readonly Member[]): void;
  changed(): void;
}

/** The membership of one host. */
export class HostMembers {
  readonly table = new MemberTable();
  readonly #ports: HostMembersPorts;
  readonly #pending = new PendingChanges();
  readonly #met = new Map<number, Member>();
  #confState: ConfState;
  // A change in the log, applied or not: the next one must wait for it.
  #lastChangeIndex = 0;
  #applied = 0;
  #ended: Error | undefined;

  constructor(ports: HostMembersPorts) {
    this.#ports = ports;
    this.#confState = ports.confState ?? emptyConfState;
    if (ports.table !== undefined) this.table.decode(ports.table);
  }

  get confState(): ConfState {
    return this.#confState;
  }

  /** Tells the transport whom it may talk to. */
  announce(): void {
    const known = this.table.all;
    const peers = [...(known.length === 0 ? this.#ports.joining : known)];
    for (const met of this.#met.values()) {
      if (peers.every(({ raftId }) => raftId !== met.raftId)) peers.push(met);
    }
    this.#ports.peersChanged(peers.filter(({ raftId }) => raftId !== this.#ports.self.raftId));
  }

  /**
   * A peer says where it listens. Without that, a member that was away while another one joined and
   * began to lead could not answer it, and so would never hear who it is.
   */
  meet(peer: Member): void {
    if (!this.table.mayBe(peer.raftId, peer.nodeId)) return;
    if (this.table.get(peer.raftId) !== undefined || this.#met.has(peer.raftId)) return;
    if (this.#met.size >= MEMBERS_MET_MAX) this.#met.clear();
    this.#met.set(peer.raftId, peer);
    this.announce();
  }

  /** The only voter need not wait for an election time-out. */
  campaignIfAlone(): void {
    const { voters } = this.#confState;
    const { node, self } = this.#ports;
    if (voters.length === 1 && voters[0] === self.raftId && node.role === 'follower') {
      node.campaign();
    }
  }

  /** Adds a learner; it becomes a voter by itself once it has caught up. */
  async add(member: Member): Promise<void> {
    this.#requireLeader();
    const known = this.table.get(member.raftId);
    if (known?.nodeId === member.nodeId && known.address === member.address) return;
    const sameNode = this.table.byNode(member.nodeId);
    if (known !== undefined || this.table.wasRemoved(member.raftId)) {
      throw new SwarmError('conflict', `raft id ${member.raftId} is taken: choose another one`);
    }
    if (sameNode !== undefined) {
      throw new SwarmError(
        'conflict',
        `node ${member.nodeId} is raft member ${sameNode.raftId} already: remove that one first`,
      );
    }
    await this.#propose([{ type: 'addLearner', memberId: member.raftId }], [member]);
  }

  /** Those of them that are members. Throws when the rest could not decide anything. */
  removable(wanted: readonly number[]): number[] {
    this.#requireLeader();
    const raftIds = wanted.filter((raftId) => this.table.get(raftId) !== undefined);
    if (raftIds.length === 0) return [];
    const { voters } = this.#confState;
    const loss = quorumLoss({ voters, active: this.#ports.active(), leaving: raftIds });
    if (loss === undefined) return raftIds;
    const which = `${raftIds.length > 1 ? 'members' : 'member'} ${raftIds.join(', ')}`;
    throw new SwarmError('precondition', `${which} can't be removed: ${loss}`);
  }

  /** Removes members other than this one, all in one step. */
  async remove(raftIds: readonly number[]): Promise<void> {
    const changes = raftIds.map((memberId) => ({ type: 'removeMember', memberId }) as const);
    await this.#propose(changes, []);
  }

  /** Somebody is to become a voter as soon as it has caught up. */
  get hasLearners(): boolean {
    return this.#confState.learners.length > 0;
  }

  /** Makes those learners voters that have nearly all of the log: all in one step. */
  promoteLearners(failed: (error: unknown) => void): void {
    if (!this.hasLearners || this.#changing) return;
    const { node } = this.#ports;
    const { progress, lastIndex } = node.status();
    const ready = progress.flatMap(({ id, isLearner, recentActive, state, match }) => {
      const near = match + PROMOTION_LAG_ENTRIES >= lastIndex;
      const member = this.table.get(id);
      const fit = isLearner && recentActive && state === 'replicate' && near;
      return fit && member !== undefined ? [member] : [];
    });
    if (ready.length === 0) return;
    const changes = ready.map(({ raftId }) => ({ type: 'addVoter', memberId: raftId }) as const);
    this.#propose(changes, ready).catch((error: unknown) => {
      // What was refused, or lost with leadership, a later tick tries again.
      if (!(error instanceof SwarmError)) failed(error);
    });
  }

  /** A membership change is committed. */
  apply(entry: Entry, change: ConfChange): void {
    this.#confState = this.#ports.node.applyConfChange(change);
    this.#lastChangeIndex = Math.max(this.#lastChangeIndex, entry.index);
    this.table.learn(change);
    this.table.retain(this.#confState);
    this.announce();
  }

  /** Any entry is applied: changes that wait for it are told. */
  entryApplied(entry: Entry): void {
    this.#applied = entry.index;
    this.#pending.applied(entry);
  }

  /** A snapshot of the leader replaced everything. */
  restore(snapshot: Snapshot): void {
    this.#confState = snapshot.confState;
    this.#applied = Math.max(this.#applied, snapshot.index);
    this.table.decode(snapshot.data);
    this.announce();
  }

  failAll(error: Error): void {
    this.#pending.failAll(error);
  }

  /** The host has stopped: nothing is taken any more. */
  end(reason: Error): void {
    this.#ended = reason;
    this.failAll(reason);
  }

  hasTransferTarget(): boolean {
    return this.#candidates().length > 0;
  }

  /** Whom leadership goes to: the one asked for, or the one with most of the log. */
  transferTarget(to?: number): number {
    this.#requireLeader();
    const candidates = this.#candidates();
    const chosen = to === undefined ? candidates[0] : candidates.find(({ id }) => id === to);
    if (chosen === undefined) {
      const whom = to === undefined ? 'no other voter' : `member ${to}`;
      throw new SwarmError(
        'precondition',
        `${whom} is not able to lead: see the cluster's members`,
      );
    }
    return chosen.id;
  }

  #candidates(): ProgressStatus[] {
    const active = new Set(this.#ports.active());
    return this.#ports.node
      .status()
      .progress.filter(
        (member) =>
          member.id !== this.#ports.self.raftId && !member.isLearner && active.has(member.id),
      )
      .sort((a, b) => b.match - a.match);
  }

  #requireLeader(): void {
    if (this.#ended !== undefined) throw this.#ended;
    if (!this.#ports.node.isLeader) throw notLeader();
  }

  /** A change is in the log and not applied yet, or its old quorum still counts. */
  get #changing(): boolean {
    return this.#lastChangeIndex > this.#applied || this.#confState.votersOutgoing.length > 0;
  }

  async #propose(changes: readonly ConfChangeSingle[], members: readonly Member[]): Promise<void> {
    const { node } = this.#ports;
    if (this.#changing) {
      throw new SwarmError('unavailable', 'another membership change is under way: retry later');
    }
    try {
      node.proposeConfChange(makeConfChange(changes, { context: encodeMembers(members) }));
    } catch (error) {
      if (error instanceof RaftError) throw notLeader();
      throw error;
    }
    this.#lastChangeIndex = node.lastIndex;
    this.#ports.changed();
    await this.#pending.wait(node.lastIndex, node.term);
    // Who has left must be there until the old quorum has agreed to be no more.
    while (this.#confState.votersOutgoing.length > 0) await this.#pending.waitForNext();
  }
}
