// One user at some manager: a request goes in over that machine's socket, and its outcome is known,
// refused, or unknown because the daemon died under it. What was asked and answered is the history.
import { describeHistory, findAnomaly, type HistoryEntry, type RegisterOperation } from 'sim';
import { SwarmError } from '../../../src/base/index.ts';
import {
  type ControlMethod,
  type ControlMethods,
  type Manager,
  OPERATOR,
} from '../../../src/manager/index.ts';
import type { SimulatedDaemon } from './daemon.ts';
import type { Machine } from './machine.ts';
import type { World } from './world.ts';

/** What came of a request. */
export type Outcome<T> =
  | { readonly kind: 'done'; readonly value: T }
  /** Certainly not carried out. */
  | { readonly kind: 'refused'; readonly error: SwarmError }
  /** May have been carried out, or may be later. */
  | { readonly kind: 'unknown' };

/** Codes that say that nothing was done. */
const REFUSALS = new Set(['invalid', 'precondition', 'notFound', 'conflict', 'outOfSequence']);

/** Everything that clients did to registers, on one clock whose instants no two events share. */
export class History {
  readonly entries: HistoryEntry[] = [];
  #instant = 0;

  instant(): number {
    return ++this.#instant;
  }

  add(
    client: string,
    key: string,
    operation: RegisterOperation,
    called: number,
    answered: number | undefined,
  ): void {
    this.entries.push({ client, key, operation, called, answered });
  }

  /** A sentence about the first register that no order explains. */
  anomaly(): string | undefined {
    const found = findAnomaly(this.entries);
    if (found === undefined) return undefined;
    const all = describeHistory(this.entries.filter(({ key }) => key === found.key));
    const [bad = ''] = describeHistory([found.entry]);
    return `${bad} fits no order of the operations on ${found.key}: ${all.join('; ')}`;
  }
}

/** Calls a method of the control API at a machine's manager. */
export function request<M extends ControlMethod>(
  world: World,
  machine: Machine,
  method: M,
  body: ControlMethods[M]['request'],
): Promise<Outcome<ControlMethods[M]['response']>> {
  return atManager(world, machine, (manager) => manager.submit(OPERATOR, method, body));
}

/** Runs something in a machine's manager, as a request over its socket does. */
export function atManager<T>(
  world: World,
  machine: Machine,
  body: (manager: Manager) => Promise<T>,
): Promise<Outcome<T>> {
  const daemon = machine.daemon;
  const manager = daemon?.manager;
  if (daemon === undefined || manager?.caughtUp !== true) {
    const error = new SwarmError('precondition', `${machine.host} is no manager now`);
    return Promise.resolve({ kind: 'refused', error });
  }
  return atDaemon(world, daemon, () => body(manager));
}

/** Runs something in a daemon, as a request over its socket does. */
export function atDaemon<T>(
  world: World,
  daemon: SimulatedDaemon,
  body: () => Promise<T>,
): Promise<Outcome<T>> {
  return new Promise((resolve) => {
    const forget = daemon.process.onKilled(() =>
      world.clock.after(1, () => resolve({ kind: 'unknown' })),
    );
    const answer = (outcome: Outcome<T>): void => {
      forget();
      world.clock.after(1, () => resolve(outcome));
    };
    daemon.process.enter(() => {
      body().then(
        (value) => answer({ kind: 'done', value }),
        (error: unknown) => answer(failed(error)),
      );
    });
  });
}

function failed(error: unknown): Outcome<never> {
  if (!(error instanceof SwarmError)) throw error;
  return REFUSALS.has(error.code) ? { kind: 'refused', error } : { kind: 'unknown' };
}
