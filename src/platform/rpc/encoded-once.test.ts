// Bytes that are put together from known ones are the message, and are made once.
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodingItemsOnce } from './encoded-once.ts';
import { loadMethods } from './rpc-definitions.ts';

const method = loadMethods(join(import.meta.dirname, '..', '..', '..', 'proto'), [
  'dispatcher.proto',
]).get('/tsswarm.v1.Dispatcher/Session');
if (method === undefined) throw new Error('no such method');
const { responseSerialize, responseDeserialize } = method;

const ITEM = fc.record({
  kind: fc.string(),
  key: fc.string(),
  body: fc.string({ maxLength: 300 }),
});
const ASSIGNMENTS = fc.record({
  complete: fc.boolean(),
  appliesTo: fc.nat(),
  resultsIn: fc.nat(),
  index: fc.nat(),
  updates: fc.array(ITEM),
  removes: fc.array(fc.record({ kind: fc.string(), key: fc.string() })),
});

describe('messages of items that are encoded once', () => {
  it('are read as what they say', () => {
    fc.assert(
      fc.property(ASSIGNMENTS, (assignments) => {
        const read = responseDeserialize(responseSerialize({ assignments }));
        expect(read).toMatchObject({ assignments });
      }),
    );
  });

  it('may be large', () => {
    const updates = Array.from({ length: 2_000 }, (_, i) => ({
      kind: 'host',
      key: String(i),
      body: 'x'.repeat(2_000),
    }));
    const message = { assignments: { complete: true, updates, removes: [], index: 7 } };
    const read = responseDeserialize(responseSerialize(message)) as typeof message;
    expect(read.assignments.updates).toEqual(updates);
    expect(read.assignments.index).toBe(7);
  });

  it('are left to the codec where they have no items', () => {
    for (const message of [
      { heartbeat: {} },
      { registered: { epoch: 7, heartbeatPeriodMs: 500 } },
      { assignments: { complete: true, index: 3, updates: [], removes: [] } },
    ]) {
      expect(responseDeserialize(responseSerialize(message))).toMatchObject(message);
    }
  });

  it('are encoded as often as there are items and heads, for any number of nodes', () => {
    let items = 0;
    let calls = 0;
    const serialize = encodingItemsOnce((message) => {
      calls++;
      items += (message as { assignments: { updates: object[] } }).assignments.updates.length;
      return responseSerialize(message);
    });
    const updates = Array.from({ length: 100 }, (_, i) => ({ kind: 'k', key: `${i}`, body: 'b' }));
    for (let session = 0; session < 1_000; session++) {
      serialize({ assignments: { resultsIn: session, updates, removes: [] } });
    }
    // The same items in another list.
    serialize({ assignments: { updates: updates.slice(50), removes: [] } });
    expect(items).toBe(100);
    expect(calls).toBe(100 + 1_001);
  });

  it('are encoded once where they are news of the cluster', () => {
    let calls = 0;
    const serialize = encodingItemsOnce((message) => {
      calls++;
      return responseSerialize(message);
    });
    const info = { managers: ['10.0.0.1:2377'], heartbeatPeriodMs: 750, role: 'worker' };
    for (let session = 0; session < 10; session++) {
      expect(responseDeserialize(serialize({ info }))).toMatchObject({ info });
    }
    expect(calls).toBe(1);
  });
});
