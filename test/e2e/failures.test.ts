// What happens when machines and links die: replicas come back, another manager leads, a minority
// writes nothing, and containers outlive every daemon.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEMO, TestLab, waitFor } from './harness.ts';

let lab: TestLab;

beforeAll(async () => {
  lab = await TestLab.up('e2efail', 3, 2);
});

afterAll(async () => {
  await lab.down();
});

/** Environment that the demo program shows. */
const NAMES = ['-e', 'TASK_NAME={{.Task.Name}}', '-e', 'NODE_NAME={{.Node.Hostname}}'];
const hosts = ['m1', 'm2', 'm3', 'w1', 'w2'];

describe('a cluster of five hosts', () => {
  it('runs a service, answers on every host, and keeps the client address', async () => {
    await lab.ok('m1', 'network', 'create', '-d', 'overlay', 'app');
    const create = [
      'service',
      'create',
      '--name',
      'web',
      '--network',
      'app',
      '--replicas',
      '6',
      '-p',
      '8080:80',
    ];
    await lab.ok('m1', ...create, ...NAMES, '--stop-signal', 'KILL', DEMO, 'hello', '80');
    const seen = new Set<string>();
    for (const host of hosts) {
      const answer = await lab.http('client', await lab.address(host), 8080);
      expect(answer).toMatch(/^task web\.\d+\.\w+ on [mw]\d greets 10\.66\.0\.254/);
      seen.add(answer);
    }
    expect(await lab.http('m2', '127.0.0.1', 8080)).toContain('greets');
    expect(seen.size).toBeGreaterThan(1);
  });

  it('keeps every container and every connection by name while all daemons are killed and started', async () => {
    await lab.ok(
      'm1',
      'service',
      'create',
      '--name',
      'client',
      '--network',
      'app',
      DEMO,
      'call',
      'web',
      '80',
    );
    const pids = async (): Promise<string> => {
      const tasks = [...(await lab.running('m1', 'web')), ...(await lab.running('m1', 'client'))];
      return tasks
        .map((task) => `${task.ID} ${task.Status.ContainerStatus?.PID ?? 0}`)
        .sort((a, b) => (a < b ? -1 : 1))
        .join('\n');
    };
    await lab.waitRunning('m1', 'web', 6);
    const before = await pids();
    await Promise.all(hosts.map((host) => lab.lab('kill', '--process', host)));
    await Promise.all(hosts.map((host) => lab.lab('start', host)));
    await waitFor('all nodes to be ready', async () => {
      const nodes = await lab.nodes('m1').catch(() => []);
      return nodes.length === 5 && nodes.every((node) => node.Status.State === 'ready');
    });
    await lab.waitRunning('m1', 'web', 6);
    expect(await pids()).toBe(before);
    const logs = await lab.ok('m1', 'service', 'logs', 'client');
    expect(logs).toContain('greets');
    expect(logs).not.toContain('did not answer');
  });

  it('runs the replicas of a dead worker elsewhere', async () => {
    const dead = await lab.nodeId('m1', 'w1');
    await lab.lab('kill', 'w1');
    await waitFor('six replicas on other hosts', async () => {
      const tasks = await lab.running('m1', 'web');
      return tasks.filter((task) => task.NodeID !== dead).length === 6;
    });
    // Nobody is sent to the tasks of the dead host any more.
    for (let i = 0; i < 10; i++) {
      expect(await lab.http('client', await lab.address('m2'), 8080)).not.toContain('on w1');
    }
    await lab.lab('start', 'w1');
    await waitFor('w1 to be back', async () => {
      const nodes = await lab.nodes('m1');
      return nodes.every((node) => node.Status.State === 'ready');
    });
  });

  it('takes a scale through another manager when the leader dies', async () => {
    const leader = await lab.leader('m1');
    const other = ['m1', 'm2', 'm3'].find((name) => name !== leader) ?? '';
    await lab.lab('kill', leader);
    await lab.ok(other, 'service', 'scale', '-d', 'web=8');
    await lab.waitRunning(other, 'web', 8);
    expect(await lab.leader(other)).not.toBe(leader);
    // Agents that were at the dead manager found another one in time: nobody else is taken for dead.
    const down = async (): Promise<string[]> => {
      const nodes = await lab.nodes(other);
      const dead = nodes.filter((node) => node.Status.State === 'down');
      return dead.map((node) => node.Description.Hostname);
    };
    await waitFor('the dead host to be down', async () => (await down()).includes(leader));
    expect(await down()).toEqual([leader]);
    await lab.lab('start', leader);
    await waitFor('all managers to be reachable', async () => {
      const nodes = await lab.nodes(other);
      return nodes.filter((node) => node.ManagerStatus?.Reachability === 'reachable').length === 3;
    });
  });

  it('accepts no write on the minority side of a partition, and has one history afterwards', async () => {
    const leader = await lab.leader('m1');
    const others = ['m1', 'm2', 'm3'].filter((name) => name !== leader);
    const [majority = ''] = others;
    // The old leader is left with one worker.
    await lab.lab('partition', `${leader},w2`);
    await waitFor('another leader', async () => {
      const name = await lab.leader(majority);
      return name !== leader;
    });
    const refused = lab.cli(leader, 'service', 'scale', '-d', 'web=1');
    await lab.ok(majority, 'service', 'scale', '-d', 'web=5');
    const { status, stderr } = await refused;
    expect(status).toBe(1);
    expect(stderr).toContain('does not have a leader');
    // The worker on the minority side keeps what it runs.
    const kept = await lab.exec(
      'w2',
      'sh',
      '-c',
      'ls /run/tsswarm/containerd-state/io.containerd.runtime.v2.task/tsswarm | wc -l',
    );
    expect(Number(kept)).toBeGreaterThan(0);
    await lab.lab('heal');
    await waitFor('one history', async () => {
      const specs = await Promise.all(
        ['m1', 'm2', 'm3'].map((host) =>
          lab
            .api<{ Spec: { Mode: { Replicated: { Replicas: number } } } }>(
              host,
              'GET',
              '/services/web',
            )
            .catch(() => undefined),
        ),
      );
      return specs.every((service) => service?.Spec.Mode.Replicated.Replicas === 5);
    });
    await lab.waitRunning(majority, 'web', 5);
  });

  it('loses neither leader nor node while the leader’s main thread is blocked', async () => {
    const before = await lab.leader('m1');
    const terms = async (): Promise<number> => {
      const log = await lab.exec(
        before,
        'cat',
        `/var/lib/tsswarm-lab/e2efail/${before}/tsswarmd.log`,
      );
      return log.split('"msg":"leading"').length + log.split('"msg":"node is down"').length;
    };
    const quiet = await terms();
    const daemon = await lab.exec(before, 'pgrep', '-f', '^[^ ]*node.* [^ ]*dist/tsswarmd.js');
    const program = join(import.meta.dirname, 'block-main-thread.mjs');
    for (let i = 0; i < 3; i++) {
      await lab.exec(before, process.execPath, program, daemon.trim().split('\n')[0] ?? '', '300');
    }
    expect(await lab.leader('m1')).toBe(before);
    const nodes = await lab.nodes(before);
    expect(nodes.map((node) => node.Status.State)).toEqual([
      'ready',
      'ready',
      'ready',
      'ready',
      'ready',
    ]);
    expect(await terms()).toBe(quiet);
  });
});
