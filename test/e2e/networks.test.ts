// Networks as users make them: encrypted ones between nodes, and what is refused, with which words.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEMO, TestLab, waitFor, type ApiTask } from './harness.ts';

const HOLDER_PORT = 8099;
let lab: TestLab;

beforeAll(async () => {
  lab = await TestLab.up('e2enetworks', 1, 2);
}, 60_000);

afterAll(() => lab?.down());

async function refused(args: readonly string[], message: RegExp): Promise<void> {
  const { status, stderr, stdout } = await lab.cli('m1', ...args);
  expect(stderr + stdout).toMatch(message);
  expect(status).toBe(1);
}

function create(name: string, ...options: string[]): Promise<string> {
  return lab.ok('m1', 'network', 'create', '-d', 'overlay', ...options, name);
}

function serve(name: string, ...options: string[]): Promise<string> {
  const command = ['--env', 'TASK_NAME={{.Task.Name}}', DEMO, 'hello', '80'];
  return lab.ok('m1', 'service', 'create', '-d', '--name', name, ...options, ...command);
}

async function hostOf(task: ApiTask): Promise<string> {
  const nodes = await lab.nodes('m1');
  return nodes.find(({ ID }) => ID === task.NodeID)?.Description.Hostname ?? '';
}

async function inTask(task: ApiTask, ...command: string[]): Promise<string> {
  const pid = String(task.Status.ContainerStatus?.PID ?? 0);
  return lab.exec(await hostOf(task), 'nsenter', '-t', pid, '--net', '--', ...command);
}

/** Without prefix length. */
async function virtualAddresses(service: string): Promise<string[]> {
  const { Endpoint } = await lab.api<{ Endpoint: { VirtualIPs?: { Addr: string }[] } }>(
    'm1',
    'GET',
    `/services/${service}`,
  );
  return (Endpoint.VirtualIPs ?? []).map(({ Addr }) => Addr.split('/')[0] ?? '');
}

/** What a task gets from port 80 of an address. */
function page(task: ApiTask, address: string): Promise<string> {
  const script = 'exec 3<>"/dev/tcp/$0/80" && printf "GET / HTTP/1.0\\r\\n\\r\\n" >&3 && cat <&3';
  return inTask(task, 'timeout', '5', 'bash', '-c', script, address);
}

/** Of the newest task that has one. */
async function errorOf(service: string): Promise<string> {
  const tasks = await lab.tasks('m1', service);
  return tasks.map(({ Status }) => Status.Err ?? '').find((text) => text !== '') ?? '';
}

describe('an encrypted network', () => {
  it('reaches over nodes through tunnels', async () => {
    await create('hidden', '--opt', 'encrypted');
    const one = ['--replicas-max-per-node', '1', '--replicas', '3'];
    await serve('secret', '--network', 'hidden', ...one);
    const tasks = await lab.waitRunning('m1', 'secret', 3);
    expect(new Set(await Promise.all(tasks.map(hostOf))).size).toBe(3);
    for (const task of tasks) {
      const route = await inTask(task, 'ip', '-o', 'link', 'show', 'eth0');
      expect(route).toContain('mtu 1370');
    }
    const [client] = tasks;
    if (client === undefined) throw new Error('no task');
    for (const { NetworksAttachments = [] } of tasks) {
      const address = NetworksAttachments[0]?.Addresses[0]?.split('/')[0] ?? '';
      expect(await page(client, address)).toContain('200');
    }
    const transfers = await lab.exec(await hostOf(client), 'wg', 'show', 'all', 'transfer');
    const sent = transfers
      .trim()
      .split('\n')
      .map((line) => Number(line.split('\t')[3]));
    expect(sent.filter((bytes) => bytes > 0).length).toBeGreaterThanOrEqual(2);
    await lab.ok('m1', 'service', 'rm', 'secret');
    await waitFor('the tunnels to be gone', async () => {
      const shown = await Promise.all(
        ['m1', 'w1', 'w2'].map((host) => lab.exec(host, 'wg', 'show', 'interfaces')),
      );
      return shown.every((text) => text.trim() === '');
    });
  }, 60_000);
});

describe('networks', () => {
  it('that can’t be are refused, and nothing is left of them', async () => {
    const overlay = ['network', 'create', '-d', 'overlay'];
    await create('taken', '--subnet', '10.200.0.0/24');
    const before = await lab.ok('m1', 'network', 'ls', '-q');
    const cases: readonly (readonly [string[], RegExp])[] = [
      [['--subnet', '10.200.0.128/25'], /overlaps with 10\.200\.0\.0\/24 of network taken/u],
      [['--subnet', '10.66.0.0/16'], /10\.66\.0\.0\/16 has the address 10\.66\.0\.\d+ of node/u],
      [['--subnet', '198.19.0.0/24'], /overlaps 198\.18\.0\.0\/15, which is not for networks/u],
      [['--subnet', '10.201.0.0/30'], /too small: \/29 at least/u],
      [['--subnet', '10.201.0.0/24', '--gateway', '10.202.0.1'], /gateway 10\.202\.0\.1/u],
      [['--opt', 'secret'], /unknown option "secret" of driver overlay/u],
      [['--opt', 'com.docker.network.driver.overlay.vxlanid_list=0'], /vxlanid_list=0/u],
      [['--opt', 'com.docker.network.driver.mtu=10'], /MTU 10 must be a number from 576/u],
    ];
    for (const [options, message] of cases) await refused([...overlay, ...options, 'bad'], message);
    await refused(['network', 'create', '-d', 'macvlan', 'bad'], /driver "macvlan" is unknown/u);
    await refused([...overlay, 'taken'], /network with name taken already exists/u);
    await refused([...overlay, 'host'], /not permitted on predefined host network/u);
    expect(await lab.ok('m1', 'network', 'ls', '-q')).toBe(before);
  });

  it('in use stay', async () => {
    await create('used');
    await serve('user', '--network', 'used');
    await refused(['network', 'rm', 'used'], /is in use by service/u);
    await lab.ok('m1', 'service', 'rm', 'user');
    await lab.ok('m1', 'network', 'rm', 'used');
  });

  it('give a service of one task the address that it asks for, also after an update', async () => {
    await create('fixed', '--subnet', '10.205.0.0/24');
    const own = 'name=fixed,ip=10.205.0.77';
    await serve('db', '--network', own);
    const addressOf = async (): Promise<string | undefined> => {
      const [task] = await lab.waitRunning('m1', 'db', 1);
      return task?.NetworksAttachments?.[0]?.Addresses[0];
    };
    expect(await addressOf()).toBe('10.205.0.77/24');
    const before = (await lab.running('m1', 'db'))[0]?.ID;
    await lab.ok('m1', 'service', 'update', '-d', '--env-add', 'A=1', 'db');
    await waitFor('another task', async () => {
      const [task] = await lab.running('m1', 'db');
      return task !== undefined && task.ID !== before;
    });
    expect(await addressOf()).toBe('10.205.0.77/24');
    const cases: readonly (readonly [string[], RegExp])[] = [
      [['--network', own], /10\.205\.0\.77 on network fixed is fixed for service db/u],
      [['--network', 'name=fixed,ip=10.206.0.1'], /is not on network fixed \(10\.205\.0\.0\/24\)/u],
      [['--network', 'name=fixed,ip=10.205.0.1'], /is none for a task/u],
      [['--replicas', '2', '--network', 'name=fixed,ip=10.205.0.5'], /use one replica/u],
    ];
    for (const [options, message] of cases) {
      await refused(['service', 'create', '-d', '--name', 'bad', ...options, DEMO], message);
    }
    await lab.ok('m1', 'service', 'rm', 'db');
  }, 40_000);

  it('do what their options and the labels of services say', async () => {
    await create('inner', '--internal');
    const spread = ['--network', 'inner', '--replicas', '3'];
    await serve('sticky', ...spread, '--label', 'tsswarm.sticky=client-ip');
    await serve('plain', ...spread);
    await serve('bare', '--network', 'inner', '--endpoint-mode', 'dnsrr');
    const [client] = await lab.waitRunning('m1', 'bare', 1);
    if (client === undefined) throw new Error('no task');
    expect(await inTask(client, 'ip', 'route')).not.toContain('default');
    const pages = async (service: string): Promise<number> => {
      await lab.waitRunning('m1', service, 3);
      const [vip = ''] = await virtualAddresses(service);
      const seen = new Set<string>();
      for (let i = 0; i < 16; i++) {
        seen.add(await page(client, vip).catch((error: Error) => error.message));
      }
      return seen.size;
    };
    expect(await pages('plain')).toBe(3);
    expect(await pages('sticky')).toBe(1);
    expect(await virtualAddresses('bare')).toEqual([]);
    await lab.ok('m1', 'service', 'rm', 'sticky', 'plain', 'bare');
  }, 40_000);

  it('without an address left say so, and go on when one is free', async () => {
    await create('small', '--subnet', '10.203.0.0/29');
    await serve('many', '--network', 'small', '--replicas', '5');
    // Gateway and virtual address leave four of six.
    await lab.waitRunning('m1', 'many', 4);
    await waitFor('the fifth to say why', async () => (await errorOf('many')) !== '');
    expect(await errorOf('many')).toMatch(/no address is free on network small/u);
    await lab.ok('m1', 'service', 'rm', 'many');
  }, 40_000);

  it('that overlap a network of one node alone are refused there, by name', async () => {
    await lab.exec('w1', 'ip', 'link', 'add', 'lan', 'type', 'veth');
    await lab.exec('w1', 'ip', 'addr', 'add', '10.204.0.1/16', 'dev', 'lan');
    await lab.exec('w1', 'ip', 'link', 'set', 'lan', 'up');
    await create('clash', '--subnet', '10.204.5.0/24');
    await serve('near', '--network', 'clash', '--constraint', 'node.hostname==w1');
    await serve('far', '--network', 'clash', '--constraint', 'node.hostname==w2');
    await lab.waitRunning('m1', 'far', 1);
    await waitFor('the reason', async () =>
      (await errorOf('near')).includes('overlaps 10.204.0.0/16 on lan of this host'),
    );
    expect(await lab.exec('w1', 'ip', 'route', 'show', '10.204.5.0/24')).toBe('');
    await lab.ok('m1', 'service', 'rm', 'near', 'far');
  }, 40_000);
});

describe('published ports', () => {
  it('by which nodes are reached are refused', async () => {
    for (const port of ['22', '2377', '2378', '4789', '4788']) {
      const { status, stderr } = await lab.cli(
        'm1',
        'service',
        'create',
        '-d',
        '--name',
        'bad',
        '-p',
        `${port}:80`,
        DEMO,
        'hello',
        '80',
      );
      expect(stderr).toContain(`port ${port} can't be published`);
      expect(status).toBe(1);
    }
    expect(await lab.ok('m1', 'service', 'ls')).not.toContain('bad');
  });

  it('that a program of one node holds are served by the others, and later by all', async () => {
    const program = `require('net').createServer((s) => s.end('other')).listen(${HOLDER_PORT})`;
    const holder = await lab.spawn('w1', [process.execPath, '-e', program]);
    try {
      await serve('open', '-p', `${HOLDER_PORT}:80`);
      await lab.waitRunning('m1', 'open', 1);
      const held = `port ${HOLDER_PORT}/tcp is held by another program on this host`;
      await waitFor('w1 to say so', async () => {
        const { stdout, stderr } = await lab.cli('w1', 'info');
        return (stdout + stderr).includes(held);
      });
      for (const host of ['m1', 'w2']) {
        const address = await lab.address(host);
        await waitFor(`${host} to serve`, async () =>
          lab.http('client', address, HOLDER_PORT).then(
            (page) => page !== '',
            () => false,
          ),
        );
      }
    } finally {
      holder.kill('SIGKILL');
    }
    await lab.exec(
      'w1',
      'sh',
      '-c',
      `kill -9 $(ss -Hltnp sport = :${HOLDER_PORT} | sed -n 's/.*pid=\\([0-9]*\\).*/\\1/p' | sort -u) || true`,
    );
    const address = await lab.address('w1');
    await waitFor('w1 to serve', async () =>
      lab.http('client', address, HOLDER_PORT).then(
        (page) => page.trim() !== 'other' && page !== '',
        () => false,
      ),
    );
    await lab.ok('m1', 'service', 'rm', 'open');
  }, 60_000);
});
