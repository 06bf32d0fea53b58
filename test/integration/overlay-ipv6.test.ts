// IPv6 beside IPv4 in the data plane: what overlay.test.ts checks of one family holds for the other.
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  CLIENT,
  CLIENT6,
  HOSTS,
  PUBLISHED,
  WEB_PORT,
  ask,
  askOften,
  closeScene,
  endpointActive,
  endpoints,
  heard,
  lab,
  names,
  openScene,
  peer,
  peers,
  say,
  six,
  updateAll,
} from './overlay-scene.ts';

const HOST_ADDRESSES = ['fd99::1', 'fd99::2', 'fd99::3'];
/** Local ports of the client that are used through all hosts at once; 10,000 for the acceptance. */
const CLIENT_PORTS = Number(process.env['TSSWARM_CLIENT_PORTS'] ?? 100);
const FIRST_PORT = 6000;
/** Generous: a port takes a few milliseconds. */
const PORTS_MS = 20_000 + 100 * CLIENT_PORTS;
const FAMILIES = [
  { addresses: HOST_ADDRESSES, client: CLIENT6 },
  { addresses: ['10.99.0.1', '10.99.0.2', '10.99.0.3'], client: CLIENT },
];

beforeAll(openScene, 120_000);
afterAll(closeScene);

describe('tasks', () => {
  it('have an address in each family and nothing of a link of their own', async () => {
    const path = peers.get('cli1')?.namespace ?? '';
    const addresses = await lab.run(path, 'ip', '-6', '-o', 'addr', 'show', 'dev', 'eth0');
    expect(addresses.match(/inet6 \S+/gu)).toEqual([`inet6 ${six('10.0.1.21')}/64`]);
    const alien = peers.get('alien1')?.namespace ?? '';
    expect(await lab.run(alien, 'ip', '-6', '-o', 'addr', 'show', 'dev', 'eth0')).toBe('');
  });

  it('reach each other, here and across hosts', async () => {
    expect(await ask('cli1', six('10.0.1.11'), WEB_PORT)).toBe(`web1 sees ${six('10.0.1.21')}`);
    expect(await ask('cli1', six('10.0.1.12'), WEB_PORT)).toBe(`web2 sees ${six('10.0.1.21')}`);
    expect(await ask('db1', six('10.0.2.32'), WEB_PORT)).toBe(`db2 sees ${six('10.0.2.31')}`);
  });

  it('hear at once of an address without a task', async () => {
    await expect(ask('cli1', six('10.0.1.99'), WEB_PORT)).rejects.toThrow('ENETUNREACH');
  });
});

describe('virtual IP', () => {
  it('spreads over tasks here and there, and they see who asks', async () => {
    const answers = await askOften('cli1', six('10.0.1.2'), WEB_PORT, 24);
    const client = six('10.0.1.21');
    expect(new Set(answers)).toEqual(new Set([`web1 sees ${client}`, `web2 sees ${client}`]));
  });

  it('lets a task reach itself', async () => {
    const answers = await askOften('web1', six('10.0.1.2'), WEB_PORT, 24);
    expect(new Set(answers)).toEqual(
      new Set([`web1 sees ${six('10.0.1.1')}`, `web2 sees ${six('10.0.1.11')}`]),
    );
  });

  it('carries UDP', async () => {
    const address = { address: six('10.0.1.2'), port: WEB_PORT };
    expect(await peer('cli1').call('askUdp', address)).toMatch(/^web[12] sees fd00:0:0:1::21$/u);
  });

  it('refuses at once when there is no task', async () => {
    endpointActive('cli1', 'front', false);
    await updateAll();
    await expect(ask('web1', six('10.0.1.3'), WEB_PORT)).rejects.toThrow('ECONNREFUSED');
    endpointActive('cli1', 'front', true);
    await updateAll();
    expect(await ask('web1', six('10.0.1.3'), WEB_PORT)).toBe(`cli1 sees ${six('10.0.1.11')}`);
  });
});

describe('routing mesh', () => {
  it('keeps the client address on every host', async () => {
    for (const host of HOST_ADDRESSES) {
      const answers = await askOften('client', host, PUBLISHED, 16);
      expect(new Set(answers)).toEqual(new Set([`web1 sees ${CLIENT6}`, `web2 sees ${CLIENT6}`]));
    }
  });

  it('carries UDP with the client address', async () => {
    for (const address of HOST_ADDRESSES) {
      const answer = await peer('client').call('askUdp', { address, port: PUBLISHED });
      expect(answer).toMatch(/^web[12] sees fd99::4$/u);
    }
  });

  it(
    'serves one client port through all hosts at once with TCP',
    async () => {
      const client = peer('client');
      for (const { addresses, client: seen } of FAMILIES) {
        const wrong: string[] = [];
        for (let step = 0; step < CLIENT_PORTS; step++) {
          const localPort = FIRST_PORT + step;
          const held = await Promise.all(
            addresses.map((address) =>
              client.numbered<string>('hold', { address, port: PUBLISHED, localPort }),
            ),
          );
          for (const { id, value } of held) {
            const answer = await client.call('say', { connection: id });
            if (answer !== 'still here' || !value.endsWith(`sees ${seen}`)) wrong.push(value);
            await client.call('release', { connection: id });
          }
        }
        expect(wrong).toEqual([]);
      }
    },
    2 * PORTS_MS,
  );

  it(
    'serves one client port through all hosts at once with UDP',
    async () => {
      for (const { addresses, client } of FAMILIES) {
        const wrong: string[] = [];
        for (let step = 0; step < CLIENT_PORTS; step++) {
          const localPort = FIRST_PORT + step;
          const round = addresses.map((address) =>
            peer('client').call<string>('askUdp', { address, port: PUBLISHED, localPort }),
          );
          for (const answer of await Promise.all(round)) {
            if (!answer.endsWith(`sees ${client}`)) wrong.push(answer);
          }
        }
        expect(wrong).toEqual([]);
      }
    },
    2 * PORTS_MS,
  );

  it('serves the host itself', async () => {
    expect(await ask('h3', 'fd99::3', PUBLISHED)).toMatch(/^web[12] sees /u);
    // Not at ::1, and says so at once: "localhost" goes on to 127.0.0.1.
    await expect(ask('h3', '::1', PUBLISHED)).rejects.toThrow('ECONNREFUSED');
  });

  it('serves tasks through their own and other hosts', async () => {
    for (const address of HOST_ADDRESSES) {
      expect(await ask('cli1', address, PUBLISHED)).toMatch(/^web[12] sees /u);
    }
  });
});

describe('names', () => {
  it('answers with addresses of the family that is asked for', async () => {
    expect(await names('cli1', 'web', 'AAAA')).toEqual([six('10.0.1.2')]);
    expect(await names('cli1', 'web')).toEqual(['10.0.1.2']);
    const tasks = [six('10.0.1.11'), six('10.0.1.12')];
    expect(await names('cli1', 'tasks.web', 'AAAA')).toEqual(tasks);
    expect(await names('db1', 'db', 'AAAA')).toEqual([six('10.0.2.31'), six('10.0.2.32')]);
    const digits = '2.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f';
    expect(await names('cli1', `${digits}.ip6.arpa`, 'PTR')).toEqual(['web.1.web2.front']);
  });

  it('stay as they are under 10,000 malformed packets', async () => {
    const file = `${lab.directory('h1')}/resolver.pid`;
    const before = await readFile(file, 'utf8');
    await peer('cli1').call('noise', { address: '127.0.0.11', port: 53, count: 10_000 });
    expect(await names('cli1', 'web')).toEqual(['10.0.1.2']);
    expect(await readFile(file, 'utf8')).toBe(before);
    expect(await lab.problems('h1')).toEqual([]);
  }, 30_000);
});

describe('isolation', () => {
  it('keeps networks apart, here and across hosts', async () => {
    const other: readonly [string, string][] = [
      ['cli1', '10.0.2.31'],
      ['cli1', '10.0.2.12'],
      ['db1', '10.0.1.21'],
      ['cli1', '10.0.0.11'],
    ];
    for (const [from, to] of other) await expect(ask(from, six(to), WEB_PORT)).rejects.toThrow();
  });

  it('gives an internal network no way out, and the others one', async () => {
    await peer('client').call('serve', { port: 9000, name: 'outside' });
    await expect(ask('db1', CLIENT6, 9000)).rejects.toThrow('ENETUNREACH');
    expect(await ask('cli1', CLIENT6, 9000)).toBe('outside sees fd99::1');
  });

  it('keeps out a neighbour with a route of its own', async () => {
    await lab.ip('client', '-6', 'route', 'add', 'fd00::/48', 'via', 'fd99::1');
    for (const to of ['10.0.1.21', '10.0.1.12', '10.0.0.11', '10.0.1.2']) {
      await expect(ask('client', six(to), WEB_PORT)).rejects.toThrow('timeout');
    }
    await lab.ip('client', '-6', 'route', 'del', 'fd00::/48', 'via', 'fd99::1');
  }, 30_000);

  it('drops forged source addresses', async () => {
    const forged = six('10.0.1.77');
    const from = peers.get('cli1')?.namespace ?? '';
    await lab.run(from, 'ip', 'addr', 'add', `${forged}/128`, 'dev', 'lo', 'nodad');
    const packet = { address: six('10.0.1.11'), port: WEB_PORT };
    await say('cli1', { ...packet, localAddress: forged }, 'forged6');
    await say('cli1', packet, 'genuine6');
    await heard('web1', 'genuine6');
    expect(await peer('web1').call('heard')).not.toContain('forged6');
    await lab.run(from, 'ip', 'addr', 'del', `${forged}/128`, 'dev', 'lo');
  });

  it("refuses tasks tsswarm's own ports", async () => {
    await peer('h1').call('serve', { port: 2377, name: 'manager' });
    await expect(ask('cli1', 'fd99::1', 2377)).rejects.toThrow('ECONNREFUSED');
    expect(await ask('client', 'fd99::1', 2377)).toBe(`manager sees ${CLIENT6}`);
  });
});

describe('change', () => {
  it('resets connections to a removed endpoint', async () => {
    const target = { address: six('10.0.1.12'), port: WEB_PORT };
    const { id } = await peer('cli1').numbered('hold', target);
    const saved = endpoints.get('front/web2');
    endpoints.delete('front/web2');
    await updateAll();
    await expect(peer('cli1').call('say', { connection: id })).rejects.toThrow('ECONNRESET');
    await expect(ask('cli1', target.address, WEB_PORT)).rejects.toThrow('ECONNREFUSED');
    if (saved) endpoints.set('front/web2', saved);
    await updateAll();
    expect(await ask('cli1', target.address, WEB_PORT)).toBe(`web2 sees ${six('10.0.1.21')}`);
  });

  it('leaves nothing behind', async () => {
    for (const host of HOSTS) {
      await lab.overlay(host).call('removeAll');
      expect(await lab.run(lab.path(host), 'nft', 'list', 'ruleset')).toBe('');
      expect(await lab.run(lab.path(host), 'ip', '-6', 'route', 'show', 'proto', '99')).toBe('');
    }
  });
});
