// Nodes that change their role, leave, are emptied or thrown out, while a service goes on untouched.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEMO, TestLab, waitFor, type ApiNode } from './harness.ts';

let lab: TestLab;
/** Tasks of the service as they were at first: id, node and process. */
let untouched: string;

const REPLICAS = 4;

beforeAll(async () => {
  lab = await TestLab.up('e2emember', 1, 2);
  const create = ['service', 'create', '--name', 'web', '--replicas', String(REPLICAS)];
  await lab.ok('m1', ...create, '--stop-signal', 'KILL', DEMO, 'load');
  untouched = await allTasks('m1');
});

afterAll(async () => {
  await lab.down();
});

/** Every task that the managers know of, dead ones too: a replacement would show. */
async function allTasks(via: string): Promise<string> {
  const tasks = await lab.tasks(via, 'web');
  return tasks
    .map(
      (task) =>
        `${task.ID} ${task.NodeID} ${task.Status.ContainerStatus?.PID} ${task.Status.State}`,
    )
    .sort((a, b) => (a < b ? -1 : 1))
    .join('\n');
}

async function nodes(via: string): Promise<ReadonlyMap<string, ApiNode>> {
  const list = await lab.nodes(via).catch(() => []);
  return new Map(list.map((node) => [node.Description.Hostname, node]));
}

function reachableManagers(found: ReadonlyMap<string, ApiNode>): string[] {
  const names = [...found].filter(([, node]) => node.ManagerStatus?.Reachability === 'reachable');
  return names.map(([name]) => name).sort((a, b) => (a < b ? -1 : 1));
}

async function swarmState(host: string): Promise<string> {
  const info = await lab.api<{ Swarm: { LocalNodeState: string } }>(host, 'GET', '/info');
  return info.Swarm.LocalNodeState;
}

async function tasksOn(via: string, hostname: string): Promise<number> {
  const id = await lab.nodeId(via, hostname);
  return (await lab.running(via, 'web')).filter((task) => task.NodeID === id).length;
}

const join = (token: string, target: string): string[] => [
  'swarm',
  'join',
  '--token',
  token,
  '--advertise-addr',
  'eth0',
  `${target}:2377`,
];

describe('a cluster of one manager and two workers', () => {
  it('has three managers after both workers were promoted', async () => {
    await lab.ok('m1', 'node', 'promote', 'w1', 'w2');
    for (const host of ['m1', 'w1', 'w2']) {
      await waitFor(`three managers as ${host} sees them`, async () => {
        const found = await nodes(host);
        return reachableManagers(found).join() === 'm1,w1,w2' && leaders(found).length === 1;
      });
    }
    await lab.ok('w2', 'service', 'update', '-d', '--label-add', 'by=w2', 'web');
    expect(await allTasks('w1')).toBe(untouched);
  });

  it('goes on when the first manager, which leads, is demoted', async () => {
    expect(await lab.leader('w1')).toBe('m1');
    await lab.ok('m1', 'node', 'demote', 'm1');
    await waitFor('m1 to be a worker and another one to lead', async () => {
      const found = await nodes('w1');
      const isWorker = found.get('m1')?.ManagerStatus === undefined;
      return isWorker && reachableManagers(found).join() === 'w1,w2' && leaders(found).length === 1;
    });
    await waitFor('m1 to answer as a worker', async () => {
      const { stderr } = await lab.cli('m1', 'node', 'ls');
      return stderr.includes("Worker nodes can't be used to view or modify cluster state");
    });
    await waitFor('all nodes to be ready', async () => {
      const found = [...(await nodes('w1')).values()];
      return found.length === 3 && found.every((node) => node.Status.State === 'ready');
    });
    expect(await allTasks('w1')).toBe(untouched);
    expect(await allTasks('w2')).toBe(untouched);
  });

  it('moves the tasks of a drained node, and uses it again once it is active', async () => {
    await lab.ok('w1', 'node', 'update', '--availability', 'drain', 'm1');
    await waitFor('all replicas elsewhere', async () => {
      const running = await lab.running('w1', 'web');
      return running.length === REPLICAS && (await tasksOn('w1', 'm1')) === 0;
    });
    await lab.ok('w1', 'node', 'update', '--availability', 'active', 'm1');
    expect(await tasksOn('w1', 'm1')).toBe(0);
    await lab.ok('w1', 'service', 'scale', 'web=6');
    expect(await tasksOn('w1', 'm1')).toBeGreaterThan(0);
  });

  it('takes a node that left out of the list, and a new token only back in', async () => {
    const old = (await lab.ok('w1', 'swarm', 'join-token', '-q', 'worker')).trim();
    const next = (await lab.ok('w1', 'swarm', 'join-token', '-q', '--rotate', 'worker')).trim();
    expect(next).not.toBe(old);
    await lab.ok('m1', 'swarm', 'leave');
    expect(await swarmState('m1')).toBe('inactive');
    // It has said so: nobody has to wait for its silence.
    expect((await nodes('w1')).get('m1')?.Status.State).toBe('down');
    await lab.ok('w1', 'node', 'rm', 'm1');
    expect([...(await nodes('w2')).keys()].sort()).toEqual(['w1', 'w2']);
    await lab.waitRunning('w1', 'web', 6);
    const target = await lab.address('w1');
    const refused = await lab.cli('m1', ...join(old, target));
    expect(refused.stderr).toContain('valid join token is necessary');
    expect(refused.status).toBe(1);
    await lab.ok('m1', ...join(next, target));
    await waitFor('m1 to be a new node', async () => {
      return (await nodes('w2')).get('m1')?.Status.State === 'ready';
    });
  });

  it('closes the access of a node that is thrown out', async () => {
    const id = await lab.nodeId('w1', 'm1');
    await lab.ok('w1', 'service', 'scale', 'web=9');
    expect(await tasksOn('w1', 'm1')).toBeGreaterThan(0);
    await lab.ok('w1', 'node', 'rm', '--force', id);
    await waitFor('m1 to be refused', async () => (await swarmState('m1')) !== 'active');
    expect((await nodes('w2')).has('m1')).toBe(false);
    const running = await lab.waitRunning('w1', 'web', 9);
    expect(running.every((task) => task.NodeID !== id)).toBe(true);
    // Also after a restart, with the certificate that it still has.
    await lab.lab('stop', 'm1');
    await lab.lab('start', 'm1');
    await lab.ok('w1', 'service', 'scale', 'web=2');
    expect(await swarmState('m1')).not.toBe('active');
    expect((await nodes('w1')).has('m1')).toBe(false);
    await lab.ok('m1', 'swarm', 'leave', '--force');
    expect(await swarmState('m1')).toBe('inactive');
  });

  it('leaves in the middle of a join and of an init, and nothing is left of either', async () => {
    const token = (await lab.ok('w1', 'swarm', 'join-token', '-q', 'worker')).trim();
    // Nobody answers there.
    const joining = lab.cli('m1', ...join(token, '192.0.2.1'));
    await waitFor('the join to be under way', async () => {
      const { status } = await lab.cli('m1', 'swarm', 'leave', '--force');
      return status === 0;
    });
    expect((await joining).stderr).toContain(
      'this node left the swarm while its join was under way',
    );
    const init = ['swarm', 'init', '--advertise-addr', 'eth0'];
    for (const delayMs of [0, 50, 150, 400]) {
      const founding = lab.cli('m1', ...init);
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      await waitFor('the init to be under way, or over', async () => {
        const { status } = await lab.cli('m1', 'swarm', 'leave', '--force');
        return status === 0;
      });
      const { status, stderr } = await founding;
      if (status !== 0) expect(stderr).toContain('this node left the swarm while its init was');
      expect(await swarmState('m1')).toBe('inactive');
    }
    await lab.ok('m1', ...init);
    expect(await swarmState('m1')).toBe('active');
    await lab.ok('m1', 'swarm', 'leave', '--force');
    await lab.ok('m1', ...join(token, await lab.address('w1')));
    expect(await swarmState('m1')).toBe('active');
  });
});

function leaders(found: ReadonlyMap<string, ApiNode>): ApiNode[] {
  return [...found.values()].filter((node) => node.ManagerStatus?.Leader === true);
}
