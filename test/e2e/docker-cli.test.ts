// The stock docker CLI on the daemon's socket, as the users of Swarm type it.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEMO, TestLab, waitFor } from './harness.ts';

let lab: TestLab;

beforeAll(async () => {
  lab = await TestLab.up('e2edock', 1, 1, '--bare');
});

afterAll(async () => {
  await lab.down();
});

async function docker(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await lab.docker('m1', ...args);
  if (status !== 0) throw new Error(`docker ${args.join(' ')}: ${stderr}${stdout}`);
  return stdout;
}

describe('docker swarm', () => {
  it('init, join-token and join make a cluster', async () => {
    const address = await lab.address('m1');
    expect(await docker('swarm', 'init', '--advertise-addr', address)).toContain(
      'is now a manager',
    );
    const token = (await docker('swarm', 'join-token', '-q', 'worker')).trim();
    expect(token).toMatch(/^SWMTKN-1-[0-9a-z]{50}-[0-9a-z]{25}$/);
    const joined = await lab.docker(
      'w1',
      'swarm',
      'join',
      '--token',
      token,
      '--advertise-addr',
      'eth0',
      `${address}:2377`,
    );
    expect(joined.stdout).toContain('This node joined a swarm as a worker');
    await lab.loadImages();
    const nodes = await docker(
      'node',
      'ls',
      '--format',
      '{{.Hostname}} {{.Status}} {{.ManagerStatus}}',
    );
    expect(
      nodes
        .trim()
        .split('\n')
        .map((line) => line.trim())
        .sort((a, b) => (a < b ? -1 : 1)),
    ).toEqual(['m1 Ready Leader', 'w1 Ready']);
  });
});

describe('docker service', () => {
  it('creates, lists, inspects, scales, updates, rolls back, logs and removes', async () => {
    const create = [
      'service',
      'create',
      '-q',
      '--no-resolve-image',
      '--name',
      'web',
      '--replicas',
      '3',
    ];
    await docker(
      ...create,
      '--update-monitor',
      '500ms',
      '--rollback-monitor',
      '500ms',
      '-p',
      '8080:80',
      DEMO,
      'hello',
      '80',
    );
    expect(await docker('service', 'ls', '--format', '{{.Name}} {{.Replicas}} {{.Ports}}')).toBe(
      'web 3/3 *:8080->80/tcp\n',
    );
    expect(await docker('service', 'ps', '--format', '{{.Name}} {{.CurrentState}}', 'web')).toMatch(
      /web\.1 Running .*\nweb\.2 Running .*\nweb\.3 Running /,
    );
    expect(await docker('service', 'inspect', '--pretty', 'web')).toMatch(/Replicas:\s+3/);
    expect(await docker('service', 'scale', 'web=2')).toContain('web scaled to 2');
    await docker(
      'service',
      'update',
      '-q',
      '--no-resolve-image',
      '--image',
      'tsswarm-demo:2',
      'web',
    );
    expect(await docker('service', 'ls', '--format', '{{.Image}} {{.Replicas}}')).toBe(
      'tsswarm-demo:2 2/2\n',
    );
    await docker('service', 'rollback', '-q', 'web');
    expect(await docker('service', 'ls', '--format', '{{.Image}} {{.Replicas}}')).toBe(
      'tsswarm-demo:1 2/2\n',
    );
    expect(await docker('service', 'logs', 'web')).toContain('| listening on port 80');
    await docker('service', 'rm', 'web');
    expect(await docker('service', 'ls', '-q')).toBe('');
  });
});

describe('docker network', () => {
  it('creates, lists and removes overlays', async () => {
    await docker('network', 'create', '-d', 'overlay', '--attachable', 'mine');
    expect(await docker('network', 'ls', '--format', '{{.Name}} {{.Driver}} {{.Scope}}')).toContain(
      'mine overlay swarm',
    );
    expect(
      await docker('network', 'inspect', '-f', '{{(index .IPAM.Config 0).Subnet}}', 'mine'),
    ).toBe('10.0.1.0/24\n');
    await docker('network', 'rm', 'mine');
    expect(await docker('network', 'ls', '-q', '-f', 'name=mine')).toBe('');
  });

  it('gives networks with IPv6 addresses of both families', async () => {
    const subnets = ['--subnet', '10.77.0.0/24', '--subnet', 'FD77:0::/64'];
    await docker('network', 'create', '-d', 'overlay', '--ipv6', ...subnets, 'dual');
    const configs = '{{.EnableIPv6}}{{range .IPAM.Config}} {{.Subnet}} {{.Gateway}}{{end}}';
    expect((await docker('network', 'inspect', '-f', configs, 'dual')).trim()).toBe(
      'true 10.77.0.0/24 10.77.0.1 fd77::/64 fd77::1',
    );
    await docker('network', 'create', '-d', 'overlay', '--ipv6', 'own');
    expect(await docker('network', 'inspect', '-f', configs, 'own')).toMatch(
      /^true 10\.\S+ \S+ fd[0-9a-f:]+::\/64 fd[0-9a-f:]+::1/,
    );
    await expect(
      docker('network', 'create', '-d', 'overlay', '--ipv6', '--subnet', 'fd77::/80', 'twice'),
    ).rejects.toThrow('subnet fd77::/80 overlaps with fd77::/64 of network dual');
    await docker(
      'service',
      'create',
      '-d',
      '--name',
      'six',
      '--network',
      'dual',
      DEMO,
      'hello',
      '80',
    );
    await lab.waitRunning('m1', 'six', 1);
    const vips = '{{range .Endpoint.VirtualIPs}}{{.Addr}} {{end}}';
    expect((await docker('service', 'inspect', '-f', vips, 'six')).trim()).toMatch(
      /^10\.77\.0\.\d+\/24 fd77::\w+\/64$/,
    );
    const id = (await docker('service', 'ps', '-q', '--no-trunc', 'six')).trim();
    const addresses = '{{range .NetworksAttachments}}{{.Addresses}}{{end}}';
    expect((await docker('inspect', '--type', 'task', '-f', addresses, id)).trim()).toMatch(
      /^\[10\.77\.0\.\d+\/24 fd77::\w+\/64\]$/,
    );
    await docker('service', 'rm', 'six');
    await waitFor('its networks can be removed', async () => {
      const { status } = await lab.docker('m1', 'network', 'rm', 'dual', 'own');
      return status === 0;
    });
  }, 60_000);
});

describe('docker stack', () => {
  const file = join(import.meta.dirname, 'stacks', 'web.yaml');

  it('deploys, lists and removes', async () => {
    await docker('stack', 'deploy', '--resolve-image', 'never', '-c', file, 'shop');
    await lab.waitRunning('m1', 'shop_web', 2);
    await lab.waitRunning('m1', 'shop_client', 1);
    expect(await docker('stack', 'ls', '--format', '{{.Name}} {{.Services}}')).toBe('shop 2\n');
    expect(await docker('stack', 'ps', '--format', '{{.Name}}', 'shop')).toContain('shop_web.2');
    expect(
      await docker('stack', 'services', '--format', '{{.Name}} {{.Replicas}}', 'shop'),
    ).toContain('shop_web 2/2');
    await waitFor('an answer by name', async () =>
      (await docker('service', 'logs', 'shop_client')).includes('greets'),
    );
    await docker('stack', 'rm', 'shop');
    await waitFor(
      'the stack to be gone',
      async () => (await docker('stack', 'ls')).trim().split('\n').length === 1,
    );
  });
});

describe('docker info and version', () => {
  it('say what they talk to', async () => {
    expect(await docker('version', '--format', '{{.Server.APIVersion}}')).toBe('1.51\n');
    expect(await docker('info', '--format', '{{.Swarm.LocalNodeState}} {{.Swarm.Nodes}}')).toBe(
      'active 2\n',
    );
  });
});
