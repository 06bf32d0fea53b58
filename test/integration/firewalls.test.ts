// Other programs' firewalls on the hosts: what the overlay forwards passes them, what it refuses is
// still refused, and a reload of theirs is mended within 10 s.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  CLIENT,
  CLIENT6,
  HOSTS,
  PUBLISHED,
  WEB_PORT,
  ask,
  closeScene,
  lab,
  openScene,
  peer,
  six,
} from './overlay-scene.ts';

const execute = promisify(execFile);
const REPAIR = { timeout: 10_000, interval: 100 };
const OUTSIDE = 9000;
const IPTABLES = ['iptables', 'ip6tables'];
/** Where a firewall that takes long to start runs: a request's way in, and a task's host. */
const SOME = ['h1', 'h2'];
/** Daemons of the firewall under test. */
const started: ChildProcess[] = [];

beforeAll(async () => {
  await openScene();
  await peer('client').call('serve', { port: OUTSIDE, name: 'outside' });
}, 120_000);
afterAll(async () => {
  await stopAll();
  await closeScene();
});

async function onHosts(
  run: (host: string) => Promise<unknown>,
  hosts: readonly string[] = HOSTS,
): Promise<void> {
  await Promise.all(hosts.map(run));
}

function inHost(host: string, ...argv: string[]): Promise<string> {
  return lab.run(lab.path(host), ...argv);
}

async function stopAll(): Promise<void> {
  for (const child of started.splice(0).reverse()) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  }
}

/** Everything that the overlay promises to forward, through every host and in both families. */
async function forwards(): Promise<void> {
  // Longer than a look takes: the firewall has just come.
  for (const to of [CLIENT, '10.99.0.2']) {
    const port = to === CLIENT ? OUTSIDE : PUBLISHED;
    await expect.poll(() => answer('alien1', to, port), REPAIR).toContain(' sees 10.99.0.1');
  }
  for (const [index, host] of HOSTS.entries()) {
    for (const [address, client] of [
      [`10.99.0.${index + 1}`, CLIENT],
      [`fd99::${index + 1}`, CLIENT6],
    ] as const) {
      await expect.poll(() => answer('client', address, PUBLISHED), REPAIR).toContain(client);
      const packet = { address, port: PUBLISHED };
      expect(await peer('client').call('askUdp', packet)).toContain(`sees ${client}`);
    }
    expect(await ask(host, '127.0.0.1', PUBLISHED)).toMatch(/^web[12] sees /u);
  }
  expect(await ask('cli1', '10.0.1.12', WEB_PORT)).toBe('web2 sees 10.0.1.21');
  expect(await ask('cli1', six('10.0.1.2'), WEB_PORT)).toContain(six('10.0.1.21'));
  expect(await lab.problems('h1')).toEqual([]);
}

/** What is to stay out stays out. */
async function refuses(): Promise<void> {
  await lab.ip('client', 'route', 'add', '10.0.1.0/24', 'via', '10.99.0.1');
  await expect(ask('client', '10.0.1.21', WEB_PORT)).rejects.toThrow();
  await lab.ip('client', 'route', 'del', '10.0.1.0/24', 'via', '10.99.0.1');
  await expect(ask('alien1', '10.0.1.21', WEB_PORT)).rejects.toThrow();
}

function answer(from: string, address: string, port: number): Promise<string> {
  return ask(from, address, port).catch((error: Error) => error.message);
}

describe.each(['nft', 'legacy'])(
  'a FORWARD policy DROP, as of Docker, through iptables-%s',
  (kind) => {
    const tools = IPTABLES.map((name) => `${name}-${kind}`);

    it('lets what is ours through and nothing else', async () => {
      for (const tool of tools) {
        await onHosts((host) => inHost(host, tool, '-P', 'FORWARD', 'DROP'));
      }
      await forwards();
      await refuses();
    }, 60_000);

    it('is mended after a reload, below rules that somebody put first', async () => {
      for (const tool of tools) {
        await onHosts((host) => inHost(host, tool, '-F', 'FORWARD'));
        await onHosts((host) => inHost(host, tool, '-A', 'FORWARD', '-j', 'DROP'));
      }
      await forwards();
      const [first = ''] = tools;
      await inHost('h1', first, '-I', 'FORWARD', '-p', 'tcp', '-j', 'REJECT');
      await expect(ask('client', '10.99.0.1', PUBLISHED)).rejects.toThrow();
      const rules = (await inHost('h1', first, '-S', 'FORWARD')).trim().split('\n');
      expect(rules.map((rule) => rule.includes('tsswarm-tl'))).toEqual([
        false,
        false,
        true,
        true,
        true,
        false,
      ]);
    }, 60_000);

    afterAll(async () => {
      for (const tool of tools) {
        await onHosts((host) => inHost(host, tool, '-F', 'FORWARD'));
        await onHosts((host) => inHost(host, tool, '-P', 'FORWARD', 'ACCEPT'));
      }
    });
  },
);

describe('ufw', () => {
  /** With files of its own in place of the machine's. */
  async function ufw(host: string, ...args: string[]): Promise<void> {
    const directory = `${lab.directory(host)}/firewall`;
    const script =
      'mount -t tmpfs tmpfs /run && mount --bind "$0/ufw" /etc/ufw && ' +
      'mount --bind "$0/default" /etc/default/ufw && ufw "$@"';
    await inHost(host, 'unshare', '--mount', 'sh', '-c', script, directory, ...args);
  }

  it('lets what is ours through and nothing else, also after a reload', async () => {
    await onHosts(async (host) => {
      const directory = `${lab.directory(host)}/firewall`;
      await mkdir(directory, { recursive: true });
      await cp('/etc/ufw', `${directory}/ufw`, { recursive: true });
      await cp('/etc/default/ufw', `${directory}/default`);
      // What the documentation tells users to open.
      await ufw(host, 'allow', '2377,2378/tcp');
      await ufw(host, 'allow', '4789/udp');
      await ufw(host, '--force', 'enable');
    }, SOME);
    expect(await inHost('h1', 'iptables', '-S')).toContain('-P FORWARD DROP');
    await forwards();
    await refuses();
    await ufw('h1', 'reload');
    await forwards();
  }, 60_000);

  afterEach(() => onHosts((host) => ufw(host, 'disable'), SOME));
  afterAll(async () => {
    for (const tool of IPTABLES) {
      await onHosts((host) => inHost(host, tool, '-F'));
      await onHosts((host) => inHost(host, tool, '-X'));
      await onHosts((host) => inHost(host, tool, '-P', 'INPUT', 'ACCEPT'));
    }
  });
});

describe('firewalld', () => {
  /** A bus and a firewalld of the host's own. */
  async function startFirewalld(host: string): Promise<void> {
    const directory = `${lab.directory(host)}/firewall`;
    const bus = `unix:path=${lab.directory(host)}/bus`;
    await mkdir(directory, { recursive: true });
    const config = `${directory}/bus.conf`;
    await writeFile(config, busConfiguration(bus));
    run(host, {}, 'dbus-daemon', `--config-file=${config}`, '--nofork', '--nopidfile');
    const env = { DBUS_SYSTEM_BUS_ADDRESS: bus };
    const script =
      'mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /etc/firewalld && ' +
      'exec firewalld --nofork --nopid';
    await expect
      .poll(
        () =>
          execute('dbus-send', [
            `--bus=${bus}`,
            '--print-reply',
            '--dest=org.freedesktop.DBus',
            '/',
            'org.freedesktop.DBus.ListNames',
          ]).then(
            () => true,
            () => false,
          ),
        REPAIR,
      )
      .toBe(true);
    run(host, env, 'unshare', '--mount', 'sh', '-c', script);
    await expect
      .poll(() => command(host, '--state').catch((error: Error) => error.message), {
        timeout: 20_000,
        interval: 200,
      })
      .toContain('running');
  }

  function run(host: string, env: Record<string, string>, ...argv: string[]): void {
    const args = [`--net=${lab.path(host)}`, ...argv];
    started.push(spawn('nsenter', args, { stdio: 'ignore', env: { ...process.env, ...env } }));
  }

  async function command(host: string, ...args: string[]): Promise<string> {
    const env = { ...process.env, DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${lab.directory(host)}/bus` };
    return (await execute('firewall-cmd', args, { env })).stdout;
  }

  it('lets what is ours through and nothing else, also after a reload', async () => {
    await onHosts(async (host) => {
      await startFirewalld(host);
      await command(host, '--add-port=4789/udp', '--permanent');
      await command(host, '--reload');
    }, SOME);
    expect(await inHost('h1', 'nft', 'list', 'table', 'inet', 'firewalld')).toContain('reject');
    await forwards();
    await refuses();
    await command('h1', '--complete-reload');
    await forwards();
  }, 90_000);
});

it('takes its rules along when the host leaves', async () => {
  for (const tool of ['iptables-nft', 'ip6tables-legacy']) {
    await inHost('h1', tool, '-P', 'FORWARD', 'DROP');
    await expect.poll(() => inHost('h1', tool, '-S', 'FORWARD'), REPAIR).toContain('tsswarm-tl');
  }
  await lab.overlay('h1').call('removeAll');
  for (const tool of ['iptables-nft', 'ip6tables-legacy']) {
    expect(await inHost('h1', tool, '-S', 'FORWARD')).toBe('-P FORWARD DROP\n');
  }
}, 30_000);

function busConfiguration(address: string): string {
  return `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
  "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>${address}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*" eavesdrop="true"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
`;
}
