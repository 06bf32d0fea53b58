// The table of members: who may speak as whom.
import { describe, expect, it } from 'vitest';
import { MemberTable } from './membership.ts';

const member = (raftId: number, nodeId = `node${raftId}`) => ({
  raftId,
  nodeId,
  address: `10.0.0.${raftId}:4242`,
});

function table(): MemberTable {
  const members = new MemberTable();
  for (const raftId of [1, 2, 3]) members.put(member(raftId));
  members.remove(3);
  return members;
}

describe('the table of members', () => {
  it('lets everybody speak for itself only', () => {
    const members = table();
    expect(members.mayBe(1, 'node1')).toBe(true);
    expect(members.mayBe(1, 'node2')).toBe(false);
  });

  it('refuses those that were removed, and takes those it does not know yet', () => {
    const members = table();
    expect(members.mayBe(3, 'node3')).toBe(false);
    expect(members.mayBe(4, 'node4')).toBe(true);
    // It may have left and come back while this manager was away.
    expect(members.mayBe(9, 'node2')).toBe(true);
  });

  it('survives a snapshot', () => {
    const copy = new MemberTable();
    copy.decode(table().encode());
    expect(copy.all).toEqual([member(1), member(2)]);
    expect(copy.wasRemoved(3)).toBe(true);
    expect(copy.byNode('node2')?.raftId).toBe(2);
  });
});
