// What release 0.1.0 wrote, before there were feature levels: a log and a snapshot of its control plane
// with services, networks, payloads, a user's container, an update, and at their end what an agent of
// those days could put there. Made by that release; never to be changed.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { memoryStore } from '../../../test/builders/memory-store.ts';
import { FEATURE_LEVEL, update } from '../../model/index.ts';
import { TABLE_NAMES } from './tables.ts';
import type { Store } from './store.ts';

const folder = join(import.meta.dirname, '../../../test/fixtures/release-0.1.0');
const snapshot = readFileSync(join(folder, 'snapshot.jsonl'));
const entries = readFileSync(join(folder, 'entries.jsonl'), 'utf8')
  .split('\n')
  .filter((line) => line !== '')
  .map((line, at) => ({ index: at + 1, payload: new TextEncoder().encode(line) }));

function everything(store: Store): unknown[] {
  return TABLE_NAMES.flatMap((table) =>
    [...store.view.all(table)]
      .map((object) => ({ table, object }))
      .sort((a, b) => (a.object.id < b.object.id ? -1 : 1)),
  );
}

describe('a log of release 0.1.0', () => {
  const { store } = memoryStore();
  store.apply(entries);

  it('gives all that is in it', () => {
    const { view } = store;
    expect(view.count('service')).toBe(1);
    expect(view.byName('service', 'web')?.updateStatus?.state).toBe('completed');
    const payloads = [...view.all('payload')].map(({ data }) => data);
    expect(payloads.sort()).toEqual(['Y29uZmln', 'c2VjcmV0']);
    expect([...view.all('task')].filter(({ attachment }) => attachment)).toHaveLength(1);
    expect([...view.all('node')].map(({ id }) => id).sort()).toEqual(['n1', 'n2', 'n3']);
  });

  it('has lost nothing but what no release could use', () => {
    const node = store.view.get('node', 'n2');
    expect(node?.description).toBeUndefined();
    expect(node?.status).toMatchObject({ state: 'ready', dataPathAddress: '' });
    const failed = [...store.view.all('task')].filter(({ status }) => status.state === 'failed');
    expect(failed.map(({ nodeId }) => nodeId)).toEqual(['n2']);
  });

  it('and its snapshot say the same', async () => {
    const restored = memoryStore().store;
    await restored.restore(
      entries.length,
      (async function* () {
        yield new Uint8Array(snapshot);
      })(),
    );
    expect(everything(restored)).toEqual(everything(store));
  });

  it('goes on at the present level', async () => {
    const { store: next, log } = memoryStore();
    next.apply(entries);
    log.length = entries.length;
    const { cluster } = next.view;
    if (cluster === undefined) throw new Error('no cluster');
    await next.propose([update('cluster', { ...cluster, featureLevel: FEATURE_LEVEL })]);
    expect(next.view.cluster?.featureLevel).toBe(FEATURE_LEVEL);
    const service = next.view.byName('service', 'web');
    if (service === undefined) throw new Error('no service');
    await next.propose([update('service', { ...service, specVersion: service.specVersion + 1 })]);
    expect(next.view.byName('service', 'web')?.specIndex).toBe(next.view.index);
  });
});
