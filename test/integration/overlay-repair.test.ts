// What others break is repaired within 10 s, in the host's namespace and in sandboxes: one case for
// each kind of damage, while a connection by virtual address and one through the mesh are open. The
// kernel's notifications are what it is found by: a look without them comes once a minute.
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  CLIENT,
  PUBLISHED,
  WEB_PORT,
  ask,
  closeScene,
  lab,
  names,
  openScene,
  peer,
} from './overlay-scene.ts';

const REPAIRED_MS = 10_000;
/** A stream goes on when its sender tries again. */
const RESUMED_MS = 30_000;

interface Damage {
  readonly what: string;
  /** "host", or the network of the sandbox. */
  readonly where: 'host' | 'front' | 'ingress';
  /** In a shell inside the namespace. */
  readonly by: string;
}

const DAMAGES: readonly Damage[] = [
  { what: 'all rules of the host', where: 'host', by: 'nft flush ruleset' },
  { what: "the host's table", where: 'host', by: 'nft delete table ip tsswarm_tl' },
  { what: 'a chain of the host', where: 'host', by: 'nft flush chain ip tsswarm_tl prerouting' },
  { what: 'forwarding', where: 'host', by: 'sysctl -qw net.ipv4.ip_forward=0' },
  {
    what: 'routes of the host',
    where: 'host',
    by: 'ip route flush proto 99; ip -6 route flush proto 99',
  },
  {
    what: 'the uplinks of the host',
    where: 'host',
    by: "for l in $(ip -o link | grep -o 'tl-[a-z0-9]*'); do ip link del $l; done",
  },
  {
    what: 'uplinks that are down',
    where: 'host',
    by: "for l in $(ip -o link | grep -o 'tl-[a-z0-9]*'); do ip link set $l down; done",
  },
  { what: 'all rules of a sandbox', where: 'front', by: 'nft flush ruleset' },
  { what: 'a virtual address', where: 'front', by: 'nft flush map ip tsswarm vips' },
  { what: 'the tunnel', where: 'front', by: 'ip link del vx0' },
  { what: 'a tunnel that is down', where: 'front', by: 'ip link set vx0 down' },
  { what: 'the MTU of the tunnel', where: 'front', by: 'ip link set vx0 mtu 1000' },
  { what: 'the uplink of a sandbox', where: 'front', by: 'ip link del up0' },
  { what: 'a route to a task', where: 'front', by: 'ip route del 10.0.1.12/32' },
  {
    what: 'a route that leads elsewhere',
    where: 'front',
    by: 'ip route replace 10.0.1.12 dev up0',
  },
  { what: 'IPv6 routes', where: 'front', by: 'ip -6 route flush proto 99' },
  { what: 'neighbours', where: 'front', by: 'ip neigh flush nud permanent dev vx0' },
  {
    what: 'the forwarding entries',
    where: 'front',
    by: 'bridge fdb show dev vx0 | while read m d to x; do bridge fdb del $m dev vx0 dst $to; done',
  },
  { what: 'addresses', where: 'front', by: 'ip addr flush dev up0; ip addr flush dev vx0' },
  {
    what: 'the links of tasks',
    where: 'front',
    by: 'for l in $(ip -o link | grep -o "t[a-z0-9]*@" | grep -v vx0 | tr -d @); do ip link del $l; done',
  },
  { what: 'the way back', where: 'ingress', by: 'ip rule del pref 100; ip route flush table 77' },
  { what: 'rules on the tunnel', where: 'ingress', by: 'nft delete table netdev tsswarm' },
];

const HALF = Math.ceil(DAMAGES.length / 2);
const PAIRS = DAMAGES.slice(0, HALF).flatMap((one, index) => {
  const other = DAMAGES[index + HALF];
  return other === undefined ? [] : [{ one, other }];
});

beforeAll(openScene, 120_000);
afterAll(closeScene);

describe('what others break on a host', () => {
  // Two hosts at once: most of a case is waiting.
  it.each(PAIRS)(
    'is repaired: $one.what; $other.what',
    async ({ one, other }) => {
      const before = await Promise.all([state('h1'), state('h2')]);
      const held = await streams();
      await Promise.all([harm('h1', one), harm('h2', other)]);
      const both = (): Promise<string[][]> => Promise.all([state('h1'), state('h2')]);
      await expect.poll(both, { timeout: REPAIRED_MS, interval: 250 }).toEqual(before);
      for (const { from, id } of held) {
        const said = peer(from).call('say', { connection: id });
        expect(await said, `${from} ${id}`).toBe('still here');
      }
      expect(await lab.problems('h1')).toEqual([]);
      expect(await lab.problems('h2')).toEqual([]);
    },
    RESUMED_MS + REPAIRED_MS,
  );

  it('is repaired: a sandbox that is gone', async () => {
    const before = await state('h1');
    const path = sandbox('h1', 'front');
    await lab.run(lab.path('h1'), 'sh', '-c', `umount ${path}; rm ${path}`);
    await expect
      .poll(() => state('h1').catch(() => []), { timeout: REPAIRED_MS, interval: 250 })
      .toEqual(before);
    expect(await ask('cli1', '10.0.1.2', WEB_PORT)).toMatch(/^web[12] sees 10\.0\.1\.21$/u);
    expect(await ask('web2', '10.0.1.21', WEB_PORT)).toBe('cli1 sees 10.0.1.12');
  }, 30_000);

  it('is repaired: a resolver that was killed', async () => {
    const pid = Number(await readFile(`${lab.directory('h1')}/resolver.pid`, 'utf8'));
    process.kill(pid, 'SIGKILL');
    await expect
      .poll(() => names('cli1', 'web').catch(() => []), { timeout: REPAIRED_MS })
      .toEqual(['10.0.1.2']);
  }, 30_000);
});

/** What is broken is looked at at once: a moment later it is mended. */
async function harm(host: string, { what, where, by }: Damage): Promise<void> {
  const path = where === 'host' ? lab.path(host) : sandbox(host, where);
  const before = await linesOf(path);
  expect(await linesOf(path, by), what).not.toEqual(before);
}

function sandbox(host: string, network: string): string {
  return `${lab.directory(host)}/netns/n-${network}`;
}

/** Open connections by virtual address to both tasks, and through the mesh. */
async function streams(): Promise<{ from: string; id: number }[]> {
  const held: { from: string; id: number }[] = [];
  const seen = new Set<string>();
  for (let tries = 0; seen.size < 2 && tries < 40; tries++) {
    const address = { address: '10.0.1.2', port: WEB_PORT };
    const { id, value } = await peer('cli1').numbered<string>('hold', address);
    if (seen.has(value)) continue;
    seen.add(value);
    held.push({ from: 'cli1', id });
  }
  const mesh = { address: '10.99.0.1', port: PUBLISHED };
  const { id, value } = await peer('client').numbered<string>('hold', mesh);
  expect(value).toContain(CLIENT);
  held.push({ from: 'client', id });
  return held;
}

/** What the host's namespace and its sandboxes hold, without numbers that each making changes. */
async function state(host: string): Promise<string[]> {
  const lines: string[] = [];
  for (const path of [lab.path(host), sandbox(host, 'front'), sandbox(host, 'ingress')]) {
    lines.push(...(await linesOf(path)));
  }
  return lines;
}

/** What one namespace holds, right after `first`. */
async function linesOf(path: string, first = ':'): Promise<string[]> {
  const text = await lab.run(path, 'sh', '-c', `{ ${first}; } >&2; ${LOOK}`);
  const lines = text.split('\n').map((line) => line.trim());
  return lines.sort();
}

const LOOK = [
  'nft list ruleset',
  "ip -o link | sed 's/^[0-9]*: //; s/@[^:]*//; s/link-netns.*//' | grep -v 'eth0\\|lo:' | cut -d' ' -f1-5",
  'ip -4 route show table all proto 99; ip -6 route show table all proto 99',
  'ip rule; ip -6 rule',
  "ip -o addr | grep -v eth0 | awk '{print $2, $4}'",
  'ip neigh show nud permanent; ip -6 neigh show nud permanent',
  "bridge fdb show | sed 's/self permanent//'",
  'sysctl net.ipv4.ip_forward',
].join(';');
