// What is left to do when managers are lost for good: one survivor goes on alone, and a backup brings
// the cluster back on a machine that never belonged to it.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEMO, TestLab, waitFor } from './harness.ts';

const REPLICAS = 3;

let lab: TestLab;
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tsswarm-disaster-'));
  lab = await TestLab.up('e2edisaster', 3, 2);
  await writeFile(join(directory, 'secret'), 'hidden');
  await lab.ok('m1', 'network', 'create', '-d', 'overlay', '--label', 'of=test', 'back');
  await lab.api('m1', 'POST', '/secrets/create', {
    Name: 'password',
    Data: Buffer.from('hidden').toString('base64'),
  });
  const create = ['service', 'create', '--name', 'web', '--replicas', String(REPLICAS)];
  const where = ['--constraint', 'node.role==worker', '--network', 'back'];
  const more = ['--secret', 'password', '-p', '8080:8080', '--stop-signal', 'KILL'];
  await lab.ok('m1', ...create, ...where, ...more, DEMO, 'load');
});

afterAll(async () => {
  await lab.down();
  await rm(directory, { recursive: true, force: true });
});

/** Everything that must be as before: specs, ids, tokens. */
async function essence(host: string): Promise<object> {
  const list = (path: string): Promise<object[]> => lab.api<object[]>(host, 'GET', path);
  const { JoinTokens, Spec, ID } = await lab.api<{
    JoinTokens: object;
    Spec: object;
    ID: string;
  }>(host, 'GET', '/swarm');
  const pick = (objects: object[]): unknown[] =>
    (objects as { ID?: string; Id?: string; Name?: string; Spec?: object }[])
      .map(({ ID: id, Id, Name, Spec: spec }) => ({ id: id ?? Id, Name, spec }))
      .filter(({ Name }) => !['bridge', 'host', 'none'].includes(Name ?? ''))
      .sort((a, b) => ((a.id ?? '') < (b.id ?? '') ? -1 : 1));
  const [services, networks, secrets, configs] = await Promise.all(
    ['/services', '/networks', '/secrets', '/configs'].map(list),
  );
  return {
    JoinTokens,
    Spec,
    ID,
    services: pick(services ?? []),
    networks: pick(networks ?? []),
    secrets: pick(secrets ?? []),
    configs: pick(configs ?? []),
  };
}

async function processes(via: string): Promise<string> {
  const tasks = await lab.running(via, 'web');
  const lines = tasks.map(
    ({ ID, NodeID, Status }) => `${ID} ${NodeID} ${Status.ContainerStatus?.PID}`,
  );
  return lines.sort((a, b) => (a < b ? -1 : 1)).join('\n');
}

describe('two of three managers lost', () => {
  let before: object;
  let running: string;

  // The leader dies first: what it wrote alone in the end is known to nobody.
  it('refuses to change anything without a quorum', async () => {
    before = await essence('m2');
    running = await processes('m2');
    await lab.lab('kill', 'm1');
    await lab.lab('kill', 'm3');
    const refused = await lab.cli('m2', 'service', 'update', '-d', '--label-add', 'a=b', 'web');
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain('The swarm does not have a leader');
    const backup = await lab.cli('m2', 'cluster', 'backup', join(directory, 'none'));
    expect(backup.status).toBe(1);
  });

  it('goes on with the survivor alone: same state, same processes', async () => {
    await lab.ok('m2', 'swarm', 'init', '--force-new-cluster', '--advertise-addr', 'eth0');
    expect(await essence('m2')).toEqual(before);
    await waitFor('the workers to be back', async () => {
      const nodes = await lab.nodes('m2');
      const ready = nodes.filter(({ Status }) => Status.State === 'ready');
      const names = ready.map(({ Description }) => Description.Hostname).sort();
      return names.join() === 'm2,w1,w2';
    });
    expect(await processes('m2')).toBe(running);
    const managers = (await lab.nodes('m2')).filter((node) => node.ManagerStatus !== undefined);
    expect(managers.map(({ Description }) => Description.Hostname)).toEqual(['m2']);
    await lab.ok('m2', 'service', 'scale', `web=${REPLICAS + 1}`);
    await lab.waitRunning('m2', 'web', REPLICAS + 1);
  });

  it('takes the lost managers back as workers, and as managers when they are promoted', async () => {
    await lab.lab('start', 'm1');
    await waitFor('m1 to be a worker', async () => {
      const { stderr } = await lab.cli('m1', 'node', 'ls');
      return stderr.includes('Worker nodes can');
    });
    await lab.ok('m2', 'node', 'promote', 'm1');
    await waitFor(
      'm1 to be a manager',
      async () => (await lab.cli('m1', 'node', 'ls')).status === 0,
    );
    expect(await essence('m1')).toEqual(await essence('m2'));
  });
});

describe('a backup', () => {
  const file = (): string => join(directory, 'cluster.backup');
  const keyFile = (): string => join(directory, 'key');
  let before: object;

  it('is one file with a key of its own, and shows nothing of what is in it', async () => {
    before = await essence('m2');
    const output = await lab.ok('m2', 'cluster', 'backup', file());
    const key = /TSBKEY-1-\S+/.exec(output)?.[0] ?? '';
    await writeFile(keyFile(), `${key}\n`);
    const content = await readFile(file());
    for (const text of ['hidden', Buffer.from('hidden').toString('base64'), 'web', 'SWMTKN']) {
      expect(content.includes(text)).toBe(false);
    }
  });

  it('is refused on a node of a cluster, with another key, and when it is damaged', async () => {
    const here = await lab.cli('m2', 'cluster', 'restore', '--key-file', keyFile(), file());
    expect(here.stderr).toContain('already part of a swarm');
    await lab.ok('w2', 'swarm', 'leave');
    const other = join(directory, 'other-key');
    await writeFile(other, `TSBKEY-1-${Buffer.alloc(32).toString('base64url')}`);
    const wrong = await lab.cli('w2', 'cluster', 'restore', '--key-file', other, file());
    expect(wrong.stderr).toContain('the key does not open this backup');
    const damaged = join(directory, 'damaged');
    const content = await readFile(file());
    content[content.length - 60] = (content[content.length - 60] ?? 0) ^ 1;
    await writeFile(damaged, content);
    const args = ['cluster', 'restore', '--advertise-addr', 'eth0', '--key-file', keyFile()];
    const broken = await lab.cli('w2', ...args, damaged);
    expect(broken.status).toBe(1);
    expect(broken.stderr).toContain('the backup is damaged at offset');
    const info = await lab.api<{ Swarm: { LocalNodeState: string } }>('w2', 'GET', '/info');
    expect(info.Swarm.LocalNodeState).toBe('inactive');
  });

  it('brings the cluster back on a fresh machine', async () => {
    for (const host of ['m1', 'm2', 'w1']) await lab.lab('kill', host);
    const args = ['cluster', 'restore', '--advertise-addr', 'eth0', '--key-file', keyFile()];
    await lab.ok('w2', ...args, file());
    expect(await essence('w2')).toEqual(before);
    // The services want workers: the node of the backup that comes back finds the new manager's
    // address only if it is told; a new worker joins with the old token.
    const { JoinTokens } = await lab.api<{ JoinTokens: { Worker: string } }>('w2', 'GET', '/swarm');
    await lab.lab('start', 'w1');
    await lab.ok('w1', 'swarm', 'leave', '--force');
    const join = ['swarm', 'join', '--token', JoinTokens.Worker, '--advertise-addr', 'eth0'];
    await lab.ok('w1', ...join, `${await lab.address('w2')}:2377`);
    const id = await newest('w2', 'w1');
    await waitFor(
      'all replicas on the worker that is there',
      async () => {
        const running = await lab.running('w2', 'web');
        return running.length === REPLICAS + 1 && running.every(({ NodeID }) => NodeID === id);
      },
      60_000,
    );
  });
});

/** The node of this name that is ready: the one in the backup is down. */
async function newest(via: string, hostname: string): Promise<string> {
  let id = '';
  await waitFor(`one ready ${hostname}`, async () => {
    const named = (await lab.nodes(via)).filter((node) => node.Description.Hostname === hostname);
    const ready = named.filter(({ Status }) => Status.State === 'ready');
    id = ready[0]?.ID ?? '';
    return named.length === 2 && ready.length === 1;
  });
  return id;
}
