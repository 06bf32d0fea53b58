// When a node counts as down: after three missed heartbeats of its own, not when its manager dies.
import { VirtualClock, settle } from 'sim';
import { beforeEach, describe, expect, it } from 'vitest';
import { silentLogger, type Clock } from '../../base/index.ts';
import { memoryStore, newNode } from '../../../test/builders/memory-store.ts';
import type { Store } from '../store/index.ts';
import { Liveness } from './liveness.ts';

const PERIOD_MS = 500;
let clock: VirtualClock;
let store: Store;
let liveness: Liveness;
/** Addresses of machines that answer although their daemon is silent. */
let answering: Set<string>;

beforeEach(async () => {
  clock = new VirtualClock();
  ({ store } = memoryStore(clock));
  answering = new Set();
  liveness = new Liveness(store, clock, silentLogger, {
    periodMs: () => PERIOD_MS,
    probe: (address) => Promise.resolve(answering.has(address)),
  });
  // m1 leads; w1 speaks through m2, and so does m2 itself; w2 through m1.
  for (const id of ['m1', 'm2', 'w1', 'w2'])
    await store.propose([newNode(id, { address: `${id}:2377` })]);
  const managers = { m1: 'm1', m2: 'm2', w1: 'm2', w2: 'm1' };
  for (const [nodeId, managerId] of Object.entries(managers)) {
    await store.propose([{ kind: 'session', nodeId, managerId }]);
  }
  liveness.start(false);
});

const heartbeat = (...nodeIds: string[]): void => {
  liveness.heartbeats(
    nodeIds.map((nodeId) => ({ nodeId, epoch: store.view.get('session', nodeId)?.epoch ?? 0 })),
  );
};

/** Lets time pass while these nodes go on beating; gives the nodes that are down then. */
async function pass(ms: number, ...alive: string[]): Promise<string[]> {
  for (let passed = 0; passed < ms; passed += PERIOD_MS / 2) {
    heartbeat(...alive);
    await clock.advance(PERIOD_MS / 2);
  }
  await settle();
  return [...store.view.all('node')].filter((n) => n.status.state === 'down').map(({ id }) => id);
}

describe('a silent node', () => {
  it('is down after three missed heartbeats', async () => {
    await pass(2_000, 'm1', 'm2', 'w1', 'w2');
    expect(await pass(1_250, 'm1', 'm2', 'w2')).toEqual([]);
    expect(await pass(500, 'm1', 'm2', 'w2')).toEqual(['w1']);
  });

  it('is given time to find another manager when its own is silent too', async () => {
    await pass(2_000, 'm1', 'm2', 'w1', 'w2');
    expect(await pass(2_000, 'm1', 'w2')).toEqual(['m2']);
    await store.propose([{ kind: 'session', nodeId: 'w1', managerId: 'm1' }]);
    liveness.registered('w1');
    expect(await pass(5_000, 'm1', 'w1', 'w2')).toEqual(['m2']);
  });

  it('is down in the end when it finds none', async () => {
    await pass(2_000, 'm1', 'm2', 'w1', 'w2');
    expect(new Set(await pass(4_000, 'm1', 'w2'))).toEqual(new Set(['m2', 'w1']));
  });

  it('is not down while its machine answers, for ten seconds', async () => {
    await pass(2_000, 'm1', 'm2', 'w1', 'w2');
    answering.add('w1:2377');
    expect(await pass(5_000, 'm1', 'm2', 'w2')).toEqual([]);
    expect(liveness.isAway('w1')).toBe(true);
    expect(await pass(1_000, 'm1', 'm2', 'w1', 'w2')).toEqual([]);
    expect(liveness.isAway('w1')).toBe(false);
    expect(await pass(9_250, 'm1', 'm2', 'w2')).toEqual([]);
    expect(await pass(1_250, 'm1', 'm2', 'w2')).toEqual(['w1']);
  });

  it('is down as soon as its machine answers no more', async () => {
    await pass(2_000, 'm1', 'm2', 'w1', 'w2');
    answering.add('w1:2377');
    expect(await pass(4_000, 'm1', 'm2', 'w2')).toEqual([]);
    answering.clear();
    expect(await pass(1_500, 'm1', 'm2', 'w2')).toEqual(['w1']);
  });
});

describe('a manager that lags', () => {
  /** How much later than they should its timers fire. */
  let lateMs = 0;

  beforeEach(() => {
    lateMs = 0;
    const late: Clock = {
      now: () => clock.now(),
      monotonicMs: () => clock.monotonicMs(),
      after: (delayMs, fire) => clock.after(delayMs + lateMs, fire),
    };
    liveness.stop();
    liveness = new Liveness(store, late, silentLogger, {
      periodMs: () => PERIOD_MS,
      probe: () => Promise.resolve(false),
    });
    liveness.start(false);
  });

  it('gives nodes the time that it has lost', async () => {
    await pass(2_000, 'm1', 'm2', 'w1', 'w2');
    // Half of its time.
    lateMs = 100;
    expect(await pass(2_000, 'm1', 'm2', 'w2')).toEqual([]);
    expect(await pass(2_000, 'm1', 'm2', 'w2')).toEqual(['w1']);
  });

  it('does not give up those that it lets wait', async () => {
    await pass(2_000, 'm1', 'm2', 'w1', 'w2');
    for (let i = 0; i < 10; i++) {
      liveness.seen('w1');
      expect(await pass(1_000, 'm1', 'm2', 'w2')).toEqual([]);
    }
    expect(await pass(2_000, 'm1', 'm2', 'w2')).toEqual(['w1']);
    // It has to register to be up again.
    liveness.seen('w1');
    expect(await pass(500, 'm1', 'm2', 'w2')).toEqual(['w1']);
  });
});

describe('a minute in which every node beats', () => {
  it('wakes the leader hardly more often than twice a second', async () => {
    let checks = 0;
    const after = clock.after.bind(clock);
    clock.after = (delayMs, fire) =>
      after(delayMs, () => {
        checks++;
        fire();
      });
    expect(await pass(60_000, 'm1', 'm2', 'w1', 'w2')).toEqual([]);
    expect(checks).toBeLessThanOrEqual(2.5 * 60);
  });
});
