// The log's writer: takes raft's orders to store, gathers all that wait into one batch and one sync
// (group commit), then releases what had to wait for it.
import { sameHardState, type Entry, type EntryId, type HardState, type Message } from 'raft-ts';
import { assert, messageOf } from '../../../base/index.ts';
import { WAL_BATCH_BYTES } from '../contract/index.ts';
import type { Wal } from './wal.ts';

/** What the writer works on. */
export interface LogWriterPorts {
  readonly wal: Wal;
  /** Makes a received snapshot count; before the log says so. */
  publishSnapshot(id: EntryId): Promise<void>;
  /** The batch is durable: the cache of the log takes it over. */
  stored(work: Message): void;
  /** Replaces the state machine; before raft hears that the snapshot is in place. */
  restore(work: Message): Promise<void>;
  respond(responses: readonly Message[]): void;
  failed(error: unknown): void;
}

interface StoredWaiter {
  readonly index: number;
  resolve(): void;
  reject(error: Error): void;
}

/** Writes one batch at a time. */
export class LogWriter {
  readonly #ports: LogWriterPorts;
  #queue: Message[] = [];
  #waiting: StoredWaiter[] = [];
  #storedCommit: number;
  #failure: Error | undefined;
  #busy = false;
  #running: Promise<void> = Promise.resolve();
  #hardState: HardState;

  constructor(ports: LogWriterPorts) {
    this.#ports = ports;
    this.#hardState = ports.wal.hardState;
    this.#storedCommit = this.#hardState.commit;
  }

  /** Takes an order (MsgStorageAppend). */
  push(work: Message): void {
    this.#queue.push(work);
    this.#wake();
  }

  /**
   * Resolves when the log says durably that all up to `index` is committed, which otherwise is not
   * urgent. Waits for writes alone, never for a restore: a restore waits for whoever asks this.
   */
  commitStored(index: number): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (index <= this.#storedCommit) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ index, resolve, reject });
      this.#wake();
    });
  }

  #wake(): void {
    if (this.#busy) return;
    this.#busy = true;
    this.#running = this.#run().catch((error: unknown) => this.#fail(error));
  }

  /** It stays busy for ever: what the disk holds is not known. */
  #fail(error: unknown): void {
    this.#failure = error instanceof Error ? error : new Error(messageOf(error));
    for (const waiter of this.#waiting.splice(0)) waiter.reject(this.#failure);
    this.#ports.failed(error);
  }

  /** Resolves when everything is written; stores the last commit index, which alone is not urgent. */
  async close(): Promise<void> {
    await this.#running;
    const { wal } = this.#ports;
    if (!sameHardState(this.#hardState, wal.hardState)) {
      await wal.append({ hardState: this.#hardState, entries: [], snapshot: undefined });
    }
    await wal.close();
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0 || this.#waiting.length > 0) {
      const batch = this.#takeBatch();
      // The commit index alone is written only when nothing else is left that would take it along.
      await this.#write(batch, this.#queue.length === 0 && this.#waiting.length > 0);
      this.#tellStored();
      for (const work of batch) this.#ports.stored(work);
      const [first] = batch;
      if (first?.snapshot !== undefined) await this.#ports.restore(first);
      for (const work of batch) this.#ports.respond(work.responses);
    }
    // In the same step in which the queue was seen empty.
    this.#busy = false;
  }

  #tellStored(): void {
    this.#storedCommit = this.#ports.wal.hardState.commit;
    const waiting = this.#waiting;
    this.#waiting = waiting.filter(({ index }) => index > this.#storedCommit);
    for (const waiter of waiting) if (waiter.index <= this.#storedCommit) waiter.resolve();
    const [left] = this.#queue.length === 0 ? this.#waiting : [];
    const said = `commit index ${this.#storedCommit} is all the log was told, not ${left?.index}`;
    assert(left === undefined || this.#hardState.commit > this.#storedCommit, said);
  }

  /** As many orders as one sync should carry; one with a snapshot goes alone. */
  #takeBatch(): Message[] {
    let count = 0;
    let bytes = 0;
    for (const work of this.#queue) {
      if (work.snapshot !== undefined && count > 0) break;
      count++;
      for (const entry of work.entries) bytes += entry.data.length;
      if (work.snapshot !== undefined || bytes >= WAL_BATCH_BYTES) break;
    }
    return this.#queue.splice(0, count);
  }

  async #write(batch: readonly Message[], force: boolean): Promise<void> {
    const entries: Entry[] = [];
    for (const work of batch) {
      if (work.term !== 0) {
        this.#hardState = { term: work.term, vote: work.vote, commit: work.commit };
      }
      for (const entry of work.entries) entries.push(entry);
    }
    const snapshot = batch[0]?.snapshot;
    const { wal } = this.#ports;
    const { term, vote } = wal.hardState;
    const voted = this.#hardState.term !== term || this.#hardState.vote !== vote;
    // A commit index by itself is found out again after a restart: it goes along with the next batch.
    const moved = this.#hardState.commit !== wal.hardState.commit;
    if (entries.length === 0 && !voted && snapshot === undefined && !(force && moved)) return;
    if (snapshot !== undefined) await this.#ports.publishSnapshot(snapshot);
    await wal.append({
      hardState: sameHardState(this.#hardState, wal.hardState) ? undefined : this.#hardState,
      entries,
      snapshot: snapshot === undefined ? undefined : { index: snapshot.index, term: snapshot.term },
    });
  }
}
