// What a user sees of networks: `network inspect -v` (also with the stock docker CLI) and `network
// trace`, on a way that works and on ways that are broken by hand.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TraceReport } from '../../src/model/index.ts';
import { DEMO, TestLab, waitFor } from './harness.ts';

interface VerboseNetwork {
  readonly Services: Readonly<
    Record<
      string,
      {
        readonly VIP: string;
        readonly Ports: string[];
        readonly Tasks: {
          readonly Name: string;
          readonly EndpointIP: string;
          readonly Info: Readonly<Record<string, string>>;
        }[];
      }
    >
  >;
  readonly Peers: readonly { Name: string; IP: string; Acknowledged?: boolean }[];
  readonly EndpointVersion: number;
}

const VXLAN = ['udp', 'dport', '4789', 'drop'];

let lab: TestLab;

beforeAll(async () => {
  lab = await TestLab.up('e2etrace', 1, 2);
  for (const network of ['front', 'other']) {
    await lab.ok('m1', 'network', 'create', '-d', 'overlay', network);
  }
  await service('client', 'front', 'm1', 'hello', '80');
  await service('web', 'front', 'w1', 'hello', '80', '-p', '8080:80');
  await service('alien', 'other', 'w1', 'hello', '80');
});

afterAll(() => lab.down());

describe('network inspect -v', () => {
  it('shows services, tasks, peers, and who has acknowledged the endpoints', async () => {
    let network: VerboseNetwork | undefined;
    await waitFor('both hosts to acknowledge', async () => {
      network = await inspect();
      return (
        network.Peers.length === 2 && network.Peers.every((peer) => peer.Acknowledged === true)
      );
    });
    expect(network?.Peers.map(({ Name }) => Name).sort()).toEqual(['m1', 'w1']);
    expect(network?.EndpointVersion).toBeGreaterThan(0);
    const web = network?.Services['web'];
    expect(web?.VIP).toMatch(/^10\./u);
    expect(web?.Ports).toEqual(['Target: 80, Publish: 8080']);
    expect(web?.Tasks).toHaveLength(1);
    expect(web?.Tasks[0]?.Name).toMatch(/^web\.1\./u);
    expect(web?.Tasks[0]?.Info['Host IP']).toBe(await lab.address('w1'));
  });

  it('is shown by the stock docker CLI', async () => {
    const { stdout, status } = await lab.docker('m1', 'network', 'inspect', '-v', 'front');
    expect(status).toBe(0);
    const [network] = JSON.parse(stdout) as VerboseNetwork[];
    expect(Object.keys(network?.Services ?? {}).sort()).toEqual(['client', 'web']);
    expect(network?.Peers).toHaveLength(2);
  });
});

describe('network trace', () => {
  it('finds nothing broken where nothing is', async () => {
    const report = await trace('client', 'web');
    expect(report.verdict).toBe('web can be reached from client');
    expect(report.steps.filter(({ state }) => state !== 'ok')).toEqual([]);
    const text = report.steps.map((step) => step.text).join('\n');
    expect(text).toMatch(/web is 10\./u);
    expect(text).toMatch(/virtual address 10\.[\d.]+:80 takes connections/u);
    const { stdout, status } = await lab.cli('m1', 'network', 'trace', 'client', 'web');
    expect(status).toBe(0);
    expect(stdout).toContain('web can be reached from client');
  });

  it('says that there is no network in common', async () => {
    const report = await trace('client', 'alien');
    expect(report.verdict).toContain('client and alien have no network in common (front; other)');
  });

  it('names a port that nobody listens on', async () => {
    const { verdict } = await trace('client', 'web', '--port', '81');
    expect(verdict).toMatch(/^broken at w1: nobody listens on port 81 in web\.1\..*only on 80/u);
  });

  it('names the table that drops the packets between hosts', async () => {
    await lab.exec('w1', 'nft', 'add', 'table', 'inet', 'foreign');
    const hook = '{ type filter hook input priority -10; }';
    await lab.exec('w1', 'nft', 'add', 'chain', 'inet', 'foreign', 'input', hook);
    await lab.exec('w1', 'nft', 'add', 'rule', 'inet', 'foreign', 'input', ...VXLAN);
    const { verdict } = await trace('client', 'web');
    expect(verdict).toMatch(/packets to web\.1\..* get lost between the hosts/u);
    expect(verdict).toContain('w1: table inet foreign, chain input: udp dport 4789 drop');
    await lab.exec('w1', 'nft', 'delete', 'table', 'inet', 'foreign');
    expect((await trace('client', 'web')).reachable).toBe(true);
  });

  it('names a service without an active task', async () => {
    await lab.ok('m1', 'service', 'scale', '-d', 'web=0');
    await waitFor('no task', async () => (await lab.running('m1', 'web')).length === 0);
    const { verdict } = await trace('client', 'web');
    expect(verdict).toBe('broken at cluster: web has no active task on front: it has none');
    await lab.ok('m1', 'service', 'scale', '-d', 'web=1');
    await lab.waitRunning('m1', 'web', 1);
  });

  it('names a host that can not be asked', async () => {
    await lab.lab('kill', 'w1');
    const { verdict } = await trace('client', 'web');
    expect(verdict).toMatch(/host w1 can't be asked|web has no active task.*w1, which is down/u);
  });
});

function service(name: string, network: string, host: string, ...rest: string[]): Promise<unknown> {
  const [command = '', port = '', ...flags] = rest;
  const place = ['--network', network, '--constraint', `node.hostname==${host}`];
  return lab.ok('m1', 'service', 'create', '--name', name, ...place, ...flags, DEMO, command, port);
}

function inspect(): Promise<VerboseNetwork> {
  return lab.api<VerboseNetwork>('m1', 'GET', '/networks/front?verbose=true');
}

/** Fails where the CLI prints no report. */
async function trace(from: string, to: string, ...flags: string[]): Promise<TraceReport> {
  const argv = ['network', 'trace', '--format', 'json', ...flags, from, to];
  const { stdout, stderr } = await lab.cli('m1', ...argv);
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as TraceReport;
}
