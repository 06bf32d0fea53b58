// Clients of the group: each does one operation after another on a few registers through any member,
// and writes down what it was told. What it gives up waiting for may happen at any time, or never.
import {
  CheckFailure,
  describeEntry,
  describeHistory,
  findAnomaly,
  type HistoryEntry,
  type Prng,
  type VirtualClock,
} from 'sim';
import { messageOf } from '../../../src/base/index.ts';
import type { Command } from './key-value-store.ts';
import type { Machine } from './machine.ts';
import type { HostsOptions } from './options.ts';

/** Operations on one set of registers; then the next set, so that histories stay short. */
const OPERATIONS_PER_SET = 60;
const REGISTERS = 2;
const PATIENCE_MS = 4000;

/** What all clients know together. */
export class History {
  readonly entries: HistoryEntry[] = [];
  /** Command to index. */
  readonly acknowledged = new Map<string, number>();
  #instants = 0;
  operations = 0;

  instant(): number {
    return ++this.#instants;
  }

  /** Checker: reads and writes are linearizable (§8 of the Raft paper). */
  check(): void {
    const anomaly = findAnomaly(this.entries);
    if (anomaly === undefined) return;
    throw new CheckFailure(
      'linearizable',
      `no order explains register ${anomaly.key} up to ${describeEntry(anomaly.entry)}; last of it: ` +
        describeHistory(this.entries.filter(({ key }) => key === anomaly.key))
          .slice(0, 30)
          .join('; '),
    );
  }
}

type Outcome<T> =
  | { readonly kind: 'done'; readonly value: T }
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'late' };

/** What a client works with. */
export interface ClientWorld {
  readonly clock: VirtualClock;
  readonly options: HostsOptions;
  readonly history: History;
  machines(): readonly Machine[];
  trace(line: string): void;
}

/** One client; it goes on until `stop`. */
export class Client {
  readonly #name: string;
  readonly #world: ClientWorld;
  readonly #prng: Prng;
  #running = true;
  #sequence = 0;

  constructor(name: string, world: ClientWorld, prng: Prng) {
    this.#name = name;
    this.#world = world;
    this.#prng = prng;
    void this.#run();
  }

  stop(): void {
    this.#running = false;
  }

  async #run(): Promise<void> {
    while (this.#running) {
      await this.#pause(this.#prng.between(1, this.#world.options.operationPauseMs));
      const machine = this.#choose();
      if (machine?.consensus === undefined) {
        await this.#pause(50);
        continue;
      }
      if (this.#prng.chance(0.4)) await this.#read(machine);
      else await this.#write(machine);
    }
  }

  /** Mostly one that says that it leads; there may be two of them. */
  #choose(): Machine | undefined {
    const up = this.#world.machines().filter((machine) => machine.consensus !== undefined);
    const leaders = up.filter((machine) => machine.isLeader);
    const choices = leaders.length > 0 && this.#prng.chance(0.7) ? leaders : up;
    return choices.length === 0 ? undefined : this.#prng.pick(choices);
  }

  #register(): string {
    const { history } = this.#world;
    const set = Math.floor(history.operations++ / OPERATIONS_PER_SET);
    return `r${set}.${this.#prng.below(REGISTERS)}`;
  }

  async #read(machine: Machine): Promise<void> {
    const { history } = this.#world;
    const { consensus, store } = machine;
    if (consensus === undefined || store === undefined) return;
    const key = this.#register();
    const called = history.instant();
    const done = await this.#patiently(consensus.barrier());
    if (done.kind !== 'done') return;
    const value = store.get(key);
    const answered = history.instant();
    const operation = { kind: 'read', value } as const;
    history.entries.push({ client: this.#name, key, operation, called, answered });
  }

  async #write(machine: Machine): Promise<void> {
    const { history, options } = this.#world;
    const { consensus, store } = machine;
    if (consensus === undefined || store === undefined || !machine.isLeader) return;
    const key = this.#register();
    const id = `${this.#name}.${++this.#sequence}`;
    const value = history.instant();
    const conditional = this.#prng.chance(0.3);
    const expected = conditional ? { expected: store.get(key) } : {};
    const filling = 'x'.repeat(this.#prng.below(options.valueBytesMax));
    const command: Command = { id, key, value, ...expected, filling };
    const payload = new TextEncoder().encode(JSON.stringify(command));
    // Until it is answered it may have happened, or not.
    const unknown: HistoryEntry = {
      client: this.#name,
      key,
      operation: conditional
        ? { kind: 'cas', expected: expected.expected ?? 0, value, succeeded: false }
        : { kind: 'write', value },
      called: value,
      answered: undefined,
    };
    const place = history.entries.push(unknown) - 1;
    const outcome = await this.#patiently(consensus.propose(payload));
    this.#world.trace(`${id} ${key}=${value} ${describeOutcome(outcome)}`);
    if (outcome.kind !== 'done') return;
    history.acknowledged.set(id, outcome.value);
    const succeeded = store.commands.get(id)?.changed === true;
    const operation = conditional
      ? ({ kind: 'cas', expected: expected.expected ?? 0, value, succeeded } as const)
      : ({ kind: 'write', value } as const);
    history.entries[place] = { ...unknown, operation, answered: history.instant() };
  }

  #patiently<T>(work: Promise<T>): Promise<Outcome<T>> {
    return new Promise((resolve) => {
      const timer = this.#world.clock.after(PATIENCE_MS, () => resolve({ kind: 'late' }));
      work.then(
        (value) => {
          timer.cancel();
          resolve({ kind: 'done', value });
        },
        (error: unknown) => {
          timer.cancel();
          resolve({ kind: 'failed', message: messageOf(error) });
        },
      );
    });
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#world.clock.after(delayMs, resolve);
    });
  }
}

function describeOutcome(outcome: Outcome<number>): string {
  if (outcome.kind === 'done') return `at ${outcome.value}`;
  return outcome.kind === 'late' ? 'no answer' : outcome.message;
}
