// The whole overlay on a kernel of maps: convergence, adoption, repair and failure.
import { describe, expect, it } from 'vitest';
import { OverlayWorld, localTask, overlayState } from '../../test/builders/overlay-world.ts';
import { HOST } from './kernel/index.ts';
import { CHECK_INTERVAL_MS, REMOVED_ENDPOINT_MS } from './contract/index.ts';
import { checkInstance } from './addressing/index.ts';

const ROUTE = 'route 10.0.1.12/32 table 254 via 198.18.0.2 dev vx0';

describe('checkInstance', () => {
  it('refuses a tag that does not fit into interface names', () => {
    expect(() => checkInstance('too-long')).toThrow('instance "too-long"');
    expect(() => checkInstance('')).toThrow('instance ""');
    checkInstance('ts1');
  });
});

describe('Overlay', () => {
  it('brings a remote endpoint in and out, and resets its connections', async () => {
    const world = new OverlayWorld();
    const { kernel } = world;
    const overlay = await world.daemon();
    overlay.update(overlayState(['10.0.1.12']));
    await overlay.settled();
    expect(kernel.texts('n-front')).toContain(ROUTE);
    overlay.update(overlayState([]));
    await overlay.settled();
    expect(kernel.texts('n-front')).not.toContain(ROUTE);
    expect(kernel.log).toContain('n-front: forget 10.0.1.12');
    expect(kernel.tables.get('n-front ip tsswarm')).toContain('dead { 10.0.1.12 }');
    expect(overlay.problems()).toEqual([]);
  });

  it('ends the reset when the time is over, and at once when the address is used again', async () => {
    const world = new OverlayWorld();
    const overlay = await world.daemon();
    const addresses = ['10.0.1.12', '10.0.1.13'];
    overlay.update(overlayState(addresses));
    await overlay.settled();
    overlay.update(overlayState([]));
    await overlay.settled();
    world.kernel.log.length = 0;
    overlay.update(overlayState(['10.0.1.12']));
    await overlay.settled();
    expect(world.kernel.log).toContain('n-front: nft delete element ip tsswarm dead { 10.0.1.12 }');
    world.clock.advance(REMOVED_ENDPOINT_MS + CHECK_INTERVAL_MS);
    await overlay.settled();
    expect(world.kernel.log).toContain('n-front: nft delete element ip tsswarm dead { 10.0.1.13 }');
  });

  // The node of a machine that left and joined again, or was restored, got tasks and no networks.
  it('serves the next cluster after everything was removed', async () => {
    const world = new OverlayWorld();
    const overlay = await world.daemon();
    overlay.update(overlayState(['10.0.1.12']));
    await overlay.settled();
    await overlay.removeAll();
    expect(world.kernel.namespaces.has('n-front')).toBe(false);
    overlay.update(overlayState(['10.0.1.12']));
    const { path } = await overlay.attach(localTask('a', '10.0.1.5/24'));
    expect(path).toBe('/run/netns/t-a');
    expect(world.kernel.texts('n-front')).toContain(ROUTE);
    expect(overlay.problems()).toEqual([]);
  });

  it('attaches a task and takes it away again', async () => {
    const world = new OverlayWorld();
    const { kernel } = world;
    const overlay = await world.daemon();
    overlay.update(overlayState());
    const namespace = await overlay.attach(localTask('a', '10.0.1.5/24'));
    expect(namespace).toMatchObject({
      path: '/run/netns/t-a',
      hosts: [{ address: '10.0.1.5', names: ['web.1.a'] }],
      nameservers: ['127.0.0.11'],
    });
    expect(kernel.texts('t-a')).toContain('addr 10.0.1.5/24 dev eth0');
    expect(world.asked.at(-1)).toMatchObject({
      table: { tasks: { a: { networks: ['front'] } } },
    });
    await overlay.detach('a');
    expect(await kernel.listNamespaces()).toEqual(['n-front']);
    expect(kernel.texts('n-front').join('\n')).not.toContain('10.0.1.5');
  });

  it('gives the port of a task that has ended to the next one', async () => {
    const world = new OverlayWorld();
    const overlay = await world.daemon();
    overlay.update(overlayState());
    const ports = [
      { Protocol: 'tcp', TargetPort: 80, PublishedPort: 8080, PublishMode: 'host' } as const,
    ];
    // Both are attached: one that has ended leaves with its record, long after its container.
    await overlay.attach({ ...localTask('a', '10.0.1.5/24'), hostPorts: ports });
    await overlay.attach({ ...localTask('b', '10.0.1.6/24'), hostPorts: ports });
    expect(overlay.problems()).toEqual([]);
    const rules = [...world.kernel.tables.values()].join();
    expect(rules).toContain('10.0.1.6');
  });

  it('says that a network is not known yet', async () => {
    const overlay = await new OverlayWorld().daemon();
    await expect(overlay.attach(localTask('a', '10.0.1.5/24'))).rejects.toMatchObject({
      code: 'unavailable',
    });
    overlay.update({ ...overlayState(), networks: new Map() });
    await expect(overlay.attach(localTask('a', '10.0.1.5/24'))).rejects.toThrow(
      'network front is not known on this host',
    );
  });

  it('changes nothing after a restart', async () => {
    const world = new OverlayWorld();
    const first = await world.daemon();
    first.update(overlayState(['10.0.1.12']));
    await first.attach(localTask('a', '10.0.1.5/24'));
    await first.stop();
    const second = await world.daemon();
    second.update(overlayState(['10.0.1.12']));
    await second.settled();
    world.kernel.log.length = 0;
    const third = await world.daemon();
    third.update(overlayState(['10.0.1.12']));
    const again = await third.attach(localTask('a', '10.0.1.5/24'));
    expect(again.path).toBe('/run/netns/t-a');
    expect(world.kernel.log.filter((line) => !line.includes('delete namespace scratch'))).toEqual(
      [],
    );
  });

  // A task was detached before the managers were heard, and the daemon killed: nobody knew of it.
  it('removes what an earlier process detached and had no time to remove', async () => {
    const world = new OverlayWorld();
    const first = await world.daemon();
    first.update(overlayState());
    for (const id of ['a', 'b'])
      await first.attach(localTask(id, `10.0.1.${id === 'a' ? 5 : 6}/24`));
    await first.stop();
    const second = await world.daemon();
    await second.detach('a');
    await second.stop();
    const third = await world.daemon();
    third.update(overlayState());
    await third.settled();
    expect(await world.kernel.listNamespaces()).not.toContain('t-a');
    expect(await world.kernel.listNamespaces()).toContain('t-b');
  });

  it('finds and repairs what others changed', async () => {
    const world = new OverlayWorld();
    const { kernel } = world;
    const overlay = await world.daemon();
    overlay.update(overlayState(['10.0.1.12']));
    await overlay.settled();
    kernel.namespaces.get('n-front')?.delete('route 10.0.1.12/32 table 254');
    const rules = kernel.tables.get('n-front ip tsswarm');
    kernel.flushTables('n-front');
    kernel.flushTables(HOST);
    world.clock.advance(CHECK_INTERVAL_MS);
    await overlay.settled();
    expect(kernel.texts('n-front')).toContain(ROUTE);
    expect(kernel.tables.get('n-front ip tsswarm')).toBe(rules);
    expect(kernel.tables.has('host ip tsswarm_ts')).toBe(true);
  });

  it('makes a sandbox anew that is gone', async () => {
    const world = new OverlayWorld();
    const { kernel } = world;
    const overlay = await world.daemon();
    overlay.update(overlayState(['10.0.1.12']));
    await overlay.attach(localTask('a', '10.0.1.5/24'));
    const before = kernel.texts('t-a').sort();
    await kernel.deleteNamespace('n-front');
    // With the sandbox its links are gone, and what hung on their other ends.
    kernel.namespaces.get('t-a')?.clear();
    world.clock.advance(CHECK_INTERVAL_MS);
    await overlay.settled();
    expect(kernel.texts('n-front')).toContain(ROUTE);
    expect(kernel.texts('t-a').sort()).toEqual(before);
  });

  it('looks without changing or listing anything while all is as it was', async () => {
    const world = new OverlayWorld();
    const overlay = await world.daemon();
    overlay.update(overlayState(['10.0.1.12']));
    await overlay.settled();
    // The first look reads what the last change made; a task's link goes later than the task.
    const left = { kind: 'veth', name: 't9', mtu: 1450, mac: '02:00:00:00:00:09' } as const;
    world.kernel.namespaces.get('n-front')?.set('link t9', left);
    for (let look = 0; look < 3; look++) {
      if (look === 1) world.kernel.namespaces.get('n-front')?.delete('link t9');
      world.kernel.log.length = 0;
      world.clock.advance(CHECK_INTERVAL_MS);
      await overlay.settled();
      expect(world.kernel.log).toEqual([]);
    }
  });

  it('reports what fails, tries again, and forgets the problem when it is over', async () => {
    const world = new OverlayWorld();
    const { kernel, clock } = world;
    const overlay = await world.daemon();
    kernel.broken = '10.0.1.12';
    overlay.update(overlayState(['10.0.1.12']));
    await overlay.settled();
    expect(overlay.problems()).toEqual([
      { networkId: 'front', message: expect.stringContaining('10.0.1.12/32 table 254: broken') },
    ]);
    let applied = false;
    const said = overlay.applied().then(() => (applied = true));
    clock.advance(10_000);
    await overlay.settled();
    await new Promise(setImmediate);
    expect(applied).toBe(false);
    kernel.broken = undefined;
    clock.advance(10_000);
    await said;
    expect(overlay.problems()).toEqual([]);
    expect(kernel.texts('n-front')).toContain(ROUTE);
  });

  it('gives tasks without networks addresses of a free local subnet, kept over restarts', async () => {
    const world = new OverlayWorld();
    const first = await world.daemon();
    first.update(overlayState());
    const attached = await Promise.all(['a', 'b'].map((id) => first.attach(localTask(id))));
    // 172.18.0.0/16 is taken by somebody else on this host.
    expect(attached.map(({ hosts }) => hosts[0]?.address)).toEqual(['172.19.0.2', '172.19.0.3']);
    await first.stop();
    const second = await world.daemon();
    second.update(overlayState());
    const [again, fresh] = [
      await second.attach(localTask('a')),
      await second.attach(localTask('c')),
    ];
    expect(again.hosts[0]?.address).toBe('172.19.0.2');
    expect(fresh.hosts[0]?.address).toBe('172.19.0.4');
  });

  it('removes a network that is no longer assigned, but not under a task', async () => {
    const world = new OverlayWorld();
    const overlay = await world.daemon();
    overlay.update(overlayState());
    await overlay.attach(localTask('a', '10.0.1.5/24'));
    overlay.update({ ...overlayState(), networks: new Map() });
    await overlay.settled();
    expect(await world.kernel.listNamespaces()).toEqual(['n-front', 't-a']);
    await overlay.detach('a');
    expect(await world.kernel.listNamespaces()).toEqual([]);
  });
});
