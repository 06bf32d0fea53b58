// What the log and snapshots may hold: entries of this release, of earlier ones (with whatever an agent
// could put there), of later ones, and bytes that were never an entry.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memoryStore, newCluster, newNode } from '../../../test/builders/memory-store.ts';
import { aServiceSpec } from '../../../test/builders/specs.ts';
import { FEATURE_LEVEL, create, specIndexOf, update } from '../../model/index.ts';
import { decodeEntry, encodeEntry } from './entry.ts';
import type { Store } from './store.ts';

const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

const STATUS = { state: 'assigned', timestamp: 1, message: '' } as const;
const TASK = {
  id: 't',
  serviceId: 's',
  revisionId: 'r',
  slot: 1,
  nodeId: 'n',
  desiredState: 'running',
  status: STATUS,
  networks: [],
} as const;

/** An entry as the release before feature levels wrote it. */
function oldEntry(...actions: unknown[]): Uint8Array {
  return encode({ v: 1, by: 'old', seq: 1, tx: [{ actions, time: 1 }] });
}

async function snapshotOf(store: Store): Promise<Uint8Array[]> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of store.snapshot()) chunks.push(chunk);
  return chunks;
}

async function* chunksOf(...chunks: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

async function aCluster(): Promise<ReturnType<typeof memoryStore>> {
  const memory = memoryStore();
  await memory.store.propose([newCluster(), newNode('n'), create('task', TASK)]);
  return memory;
}

async function raiseLevel({ store }: ReturnType<typeof memoryStore>): Promise<void> {
  const { cluster } = store.view;
  if (cluster === undefined) throw new Error('no cluster');
  await store.propose([update('cluster', { ...cluster, featureLevel: FEATURE_LEVEL })]);
}

describe('the poison of a log of before feature levels', () => {
  it.each([
    { hostname: 'w1' },
    'text',
    null,
    { hostname: 'h', platform: { architecture: [], os: 1 }, resources: {}, engine: 7 },
  ])('in a node’s description is left out: it registers again', async (description) => {
    const { store } = await aCluster();
    const node = store.view.get('node', 'n');
    const { version, ...rest } = { ...node, description };
    store.apply([
      {
        index: 2,
        payload: oldEntry({ kind: 'update', table: 'node', object: rest, ifVersion: version }),
      },
    ]);
    expect(store.view.get('node', 'n')).toMatchObject({ version: 2, status: { state: 'ready' } });
    expect(store.view.get('node', 'n')?.description).toBeUndefined();
  });

  it('in an address reaches no host', async () => {
    const { store } = await aCluster();
    const node = store.view.get('node', 'n');
    const status = { ...node?.status, dataPathAddress: 'fd00::9 }\nadd table ip x\n', address: [] };
    store.apply([
      {
        index: 2,
        payload: oldEntry({
          kind: 'update',
          table: 'node',
          object: { ...node, status },
          ifVersion: 1,
        }),
      },
    ]);
    expect(store.view.get('node', 'n')?.status).toMatchObject({ dataPathAddress: '', address: '' });
  });

  it.each([7, 'x', {}, { state: 'nonsense' }, { state: 'running', timestamp: 'now', message: '' }])(
    'in a status makes the task a failed one',
    async (status) => {
      const { store } = await aCluster();
      await store.propose([{ kind: 'session', nodeId: 'n', managerId: 'm' }]);
      const task = store.view.get('task', 't');
      const stored = { ...task, status };
      store.apply([
        {
          index: 3,
          payload: oldEntry({ kind: 'update', table: 'task', object: stored, ifVersion: 1 }),
        },
      ]);
      expect(store.view.get('task', 't')?.status).toMatchObject({ state: 'failed' });
    },
  );

  it('is read out of a snapshot likewise, and the others of it are as they were', async () => {
    const { store } = await aCluster();
    const old = new TextDecoder()
      .decode(Buffer.concat(await snapshotOf(store)))
      .replace('"role":"worker"', '"role":"worker","description":{"hostname":"w1"}')
      .replace('"state":"assigned"', '"state":"?"');
    const restored = memoryStore().store;
    await restored.restore(1, chunksOf(new TextEncoder().encode(old)));
    expect(restored.view.get('node', 'n')).toEqual(store.view.get('node', 'n'));
    expect(restored.view.get('task', 't')?.status.state).toBe('failed');
    expect(restored.view.cluster).toEqual(store.view.cluster);
  });
});

describe('what another release wrote', () => {
  it.each([
    { v: 2, by: '', seq: 1, tx: [] },
    { v: 1, l: FEATURE_LEVEL + 1, by: '', seq: 1, tx: [] },
  ])('of a newer format or level stops the manager with a sentence', (entry) => {
    expect(() => decodeEntry(encode(entry))).toThrow(
      /run the release that wrote it, or a newer one/,
    );
  });

  it.each([
    [{ kind: 'teleport', id: 'x' }, 'the kind of action "teleport" is not known'],
    [{ kind: 'create', table: 'volume', object: {} }, 'the table "volume" is not known'],
    [{ kind: 'remove', table: 'constructor', id: 'x' }, 'the table "constructor" is not known'],
  ])('of an unknown kind is never skipped', (action, message) => {
    expect(() => decodeEntry(oldEntry(action))).toThrow(message);
  });

  it('in a snapshot of a newer level stops the manager, too', async () => {
    const { store } = memoryStore();
    const header = encode({ v: 1, l: FEATURE_LEVEL + 1, index: 1 });
    const chunks = chunksOf(header, new TextEncoder().encode('\n'));
    await expect(store.restore(1, chunks)).rejects.toThrow('feature level');
  });
});

describe('an entry of this level', () => {
  it('with a transaction that does not fit loses that transaction alone, on every manager', async () => {
    const memory = await aCluster();
    await raiseLevel(memory);
    const { store } = memory;
    const good = { actions: [newNode('m')], time: 2 };
    const bad = { actions: [{ ...newNode('x'), object: { id: 7 } }], time: 2 };
    const payload = encode({ v: 1, l: 1, by: 'other', seq: 1, tx: [bad, good] });
    store.apply([{ index: 3, payload }]);
    expect(store.view.count('node')).toBe(2);
    expect(store.view.get('node', 'm')?.number).toBe(2);
  });

  it('that would be malformed is refused before it reaches the log', async () => {
    const { store, log } = await aCluster();
    const entries = log.length;
    const task = { ...TASK, id: 't2', slot: -1 };
    const [bad, good] = await Promise.allSettled([
      store.propose([create('task', task)]),
      store.propose([newNode('m')]),
    ]);
    expect(bad).toMatchObject({
      status: 'rejected',
      reason: { code: 'invalid', message: expect.stringContaining('slot must be >= 0, not -1') },
    });
    expect(good.status).toBe('fulfilled');
    expect(log).toHaveLength(entries + 1);
  });

  it('carries the level that was in force', async () => {
    const memory = await aCluster();
    expect(decodeEntry(memory.log[0] ?? encode(null)).level).toBe(0);
    await raiseLevel(memory);
    await memory.store.propose([newNode('m')]);
    expect(decodeEntry(memory.log.at(-1) ?? encode(null)).level).toBe(FEATURE_LEVEL);
  });
});

describe('bytes that are no entry', () => {
  it('raise an error and never anything else', () => {
    const sound = encodeEntry({
      level: 0,
      by: 'x',
      seq: 1,
      tx: [{ actions: [newNode('n')], time: 1 }],
    });
    fc.assert(
      fc.property(fc.anything({ maxDepth: 4 }), fc.nat(), fc.nat(255), (value, at, byte) => {
        const damaged = Uint8Array.from(sound);
        damaged[at % damaged.length] = byte;
        for (const payload of [encode(value ?? null), damaged]) {
          try {
            decodeEntry(payload);
          } catch (error) {
            expect(error).toMatchObject({ name: 'SwarmError', code: 'dataLoss' });
          }
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('the number that clients’ updates are compared with', () => {
  it('is untouched by what managers write themselves', async () => {
    const memory = await aCluster();
    await raiseLevel(memory);
    const { store } = memory;
    const endpoint = { ports: [], virtualIps: [], allocatedFor: 0 };
    const spec = aServiceSpec();
    await store.propose([
      create('service', { id: 's', spec, specVersion: 1, revisionId: 'r', endpoint }),
    ]);
    const service = (): NonNullable<ReturnType<typeof store.view.get<'service'>>> => {
      const found = store.view.get('service', 's');
      if (found === undefined) throw new Error('no service');
      return found;
    };
    const created = specIndexOf(service());
    await store.propose([
      update('service', { ...service(), endpoint: { ...endpoint, allocatedFor: 1 } }),
    ]);
    expect(service().version).toBeGreaterThan(created);
    expect(specIndexOf(service())).toBe(created);
    await store.propose([update('service', { ...service(), specVersion: 2 })]);
    expect(specIndexOf(service())).toBe(service().version);
  });
});
