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
  it('asks others a second each, in a small cluster', async () => {
    await lose(500);
    await clock.advance(20_000);
    const tries = dialled.slice(1, 5);
    for (const { patienceMs } of tries) {
      expect(patienceMs).toBeGreaterThan(1_000);
      expect(patienceMs).toBeLessThan(1_500);
    }
    // The first after a tenth of a second.
    expect((dialled[1]?.at ?? 0) - (dialled[0]?.closedAt ?? 0)).toBeLessThanOrEqual(100);
    session.close();
  });

  it('has more patience with each try in a large one, and comes later', async () => {
    await lose(1_500);
    await clock.advance(100_000);
    const [first = 0, second = 0, third = 0, ...others] = dialled
      .slice(1, 8)
      .map(({ patienceMs }) => patienceMs);
    expect(first).toBeGreaterThan(3_000);
    expect(second).toBeGreaterThan(first + 2_000);
    expect(third).toBeGreaterThan(second + 2_000);
    for (const patience of others) expect(patience).toBeLessThan(15_000);
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
