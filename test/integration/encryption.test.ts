// Encrypted networks on real kernels' namespaces: nothing of them is on the wire in the clear, keys
// are replaced without losing a packet, and a host that can't encrypt says so.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type {
  HostAssignment,
  HostEncryption,
  ServiceEndpointAssignment,
  TaskEndpointAssignment,
} from '../../src/model/index.ts';
import { OverlayLab, type Peer } from './overlay-lab.ts';
import { assignment, network, plan, six, vxlanPacket, type TaskPlan } from './overlay-scene.ts';

const execute = promisify(execFile);
const HOSTS = ['h1', 'h2', 'h3'];
const VNI = (1 << 20) + 5;
const PORT = 80;
/** Shorter than the time between two looks: each starts a change of keys. */
const KEY_PERIOD_MS = 1_000;
const NETWORKS = [
  { ...network('hidden', VNI, '10.0.5', {}), encrypted: true },
  network('open', VNI + 1, '10.0.6', {}),
];
const TASKS = [
  plan('hid1', 'hid', 'h1', { hidden: '10.0.5.11' }),
  plan('hid2', 'hid', 'h2', { hidden: '10.0.5.12' }),
  plan('open1', 'open', 'h1', { open: '10.0.6.11' }),
  plan('open2', 'open', 'h2', { open: '10.0.6.12' }),
  plan('open3', 'open', 'h3', { open: '10.0.6.13' }),
];

let lab: OverlayLab;
let capture: ChildProcess;
let captured = '';
const peers = new Map<string, Peer>();
const keys = new Map<string, HostEncryption>();

beforeAll(async () => {
  lab = await OverlayLab.open();
  for (const [index, host] of HOSTS.entries()) {
    await lab.machine(host, `10.99.0.${index + 1}`);
    // wireguard-go has a socket named after the device for the whole machine.
    const instance = `a${process.pid.toString(36).slice(-4)}${index + 1}`;
    const missing = host === 'h3' ? ['wg'] : [];
    await lab.startOverlay(host, { instance, keyPeriodMs: KEY_PERIOD_MS, missing });
  }
  captured = `${lab.directory('h1')}/wire.pcap`;
  const wire = ['-i', 'uh1', '-U', '-s', '0', '-w', captured];
  capture = spawn('nsenter', [`--net=${lab.path('ul')}`, 'tcpdump', ...wire], { stdio: 'ignore' });
  await updateAll();
  for (const task of TASKS) await attach(task);
}, 120_000);

afterAll(async () => {
  capture?.kill('SIGKILL');
  await lab?.close();
});

/** Everything that went over the wire of h1. */
function wireText(): Promise<string> {
  return readFile(captured, 'latin1').catch(() => '');
}

function hostOf(host: string): HostAssignment {
  const number = HOSTS.indexOf(host) + 1;
  const encryption = keys.get(host);
  const common = { nodeId: host, hostname: host, number, address: `10.99.0.${number}` };
  return encryption ? { ...common, encryption } : common;
}

/** What managers do: every host is told every other's keys. */
async function updateAll(): Promise<void> {
  for (const host of HOSTS) {
    const found = await lab.overlay(host).call<HostEncryption | undefined>('encryption');
    if (found) keys.set(host, found);
  }
  const state = {
    dataPathPort: 4789,
    networks: new Map(NETWORKS.map((entry) => [entry.id, entry])),
    hosts: new Map(HOSTS.map((host) => [host, hostOf(host)])),
    services: new Map<string, ServiceEndpointAssignment>(),
    endpoints: new Map(TASKS.flatMap((task) => endpointsOf(task))),
  };
  await Promise.all(HOSTS.map((host) => lab.update(host, { ...state, self: hostOf(host) })));
}

function endpointsOf(task: TaskPlan): [string, TaskEndpointAssignment][] {
  return Object.entries(task.networks).map(([networkId, address]) => [
    `${networkId}/${task.id}`,
    {
      networkId,
      serviceId: task.service,
      taskId: task.id,
      name: `${task.service}.1.${task.id}`,
      nodeId: task.host,
      addresses: [address, six(address)],
      aliases: [],
      active: true,
    },
  ]);
}

async function attach(task: TaskPlan): Promise<void> {
  const { path = '' } = await lab.attach(task.host, assignment(task));
  const started = await lab.peer(path);
  await started.program.call('serve', { port: PORT, name: task.id });
  peers.set(task.id, started);
}

function program(name: string): Peer['program'] {
  const found = peers.get(name);
  if (found === undefined) throw new Error(`no peer ${name}`);
  return found.program;
}

function ask(from: string, address: string): Promise<string> {
  return program(from).call('ask', { address, port: PORT });
}

function say(from: string, address: string, text: string): Promise<unknown> {
  const data = Buffer.from(text).toString('base64');
  return program(from).call('send', { address, port: PORT, data });
}

function heard(by: string): Promise<string[]> {
  return program(by).call('heard');
}

async function devices(host: string): Promise<string[]> {
  const links = await lab.run(lab.path(host), 'ip', '-o', 'link');
  return [...links.matchAll(/^\d+: (wg[^:@]+)/gmu)].map(([, name = '']) => name);
}

describe('an encrypted network', () => {
  it('carries both families between hosts, and nothing of it can be read', async () => {
    expect(await ask('hid1', '10.0.5.12')).toBe('hid2 sees 10.0.5.11');
    expect(await ask('hid2', six('10.0.5.11'))).toBe(`hid1 sees ${six('10.0.5.12')}`);
    await say('hid1', '10.0.5.12', 'a secret word');
    await say('open1', '10.0.6.12', 'a public word');
    await expect.poll(() => heard('hid2'), { timeout: 3_000 }).toContain('a secret word');
    await expect.poll(() => wireText(), { timeout: 3_000 }).toContain('a public word');
    const wire = await wireText();
    expect(wire).not.toContain('a secret word');
    expect(wire).not.toContain('hid2 sees');
  });

  it('leaves room for the headers', async () => {
    const path = peers.get('hid1')?.namespace ?? '';
    expect(await lab.run(path, 'ip', '-o', 'link', 'show', 'eth0')).toContain('mtu 1370');
    // The largest packet that the task may send arrives whole.
    const largest = 'x'.repeat(1370 - 28);
    await say('hid1', '10.0.5.12', largest);
    await expect.poll(() => heard('hid2'), { timeout: 3_000 }).toContain(largest);
  });

  it('takes nothing that came in the clear, not even from a host of the cluster', async () => {
    const outside = await lab.peer(lab.path('h1'));
    const forged = (vni: number, to: string, text: string): Record<string, unknown> => ({
      address: '10.99.0.2',
      port: 4789,
      data: vxlanPacket(vni, to.replace(/12$/u, '11'), to, PORT, text),
    });
    await outside.program.call('send', forged(VNI, '10.0.5.12', 'forged'));
    await outside.program.call('send', forged(VNI + 1, '10.0.6.12', 'well made'));
    await expect.poll(() => heard('open2'), { timeout: 3_000 }).toContain('well made');
    expect(await heard('hid2')).not.toContain('forged');
  });

  it('replaces keys on every host without losing a packet', async () => {
    const seen = new Map(
      ['h1', 'h2'].map((host) => [host, new Set([keys.get(host)?.keys.join()])]),
    );
    const connection = await program('hid1').numbered('hold', { address: '10.0.5.12', port: PORT });
    let sent = 0;
    const limit = Date.now() + 40_000;
    const replaced = (): number => Math.min(...[...seen.values()].map(({ size }) => size));
    while (replaced() < 3 && Date.now() < limit) {
      await updateAll();
      for (const [host, sets] of seen) sets.add(keys.get(host)?.keys.join());
      for (let i = 0; i < 20; i++) {
        await say('hid1', '10.0.5.12', `packet ${sent++}`);
        await say('hid2', '10.0.5.11', `packet ${sent++}`);
      }
    }
    expect(replaced()).toBeGreaterThanOrEqual(3);
    await updateAll();
    expect(await program('hid1').call('say', { connection: connection.id })).toBe('still here');
    const arrived = async (): Promise<number> =>
      [...(await heard('hid1')), ...(await heard('hid2'))].filter((text) =>
        text.startsWith('packet '),
      ).length;
    await expect.poll(arrived, { timeout: 3_000 }).toBe(sent);
  }, 60_000);

  it('sends nothing in the clear when its tunnels are gone, and makes them again', async () => {
    for (const device of await devices('h1')) await lab.ip('h1', 'link', 'del', device);
    await say('hid1', '10.0.5.12', 'without a tunnel');
    await expect
      .poll(() => ask('hid1', '10.0.5.12').catch(() => ''), { timeout: 10_000 })
      .toBe('hid2 sees 10.0.5.11');
    expect(await wireText()).not.toContain('without a tunnel');
  }, 20_000);

  it('lives on when the daemon is killed and started again', async () => {
    const connection = await program('hid1').numbered('hold', { address: '10.0.5.12', port: PORT });
    const told = keys.get('h1')?.keys;
    await lab.overlay('h1').kill();
    expect(await program('hid1').call('say', { connection: connection.id })).toBe('still here');
    const again = await lab.startOverlay('h1', { keyPeriodMs: 3_600_000 });
    const found = await again.call<HostEncryption>('encryption');
    expect(found.keys.some((key) => told?.includes(key))).toBe(true);
    await updateAll();
    expect(await program('hid1').call('say', { connection: connection.id })).toBe('still here');
  });
});

describe('a host that can’t encrypt', () => {
  it('refuses tasks of such networks, says why, and serves the others', async () => {
    const task = plan('hid3', 'hid', 'h3', { hidden: '10.0.5.13' });
    await expect(lab.attach('h3', assignment(task))).rejects.toThrow(
      'task hid3: network hidden is encrypted, and here the program wg is not installed',
    );
    expect(await lab.run('/proc/self/ns/net', 'ls', `${lab.directory('h3')}/netns`)).not.toContain(
      't-hid3',
    );
    const [problem] = await lab.problems('h3');
    expect(problem?.message).toContain("encrypted networks don't work here");
    expect(await ask('open3', '10.0.6.11')).toBe('open1 sees 10.0.6.13');
  });
});

it('keeps private keys to itself and leaves nothing behind', async () => {
  const mode = await execute('stat', ['-c', '%a', `${lab.directory('h1')}/tunnels.json`]);
  expect(mode.stdout.trim()).toBe('600');
  expect((await devices('h1')).length).toBe(2);
  await lab.overlay('h1').call('removeAll');
  expect(await devices('h1')).toEqual([]);
  expect(await lab.run(lab.path('h1'), 'ip', 'route', 'show', 'proto', '99')).toBe('');
  await expect(readFile(`${lab.directory('h1')}/tunnels.json`)).rejects.toThrow('ENOENT');
});
