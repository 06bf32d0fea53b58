// Found by the simulation of whole hosts: the only voter answers no read from a commit index that is
// older than what it acknowledged before it started anew.
import { expect, it } from 'vitest';
import { emptyBytes, MemoryStorage, RawNode, type Ready } from '../../src/index.ts';

it('the only voter answers a read once it has committed in its own term', () => {
  const storage = new MemoryStorage();
  const confState = {
    voters: [1],
    votersOutgoing: [],
    learners: [],
    learnersNext: [],
    autoLeave: false,
  };
  storage.applySnapshot({ index: 1, term: 1, confState, data: emptyBytes });
  // Entry 2 was committed and acknowledged; the commit index was not stored after that.
  storage.append([{ index: 2, term: 1, type: 'normal', data: new Uint8Array([1]) }]);
  storage.setHardState({ term: 1, vote: 1, commit: 1 });
  const node = new RawNode({
    id: 1,
    storage,
    applied: 1,
    electionTicks: 10,
    heartbeatTicks: 1,
    random: () => 0,
  });
  const reads: number[] = [];
  const carryOut = (): void => {
    const ready: Ready = node.ready();
    if (ready.hardState !== undefined) storage.setHardState(ready.hardState);
    storage.append(ready.entries);
    reads.push(...ready.readStates.map(({ index }) => index));
    node.advance();
  };
  node.campaign();
  while (!node.isLeader) carryOut();
  node.readIndex(new Uint8Array([7]));
  while (node.hasReady()) carryOut();
  expect(reads).toEqual([3]);
});
