// Who the members are: raft knows numbers, this table knows the nodes and addresses behind them. It
// changes with the log, and travels in snapshots.
import type { ConfChange, ConfState } from 'raft-ts';
import { SwarmError } from '../../../base/index.ts';
import { REMOVED_MEMBERS_MAX, type Member } from '../contract/index.ts';
import { WireReader, WireWriter } from './wire.ts';

/** Members by raft id, and the ids of those that were removed. */
export class MemberTable {
  #members = new Map<number, Member>();
  #removed: number[] = [];

  get all(): readonly Member[] {
    return [...this.#members.values()].sort((a, b) => a.raftId - b.raftId);
  }

  get(raftId: number): Member | undefined {
    return this.#members.get(raftId);
  }

  byNode(nodeId: string): Member | undefined {
    return this.all.find((member) => member.nodeId === nodeId);
  }

  wasRemoved(raftId: number): boolean {
    return this.#removed.includes(raftId);
  }

  put(member: Member): void {
    this.#members.set(member.raftId, member);
  }

  remove(raftId: number): void {
    if (!this.#members.delete(raftId)) return;
    this.#removed.push(raftId);
    if (this.#removed.length > REMOVED_MEMBERS_MAX) this.#removed.shift();
  }

  /** Takes up the members that a change brings in. */
  learn(change: ConfChange): void {
    for (const member of decodeMembers(change.context)) this.put(member);
  }

  /** Removes everybody who belongs to the group no more; who still votes in an old quorum stays. */
  retain({ voters, votersOutgoing, learners, learnersNext }: ConfState): void {
    const left = new Set([...voters, ...votersOutgoing, ...learners, ...learnersNext]);
    for (const { raftId } of this.all) if (!left.has(raftId)) this.remove(raftId);
  }

  /**
   * Whether a peer with this certificate may speak as this member. Somebody unknown may: with a
   * manager's certificate and not removed, it was added later than this manager's log reaches (a
   * node that we know as another member may have left and come back since).
   */
  mayBe(raftId: number, nodeId: string): boolean {
    if (this.wasRemoved(raftId)) return false;
    const known = this.#members.get(raftId);
    return known === undefined || known.nodeId === nodeId;
  }

  encode(): Uint8Array {
    const writer = new WireWriter();
    for (const member of this.all) writer.message(1, encodeMember(member));
    writer.numbers(2, this.#removed);
    return writer.finish();
  }

  /** Takes over the table of a snapshot. */
  decode(bytes: Uint8Array): void {
    const reader = new WireReader(bytes);
    this.#members = new Map();
    this.#removed = [];
    for (let field = reader.next(); field !== undefined; field = reader.next()) {
      if (field === 1) this.put(decodeMember(reader.bytes()));
      else if (field === 2) reader.numbers(this.#removed);
      else reader.skip();
    }
  }
}

/** Members as bytes: the context of a membership change says who the new ones are. */
export function encodeMembers(members: readonly Member[]): Uint8Array {
  const writer = new WireWriter();
  for (const member of members) writer.message(1, encodeMember(member));
  return writer.finish();
}

function decodeMembers(bytes: Uint8Array): Member[] {
  const reader = new WireReader(bytes);
  const members: Member[] = [];
  for (let field = reader.next(); field !== undefined; field = reader.next()) {
    if (field === 1) members.push(decodeMember(reader.bytes()));
    else reader.skip();
  }
  return members;
}

/** A member as bytes. */
export function encodeMember(member: Member): Uint8Array {
  const writer = new WireWriter();
  writer.number(1, member.raftId);
  writer.string(2, member.nodeId);
  writer.string(3, member.address);
  return writer.finish();
}

/** A member from bytes. Throws `dataLoss`. */
export function decodeMember(bytes: Uint8Array): Member {
  const reader = new WireReader(bytes);
  let raftId = 0;
  let nodeId = '';
  let address = '';
  for (let field = reader.next(); field !== undefined; field = reader.next()) {
    if (field === 1) raftId = reader.number();
    else if (field === 2) nodeId = reader.string();
    else if (field === 3) address = reader.string();
    else reader.skip();
  }
  if (raftId === 0 || nodeId === '') {
    throw new SwarmError('dataLoss', 'membership change without a member');
  }
  return { raftId, nodeId, address };
}
