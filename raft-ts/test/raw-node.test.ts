// RawNode's calls that the scripts do not reach: reads, limits, refusals.
import { describe, expect, it } from 'vitest';
import {
  emptyBytes,
  makeConfChange,
  makeMessage,
  MemoryStorage,
  RaftError,
  RawNode,
  type Message,
  type RaftOptions,
} from '../src/index.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

class Trio {
  readonly nodes: RawNode[];
  readonly storages: MemoryStorage[] = [];
  readonly reads: number[][] = [[], [], []];
  lost: (message: Message) => boolean = () => false;

  constructor(options: Partial<RaftOptions> = {}, size = 3) {
    const voters = Array.from({ length: size }, (_, i) => i + 1);
    this.nodes = voters.map((id) => {
      const storage = new MemoryStorage();
      const confState = {
        voters,
        votersOutgoing: [],
        learners: [],
        learnersNext: [],
        autoLeave: false,
      };
      storage.applySnapshot({ index: 1, term: 1, confState, data: emptyBytes });
      storage.setHardState({ term: 1, vote: 0, commit: 1 });
      this.storages.push(storage);
      return new RawNode({
        id,
        storage,
        applied: 1,
        electionTicks: 10,
        heartbeatTicks: 1,
        random: () => 0,
        ...options,
      });
    });
  }

  node(id: number): RawNode {
    const node = this.nodes[id - 1];
    if (node === undefined) throw new Error(`no member ${id}`);
    return node;
  }

  settle(): void {
    const wire: Message[] = [];
    do {
      for (const [i, node] of this.nodes.entries()) {
        while (node.hasReady()) {
          const ready = node.ready();
          const storage = this.storages[i];
          if (ready.hardState !== undefined) storage?.setHardState(ready.hardState);
          storage?.append(ready.entries);
          wire.push(...ready.messages);
          for (const read of ready.readStates) this.reads[i]?.push(read.index);
          node.advance();
        }
      }
      for (const message of wire.splice(0)) {
        if (!this.lost(message)) this.node(message.to).step(message);
      }
    } while (this.nodes.some((node) => node.hasReady()));
  }

  lead(id = 1): void {
    this.node(id).campaign();
    this.settle();
  }
}

describe('reads', () => {
  it('are confirmed by a quorum, at the leader and at followers', () => {
    const trio = new Trio();
    trio.lead();
    trio.node(1).propose(bytes('x'));
    trio.settle();
    trio.node(1).readIndex(bytes('a'));
    trio.node(2).readIndex(bytes('b'));
    trio.settle();
    expect(trio.reads).toEqual([[3], [3], []]);
  });

  it('get no answer from a leader that is cut off', () => {
    const trio = new Trio();
    trio.lead();
    trio.lost = (message) => message.from === 1 || message.to === 1;
    trio.node(1).readIndex(bytes('a'));
    trio.settle();
    expect(trio.reads[0]).toEqual([]);
  });

  it('by lease ask once, and then nobody for a while', () => {
    const trio = new Trio({ readOnlyMode: 'leaseBased', checkQuorum: true });
    // Who has run before votes for nobody at first.
    trio.lead();
    expect(trio.node(1).isLeader).toBe(false);
    trio.node(2).setElectionTimeout(20);
    trio.node(3).setElectionTimeout(20);
    for (let i = 0; i < 10; i++) for (const node of trio.nodes) node.tick();
    trio.settle();
    trio.node(1).readIndex(bytes('a'));
    trio.settle();
    trio.lost = () => true;
    trio.node(1).readIndex(bytes('b'));
    trio.settle();
    expect(trio.reads[0]).toEqual([2, 2]);
    for (let i = 0; i < 8; i++) trio.node(1).tick();
    trio.node(1).readIndex(bytes('c'));
    trio.settle();
    expect(trio.reads[0]).toEqual([2, 2]);
  });

  it('wait for the first commit of a term', () => {
    const trio = new Trio();
    trio.lost = (message) => message.type === 'MsgAppResp';
    trio.lead();
    trio.node(1).readIndex(bytes('early'));
    trio.settle();
    expect(trio.reads[0]).toEqual([]);
    trio.lost = () => false;
    trio.node(1).tick();
    trio.settle();
    expect(trio.reads[0]).toEqual([2]);
  });
});

describe('leadership', () => {
  it('is given up when no quorum was heard for an election time-out', () => {
    const trio = new Trio({ checkQuorum: true });
    trio.lead();
    trio.lost = () => true;
    for (let i = 0; i < 20; i++) {
      trio.node(1).tick();
      trio.settle();
    }
    expect(trio.node(1).isLeader).toBe(false);
  });

  it('is not lost to a member that comes back, with pre-votes', () => {
    const trio = new Trio({ preVote: true, checkQuorum: true });
    trio.lead();
    trio.lost = (message) => message.from === 3 || message.to === 3;
    for (let i = 0; i < 50; i++) {
      for (const node of trio.nodes) node.tick();
      trio.settle();
    }
    const { term } = trio.node(1);
    trio.lost = () => false;
    for (let i = 0; i < 20; i++) {
      for (const node of trio.nodes) node.tick();
      trio.settle();
    }
    expect(trio.node(1).isLeader).toBe(true);
    expect(trio.node(3).term).toBe(term);
  });

  it('goes where it is wanted, and nothing is taken meanwhile', () => {
    const trio = new Trio();
    trio.lead();
    trio.lost = (message) => message.to === 2;
    trio.node(1).transferLeadership(2);
    expect(() => trio.node(1).propose(bytes('x'))).toThrow(RaftError);
    trio.settle();
    trio.lost = () => false;
    for (let i = 0; i < 10; i++) trio.node(1).tick();
    trio.settle();
    trio.node(1).propose(bytes('y'));
    trio.node(1).transferLeadership(2);
    trio.settle();
    expect(trio.node(2).isLeader).toBe(true);
  });
});

describe('limits', () => {
  it('drop proposals when too much waits to be committed, but never the first', () => {
    const trio = new Trio({ maxUncommittedSize: 10 });
    trio.lead();
    trio.lost = () => true;
    trio.node(1).propose(new Uint8Array(100));
    expect(() => trio.node(1).propose(new Uint8Array(1))).toThrow('raft proposal dropped');
    trio.node(1).propose(emptyBytes);
  });

  it('hold back messages when too many bytes are on their way', () => {
    const trio = new Trio({ maxInflightBytes: 100, maxSizePerMessage: 100 });
    trio.lead();
    trio.lost = () => true;
    for (let i = 0; i < 10; i++) trio.node(1).propose(new Uint8Array(50));
    trio.settle();
    const follower = trio
      .node(1)
      .status()
      .progress.find(({ id }) => id === 2);
    expect(follower).toMatchObject({ inflight: 2, inflightFull: true, isPaused: true });
  });
});

describe('refusals', () => {
  it('name options that cannot work', () => {
    expect(() => new Trio({ electionTicks: 1 })).toThrow('electionTicks must be above');
    expect(() => new Trio({ readOnlyMode: 'leaseBased' })).toThrow('needs checkQuorum');
    expect(() => new Trio({ maxInflightMessages: 0 })).toThrow('maxInflightMessages');
  });

  it('keep local messages and strangers’ answers out', () => {
    const trio = new Trio();
    trio.lead();
    const { nodes } = trio;
    expect(() => nodes[0]?.step(makeMessage({ type: 'MsgHup', from: 2 }))).toThrow('local message');
    const answer = makeMessage({ type: 'MsgAppResp', from: 9, term: 3 });
    expect(() => nodes[0]?.step(answer)).toThrow('peer not found');
  });

  it('leave the membership alone', () => {
    const trio = new Trio({}, 1);
    trio.lead();
    const everybody = makeConfChange([{ type: 'removeMember', memberId: 1 }]);
    expect(() => trio.node(1).applyConfChange(everybody)).toThrow('removed all voters');
    expect(trio.node(1).status().confState.voters).toEqual([1]);
  });
});

describe('ticksToNext', () => {
  it('says how many ticks do nothing, whatever the role', () => {
    const trio = new Trio({ heartbeatTicks: 3 });
    const [first, second, third] = trio.nodes;
    if (first === undefined || second === undefined || third === undefined)
      throw new Error('three');
    for (const node of [first, second, third]) node.setElectionTimeout(14);
    expect(second.ticksToNext).toBe(14);
    for (let i = 0; i < 13; i++) second.tick();
    expect(second.ticksToNext).toBe(1);
    expect(second.hasReady()).toBe(false);
    second.tick();
    expect(second.hasReady()).toBe(true);
    first.campaign();
    trio.settle();
    expect(first.isLeader).toBe(true);
    for (let i = 0; i < 40; i++) {
      const quiet = first.ticksToNext - 1;
      expect(quiet).toBeLessThan(3);
      for (let j = 0; j < quiet; j++) first.tick();
      expect(first.hasReady()).toBe(false);
      first.tick();
      trio.settle();
    }
    expect(first.isLeader).toBe(true);
  });

  it('is never for who cannot stand', () => {
    const storage = new MemoryStorage();
    const options = { id: 9, storage, electionTicks: 10, heartbeatTicks: 1, random: () => 0 };
    expect(new RawNode(options).ticksToNext).toBe(Infinity);
  });
});
