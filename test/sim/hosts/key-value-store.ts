// The replicated state machine of this size: registers, every command ever applied, and a digest of
// everything applied so far. It says at once when it is handed what it must not be.
import { CheckFailure } from 'sim';
import type { CommittedEntry } from '../../../src/manager/raft/index.ts';
import { fold, type AppliedLedger } from './applied-ledger.ts';

/** A change of one register; `expected` makes it conditional. */
export interface Command {
  readonly id: string;
  readonly key: string;
  readonly value: number;
  readonly expected?: number;
  /** Bytes that only take room. */
  readonly filling: string;
}

interface State {
  index: number;
  digest: number;
  values: [string, number][];
  /** Command, the index it was applied at, and whether it changed anything. */
  commands: [string, number, boolean][];
}

const CHUNK_CHARACTERS = 700;

/** One member's copy. */
export class KeyValueStore {
  readonly #owner: string;
  readonly #ledger: AppliedLedger;
  readonly #values = new Map<string, number>();
  readonly #commands = new Map<string, { index: number; changed: boolean }>();
  #index = 0;
  #digest = 0;

  constructor(owner: string, ledger: AppliedLedger) {
    this.#owner = owner;
    this.#ledger = ledger;
  }

  get index(): number {
    return this.#index;
  }

  get digest(): number {
    return this.#digest;
  }

  get commands(): ReadonlyMap<string, { readonly index: number; readonly changed: boolean }> {
    return this.#commands;
  }

  /** The register's value; 0 when it was never written. */
  get(key: string): number {
    return this.#values.get(key) ?? 0;
  }

  apply(entries: readonly CommittedEntry[]): void {
    for (const entry of entries) this.#applyOne(entry);
  }

  #applyOne({ index, term, payload }: CommittedEntry): void {
    if (index !== this.#index + 1) {
      throw new CheckFailure(
        'applied in order',
        `${this.#owner} was given entry ${index} after ${this.#index}`,
      );
    }
    this.#index = index;
    this.#digest = fold(this.#digest, `${index} ${term} ${new TextDecoder().decode(payload)}`);
    this.#ledger.applied(this.#owner, index, this.#digest);
    if (payload.length === 0) return;
    const command = JSON.parse(new TextDecoder().decode(payload)) as Command;
    const earlier = this.#commands.get(command.id);
    if (earlier !== undefined) {
      throw new CheckFailure(
        'applied once',
        `${this.#owner} was given ${command.id} at ${index}, and at ${earlier.index} before`,
      );
    }
    const { key, value, expected } = command;
    const changed = expected === undefined || this.get(key) === expected;
    if (changed) this.#values.set(key, value);
    this.#commands.set(command.id, { index, changed });
  }

  async *snapshot(): AsyncGenerator<Uint8Array> {
    const state: State = {
      index: this.#index,
      digest: this.#digest,
      values: [...this.#values],
      commands: [...this.#commands].map(([id, { index, changed }]) => [id, index, changed]),
    };
    const text = JSON.stringify(state);
    for (let at = 0; at < text.length; at += CHUNK_CHARACTERS) {
      yield new TextEncoder().encode(text.slice(at, at + CHUNK_CHARACTERS));
    }
  }

  async restore(index: number, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    let text = '';
    for await (const chunk of chunks) text += new TextDecoder().decode(chunk);
    const state = JSON.parse(text) as State;
    if (state.index !== index) {
      throw new CheckFailure(
        'snapshot is the log',
        `${this.#owner} was given the state of ${state.index} as a snapshot at ${index}`,
      );
    }
    this.#ledger.applied(this.#owner, index, state.digest);
    this.#index = index;
    this.#digest = state.digest;
    this.#values.clear();
    for (const [key, value] of state.values) this.#values.set(key, value);
    this.#commands.clear();
    for (const [id, at, changed] of state.commands) this.#commands.set(id, { index: at, changed });
  }
}
