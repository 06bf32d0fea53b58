// How one agent is sent its set: in parts that make one whole, as differences, and anew where it fell behind.
import { beforeEach, describe, expect, it } from 'vitest';
import { AgentLine } from '../../../test/builders/agent-line.ts';
import { memoryStore, newNode } from '../../../test/builders/memory-store.ts';
import { create, remove, update, type AssignmentsMessage, type Task } from '../../model/index.ts';
import type { Store } from '../store/index.ts';
import { AgentSession } from './session.ts';
import { SharedSets, buildAssignments } from './sets/index.ts';

let store: Store;
let shared: SharedSets<AgentSession>;
let line: AgentLine;
let session: AgentSession;
let readsOn: number;

async function addTask(id: string, nodeId: string, networks: readonly string[]): Promise<void> {
  const task = {
    id,
    serviceId: 's',
    revisionId: 'r',
    slot: 1,
    nodeId,
    desiredState: 'running',
    status: { state: 'assigned', timestamp: 0, message: '' },
    networks: networks.map((networkId) => ({ networkId, addresses: [], aliases: [] })),
  } as const;
  await store.propose([create('task', task)]);
}

async function changeTask(id: string, more: Partial<Task>): Promise<void> {
  const task = store.view.get('task', id);
  if (task === undefined) throw new Error('no task');
  await store.propose([update('task', { ...task, ...more })]);
}

const running = { status: { state: 'running', timestamp: 0, message: '' } } as const;
const messages = (): AssignmentsMessage[] =>
  line.sent.flatMap(({ assignments }) => assignments ?? []);

/** Sends what differs, and looks whether the agent has all of it then. */
function send(): AssignmentsMessage[] {
  const before = messages().length;
  session.sendAssignments(store.view);
  if (line.reads) expect(line.items).toEqual(buildAssignments(store.view, session.nodeId));
  return messages().slice(before);
}

beforeEach(async () => {
  ({ store } = memoryStore());
  shared = new SharedSets(store);
  line = new AgentLine();
  readsOn = 0;
  for (let i = 0; i < 40; i++) {
    await store.propose([newNode(`w${i}`, { dataPathAddress: `10.1.0.${i}` })]);
  }
  const spec = { Name: 's', TaskTemplate: { ContainerSpec: { Image: 'x' } } };
  const service = { ...spec, Mode: { Replicated: { Replicas: 1 } } };
  await store.propose([create('revision', { id: 'r', serviceId: 's', spec: service, ports: [] })]);
  for (const id of ['n1', 'n2']) {
    const network = { id, spec: { Name: id, Driver: 'overlay' }, vni: 4_097, subnets: [] };
    await store.propose([create('network', network)]);
  }
  session = new AgentSession('w0', 1, line, shared, () => readsOn++);
});

describe('a session', () => {
  it('begins with one whole set, also where there is nothing', async () => {
    const node = store.view.get('node', 'w0');
    await store.propose([remove('node', 'w0', node?.version ?? 0)]);
    const sent = send();
    expect(sent).toMatchObject([{ complete: true, appliesTo: 0, resultsIn: 1, updates: [] }]);
    expect(sent[0]?.index).toBe(store.view.index);
  });

  it('begins with one message, if it fits', async () => {
    await addTask('t1', 'w0', ['n1']);
    const sent = send();
    expect(sent).toHaveLength(1);
    expect(sent[0]).toMatchObject({ complete: true, index: store.view.index });
  });

  it('sends long lists as they are, and short ones together', async () => {
    const other = new AgentLine();
    const beside = new AgentSession('w1', 1, other, shared, () => {});
    send();
    beside.sendAssignments(store.view);
    await addTask('t1', 'w0', ['n1']);
    await addTask('t2', 'w1', ['n2']);
    session.ownChanged();
    beside.ownChanged();
    const sent = send();
    expect(sent.map(({ updates }) => updates.length > 16)).toEqual([true, false]);
    // The last part alone says what the set is.
    expect(sent.map(({ index }) => index > 0)).toEqual([false, true]);
    beside.sendAssignments(store.view);
    expect(other.lists[1]).toBe(sent[0]?.updates);
  });

  it('sends nothing when nothing has changed for it', async () => {
    send();
    await addTask('t1', 'w1', ['n1']);
    expect(send()).toEqual([]);
    expect(session.covers).toBe(-1);
    session.applied(line.index);
    expect(session.covers).toBe(store.view.index);
  });

  it('looks at what is its own only when told so', async () => {
    send();
    await addTask('t1', 'w0', []);
    session.sendAssignments(store.view);
    expect(messages()).toHaveLength(1);
    session.ownChanged();
    expect(send()).toHaveLength(1);
    expect(session.names('r')).toBe(true);
    expect(session.names('other')).toBe(false);
  });

  it('keeps the hosts that it still needs when it needs others no more', async () => {
    await addTask('t1', 'w0', ['n1']);
    await addTask('t2', 'w1', ['n1']);
    send();
    const node = store.view.get('node', 'w5');
    if (node === undefined) throw new Error('no node');
    const spec = { ...node.spec, Role: 'manager' } as const;
    await store.propose([update('node', { ...node, spec })]);
    await changeTask('t1', { status: { ...running.status, state: 'failed' } });
    session.ownChanged();
    const [sent] = send();
    const gone = sent?.removes.map(({ kind, key }) => `${kind} ${key}`) ?? [];
    expect(gone).toContain('host w1');
    expect(gone).toContain('network n1');
    expect(gone).toContain('taskEndpoint n1/t2');
    expect(gone).not.toContain('host w0');
    expect(gone).not.toContain('host w5');
  });

  it('begins anew with an agent that fell too far behind', async () => {
    await addTask('t1', 'w0', ['n1']);
    await addTask('t2', 'w1', ['n1']);
    send();
    line.reads = false;
    await changeTask('t2', running);
    session.sendAssignments(store.view);
    for (let i = 0; i < 1_100; i++) {
      const state = i % 2 === 0 ? 'assigned' : 'running';
      await changeTask('t2', { status: { ...running.status, state } });
    }
    session.sendAssignments(store.view);
    expect(readsOn).toBe(0);
    line.readOn();
    expect(readsOn).toBe(1);
    const sent = send();
    expect(sent[0]).toMatchObject({ complete: true, removes: [] });
    expect(send()).toEqual([]);
  });

  it('does not go on with a set before the agent has read the one before', async () => {
    send();
    await addTask('t1', 'w0', ['n1']);
    session.ownChanged();
    line.reads = false;
    session.sendAssignments(store.view);
    // The first part, hosts; the second waits.
    expect(messages()).toHaveLength(2);
    expect(line.items.has('task\nt1')).toBe(false);
    await addTask('t2', 'w1', ['n1']);
    session.sendAssignments(store.view);
    expect(messages()).toHaveLength(2);
    line.readOn();
    expect(messages()).toHaveLength(3);
    expect(line.items.has('task\nt1')).toBe(true);
    expect(line.items.has('taskEndpoint\nn1/t2')).toBe(false);
    expect(readsOn).toBe(1);
    send();
    expect(line.items.has('taskEndpoint\nn1/t2')).toBe(true);
  });

  it('gives the bytes of what it sends', async () => {
    const all = session.sendAssignments(store.view);
    const bodies = [...line.items.values()].reduce((sum, body) => sum + body.length, 0);
    expect(all).toBe(bodies);
    expect(session.sendAssignments(store.view)).toBe(0);
  });

  it('is current once the agent has applied its newest set', async () => {
    send();
    const first = line.index;
    expect(session.isCurrent).toBe(false);
    await addTask('t1', 'w0', []);
    session.ownChanged();
    send();
    session.applied(first);
    expect(session.isCurrent).toBe(false);
    expect(session.covers).toBe(first);
    session.applied(line.index);
    expect(session.isCurrent).toBe(true);
    expect(session.covers).toBe(store.view.index);
    // An older word changes nothing.
    session.applied(first);
    expect(session.isCurrent).toBe(true);
  });

  it('follows nothing once it has ended', async () => {
    await addTask('t1', 'w0', ['n1']);
    send();
    expect(shared.size).toBe(2);
    line.close();
    expect(shared.size).toBe(0);
    expect(session.sendAssignments(store.view)).toBe(0);
    expect(shared.size).toBe(0);
  });
});
