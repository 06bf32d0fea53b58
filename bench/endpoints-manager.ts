// The manager's side of bench/endpoints.ts: the differences that ten sessions are sent.
import { silentLogger } from '../src/base/index.ts';
import { Store } from '../src/manager/index.ts';
import { AgentSession, SharedSets, type AgentConnection } from '../src/manager/dispatcher/index.ts';
import { create, update, type Draft, type Network, type Task } from '../src/model/index.ts';
import { systemClock } from '../src/platform/index.ts';

const SERVICES = 1_000;
const TASKS = 10;
const CHANGES = 20;
const SESSIONS = 10;

/** A store with 1,000 services of 10 tasks on one network, whose proposals are committed at once. */
export async function benchStore(): Promise<Store> {
  const store = new Store({ clock: systemClock, logger: silentLogger, instance: 'bench' });
  let index = 0;
  store.connect({
    propose: (payload) => {
      store.apply([{ index: ++index, payload }]);
      return Promise.resolve(index);
    },
  });
  await fill(store);
  return store;
}

/** Milliseconds of the first set and of one difference, for each session. */
export async function differenceCost(): Promise<{ firstMs: number; changeMs: number }> {
  const store = await benchStore();
  const quiet: AgentConnection = {
    send: () => true,
    onMessage: () => {},
    onDrain: () => {},
    onClose: () => {},
    close: () => {},
  };
  const shared = new SharedSets<AgentSession>(store);
  const sessions = Array.from(
    { length: SESSIONS },
    (_, i) => new AgentSession(`node${i}`, 1, quiet, shared, () => {}),
  );
  const send = (): number => {
    const start = performance.now();
    for (const session of sessions) session.sendAssignments(store.view);
    return (performance.now() - start) / SESSIONS;
  };
  const firstMs = send();
  const times: number[] = [];
  for (let i = 0; i < CHANGES; i++) {
    const task = store.view.get('task', `task${i * 7 + 1}`);
    if (task === undefined) throw new Error('a task is missing');
    await store.propose([update('task', { ...task, desiredState: 'shutdown' })]);
    times.push(send());
  }
  return { firstMs, changeMs: times.sort((a, b) => a - b)[times.length >> 1] ?? 0 };
}

async function fill(store: Store): Promise<void> {
  await store.propose([create('cluster', { id: 'cluster', nextNodeNumber: 1 } as never)]);
  const spec = { Role: 'worker', Availability: 'active', Labels: {} } as const;
  for (let i = 0; i < 100; i++) {
    const at = `10.99.0.${i + 1}`;
    const status = { state: 'ready', message: '', address: at, dataPathAddress: at, since: 0 };
    const object = { id: `node${i}`, spec, role: 'worker', status } as const;
    await store.propose([{ kind: 'addNode', object } as never]);
  }
  const subnets = [{ subnet: '10.0.0.0/16', gateway: '10.0.0.1' }];
  const network = { id: 'net', spec: { Name: 'net', Driver: 'overlay' }, vni: 1 << 20, subnets };
  await store.propose([create('network', network as unknown as Draft<Network>)]);
  for (let s = 0; s < SERVICES; s++) await store.propose(service(s));
}

function service(s: number): Parameters<Store['propose']>[0] {
  const TaskTemplate = { ContainerSpec: { Image: 'x' }, Networks: [{ Target: 'net' }] };
  const spec = { Name: `s${s}`, Mode: { Replicated: { Replicas: TASKS } }, TaskTemplate };
  const vip = s + 16;
  const virtualIps = [{ networkId: 'net', address: `10.0.${vip >> 8}.${vip & 255}/16` }];
  const endpoint = { ports: [], virtualIps, allocatedFor: 1 };
  const ids = { id: `service${s}`, revisionId: `r${s}` };
  const tasks = Array.from({ length: TASKS }, (_, t) => {
    const number = s * TASKS + t;
    const address = `10.0.${(number + 4_096) >> 8}.${number & 255}/16`;
    const task: Draft<Task> = {
      id: `task${number}`,
      serviceId: ids.id,
      revisionId: ids.revisionId,
      slot: t + 1,
      nodeId: `node${number % 100}`,
      desiredState: 'running',
      status: { state: 'running', timestamp: 0, message: 'started' },
      networks: [{ networkId: 'net', addresses: [address], aliases: [] }],
    };
    return create('task', task);
  });
  return [
    create('service', { ...ids, spec, specVersion: 1, endpoint }),
    create('revision', { id: ids.revisionId, serviceId: ids.id, spec, ports: [] }),
    ...tasks,
  ];
}
