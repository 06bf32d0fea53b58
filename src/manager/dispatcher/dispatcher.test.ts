// What agents are told: always what the store says, whole sets, and for changes that concern many the
// same lists, made once. Work is counted, so that it can't grow with nodes times changes unseen.
import { Prng, VirtualClock, settle } from 'sim';
import { beforeEach, describe, expect, it } from 'vitest';
import { AgentLine } from '../../../test/builders/agent-line.ts';
import { memoryStore, newCluster, newNode } from '../../../test/builders/memory-store.ts';
import { silentLogger } from '../../base/index.ts';
import {
  create,
  remove,
  update,
  type Action,
  type ClusterInfo,
  type Draft,
  type Network,
  type Service,
  type Task,
  type TaskState,
} from '../../model/index.ts';
import type { LeaderApi, LeaderMethod, LeaderMethods } from '../methods/index.ts';
import type { Store, StoreView } from '../store/index.ts';
import { buildAssignments } from './sets/index.ts';
import { Dispatcher } from './dispatcher.ts';
import { REGISTRATIONS_MAX } from './limits.ts';

let clock: VirtualClock;
let store: Store;
let dispatcher: Dispatcher;
let lines: Map<string, AgentLine>;
/** Reads of the store's objects by the dispatcher. */
let reads: number;
/** Up to where hosts are, as the leader was told. */
let applied: Map<string, number>;
let calls: LeaderMethod[];
/** Nodes that were let wait. */
let waited: string[];
/** The leader registers nobody before this is done. */
let held: Promise<void>;

/** The store, with reads of its view counted. */
function counted(real: Store): Store {
  const view = new Proxy(real.view, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => {
        reads++;
        const result: unknown = Reflect.apply(value, target, args);
        const isWalk = name !== 'get' && typeof result === 'object' && result !== null;
        if (!isWalk || !(Symbol.iterator in result)) return result;
        const walked = [...(result as Iterable<unknown>)];
        reads += walked.length;
        return walked;
      };
    },
  }) as StoreView;
  return new Proxy(real, {
    get: (target, name) => {
      if (name === 'view') return view;
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function'
        ? (...args: unknown[]): unknown => Reflect.apply(value, target, args)
        : value;
    },
  });
}

beforeEach(async () => {
  clock = new VirtualClock();
  ({ store } = memoryStore(clock));
  await store.propose([newCluster()]);
  lines = new Map();
  applied = new Map();
  reads = 0;
  calls = [];
  waited = [];
  held = Promise.resolve();
  const leader: LeaderApi = {
    forward: async <M extends LeaderMethod>(method: M, request: LeaderMethods[M]['request']) => {
      calls.push(method);
      let answer: object = {};
      if (method === 'leader.register') {
        await held;
        const { nodeId } = request as LeaderMethods['leader.register']['request'];
        await store.propose([{ kind: 'session', nodeId, managerId: 'm' }]);
        answer = { epoch: store.view.get('session', nodeId)?.epoch ?? 0 };
      } else if (method === 'leader.applied') {
        const { hosts } = request as LeaderMethods['leader.applied']['request'];
        for (const { nodeId, index } of hosts) applied.set(nodeId, index);
      } else if (method === 'leader.heartbeats') answer = { refused: [] };
      return answer as LeaderMethods[M]['response'];
    },
  };
  dispatcher = new Dispatcher({
    store: counted(store),
    leader,
    clock,
    logger: silentLogger,
    managerId: 'm',
    onWaiting: (nodeId) => waited.push(nodeId),
    applyTimeoutMs: 1_000,
  });
});

const REGISTER = {
  description: JSON.stringify({
    hostname: 'h',
    platform: { architecture: 'x86_64', os: 'linux' },
    resources: { nanoCpus: 1, memoryBytes: 1 },
    engine: { version: 'test', labels: {}, plugins: [] },
  }),
  address: '',
  dataPathAddress: '',
  lastEpoch: 0,
  lastIndex: 0,
};

async function addNode(nodeId: string, role: 'worker' | 'manager' = 'worker'): Promise<void> {
  const at = 1 + store.view.count('node');
  const address = `10.${at >> 8}.${at & 255}.1`;
  const action = newNode(nodeId, { dataPathAddress: address });
  if (action.kind !== 'addNode') throw new Error('no node');
  const { object } = action;
  await store.propose([{ ...action, object: { ...object, spec: { ...object.spec, Role: role } } }]);
}

function connect(nodeId: string): AgentLine {
  const line = new AgentLine();
  lines.set(nodeId, line);
  dispatcher.serve(nodeId, line, '10.0.0.1:1');
  line.says({ register: REGISTER });
  return line;
}

const spec = (name: string, more: Partial<Network['spec']> = {}): Network['spec'] => ({
  Name: name,
  Driver: 'overlay',
  ...more,
});

async function addNetwork(id: string, more: Partial<Network['spec']> = {}): Promise<void> {
  const vni = 4_096 + store.view.count('network');
  await store.propose([create('network', { id, spec: spec(id, more), vni, subnets: [] })]);
}

async function addService(id: string, networks: readonly string[]): Promise<void> {
  const serviceSpec: Service['spec'] = {
    Name: id,
    Mode: { Replicated: { Replicas: 1 } },
    TaskTemplate: {
      ContainerSpec: { Image: 'x' },
      Networks: networks.map((Target) => ({ Target })),
    },
  };
  await store.propose([
    create('revision', { id: `r-${id}`, serviceId: id, spec: serviceSpec, ports: [] }),
    create('service', {
      id,
      revisionId: `r-${id}`,
      spec: serviceSpec,
      specVersion: 1,
      endpoint: { ports: [], virtualIps: [], allocatedFor: 1 },
    }),
  ]);
}

function task(id: string, nodeId: string, networks: readonly string[], service = 's'): Action {
  const draft: Draft<Task> = {
    id,
    serviceId: service,
    revisionId: `r-${service}`,
    slot: 1,
    nodeId,
    desiredState: 'running',
    status: { state: 'assigned', timestamp: 0, message: '' },
    networks: networks.map((networkId) => ({ networkId, addresses: ['10.9.0.1/16'], aliases: [] })),
  };
  return create('task', draft);
}

async function change(id: string, more: Partial<Task>): Promise<void> {
  const before = store.view.get('task', id);
  if (before === undefined) throw new Error(`no task ${id}`);
  await store.propose([update('task', { ...before, ...more })]);
}

const inState = (state: TaskState): Partial<Task> => ({
  status: { state, timestamp: 0, message: '' },
});

async function setDown(id: string, isDown: boolean): Promise<void> {
  const node = store.view.get('node', id);
  if (node === undefined) throw new Error(`no node ${id}`);
  const state = isDown ? 'down' : 'ready';
  await store.propose([update('node', { ...node, status: { ...node.status, state } })]);
}

/** Every agent acknowledges what it has. */
function acknowledge(): void {
  for (const line of lines.values()) line.says({ applied: { index: line.index } });
}

describe('what agents are told', () => {
  it('is what the store says, after any changes', async () => {
    const random = new Prng('dispatcher');
    const nodes = ['m', 'a', 'b', 'c', 'd'];
    for (const id of nodes) await addNode(id, id === 'm' ? 'manager' : 'worker');
    const networks = ['n1', 'n2', 'mesh'];
    await addNetwork('n1');
    await addNetwork('n2');
    await addNetwork('mesh', { Ingress: true });
    await addService('s', ['n1', 'mesh']);
    await addService('t', ['n2']);
    for (const id of nodes) connect(id);
    await clock.advance(100);
    const states: TaskState[] = ['assigned', 'running', 'running', 'failed', 'shutdown'];
    let made = 0;
    for (let step = 0; step < 600; step++) {
      const tasks = [...store.view.all('task')];
      const some = tasks[random.below(Math.max(1, tasks.length))];
      const node = nodes[random.below(nodes.length)] ?? '';
      const kind = random.below(12);
      if (kind < 4 || some === undefined) {
        const on = networks.filter(() => random.below(2) === 0);
        await store.propose([task(`t${made++}`, node, on, random.below(2) === 0 ? 's' : 't')]);
      } else if (kind < 7) await change(some.id, inState(states[random.below(5)] ?? 'running'));
      else if (kind === 7) await change(some.id, { desiredState: 'shutdown' });
      else if (kind === 8) await store.propose([remove('task', some.id, some.version)]);
      else if (kind === 9) await setDown(node, random.below(2) === 0);
      else if (kind === 10) lines.get(node)?.close();
      else {
        const service = store.view.get('service', 's');
        const old = store.view.get('network', 'n1');
        if (service !== undefined && random.below(2) === 0) {
          const Labels = { 'tsswarm.sticky': random.below(2) === 0 ? 'client-ip' : 'no' };
          await store.propose([
            update('service', { ...service, spec: { ...service.spec, Labels } }),
          ]);
        } else if (old !== undefined) {
          const { vni, ...rest } = old;
          const next = vni === undefined ? { ...rest, vni: 5_000 } : rest;
          await store.propose([update('network', next)]);
        }
      }
      if (random.below(3) > 0) continue;
      if (lines.get(node)?.closed === true) connect(node);
      await clock.advance(random.below(300));
      for (const [id, line] of lines) {
        if (line.closed) continue;
        // In the middle of a pause it may be an older state, at its end never.
        await clock.advance(200);
        expect(line.items).toEqual(buildAssignments(store.view, id));
      }
    }
  });

  it('reaches one that did not read as one whole set', async () => {
    await addNode('a');
    await addNode('b');
    await addNetwork('n');
    await addService('s', ['n']);
    await store.propose([task('t1', 'a', ['n']), task('t2', 'b', ['n'])]);
    const line = connect('a');
    await clock.advance(100);
    line.reads = false;
    await change('t2', inState('running'));
    await clock.advance(100);
    const { length } = line.sent;
    for (const state of ['failed', 'running'] as const) {
      await change('t2', inState(state));
      await clock.advance(100);
    }
    await store.propose([task('t3', 'b', ['n'])]);
    await clock.advance(100);
    expect(line.sent).toHaveLength(length);
    line.readOn();
    await clock.advance(10);
    expect(line.sent).toHaveLength(length + 1);
    expect(line.items).toEqual(buildAssignments(store.view, 'a'));
  });

  it('is what a host that joins a network needs, in the set of its first task', async () => {
    for (const id of ['a', 'b', 'c']) await addNode(id);
    await addNetwork('n');
    await addService('s', ['n']);
    await store.propose([task('t1', 'a', ['n'])]);
    const line = connect('b');
    await clock.advance(100);
    expect(line.items.has('network\nn')).toBe(false);
    expect([...line.items.keys()].filter((id) => id.startsWith('host'))).toEqual(['host\nb']);
    const { length } = line.sent;
    await store.propose([task('t2', 'b', ['n'])]);
    await clock.advance(100);
    const { assignments } = line.sent[length] ?? {};
    expect(assignments?.index).toBeGreaterThan(0);
    const ids = assignments?.updates.map(({ kind, key }) => `${kind} ${key}`);
    expect(ids).toEqual(
      expect.arrayContaining(['task t2', 'network n', 'taskEndpoint n/t1', 'host a', 'host c']),
    );
  });

  it('are managers and the hosts behind published ports, where nothing runs', async () => {
    await addNode('m', 'manager');
    for (const id of ['a', 'b', 'c']) await addNode(id);
    await addNetwork('mesh', { Ingress: true });
    await addService('s', []);
    await store.propose([task('t1', 'b', ['mesh'])]);
    const hosts = (line: AgentLine): string[] =>
      [...line.items.keys()].filter((id) => id.startsWith('host')).sort();
    const line = connect('a');
    const serving = connect('b');
    await clock.advance(100);
    expect(hosts(line)).toEqual(['host\na', 'host\nb', 'host\nm']);
    expect(hosts(serving)).toEqual(['host\na', 'host\nb', 'host\nc', 'host\nm']);
    await change('t1', inState('failed'));
    await clock.advance(100);
    expect(hosts(line)).toEqual(['host\na', 'host\nm']);
    expect(hosts(serving)).toEqual(['host\nb', 'host\nm']);
  });
});

describe('up to where hosts are', () => {
  it('is told of all that may send to a task that is to stop, also if they learn nothing new', async () => {
    for (const id of ['a', 'b']) await addNode(id);
    await addNetwork('n');
    await addService('s', ['n']);
    await store.propose([task('t1', 'a', ['n']), task('t2', 'b', ['n'])]);
    for (const id of ['a', 'b']) connect(id);
    await clock.advance(100);
    acknowledge();
    await clock.advance(100);
    // It never ran, so nobody else hears of its end.
    await change('t1', { desiredState: 'shutdown' });
    const { index } = store.view;
    await clock.advance(100);
    expect(applied.get('b')).toBe(index);
    expect(applied.get('a') ?? 0).toBeLessThan(index);
    acknowledge();
    await clock.advance(100);
    expect(applied.get('a')).toBe(index);
  });

  it('is not told of a host that has not acknowledged what it was sent', async () => {
    for (const id of ['a', 'b']) await addNode(id);
    await addNetwork('n');
    await addService('s', ['n']);
    await store.propose([task('t1', 'a', ['n']), task('t2', 'b', ['n'])]);
    for (const id of ['a', 'b']) connect(id);
    await clock.advance(100);
    acknowledge();
    await change('t1', inState('running'));
    await clock.advance(100);
    acknowledge();
    await change('t1', { desiredState: 'shutdown' });
    const { index } = store.view;
    await clock.advance(500);
    expect(applied.get('b') ?? 0).toBeLessThan(index);
    acknowledge();
    await clock.advance(100);
    expect(applied.get('b')).toBeGreaterThanOrEqual(index);
  });
});

describe('work', () => {
  /** A cluster of `count` nodes with a task each on one network; what one changed endpoint costs. */
  async function oneChange(count: number) {
    for (let i = 0; i < count; i++) await addNode(`w${i}`);
    await addNetwork('n');
    await addService('s', ['n']);
    for (let i = 0; i < count; i++) await store.propose([task(`t${i}`, `w${i}`, ['n'])]);
    for (let i = 0; i < count; i++) connect(`w${i}`);
    await clock.advance(1_000);
    acknowledge();
    await clock.advance(1_000);
    for (const line of lines.values()) line.sent.length = 0;
    reads = 0;
    await change('t0', inState('running'));
    await clock.advance(1_000);
    const all = [...lines.values()].flatMap((line) => line.lists);
    return { reads, lists: new Set(all).size, messages: all.length, items: all.flat().length };
  }

  it.each([100, 1_000])(
    'for one endpoint of %d: one list for all, no look at the others',
    async (count) => {
      const cost = await oneChange(count);
      expect(cost).toEqual({ reads: expect.any(Number), lists: 1, messages: count, items: count });
      expect(cost.reads).toBeLessThan(20);
    },
  );

  it('for a status on the way up: nothing, for nobody', async () => {
    const cost = await oneChange(10);
    expect(cost.messages).toBe(10);
    for (const line of lines.values()) line.sent.length = 0;
    reads = 0;
    for (const state of ['preparing', 'starting'] as const) await change('t1', inState(state));
    await clock.advance(1_000);
    expect([...lines.values()].flatMap((line) => line.sent.filter((m) => m.assignments))).toEqual(
      [],
    );
    expect(reads).toBeLessThan(20);
  });

  it('for a service or a revision: only those that have it', async () => {
    for (const id of ['a', 'b']) await addNode(id);
    await addService('s', []);
    await addService('t', []);
    await store.propose([task('t1', 'a', [], 's')]);
    await store.propose([task('t2', 'b', [], 't')]);
    const [a, b] = [connect('a'), connect('b')];
    await clock.advance(100);
    a.sent.length = 0;
    b.sent.length = 0;
    await store.propose([create('credential', { id: 'r-s', registryAuth: 'x' })]);
    await clock.advance(100);
    expect(a.lists.flat().map(({ kind }) => kind)).toEqual(['revision']);
    expect(b.sent).toEqual([]);
  });

  it('for a node that comes: one item, for those that need hosts', async () => {
    await oneChange(50);
    await addNode('idle');
    connect('idle');
    await clock.advance(1_000);
    for (const line of lines.values()) line.sent.length = 0;
    reads = 0;
    await addNode('new');
    await clock.advance(1_000);
    const told = [...lines].filter(([, line]) => line.lists.length > 0);
    expect(told).toHaveLength(50);
    expect(new Set(told.flatMap(([, line]) => line.lists)).size).toBe(1);
    expect(lines.get('idle')?.sent.filter((m) => m.assignments)).toEqual([]);
    expect(reads).toBeLessThan(20);
  });
});

describe('agents that come all at once', () => {
  it('are registered a bounded number at a time, and wait without giving up', async () => {
    const count = 3 * REGISTRATIONS_MAX;
    for (let i = 0; i < count; i++) await addNode(`w${i}`);
    let release = (): void => {};
    held = new Promise((resolve) => (release = resolve));
    const all = Array.from({ length: count }, (_, i) => connect(`w${i}`));
    await clock.advance(3_000);
    expect(calls.filter((method) => method === 'leader.register')).toHaveLength(REGISTRATIONS_MAX);
    const last = all.at(-1);
    // That somebody is there, that it has to wait, and that every second.
    expect(last?.sent.filter(({ heartbeat }) => heartbeat !== undefined)).toHaveLength(5);
    expect(waited).toContain(`w${count - 1}`);
    expect(waited).not.toContain('w0');
    // Nothing is done for those that went away meanwhile, whether it has begun or not.
    all[0]?.close();
    last?.close();
    release();
    await clock.advance(1_000);
    const registered = all.filter((line) => line.sent.some((m) => m.registered !== undefined));
    expect(registered).toHaveLength(count - 2);
    expect(calls.filter((method) => method === 'leader.register')).toHaveLength(count - 1);
  });

  it('are told of the cluster once, and again when it has changed', async () => {
    await addNode('m', 'manager');
    await addNode('w');
    const info: ClusterInfo = {
      managers: ['10.0.0.1:2377'],
      rootCertificates: '',
      dataPathPort: 4789,
      heartbeatPeriodMs: 500,
      role: 'worker',
      blacklist: [],
    };
    dispatcher.publishClusterInfo(info);
    const [m, w] = [connect('m'), connect('w')];
    const told = (line: AgentLine): (string | undefined)[] =>
      line.sent.flatMap((message) => (message.info ? [message.info.role] : []));
    await clock.advance(100);
    dispatcher.publishClusterInfo({ ...info });
    await clock.advance(100);
    expect([told(m), told(w)]).toEqual([['manager'], ['worker']]);
    dispatcher.publishClusterInfo({ ...info, heartbeatPeriodMs: 750 });
    await clock.advance(100);
    expect(w.sent.at(-1)?.info?.heartbeatPeriodMs).toBe(750);
    const node = store.view.get('node', 'w');
    if (node === undefined) throw new Error('no node');
    await store.propose([update('node', { ...node, spec: { ...node.spec, Role: 'manager' } })]);
    await clock.advance(100);
    expect(told(w)).toEqual(['worker', 'worker', 'manager']);
    expect(told(m)).toHaveLength(2);
  });
});

describe('a session that ends', () => {
  it('leaves nothing that is kept up to date for it', async () => {
    await addNode('a');
    await addNetwork('n');
    await addService('s', ['n']);
    await store.propose([task('t1', 'a', ['n'])]);
    const line = connect('a');
    await clock.advance(100);
    line.close();
    await settle();
    reads = 0;
    await change('t1', inState('running'));
    await clock.advance(1_000);
    expect(reads).toBe(0);
  });
});
