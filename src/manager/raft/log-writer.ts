// The log's writer: takes raft's orders to store, gathers all that wait into one batch and one sync
// (group commit), then releases what had to wait for it.
import { sameHardState, type Entry, type EntryId, type HardState, type Message } from 'raft-ts';
import { WAL_BATCH_BYTES } from './limits.ts';
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

/** Writes one batch at a time. */
export class LogWriter {
  readonly #ports: LogWriterPorts;
  #queue: Message[] = [];
  #forced: (() => void)[] = [];
  #busy = false;
  #running: Promise<void> = Promise.resolve();
  #hardState: HardState;

  constructor(ports: LogWriterPorts) {
    this.#ports = ports;
    this.#hardState = ports.wal.hardState;
  }

  /** Takes an order (MsgStorageAppend). */
  push(work: Message): void {
    this.#queue.push(work);
    this.#wake();
  }

  /** Resolves when the newest commit index handed in is durable too, which otherwise is not urgent. */
  force(): Promise<void> {
    return new Promise((resolve) => {
      this.#forced.push(resolve);
      this.#wake();
    });
  }

  #wake(): void {
    if (this.#busy) return;
    this.#busy = true;
    this.#running = this.#run().catch((error: unknown) => this.#ports.failed(error));
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
    while (this.#queue.length > 0 || this.#forced.length > 0) {
      const batch = this.#takeBatch();
      // Only those that came after everything in this batch.
      const forced = this.#queue.length === 0 ? this.#forced.splice(0) : [];
      await this.#write(batch, forced.length > 0);
      for (const resolve of forced) resolve();
      for (const work of batch) this.#ports.stored(work);
      const [first] = batch;
      if (first?.snapshot !== undefined) await this.#ports.restore(first);
      for (const work of batch) this.#ports.respond(work.responses);
    }
    // In the same step in which the queue was seen empty; after a failure it stays busy for ever.
    this.#busy = false;
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
