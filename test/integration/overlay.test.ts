// The data plane on real kernels' namespaces: three hosts, an outside client, tasks on two networks
// and on ingress. What docs/design/overlay.md promises is checked from inside the tasks.
import { access, readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  openScene,
  closeScene,
  HOSTS,
  CLIENT,
  WEB_PORT,
  PUBLISHED,
  TASKS,
  lab,
  peers,
  services,
  endpoints,
  plan,
  port,
  service,
  endpoint,
  endpointActive,
  assignment,
  updateAll,
  attach,
  peer,
  ask,
  askOften,
  names,
  say,
  heard,
  kernelText,
  vxlanPacket,
} from './overlay-scene.ts';

beforeAll(openScene, 120_000);
afterAll(closeScene);

describe('virtual IP', () => {
  it('spreads over tasks here and there, and they see who asks', async () => {
    const answers = await askOften('cli1', '10.0.1.2', WEB_PORT, 24);
    expect(new Set(answers)).toEqual(new Set(['web1 sees 10.0.1.21', 'web2 sees 10.0.1.21']));
  });

  it('lets a task reach itself', async () => {
    const answers = await askOften('web1', '10.0.1.2', WEB_PORT, 24);
    expect(new Set(answers)).toEqual(new Set(['web1 sees 10.0.1.1', 'web2 sees 10.0.1.11']));
  });

  it('carries UDP', async () => {
    const answer = await peer('cli1').call('askUdp', { address: '10.0.1.2', port: WEB_PORT });
    expect(answer).toMatch(/^web[12] sees 10\.0\.1\.21$/u);
  });

  it('keeps a sticky client at one task', async () => {
    const answers = await askOften('alien1', '10.0.3.2', WEB_PORT, 12);
    expect(new Set(answers).size).toBe(1);
  });

  it('refuses at once when there is no task', async () => {
    endpointActive('cli1', 'front', false);
    await updateAll();
    await expect(ask('web1', '10.0.1.3', WEB_PORT)).rejects.toThrow('ECONNREFUSED');
    endpointActive('cli1', 'front', true);
    await updateAll();
    await expect(ask('web1', '10.0.1.3', WEB_PORT)).resolves.toBe('cli1 sees 10.0.1.11');
  });

  it('says at once that an address without a task is unreachable', async () => {
    await expect(ask('cli1', '10.0.1.99', WEB_PORT)).rejects.toThrow('EHOSTUNREACH');
  });
});

describe('routing mesh', () => {
  it('keeps the client address on every host', async () => {
    for (const host of ['10.99.0.1', '10.99.0.2', '10.99.0.3']) {
      const answers = await askOften('client', host, PUBLISHED, 16);
      expect(new Set(answers)).toEqual(new Set([`web1 sees ${CLIENT}`, `web2 sees ${CLIENT}`]));
    }
  });

  it('carries UDP with the client address', async () => {
    for (const address of ['10.99.0.1', '10.99.0.2', '10.99.0.3']) {
      const answer = await peer('client').call('askUdp', { address, port: PUBLISHED });
      expect(answer).toMatch(/^web[12] sees 10\.99\.0\.4$/u);
    }
  });

  it('serves a sender of UDP that is older than the port', async () => {
    const addresses = ['10.99.0.1', '10.99.0.2', '10.99.0.3'];
    const flow = (address: string) => ({ address, port: 8082, localPort: 5100 });
    // The tracker knows the flow before there is anything to translate it to.
    for (const address of addresses) await say('client', flow(address), 'too early');
    await expect(peer('client').call('askUdp', flow('10.99.0.1'))).rejects.toThrow();
    const old = services.get('ingress/web')?.ports ?? [];
    service('ingress', 'web', { ports: [...old, port('udp', 8082, WEB_PORT)] });
    await updateAll();
    for (const address of addresses) {
      const answer = await peer('client').call('askUdp', flow(address));
      expect(answer).toMatch(/^web[12] sees 10\.99\.0\.4$/u);
    }
    service('ingress', 'web', { ports: old });
    await updateAll();
  });

  it('serves one client port through all hosts at once', async () => {
    const answers: string[] = [];
    for (let localPort = 5000; localPort < 5015; localPort++) {
      const held = await Promise.all(
        ['10.99.0.1', '10.99.0.2', '10.99.0.3'].map((address) =>
          peer('client').numbered<string>('hold', { address, port: PUBLISHED, localPort }),
        ),
      );
      for (const { id, value } of held) {
        expect(await peer('client').call('say', { connection: id })).toBe('still here');
        answers.push(value);
      }
    }
    expect(answers).toHaveLength(45);
    expect(answers.filter((answer) => !answer.endsWith(`sees ${CLIENT}`))).toEqual([]);
  });

  it('serves the host itself', async () => {
    for (const address of ['127.0.0.1', '10.99.0.3']) {
      expect(await ask('h3', address, PUBLISHED)).toMatch(/^web[12] sees /u);
    }
  });

  it('serves tasks through their own and other hosts', async () => {
    for (const address of ['10.99.0.1', '10.99.0.2', '10.99.0.3']) {
      expect(await ask('alien1', address, PUBLISHED)).toMatch(/^web[12] sees /u);
    }
  });

  it('says so when another program holds the port, and serves once it is free', async () => {
    await peer('h3').call('serve', { port: 8081, name: 'squatter' });
    const old = services.get('ingress/web')?.ports ?? [];
    service('ingress', 'web', { ports: [...old, port('tcp', 8081, WEB_PORT)] });
    await updateAll();
    expect(await lab.problems('h1')).toEqual([]);
    expect(await lab.problems('h3')).toEqual([
      { serviceId: 'web', message: expect.stringContaining('port 8081/tcp is held by another') },
    ]);
    expect(await ask('client', '10.99.0.3', 8081)).toBe(`squatter sees ${CLIENT}`);
    expect(await ask('client', '10.99.0.1', 8081)).toMatch(/^web/u);
    service('ingress', 'web', { ports: old });
    await updateAll();
    expect(await lab.problems('h3')).toEqual([]);
  });

  it('never takes the port of sshd or its own', async () => {
    const old = services.get('ingress/web')?.ports ?? [];
    const ports = [...old, port('tcp', 22, WEB_PORT), port('tcp', 2377, WEB_PORT)];
    service('ingress', 'web', { ports });
    await updateAll();
    const messages = (await lab.problems('h1')).map(({ message }) => message);
    expect(messages).toEqual([
      'port 22 is not published: it is needed to reach this host',
      'port 2377 is not published: it is needed to reach this host',
    ]);
    service('ingress', 'web', { ports: old });
    await updateAll();
  });

  it('resets connections to a port without a task', async () => {
    endpointActive('web1', 'ingress', false);
    endpointActive('web2', 'ingress', false);
    await updateAll();
    await expect(ask('client', '10.99.0.2', PUBLISHED)).rejects.toThrow('ECONNREFUSED');
    endpointActive('web1', 'ingress', true);
    endpointActive('web2', 'ingress', true);
    await updateAll();
  });
});

describe('names', () => {
  it('answers services, tasks, aliases, container names and reverse', async () => {
    expect(await names('cli1', 'web')).toEqual(['10.0.1.2']);
    expect(await names('cli1', 'WWW')).toEqual(['10.0.1.2']);
    expect(await names('cli1', 'web.front')).toEqual(['10.0.1.2']);
    expect(await names('cli1', 'tasks.web')).toEqual(['10.0.1.11', '10.0.1.12']);
    expect(await names('cli1', 'web.1.web2')).toEqual(['10.0.1.12']);
    expect(await names('db1', 'db')).toEqual(['10.0.2.31', '10.0.2.32']);
    const reverse = '12.1.0.10.in-addr.arpa';
    expect(await names('cli1', reverse, 'PTR')).toEqual(['web.1.web2.front']);
  });

  it('answers where a service listens', async () => {
    const old = services.get('front/web');
    service('front', 'web', { ...old, exposed: [port('tcp', PUBLISHED, WEB_PORT)] });
    await updateAll();
    const found = await peer('cli1').call('lookUp', { name: '_8080._tcp.web', type: 'SRV' });
    expect(found).toMatchObject([{ name: 'web.front', port: WEB_PORT }]);
  });

  it('answers more than fits into a datagram', async () => {
    for (let i = 100; i < 220; i++) {
      const task = plan(`crowd${i}`, 'crowd', 'elsewhere', {});
      endpoint(task, 'front', `10.0.1.${i}`);
    }
    service('front', 'crowd', { mode: 'dnsrr' });
    await updateAll();
    expect(await names('cli1', 'crowd')).toHaveLength(120);
    services.delete('front/crowd');
    for (let i = 100; i < 220; i++) endpoints.delete(`front/crowd${i}`);
    await updateAll();
  });

  it('has no IPv6 addresses where the network has none, without denying the name', async () => {
    await expect(names('alien1', 'alien', 'AAAA')).rejects.toThrow('ENODATA');
  });

  it('knows only names of the networks of the task', async () => {
    await expect(names('db1', 'web')).rejects.toThrow('EREFUSED');
    expect(await names('web2', 'db')).toEqual(['10.0.2.31', '10.0.2.32']);
  });

  it('leaves out tasks that are not active', async () => {
    endpointActive('db2', 'back', false);
    await updateAll();
    expect(await names('db1', 'db')).toEqual(['10.0.2.31']);
    endpointActive('db2', 'back', true);
    await updateAll();
  });
});

describe('isolation', () => {
  it('keeps networks apart, here and across hosts', async () => {
    const other: readonly [string, string][] = [
      ['alien1', '10.0.1.21'],
      ['alien1', '10.0.1.12'],
      ['cli1', '10.0.3.41'],
      ['cli1', '10.0.2.31'],
      ['alien1', '10.0.0.11'],
    ];
    for (const [from, to] of other) await expect(ask(from, to, WEB_PORT)).rejects.toThrow();
    expect(await ask('alien1', '10.0.3.42', WEB_PORT)).toBe('alien2 sees 10.0.3.41');
  });

  it('gives an internal network no way out', async () => {
    await expect(ask('db1', '10.99.0.4', 9000)).rejects.toThrow('ENETUNREACH');
    await peer('client').call('serve', { port: 9000, name: 'outside' });
    await expect(ask('db1', '10.99.0.4', 9000)).rejects.toThrow('ENETUNREACH');
    expect(await ask('cli1', '10.99.0.4', 9000)).toBe('outside sees 10.99.0.1');
  });

  it('keeps out a neighbour with a route of its own', async () => {
    await lab.ip('client', 'route', 'add', '10.0.0.0/16', 'via', '10.99.0.1');
    for (const to of ['10.0.1.21', '10.0.1.12', '10.0.0.11', '10.0.1.2']) {
      await expect(ask('client', to, WEB_PORT)).rejects.toThrow('timeout');
    }
    await lab.ip('client', 'route', 'del', '10.0.0.0/16', 'via', '10.99.0.1');
  }, 30_000);

  it('drops forged source addresses', async () => {
    const forged = '10.0.1.77';
    const from = peers.get('cli1')?.namespace ?? '';
    await lab.run(from, 'ip', 'addr', 'add', `${forged}/32`, 'dev', 'lo');
    const packet = { address: '10.0.1.11', port: WEB_PORT };
    await say('cli1', { ...packet, localAddress: forged }, 'forged');
    await say('cli1', packet, 'genuine');
    await heard('web1', 'genuine');
    expect(await peer('web1').call('heard')).not.toContain('forged');
    await lab.run(from, 'ip', 'addr', 'del', `${forged}/32`, 'dev', 'lo');
  });

  it('drops forged VXLAN packets from tasks and from neighbours', async () => {
    const packet = { address: '10.99.0.2', port: 4789 };
    const forged = (text: string): string =>
      vxlanPacket((1 << 20) + 1, '10.0.1.21', '10.0.1.12', WEB_PORT, text);
    for (const from of ['cli1', 'alien1', 'client']) {
      await peer(from).call('send', { ...packet, data: forged(`forged by ${from}`) });
    }
    // The same packet from a host of the cluster arrives: it is well made.
    await peer('h1').call('send', { ...packet, data: forged('sent by h1') });
    await heard('web2', 'sent by h1');
    const messages = await peer('web2').call<string[]>('heard');
    expect(messages.filter((message) => message.startsWith('forged'))).toEqual([]);
  });

  it("refuses tasks tsswarm's own ports", async () => {
    await peer('h1').call('serve', { port: 2377, name: 'manager' });
    await expect(ask('cli1', '10.99.0.1', 2377)).rejects.toThrow('ECONNREFUSED');
    expect(await ask('client', '10.99.0.1', 2377)).toBe(`manager sees ${CLIENT}`);
  });
});

describe('tasks without networks of the cluster', () => {
  it('get the local bridge with a way out, none, or the host', async () => {
    const path = await attach(plan('lone', 'lone', 'h3', {}));
    const addresses = await lab.run(path, 'ip', '-4', '-o', 'addr', 'show', 'dev', 'eth0');
    expect(addresses).toContain('172.18.0.2/16');
    expect(await ask('lone', '10.99.0.4', 9000)).toBe('outside sees 10.99.0.3');
    const none = assignment(plan('hermit', 'hermit', 'h3', { none: '' }));
    const hermit = await lab.attach('h3', none);
    expect(await lab.run(hermit.path ?? '', 'ip', '-o', 'link')).not.toContain('eth0');
    const host = assignment(plan('native', 'native', 'h3', { host: '' }));
    expect((await lab.attach('h3', host)).path).toBeUndefined();
  });

  it('publish ports of their own on their host alone', async () => {
    const hostPorts = [port('tcp', 8090, WEB_PORT)];
    const task = assignment(plan('door', 'door', 'h3', {}));
    const namespace = await lab.attach('h3', { ...task, hostPorts: [port('tcp', 8090, WEB_PORT)] });
    const door = await lab.peer(namespace.path ?? '');
    await door.program.call('serve', { port: WEB_PORT, name: 'door' });
    expect(await ask('client', '10.99.0.3', 8090)).toBe(`door sees ${CLIENT}`);
    expect(await ask('h3', '127.0.0.1', 8090)).toMatch(/^door sees /u);
    await expect(ask('client', '10.99.0.1', 8090)).rejects.toThrow('ECONNREFUSED');
    // The managers place a second task with the port only where the first one has ended.
    const second = { ...assignment(plan('gate', 'gate', 'h3', {})), hostPorts };
    const gate = await lab.peer((await lab.attach('h3', second)).path ?? '');
    await gate.program.call('serve', { port: WEB_PORT, name: 'gate' });
    expect(await ask('client', '10.99.0.3', 8090)).toBe(`gate sees ${CLIENT}`);
    await lab.overlay('h3').call('detach', { taskId: 'gate' });
    expect(await ask('client', '10.99.0.3', 8090)).toBe(`door sees ${CLIENT}`);
    await lab.overlay('h3').call('detach', { taskId: 'door' });
    await expect(ask('client', '10.99.0.3', 8090)).rejects.toThrow('ECONNREFUSED');
  });
});

describe('change and failure', () => {
  it('resets connections to a removed endpoint', async () => {
    const { id } = await peer('cli1').numbered('hold', { address: '10.0.1.12', port: WEB_PORT });
    const key = 'front/web2';
    const saved = endpoints.get(key);
    endpoints.delete(key);
    await updateAll();
    await expect(peer('cli1').call('say', { connection: id })).rejects.toThrow('ECONNRESET');
    await expect(ask('cli1', '10.0.1.12', WEB_PORT)).rejects.toThrow('ECONNREFUSED');
    if (saved) endpoints.set(key, saved);
    await updateAll();
    expect(await ask('cli1', '10.0.1.12', WEB_PORT)).toBe('web2 sees 10.0.1.21');
  });

  it('changes nothing when the daemon is killed and started again', async () => {
    const address = { address: '10.99.0.3', port: PUBLISHED };
    const mesh = await peer('client').numbered('hold', address);
    const vip = await peer('cli1').numbered('hold', { address: '10.0.1.2', port: WEB_PORT });
    const before = await kernelText();
    for (const host of HOSTS) await lab.overlay(host).kill();
    expect(await names('cli1', 'web')).toEqual(['10.0.1.2']);
    expect(await ask('client', '10.99.0.2', PUBLISHED)).toMatch(/^web/u);
    for (const host of HOSTS) await lab.startOverlay(host);
    await updateAll();
    for (const task of TASKS) await lab.attach(task.host, assignment(task));
    expect(await kernelText()).toEqual(before);
    expect(await peer('client').call('say', { connection: mesh.id })).toBe('still here');
    expect(await peer('cli1').call('say', { connection: vip.id })).toBe('still here');
    expect(await lab.problems('h1')).toEqual([]);
  });

  it('repairs what was changed while the daemon was away', async () => {
    const sandbox = `${lab.directory('h1')}/netns/n-front`;
    const before = await lab.run(sandbox, 'ip', 'route');
    await lab.overlay('h1').kill();
    await lab.run(sandbox, 'ip', 'route', 'del', '10.0.1.12/32');
    await lab.run(sandbox, 'nft', 'flush', 'chain', 'ip', 'tsswarm', 'vip');
    await lab.run(lab.path('h1'), 'nft', 'delete', 'table', 'ip', 'tsswarm_tl');
    await expect(ask('cli1', '10.0.1.2', WEB_PORT)).rejects.toThrow();
    await lab.startOverlay('h1');
    await updateAll();
    expect((await lab.run(sandbox, 'ip', 'route')).split('\n').sort()).toEqual(
      before.split('\n').sort(),
    );
    expect(await ask('cli1', '10.0.1.2', WEB_PORT)).toMatch(/^web/u);
    expect(await ask('client', '10.99.0.1', PUBLISHED)).toMatch(/^web/u);
  });

  it('starts the resolver again when it is killed', async () => {
    const file = `${lab.directory('h1')}/resolver.pid`;
    const pid = Number(await readFile(file, 'utf8'));
    process.kill(pid, 'SIGKILL');
    await expect
      .poll(() => names('cli1', 'web').catch((error: Error) => error.message), { timeout: 10_000 })
      .toEqual(['10.0.1.2']);
    expect(Number(await readFile(file, 'utf8'))).not.toBe(pid);
  });

  it('asks the resolvers of the host for other names', async () => {
    await lab.ip('client', 'addr', 'add', '10.99.0.9/32', 'dev', 'lo');
    for (const host of HOSTS) await lab.ip(host, 'route', 'add', '10.99.0.9/32', 'via', CLIENT);
    await peer('client').call('serveNames', { address: '10.99.0.9', answer: '192.0.2.7' });
    expect(await names('cli1', 'www.example.test')).toEqual(['192.0.2.7']);
    await expect(names('db1', 'www.example.test')).rejects.toThrow('EREFUSED');
  });

  it('follows a task that went to another host', async () => {
    const moved = plan('cli1b', 'cli', 'h2', { front: '10.0.1.22' });
    endpoint(moved, 'front', '10.0.1.22');
    await updateAll();
    await attach(moved);
    expect(await ask('web1', '10.0.1.22', WEB_PORT)).toBe('cli1b sees 10.0.1.11');
    await lab.overlay('h2').call('detach', { taskId: 'cli1b' });
    endpoints.delete('front/cli1b');
    await updateAll();
    await expect(access(`${lab.directory('h2')}/netns/t-cli1b`)).rejects.toThrow('ENOENT');
  });

  it('leaves nothing behind', async () => {
    for (const host of HOSTS) {
      await lab.overlay(host).call('removeAll');
      const links = await lab.run(lab.path(host), 'ip', '-o', 'link');
      expect(links.match(/^\d+: [^:@]+/gmu)).toEqual(['1: lo', expect.stringMatching(/: eth0/u)]);
      expect(await lab.run(lab.path(host), 'nft', 'list', 'ruleset')).toBe('');
      const routes = await lab.run(lab.path(host), 'ip', 'route', 'show', 'proto', '99');
      expect(routes).toBe('');
      await expect(access(`${lab.directory(host)}/resolver.pid`)).rejects.toThrow('ENOENT');
      await expect(access(`${lab.directory(host)}/netns`)).rejects.toThrow('ENOENT');
    }
    expect((await lab.leftovers()).filter((line) => line.includes('/netns/t-'))).toEqual([]);
  });
});
