// How changes go on side by side, which of them are tried again, and the settings of the cluster.
import { Prng, settle } from 'sim';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Store, TransactionResult } from '../store/index.ts';
import { specIndexOf, type Cluster, type ClusterSpec } from '../../model/index.ts';
import { ControlDesk, onNetworks, refusal } from '../../../test/builders/control-desk.ts';
import { memoryStore } from '../../../test/builders/memory-store.ts';
import { LeaderControl } from './leader-control.ts';

let desk: ControlDesk;

const PORTS = {
  Ports: [{ Protocol: 'tcp', TargetPort: 80, PublishedPort: 8080, PublishMode: 'ingress' }],
} as const;
const FORCED = { id: 'n1', force: true };

beforeEach(async () => {
  desk = await ControlDesk.open();
});

function cluster(): Cluster {
  const found = desk.view.cluster;
  if (found === undefined) throw new Error('no cluster');
  return found;
}

/** A store of which `between` is asked before each proposal: what it gives is the outcome. */
function interrupted(
  store: Store,
  between: (tries: number) => Promise<TransactionResult | undefined>,
): Store {
  let tries = 0;
  const tryPropose: Store['tryPropose'] = async (actions) =>
    (await between(++tries)) ?? store.tryPropose(actions);
  return new Proxy(store, {
    get: (target, key) => {
      if (key === 'tryPropose') return tryPropose;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

describe('a change that another one came before', () => {
  it('is planned again on what is there now', async () => {
    let service = '';
    desk = await ControlDesk.open((store) =>
      interrupted(store, async (tries) => {
        if (tries === 2) await desk.change('service', service, {});
        return undefined;
      }),
    );
    service = await desk.service();
    const Labels = { a: 'b' };
    const { spec } = await desk.updateService(service, (old) => ({ ...old, Labels }));
    expect(spec.Labels).toEqual(Labels);
  });

  it('is refused when it named the version that was changed', async () => {
    let service = '';
    desk = await ControlDesk.open((store) =>
      interrupted(store, async (tries) => {
        if (tries !== 2) return undefined;
        const { spec, specVersion } = desk.get('service', service);
        const changed = { ...spec, Labels: { theirs: '' } };
        await desk.change('service', service, { spec: changed, specVersion: specVersion + 1 });
        return undefined;
      }),
    );
    service = await desk.service();
    const own = desk.updateService(service, (old) => ({ ...old, Labels: { own: '' } }));
    expect(await refusal(own)).toBe('outOfSequence: update out of sequence');
    expect(desk.get('service', service).spec.Labels).toEqual({ theirs: '' });
  });

  it('is given up after three tries', async () => {
    let asked = 0;
    desk = await ControlDesk.open((store) =>
      interrupted(store, (tries) => {
        asked = tries;
        return Promise.resolve({ ok: false, code: 'outOfSequence', message: 'again' });
      }),
    );
    expect(await refusal(desk.service())).toBe('outOfSequence: again');
    expect(asked).toBe(3);
  });

  it.each(['conflict', 'notFound'] as const)('is not tried again for a %s', async (code) => {
    let asked = 0;
    desk = await ControlDesk.open((store) =>
      interrupted(store, (tries) => {
        asked = tries;
        return Promise.resolve({ ok: false, code, message: 'no' });
      }),
    );
    expect(await refusal(desk.service())).toBe(`${code}: no`);
    expect(asked).toBe(1);
  });

  it('made a service of its name: the second is refused', async () => {
    const outcomes = await Promise.allSettled([desk.service(), desk.service()]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect([...desk.view.all('service')]).toHaveLength(1);
  });
});

describe('changes that come while another is on its way', () => {
  /** A desk whose first proposal after `hold` waits for `release`, and the proposals so far. */
  async function holding() {
    let release = (): void => {};
    let held: Promise<void> | undefined;
    let proposed = 0;
    const one = await ControlDesk.open((store) =>
      interrupted(store, async () => {
        proposed++;
        const waits = held;
        held = undefined;
        await waits;
        return undefined;
      }),
    );
    const hold = (): void => {
      held = new Promise((resolve) => {
        release = resolve;
      });
      proposed = 0;
    };
    return { desk: one, hold, release: () => release(), proposed: () => proposed };
  }

  it('go on beside it when they have nothing to do with each other', async () => {
    const { desk: held, hold, release, proposed } = await holding();
    hold();
    const first = held.service({ Name: 'a' });
    await held.service({ Name: 'b' });
    expect(proposed()).toBe(2);
    release();
    await first;
  });

  it.each([
    ['a service with a port', (d: ControlDesk) => d.service({ Name: 'b', EndpointSpec: PORTS })],
    ['a network', (d: ControlDesk) => d.network('b')],
    ['the end of a network', (d: ControlDesk) => d.control.handle('network.remove', { id: 'net' })],
    ['the end of a node', (d: ControlDesk) => d.control.handle('node.remove', FORCED)],
    ['a container', (d: ControlDesk) => d.attach({ target: 'net' })],
  ])('wait for it when they look at what it may change: %s', async (_what, change) => {
    const { desk: held, hold, release, proposed } = await holding();
    await held.addNode('n1');
    await held.network('net', { Attachable: true });
    hold();
    const first = held.service({ Name: 'a' });
    const second = change(held);
    await settle();
    expect(proposed()).toBe(1);
    release();
    await Promise.all([first, second]);
    expect(proposed()).toBe(2);
  });

  it('see what it came to: a network that a service is on stays', async () => {
    const { desk: held, hold, release } = await holding();
    await held.network('net');
    hold();
    const made = held.service(onNetworks({ Target: 'net' }));
    const dropped = held.control.handle('network.remove', { id: 'net' });
    release();
    const outcomes = await Promise.allSettled([made, dropped]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  });

  it('are not held up by one that was refused', async () => {
    await refusal(desk.control.handle('network.remove', { id: 'nothing' }));
    expect(await desk.network('net')).toBeDefined();
  });
});

describe('the settings of the cluster', () => {
  function change(more: Partial<ClusterSpec>, request: object = {}): Promise<object> {
    const version = specIndexOf(cluster());
    const spec = { ...cluster().spec, ...more };
    return desk.control.handle('cluster.update', { version, spec, ...request });
  }

  it('are changed as a whole', async () => {
    await change({ Orchestration: { TaskHistoryRetentionLimit: 9 }, Labels: { a: 'b' } });
    expect(cluster().spec).toMatchObject({
      Orchestration: { TaskHistoryRetentionLimit: 9 },
      Labels: { a: 'b' },
    });
  });

  it('name the version that they change', async () => {
    const version = specIndexOf(cluster());
    await change({ Labels: { a: 'b' } });
    expect(await refusal(change({}, { version }))).toBe('outOfSequence: update out of sequence');
  });

  it('are not made stale by a node that came', async () => {
    const version = specIndexOf(cluster());
    await desk.addNode('n1');
    await desk.control.handle('node.remove', FORCED);
    await change({ Labels: { a: 'b' } }, { version });
    expect(cluster().spec.Labels).toEqual({ a: 'b' });
    expect(Object.keys(cluster().blacklist)).toEqual(['n1']);
  });

  it.each([
    [{ Name: 'other' }, 'swarm spec must be named "default"'],
    [{ Dispatcher: { HeartbeatPeriod: 1 } }, 'must be from 100 ms to 1 h'],
    [{ CAConfig: { NodeCertExpiry: 60e9 } }, 'minimum certificate expiry time is 1h0m0s'],
    [{ Labels: { a: 'x'.repeat(1024 * 1024) } }, 'labels of the swarm have'],
  ])('make sense, unlike %j', async (more, text) => {
    const before = cluster();
    const told = await refusal(change(more));
    expect(told).toMatch(/^invalid: /u);
    expect(told).toContain(text);
    expect(cluster()).toEqual(before);
  });

  it.each([
    ['neither', {}, false, false],
    ['that of workers', { rotateWorkerToken: true }, true, false],
    ['that of managers', { rotateManagerToken: true }, false, true],
    ['both, each another one', { rotateWorkerToken: true, rotateManagerToken: true }, true, true],
  ])('make new join tokens: %s', async (_which, request, worker, manager) => {
    const before = cluster().joinTokens;
    await change({}, request);
    const after = cluster().joinTokens;
    expect([after.worker !== before.worker, after.manager !== before.manager]).toEqual([
      worker,
      manager,
    ]);
    if (worker && manager) expect(after.worker).not.toBe(after.manager);
  });

  it('can’t be changed before there are any', async () => {
    const { store } = memoryStore();
    const random = new Prng('x');
    const control = new LeaderControl({
      store,
      clock: desk.clock,
      random,
      newJoinToken: () => '',
    });
    const request = { version: 1, spec: cluster().spec };
    expect(await refusal(control.handle('cluster.update', request))).toBe(
      'unavailable: the cluster is being set up',
    );
  });
});
