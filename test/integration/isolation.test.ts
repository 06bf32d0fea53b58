// Isolation against somebody who is root in a task, or on a neighbour machine: the list of
// docs/design/overlay.md from end to end, both families where they differ. What overlay.test.ts and
// overlay-ipv6.test.ts check of well-behaved tasks is not repeated here.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  CLIENT,
  HOSTS,
  PUBLISHED,
  WEB_PORT,
  ask,
  closeScene,
  heard,
  lab,
  openScene,
  peer,
  peers,
  port,
  say,
  service,
  services,
  six,
  updateAll,
  vxlanPacket,
} from './overlay-scene.ts';

const HOST_PORT = 9100;
const MANAGER_PORT = 2377;
const OTHER_LOOPBACK = '127.9.9.9';

beforeAll(async () => {
  await openScene();
  for (const host of ['h1', 'h2']) {
    await peer(host).call('serve', { port: HOST_PORT, name: `service of ${host}` });
    await peer(host).call('serve', { port: MANAGER_PORT, name: `manager ${host}` });
  }
}, 120_000);
afterAll(closeScene);

/** As root in the namespace of a task or machine. */
function asRoot(name: string, ...argv: string[]): Promise<string> {
  return lab.run(peers.get(name)?.namespace ?? '', ...argv);
}

/** What a text from `by` reaches of the receivers, after one that must arrive at each of them. */
async function arrives(
  by: string,
  packets: readonly Record<string, unknown>[],
  to: string,
  genuine: () => Promise<unknown>,
): Promise<string[]> {
  for (const packet of packets) await say(by, packet, `forged by ${by}`);
  await genuine();
  await heard(to, 'genuine');
  return (await peer(to).call<string[]>('heard')).filter((text) => text.startsWith('forged'));
}

describe('a task with all rights in its namespace', () => {
  it.each([
    ['a neighbour’s address', '10.0.1.11'],
    ['the address of a task on another host', '10.0.1.12'],
    ['the virtual address', '10.0.1.2'],
    ['the gateway’s', '10.0.1.1'],
    ['an outside client’s', CLIENT],
    ['a host’s', '10.99.0.2'],
  ])('can’t send from %s', async (_whose, forged) => {
    const address = forged === '10.0.1.11' ? '10.0.1.12' : '10.0.1.11';
    const to = forged === '10.0.1.11' ? 'web2' : 'web1';
    await asRoot('cli1', 'ip', 'addr', 'add', `${forged}/32`, 'dev', 'lo');
    const packet = { address, port: WEB_PORT };
    const forgeries = [{ ...packet, localAddress: forged }];
    expect(await arrives('cli1', forgeries, to, () => say('cli1', packet, 'genuine'))).toEqual([]);
    await asRoot('cli1', 'ip', 'addr', 'del', `${forged}/32`, 'dev', 'lo');
  });

  it('can’t reach other networks by routes of its own', async () => {
    const targets = ['10.0.3.41', '10.0.3.42', '10.0.3.2', '10.0.2.31', '10.0.0.11'];
    for (const target of targets) {
      await asRoot(
        'cli1',
        'ip',
        'route',
        'add',
        target,
        'via',
        '10.0.1.1',
        'onlink',
        'dev',
        'eth0',
      );
      await expect(ask('cli1', target, WEB_PORT)).rejects.toThrow();
    }
    for (const target of ['10.0.2.31', '10.0.0.11']) {
      await expect(ask('cli1', six(target), WEB_PORT)).rejects.toThrow();
    }
  }, 30_000);

  it('can’t reach what its host serves at 127.0.0.1 alone', async () => {
    await withoutLoopback('cli1', 'eth0', '10.0.1.1', async () => {
      await expect(ask('cli1', OTHER_LOOPBACK, HOST_PORT)).rejects.toThrow();
    });
    expect(await ask('h1', OTHER_LOOPBACK, HOST_PORT)).toContain('service of h1');
  });

  it('reaches other services of its host, but no port of the cluster on any host', async () => {
    expect(await ask('cli1', '10.99.0.1', HOST_PORT)).toContain('service of h1');
    // A node is known by the address that its packets have.
    for (const address of ['10.99.0.1', '10.99.0.2', 'fd99::1']) {
      await expect(ask('cli1', address, MANAGER_PORT)).rejects.toThrow('ECONNREFUSED');
    }
    expect(await ask('h1', '10.99.0.2', MANAGER_PORT)).toBe('manager h2 sees 10.99.0.1');
  });

  it('can’t put packets into the tunnels, whatever address they go to', async () => {
    const data = (text: string): string =>
      vxlanPacket((1 << 20) + 1, '10.0.1.21', '10.0.1.12', WEB_PORT, text);
    for (const from of ['alien1', 'cli1', 'web1']) {
      for (const address of ['10.99.0.2', '10.99.0.1']) {
        const packet = { address, port: 4789, data: data(`forged by ${from}`) };
        await peer(from)
          .call('send', packet)
          .catch(() => undefined);
      }
    }
    await peer('h1').call('send', { address: '10.99.0.2', port: 4789, data: data('genuine') });
    await heard('web2', 'genuine');
    const texts = await peer('web2').call<string[]>('heard');
    expect(texts.filter((text) => text.startsWith('forged'))).toEqual([]);
  });
});

describe('a host of the cluster', () => {
  it('lets nothing begin for another host’s tasks, only answer', async () => {
    await peer('client').call('serve', { port: HOST_PORT, name: 'outside' });
    const forged = (to: string): string =>
      vxlanPacket(1 << 20, '10.0.0.11', to, HOST_PORT, 'forged by h1');
    for (const to of [CLIENT, '10.99.0.2']) {
      await peer('h1').call('send', { address: '10.99.0.2', port: 4789, data: forged(to) });
    }
    for (const to of ['client', 'h2']) {
      const address = to === 'client' ? CLIENT : '10.99.0.2';
      await say('web2', { address, port: HOST_PORT }, 'genuine');
      await heard(to, 'genuine');
      expect(await peer(to).call<string[]>('heard')).not.toContain('forged by h1');
    }
  });
});

describe('a task on an internal network', () => {
  it('reaches nothing else, also with a default route that it made', async () => {
    await asRoot(
      'db1',
      'ip',
      'route',
      'add',
      'default',
      'via',
      '10.0.2.1',
      'onlink',
      'dev',
      'eth0',
    );
    await asRoot('db1', 'ip', '-6', 'route', 'add', 'default', 'via', 'fe80::1', 'dev', 'eth0');
    const refusals: readonly [string, number][] = [
      ['10.99.0.1', HOST_PORT],
      ['10.99.0.1', MANAGER_PORT],
      ['10.99.0.1', PUBLISHED],
      ['10.99.0.2', PUBLISHED],
      ['10.99.0.4', 9000],
      ['10.0.1.11', WEB_PORT],
      ['10.0.0.11', WEB_PORT],
      ['10.0.2.1', HOST_PORT],
      ['198.18.255.254', HOST_PORT],
      ['fd99::1', HOST_PORT],
      [six('10.0.1.11'), WEB_PORT],
    ];
    await noneAnswers('db1', refusals);
    expect(await ask('db1', '10.0.2.32', WEB_PORT)).toBe('db2 sees 10.0.2.31');
  }, 40_000);
});

describe('a neighbour machine', () => {
  it('can’t reach what a host serves at 127.0.0.1 alone', async () => {
    await withoutLoopback('client', 'eth0', '10.99.0.1', async () => {
      await expect(ask('client', OTHER_LOOPBACK, HOST_PORT)).rejects.toThrow();
    });
  });

  it('reaches no sandbox by its addresses on the uplink', async () => {
    await lab.ip('client', 'route', 'add', '198.18.0.0/15', 'via', '10.99.0.1');
    const targets = ['198.18.255.253', '198.18.0.1', '198.18.0.2'];
    await noneAnswers(
      'client',
      targets.map((address) => [address, WEB_PORT]),
    );
    await lab.ip('client', 'route', 'del', '198.18.0.0/15', 'via', '10.99.0.1');
  }, 20_000);

  it('with the route reaches published ports and nothing else of a task', async () => {
    await lab.ip('client', 'route', 'add', '10.0.0.0/22', 'via', '10.99.0.2');
    const targets = ['10.0.1.12', '10.0.0.12', '10.0.1.2', '10.0.1.1', '10.0.2.32'];
    await noneAnswers(
      'client',
      targets.map((address) => [address, WEB_PORT]),
    );
    await lab.ip('client', 'route', 'del', '10.0.0.0/22', 'via', '10.99.0.2');
    expect(await ask('client', '10.99.0.2', PUBLISHED)).toContain(CLIENT);
  }, 30_000);
});

describe('a published port', () => {
  it('is open at one address alone where that is asked for', async () => {
    const old = services.get('ingress/web')?.ports ?? [];
    const local = { ...port('tcp', 8083, WEB_PORT), HostIP: '127.0.0.1' };
    const own = { ...port('tcp', 8084, WEB_PORT), HostIP: '10.99.0.2' };
    service('ingress', 'web', { ports: [...old, local, own] });
    await updateAll();
    for (const host of HOSTS) expect(await lab.problems(host)).toEqual([]);
    expect(await ask('h1', '127.0.0.1', 8083)).toMatch(/^web/u);
    for (const address of ['10.99.0.1', '10.99.0.2']) {
      await expect(ask('client', address, 8083)).rejects.toThrow('ECONNREFUSED');
    }
    expect(await ask('client', '10.99.0.2', 8084)).toContain(`sees ${CLIENT}`);
    await expect(ask('client', '10.99.0.1', 8084)).rejects.toThrow('ECONNREFUSED');
    service('ingress', 'web', { ports: old });
    await updateAll();
  });
});

/** All at once: a refusal may be silence. */
async function noneAnswers(
  from: string,
  targets: readonly (readonly [string, number])[],
): Promise<void> {
  const answers = targets.map(([address, port]) => ask(from, address, port).catch(() => ''));
  expect(await Promise.all(answers)).toEqual(targets.map(() => ''));
}

/** Sends packets for 127.9.9.9 to a router, as a machine without a loopback network would. */
async function withoutLoopback(
  name: string,
  device: string,
  router: string,
  check: () => Promise<void>,
): Promise<void> {
  const loopback = ['local', '127.0.0.0/8', 'dev', 'lo', 'table', 'local'];
  await asRoot(name, 'sysctl', '-qw', 'net.ipv4.conf.all.route_localnet=1');
  await asRoot(name, 'ip', 'route', 'del', ...loopback);
  await asRoot(name, 'ip', 'route', 'add', OTHER_LOOPBACK, 'via', router, 'dev', device, 'onlink');
  await check();
  await asRoot(name, 'ip', 'route', 'del', OTHER_LOOPBACK, 'via', router, 'dev', device);
  await asRoot(name, 'ip', 'route', 'add', ...loopback);
}
