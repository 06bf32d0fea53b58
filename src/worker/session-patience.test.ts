// How long an agent waits for a manager, and until it comes again: the longer the larger the cluster is.
import { Prng, VirtualClock } from 'sim';
import { beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../base/index.ts';
import type { AgentMessage } from '../model/index.ts';
import { Session, type DispatcherConnection } from './session.ts';

class Dialled implements DispatcherConnection {
  readonly sent: AgentMessage[] = [];
  readonly at: number;
  closedAt: number | undefined;
  #handler: (message: unknown) => void = () => {};
  readonly #clock: VirtualClock;
  readonly #closes: (() => void)[] = [];

  constructor(clock: VirtualClock) {
    this.#clock = clock;
    this.at = clock.monotonicMs();
  }

  send(message: AgentMessage): boolean {
    this.sent.push(message);
    return true;
  }

  onMessage(handler: (message: unknown) => void): void {
    this.#handler = handler;
  }

  onDrain(): void {}

  onClose(handler: () => void): void {
    this.#closes.push(handler);
  }

  close(): void {
    this.closedAt ??= this.#clock.monotonicMs();
    for (const close of this.#closes) close();
  }

  says(message: object): void {
    this.#handler(message);
  }

  /** Milliseconds that it was waited for. */
  get patienceMs(): number {
    return (this.closedAt ?? Infinity) - this.at;
  }
}

let clock: VirtualClock;
let dialled: Dialled[];
let session: Session;

beforeEach(() => {
  clock = new VirtualClock();
  dialled = [];
  session = new Session({
    dial: () => {
      const connection = new Dialled(clock);
      dialled.push(connection);
      return connection;
    },
    managers: () => ['m1', 'm2'],
    handler: {
      describe: () => ({
        description: '{}',
        address: '',
        dataPathAddress: '',
        lastEpoch: 0,
        lastIndex: 0,
      }),
      registered: () => undefined,
      assignments: () => undefined,
      info: () => undefined,
      drained: () => undefined,
      readOn: () => undefined,
      lost: () => undefined,
    },
    clock,
    random: new Prng(1),
    logger: silentLogger,
  });
});

/** Registers it in a cluster with this period, and loses the manager. */
async function lose(heartbeatPeriodMs: number): Promise<void> {
  const first = dialled[0];
  first?.says({ registered: { epoch: 1, heartbeatPeriodMs } });
  await clock.advance(100);
  first?.close();
}

describe('an agent whose manager is gone', () => {
  it('asks the next one after a second, then with more patience each', async () => {
    await lose(500);
    await clock.advance(60_000);
    const patience = dialled.slice(1, 8).map(({ patienceMs }) => patienceMs);
    // It looks each third of the time.
    const least = [1_000, 1_500, 2_250, 3_375, 5_000, 5_000, 5_000];
    for (const [i, limit] of least.entries()) {
      expect(patience[i]).toBeGreaterThanOrEqual(limit);
      expect(patience[i]).toBeLessThan(limit * 1.4);
    }
    // The first after a tenth of a second.
    expect((dialled[1]?.at ?? 0) - (dialled[0]?.closedAt ?? 0)).toBeLessThanOrEqual(100);
    session.close();
  });

  it('has more patience in a large one, and comes later', async () => {
    await lose(1_500);
    await clock.advance(100_000);
    const [first = 0, second = 0] = dialled.slice(1, 3).map(({ patienceMs }) => patienceMs);
    expect(first).toBeGreaterThanOrEqual(3_000);
    expect(second).toBeGreaterThanOrEqual(4_500);
    for (const { patienceMs } of dialled.slice(1, -1)) expect(patienceMs).toBeLessThan(21_000);
    const delay = (dialled[1]?.at ?? 0) - (dialled[0]?.closedAt ?? 0);
    expect(delay).toBeGreaterThanOrEqual(150);
    session.close();
  });

  it('waits for one that says that it is there, for as long as it does', async () => {
    for (let i = 0; i < 30; i++) {
      dialled[0]?.says({ heartbeat: {} });
      await clock.advance(1_000);
    }
    expect(dialled).toHaveLength(1);
    await clock.advance(10_000);
    expect(dialled.length).toBeGreaterThan(1);
    session.close();
  });
});
