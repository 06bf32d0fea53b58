// What an agent believes of what it is told, at a border of two objects: a connection that the test
// speaks on, and an executor without containers.
import { Prng, SimDisk, VirtualClock, settle } from 'sim';
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../base/index.ts';
import type {
  AgentMessage,
  DispatcherMessage,
  HostEncryption,
  NodeDescription,
} from '../model/index.ts';
import { Agent, type AgentOptions } from './agent.ts';

/** The manager's end of one session. */
class ManagerEnd {
  readonly said: AgentMessage[] = [];
  closed = false;
  #ended: () => void = () => {};
  #hear: (message: DispatcherMessage) => void = () => {};

  connection(): ReturnType<AgentOptions['dial']> {
    return {
      send: (message) => {
        this.said.push(message);
        return true;
      },
      onMessage: (hear) => {
        this.#hear = hear;
      },
      onDrain: () => {},
      onClose: (ended) => {
        const before = this.#ended;
        this.#ended = () => {
          before();
          ended();
        };
      },
      close: () => {
        this.closed = true;
      },
    };
  }

  end(): void {
    this.#ended();
  }

  tell(message: DispatcherMessage): void {
    this.#hear(message);
  }

  /** A complete set with one network in it. */
  tellSet(index: number): void {
    const body = JSON.stringify({
      id: `net-${index}`,
      name: 'n',
      vni: 1,
      subnets: [],
      internal: false,
      ingress: false,
      encrypted: false,
    });
    const updates = [{ kind: 'network', key: `net-${index}`, body }];
    this.tell({
      assignments: { complete: true, appliesTo: 0, resultsIn: 1, index, updates, removes: [] },
    });
  }
}

async function anAgent(disk = new SimDisk()) {
  const clock = new VirtualClock();
  const sessions: ManagerEnd[] = [];
  const networks: string[][] = [];
  /** Tasks whose containers a crash has left, and those that the agent has removed. */
  const leftOver: string[] = [];
  const removed: string[] = [];
  const keys = { current: undefined as HostEncryption | undefined, changed: () => {} };
  const agent = await Agent.start({
    nodeId: 'node',
    executor: {
      describe: async () => ({
        hostname: 'h',
        platform: { architecture: 'x86_64', os: 'linux' },
        resources: { nanoCpus: 1e9, memoryBytes: 1e9 },
        engine: { version: 'test', labels: {}, plugins: [] },
      }),
      controller: () => {
        throw new Error('no task here');
      },
      listTasks: async () => leftOver,
      removeTask: async (id) => void removed.push(id),
    },
    overlay: {
      start: async () => {},
      update: (state) => networks.push([...state.networks.keys()]),
      settled: async () => {},
      applied: async () => {},
      attach: () => Promise.reject(new Error('no task here')),
      detach: async () => {},
      problems: () => [],
      trace: () => Promise.reject(new Error('no task here')),
      encryption: () => keys.current,
      onEncryption: (changed) => (keys.changed = changed),
      stop: async () => {},
      removeAll: async () => {},
    },
    clock,
    random: new Prng('agent'),
    disk,
    logger: silentLogger,
    statePath: '/state/assignments.json',
    dial: () => {
      const end = new ManagerEnd();
      sessions.push(end);
      return end.connection();
    },
    managers: () => ['m:2377'],
    address: 'h:2377',
    dataPathAddress: '10.0.0.1',
    onClusterInfo: () => {},
  });
  await settle();
  return { agent, clock, sessions, networks, keys, leftOver, removed };
}

describe('an agent', () => {
  it('takes no set that is older than its session, even if it remembers nothing', async () => {
    const { agent, sessions, networks } = await anAgent();
    const [manager] = sessions;
    // A session is an entry of the managers' log, and is served after it was applied.
    manager?.tell({ registered: { epoch: 87, heartbeatPeriodMs: 500 } });
    manager?.tellSet(11);
    await settle();
    expect(networks.flat()).not.toContain('net-11');
    expect(manager?.closed).toBe(true);
    await agent.close();
  });

  it('that leaves waits until the managers know, and does not come back', async () => {
    const { agent, sessions, clock } = await anAgent();
    const [manager] = sessions;
    manager?.tell({ registered: { epoch: 87, heartbeatPeriodMs: 500 } });
    let gone = false;
    const left = agent.removeAll().then(() => (gone = true));
    await settle();
    expect(manager?.said.at(-1)).toEqual({ leaving: {} });
    expect(gone).toBe(false);
    manager?.end();
    await left;
    await clock.advance(10_000);
    expect(sessions).toHaveLength(1);
  });

  it('that leaves waits two seconds at most', async () => {
    const { agent, sessions, clock } = await anAgent();
    sessions[0]?.tell({ registered: { epoch: 87, heartbeatPeriodMs: 500 } });
    const left = agent.removeAll();
    await clock.advance(2_000);
    await left;
  });

  it('takes one that is as new, and none that is older than what it has seen', async () => {
    const { agent, sessions, networks } = await anAgent();
    const [manager] = sessions;
    manager?.tell({ registered: { epoch: 87, heartbeatPeriodMs: 500 } });
    manager?.tellSet(90);
    await settle();
    expect(networks.at(-1)).toEqual(['net-90']);
    manager?.tellSet(88);
    await settle();
    expect(networks.at(-1)).toEqual(['net-90']);
    expect(manager?.closed).toBe(true);
    await agent.close();
  });

  // The simulation of the cluster, seed 56: what a crash had left stayed for ever.
  it('removes what no assignment names once the last part of a whole set has come', async () => {
    const { agent, sessions, leftOver, removed } = await anAgent();
    leftOver.push('t1');
    sessions[0]?.tell({ registered: { epoch: 1, heartbeatPeriodMs: 500 } });
    const part = { appliesTo: 0, resultsIn: 1, updates: [], removes: [] };
    sessions[0]?.tell({ assignments: { ...part, complete: true, index: 0 } });
    await settle();
    expect(removed).toEqual([]);
    const last = { ...part, appliesTo: 1, resultsIn: 2, complete: false, index: 9 };
    sessions[0]?.tell({ assignments: last });
    await settle();
    expect(removed).toEqual(['t1']);
    await agent.close();
  });

  it('registers again when its host has another key', async () => {
    const { agent, clock, sessions, keys } = await anAgent();
    sessions[0]?.tell({ registered: { epoch: 1, heartbeatPeriodMs: 500 } });
    await settle();
    keys.current = { keys: ['a', 'b'], current: 1 };
    keys.changed();
    await clock.advance(3_000);
    const described = sessions.map(({ said }) => {
      const register = said.find((message) => message.register)?.register;
      const description = JSON.parse(register?.description ?? '{}') as NodeDescription;
      return description.encryption;
    });
    expect(described.slice(0, 2)).toEqual([undefined, { keys: ['a', 'b'], current: 1 }]);
    await agent.close();
  });

  it('leaves the network as it is after a restart until the managers speak, or for a while', async () => {
    const disk = new SimDisk();
    const first = await anAgent(disk);
    first.sessions[0]?.tell({ registered: { epoch: 87, heartbeatPeriodMs: 500 } });
    first.sessions[0]?.tellSet(90);
    await settle();
    await first.agent.close();
    const second = await anAgent(disk);
    expect(second.networks).toEqual([]);
    await second.clock.advance(3_000);
    expect(second.networks).toEqual([['net-90']]);
    await second.agent.close();
    const third = await anAgent(disk);
    third.sessions[0]?.tell({ registered: { epoch: 91, heartbeatPeriodMs: 500 } });
    third.sessions[0]?.tellSet(92);
    await settle();
    expect(third.networks).toEqual([['net-92']]);
    await third.agent.close();
  });
});
