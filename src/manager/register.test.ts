// Which registrations begin a session: one that was on its way for long ends nobody else's.
import { MANAGER } from './access/index.ts';
import { VirtualClock } from 'sim';
import { beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../base/index.ts';
import { memoryStore, newNode } from '../../test/builders/memory-store.ts';
import { Liveness, EndpointDrains } from './dispatcher/index.ts';
import { Leader } from './leader.ts';
import type { Store } from './store/index.ts';

const PERIOD_MS = 500;
let clock: VirtualClock;
let store: Store;
let liveness: Liveness;
let leader: Leader;

beforeEach(async () => {
  clock = new VirtualClock();
  ({ store } = memoryStore(clock));
  await store.propose([newNode('w1')]);
  liveness = new Liveness(store, clock, silentLogger, {
    periodMs: () => PERIOD_MS,
    probe: () => Promise.resolve(false),
  });
  liveness.start(false);
  leader = new Leader({
    store,
    version: 'test',
    clock,
    logger: silentLogger,
    liveness,
    endpointDrains: new EndpointDrains(store, clock, silentLogger, () => false),
    control: undefined as never,
    authority: undefined as never,
    consensus: undefined as never,
    whenReady: () => Promise.resolve(),
  });
});

async function register(lastEpoch?: number): Promise<number> {
  const { epoch } = await leader.execute(
    'leader.register',
    {
      nodeId: 'w1',
      managerId: 'm1',
      description: JSON.stringify({
        hostname: 'w1',
        platform: { architecture: 'x86_64', os: 'linux' },
        resources: { nanoCpus: 4e9, memoryBytes: 8e9 },
        engine: { version: 'test', labels: {}, plugins: [] },
      }),
      address: '10.0.0.1:2377',
      dataPathAddress: '10.0.0.1',
      ...(lastEpoch === undefined ? {} : { lastEpoch }),
    },
    MANAGER,
  );
  return epoch;
}

async function heartbeats(epoch: number, forMs: number): Promise<void> {
  for (let passed = 0; passed < forMs; passed += PERIOD_MS) {
    expect(liveness.heartbeats([{ nodeId: 'w1', epoch }])).toEqual([]);
    await clock.advance(PERIOD_MS);
  }
}

describe('a registration', () => {
  it('that was overtaken by a newer one of its agent is refused', async () => {
    const first = await register(0);
    const second = await register(first);
    await heartbeats(second, 2_000);
    await expect(register(first)).rejects.toThrow('in use');
    await heartbeats(second, 1_000);
    expect(store.view.get('session', 'w1')?.epoch).toBe(second);
  });

  it('follows the session that the agent had', async () => {
    const first = await register(0);
    await heartbeats(first, 2_000);
    expect(await register(first)).toBeGreaterThan(first);
  });

  it('is let in again when its answer was lost', async () => {
    const first = await register(0);
    // The manager that was asked says once that it has a session.
    await clock.advance(100);
    liveness.heartbeats([{ nodeId: 'w1', epoch: first }]);
    expect(await register(0)).toBeGreaterThan(first);
  });

  it('of an agent without its memory waits until nobody is heard in its old session', async () => {
    const first = await register(0);
    await heartbeats(first, 2_000);
    await expect(register(0)).rejects.toThrow('in use');
    await clock.advance(2 * PERIOD_MS);
    expect(await register(0)).toBeGreaterThan(first);
  });

  it('that knows more than a restored cluster is let in, and so is one of an older manager', async () => {
    const first = await register(0);
    await heartbeats(first, 2_000);
    const second = await register(first + 1000);
    await heartbeats(second, 2_000);
    expect(await register()).toBeGreaterThan(second);
  });
});
