// No request is lost while tasks are replaced or daemons are killed, and only those to a host that dies:
// a load from outside through all hosts, and one from a task by name, go on meanwhile.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../src/lab/host.ts';
import { DEMO, TestLab, type ApiTask } from './harness.ts';
import { RequestLoad, begunAt, type LoadResult } from './request-load.ts';
import { SilentClients } from './silent-clients.ts';

const HOSTS = ['m1', 'm2', 'm3', 'w1', 'w2'];
const REPLICAS = 6;
const PORT = 8080;
/** Silent clients through each host, and within: with six tasks some are served by any host. */
const SILENT = 10;
/**
 * Until names and maps of all hosts are free of a host that died: 3 s, and as much again since all hosts
 * and the load share a machine here.
 */
const FREE_AFTER_MS = 6_000;
/** Until a client that only waits knows that its server is dead; likewise. */
const RESET_MS = 6_000;

let lab: TestLab;
/** What must not outlive a test that fails. */
const begun: { close(): void }[] = [];

beforeAll(async () => {
  lab = await TestLab.up('e2ereq', 3, 2);
  await lab.ok('m1', 'network', 'create', '-d', 'overlay', 'app');
  const net = ['--network', 'app'];
  const web = ['--name', 'web', '--replicas', String(REPLICAS), '-p', `${PORT}:80`];
  // Answers take a moment, so that some are under way whenever a task is stopped.
  await lab.ok('m1', 'service', 'create', '-d', ...web, ...net, DEMO, 'hello', '80', '5');
  await lab.ok('m1', 'service', 'create', '-d', '--name', 'client', ...net, DEMO, 'load');
  await lab.waitRunning('m1', 'web', REPLICAS);
  await lab.waitRunning('m1', 'client', 1);
});

afterAll(async () => {
  for (const one of begun) one.close();
  await lab.down();
});

/** From outside through all hosts but one, and from within by name. */
async function loads(except = ''): Promise<RequestLoad[]> {
  const [task] = await lab.running('m2', 'client');
  if (task === undefined) throw new Error('the client service has no task');
  const nodes = await lab.nodes('m2');
  const host = nodes.find(({ ID }) => ID === task.NodeID)?.Description.Hostname ?? '';
  const hosts = HOSTS.filter((one) => one !== except);
  const outside = await RequestLoad.outside(lab, hosts, PORT, { threads: 2 });
  const inside = await RequestLoad.inside(lab, host, task, 'web:80', { threads: 1 });
  begun.push(outside, inside);
  return [outside, inside];
}

async function none(running: readonly RequestLoad[]): Promise<void> {
  const results: LoadResult[] = await Promise.all(running.map((load) => load.stop()));
  for (const { failures, failed, requests } of results) {
    expect(failures).toEqual([]);
    expect(failed).toBe(0);
    expect(requests).toBeGreaterThan(100);
  }
}

/** Through all hosts but one, and from a task to the virtual address. */
async function waiting(except: string, host: string, task: ApiTask | undefined) {
  if (task === undefined) throw new Error('the client service has no task');
  const inspected = await lab.ok('m1', 'service', 'inspect', 'web');
  const network = await lab.ok('m1', 'network', 'inspect', 'app');
  const prefix = /"Subnet": "(\d+\.\d+\.\d+)\./.exec(network)?.[1] ?? '?';
  const vip = new RegExp(`${prefix}\\.\\d+`).exec(inspected)?.[0] ?? '';
  const hosts = await Promise.all(
    HOSTS.filter((one) => one !== except).map((one) => lab.address(one)),
  );
  const ports = hosts.flatMap((one) => Array<string>(SILENT).fill(`${one}:${PORT}`));
  const virtual = Array<string>(4 * SILENT).fill(`${vip}:80`);
  const outside = await SilentClients.outside(lab, ports);
  const inside = await SilentClients.inside(lab, host, task, virtual);
  begun.push(outside, inside);
  await outside.connected();
  await inside.connected();
  return [outside, inside];
}

/** The silent clients whose server is on this host. */
async function servedAt(host: string, clients: SilentClients): Promise<string[]> {
  const id = (await lab.nodes('m1')).find(({ Description }) => Description.Hostname === host)?.ID;
  const tasks = (await lab.running('m1', 'web')).filter(({ NodeID }) => NodeID === id);
  const served = await Promise.all(tasks.map((task) => clients.servedBy(lab, host, task)));
  return served.flat().sort();
}

describe('no request is lost', () => {
  it('in updates, start-first and stop-first', async () => {
    const running = await loads();
    for (const order of ['start-first', 'stop-first']) {
      const how = ['--update-order', order, '--update-parallelism', String(REPLICAS / 2)];
      await lab.ok(
        'm1',
        'service',
        'update',
        '--force',
        '--update-monitor',
        '500ms',
        ...how,
        'web',
      );
    }
    await none(running);
  });

  it('while every daemon is killed and started in turn', async () => {
    const before = (await lab.running('m1', 'web')).map(({ ID }) => ID).sort();
    const running = await loads();
    for (const host of HOSTS) {
      await lab.lab('kill', '--process', host);
      await lab.lab('start', host);
      await lab.leader(host.startsWith('m') ? host : 'm1');
    }
    await none(running);
    await lab.waitRunning('m1', 'web', REPLICAS);
    // Nobody took a node for dead, so nothing was replaced.
    expect((await lab.running('m1', 'web')).map(({ ID }) => ID).sort()).toEqual(before);
  });

  it('to other hosts than the one that dies, nor to that one for long', async () => {
    const [client] = await lab.running('m1', 'client');
    const nodes = await lab.nodes('m1');
    const own = nodes.find(({ ID }) => ID === client?.NodeID)?.Description.Hostname;
    // An update may leave a host without a replica: one is to die that serves somebody.
    const serving = new Set((await lab.running('m1', 'web')).map(({ NodeID }) => NodeID));
    const victims = nodes
      .filter(({ ID }) => serving.has(ID))
      .map((one) => one.Description.Hostname);
    const victim =
      ['w1', 'w2', 'm2', 'm3'].find((one) => one !== own && victims.includes(one)) ?? '';
    const host = own ?? '';
    const silent = await waiting(victim, host, client);
    const doomed = await Promise.all(silent.map((clients) => servedAt(victim, clients)));
    const running = await loads(victim);
    await lab.lab('kill', victim);
    const killedAt = Date.now();
    for (const [i, clients] of silent.entries()) {
      const wanted = doomed[i] ?? [];
      expect(wanted.length).toBeGreaterThan(0);
      await until('clients of the dead host to be told', () =>
        Promise.resolve(wanted.every((one) => clients.ended.has(one))),
      );
    }
    await lab.waitRunning('m1', 'web', REPLICAS);
    for (const [i, clients] of silent.entries()) {
      expect([...clients.ended.keys()].sort()).toEqual(doomed[i]);
      for (const { why, at } of clients.ended.values()) {
        expect(why).toBe('ECONNRESET');
        expect(at - killedAt).toBeLessThan(RESET_MS);
      }
      clients.close();
    }
    for (const load of running) {
      const { failures } = await load.stop();
      const late = failures.filter((line) => begunAt(line) - killedAt > FREE_AFTER_MS);
      expect(late).toEqual([]);
    }
  });
});
