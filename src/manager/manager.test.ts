import { Prng, VirtualClock } from 'sim';
import { describe, expect, it, vi } from 'vitest';
import { newCluster } from '../../test/builders/memory-store.ts';
import { silentLogger, SwarmError, type Logger } from '../base/index.ts';
import { update } from '../model/index.ts';
import { OPERATOR } from './access/index.ts';
import { Manager } from './manager.ts';
import type { Consensus, ConsensusHandler, ConsensusStatus } from './raft/contract/index.ts';

/** A manager whose Raft does what the test says. */
class ManagerOnWires {
  readonly clock = new VirtualClock();
  readonly proposed: Uint8Array[] = [];
  /** Changes of the members, as they were asked for. */
  readonly changes: string[] = [];
  #added: () => void = () => {};
  readonly #barriers: { resolve: () => void; reject: (error: Error) => void }[] = [];
  #status: ConsensusStatus = {
    raftId: 1,
    term: 1,
    leader: { raftId: 1, nodeId: 'n1', address: '10.0.0.1:2378' },
    isLeader: true,
    members: [],
    voters: [1],
    active: [1],
    appliedIndex: 0,
  };
  #handler: ConsensusHandler | undefined;
  #index = 0;

  start(logger: Logger = silentLogger): Promise<Manager> {
    return Manager.start({
      nodeId: 'n1',
      version: 'test',
      clock: this.clock,
      random: new Prng(1),
      logger,
      signer: { sign: () => Promise.reject(new Error('not here')) } as never,
      newJoinToken: () => 'token',
      caller: { send: () => Promise.reject(new SwarmError('unavailable', 'nobody else')) },
      probe: () => Promise.resolve(false),
      startConsensus: (handler) => {
        this.#handler = handler;
        return Promise.resolve(this.#consensus());
      },
      onEnd: () => {},
    });
  }

  /** Everything that was committed is applied. */
  caughtUp(): void {
    for (const { resolve } of this.#barriers.splice(0)) resolve();
  }

  /** The questions for a quorum go unanswered for too long. */
  silence(): void {
    for (const { reject } of this.#barriers.splice(0)) reject(new Error('nobody confirmed it'));
  }

  leadership(isLeader: boolean, term: number): void {
    this.#status = { ...this.#status, isLeader, term };
    this.#handler?.statusChanged(this.#status);
    if (!isLeader) for (const b of this.#barriers.splice(0)) b.reject(new Error('no leader'));
  }

  /** The member that was to be added is one. */
  added(): void {
    this.#added();
  }

  #consensus(): Consensus {
    const status = (): ConsensusStatus => this.#status;
    const part: Partial<Consensus> = {
      get status() {
        return status();
      },
      barrier: () => new Promise((resolve, reject) => this.#barriers.push({ resolve, reject })),
      propose: (payload) => {
        this.proposed.push(payload);
        const index = ++this.#index;
        this.#handler?.apply([{ index, term: this.#status.term, payload }]);
        return Promise.resolve(index);
      },
    };
    part.addMember = ({ raftId }) => {
      this.changes.push(`add ${raftId}`);
      return new Promise((resolve) => (this.#added = resolve));
    };
    part.removeMember = (...raftIds) => {
      this.changes.push(`remove ${raftIds.join(' ')}`);
      return Promise.resolve();
    };
    return part as Consensus;
  }
}

const secret = { spec: { Name: 'key', Labels: {}, Data: 'c2VjcmV0' } };

/** Lets everything that is ready go on. */
async function turns(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

describe('a manager that begins to lead', () => {
  // A service was given a secret whose removal an earlier leader had committed.
  it('decides nothing before it has applied what earlier leaders committed', async () => {
    const wires = new ManagerOnWires();
    const manager = await wires.start();
    const created = manager.submit(OPERATOR, 'secret.create', secret);
    await turns();
    expect(wires.proposed).toHaveLength(0);
    wires.caughtUp();
    await created;
    expect(manager.view.byName('secret', 'key')).toBeDefined();
  });

  it('has to catch up again when it leads again', async () => {
    const wires = new ManagerOnWires();
    const manager = await wires.start();
    wires.caughtUp();
    await turns();
    wires.leadership(true, 3);
    const created = manager.submit(OPERATOR, 'secret.create', secret);
    await turns();
    expect(wires.proposed).toHaveLength(0);
    wires.caughtUp();
    await created;
    expect(wires.proposed).toHaveLength(1);
  });
});

describe('a leader whom no quorum confirms in time', () => {
  // It refused everything until the next election.
  it('asks again, and those who wait for it are served', async () => {
    const wires = new ManagerOnWires();
    const manager = await wires.start();
    const created = manager.submit(OPERATOR, 'secret.create', secret);
    wires.silence();
    await turns();
    await wires.clock.advance(100);
    wires.caughtUp();
    await created;
    expect(wires.proposed).toHaveLength(1);
  });

  it('gives up with its term', async () => {
    const wires = new ManagerOnWires();
    const manager = await wires.start();
    const created = manager.submit(OPERATOR, 'secret.create', secret);
    wires.leadership(false, 2);
    await expect(created).rejects.toThrow();
    expect(wires.proposed).toHaveLength(0);
  });
});

describe('the members of Raft', () => {
  // The demotion found no member to remove yet, and the node stayed one that nobody knew of.
  it('are removed after they were added, when a demotion comes while they are', async () => {
    const wires = new ManagerOnWires();
    const manager = await wires.start();
    wires.caughtUp();
    await turns();
    const spec = { Role: 'manager', Availability: 'active', Labels: {} } as const;
    const status = {
      state: 'ready',
      message: '',
      address: '',
      dataPathAddress: '',
      since: 0,
    } as const;
    const object = { id: 'n2', spec, role: 'manager', certificateExpiresAt: 1, status } as const;
    await manager.store.propose([{ kind: 'addNode', object }]);
    const request = { nodeId: 'n2', raftId: 7, address: 'b:1', raftAddress: 'b:2' };
    const adding = manager.forward('leader.addMember', request);
    await turns();
    const node = manager.view.get('node', 'n2');
    if (node === undefined) throw new Error('no node');
    await manager.store.propose([update('node', { ...node, spec: { ...spec, Role: 'worker' } })]);
    await turns();
    expect(wires.changes).toEqual(['add 7']);
    wires.added();
    await adding;
    await turns();
    expect(wires.changes).toEqual(['add 7', 'remove 7']);
    expect(manager.view.get('node', 'n2')?.manager).toBeUndefined();
  });
});

it('says once why a manager that starts is not up to date', async () => {
  const wires = new ManagerOnWires();
  const told: unknown[] = [];
  const info: Logger['info'] = ({ error }, message) => {
    if (message.includes('catch up')) told.push(error);
  };
  const manager = await wires.start({ ...silentLogger, info });
  for (let i = 0; i < 3; i++) {
    wires.silence();
    await wires.clock.advance(1_000);
  }
  expect(told).toEqual(['nobody confirmed it']);
  expect(manager.caughtUp).toBe(false);
  wires.caughtUp();
  await wires.clock.advance(0);
  expect(manager.caughtUp).toBe(true);
});

describe('what is told of the cluster', () => {
  const worker = { Role: 'worker', Availability: 'active', Labels: {} } as const;
  const status = {
    state: 'ready',
    message: '',
    address: '',
    dataPathAddress: '',
    since: 0,
  } as const;
  const addNode = (id: string, role: 'worker' | 'manager' = 'worker') =>
    ({
      kind: 'addNode',
      object: { id, spec: { ...worker, Role: role }, role, status, certificateExpiresAt: 1 },
    }) as const;

  it('is worked out when managers or the period change, not for each node that comes', async () => {
    const wires = new ManagerOnWires();
    const manager = await wires.start();
    wires.caughtUp();
    await manager.store.propose([newCluster()]);
    const told = vi.spyOn(manager.dispatcher, 'publishClusterInfo');
    for (let i = 0; i < 1_100; i++) await manager.store.propose([addNode(`w${i}`)]);
    // Up to 1,000 nodes have the period of the spec, then it grows by steps.
    expect(manager.heartbeatPeriodMs).toBe(750);
    expect(told).toHaveBeenCalledTimes(1);
    const node = manager.view.get('node', 'w0');
    if (node === undefined) throw new Error('no node');
    const busy = { ...node, status: { ...status, message: 'registered' } };
    await manager.store.propose([update('node', busy)]);
    expect(told).toHaveBeenCalledTimes(1);
    await manager.store.propose([addNode('m1', 'manager')]);
    expect(told).toHaveBeenCalledTimes(2);
    expect(told.mock.lastCall?.[0].managerIds).toEqual(['m1']);
  });
});
