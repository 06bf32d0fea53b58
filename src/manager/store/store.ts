// The managers' replicated state. Reads are local and synchronous (`view`); writes are transactions
// that are proposed to Raft and applied, in log order, on every manager. Watchers hear every change
// right after it was applied.
//
//   const result = await store.propose([update('service', {...service, spec})]);
//
// Proposals that arrive while others are under way share one entry (up to the limits below).
import { SwarmError, messageOf, type Clock, type Logger } from '../../base/index.ts';
import {
  prepareDecoders,
  type Action,
  type StoreChange,
  type Transaction,
} from '../../model/index.ts';
import { applyTransaction, type TransactionResult } from './apply.ts';
import { ClusterTime } from './cluster-time.ts';
import {
  decodeEntry,
  decodeSnapshot,
  encodeEntry,
  encodeSnapshot,
  type SnapshotLine,
} from './entry.ts';
import { TABLE_NAMES, TableSet, type StoreView } from './tables.ts';

/** Transactions in one entry: bounds the time of one synchronous `apply`. */
const TRANSACTIONS_PER_ENTRY = 256;
/** Entries that may wait for their commit; more are refused, so that memory stays bounded. */
const ENTRIES_IN_FLIGHT = 64;
const QUEUED_TRANSACTIONS = 50_000;

/** How the store reaches Raft: resolves once the payload was committed and applied here. */
export interface Proposer {
  propose(payload: Uint8Array): Promise<number>;
}

interface Waiting {
  readonly transaction: Transaction;
  readonly resolve: (result: TransactionResult) => void;
  readonly reject: (error: Error) => void;
}

/** What a store is made of. */
export interface StoreOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Unpredictable and different for every start of every manager. */
  readonly instance: string;
}

/** The replicated state of one manager. */
export class Store {
  readonly #options: StoreOptions;
  readonly #tables = new TableSet();
  readonly #watchers = new Set<(changes: readonly StoreChange[]) => void>();
  readonly #restored = new Set<() => void>();
  readonly #inFlight = new Map<number, readonly Waiting[]>();
  readonly #indexWaiters: { index: number; resolve: () => void }[] = [];
  #queue: Waiting[] = [];
  #sequence = 0;
  #flushScheduled = false;
  #proposer: Proposer | undefined;

  /** The managers' time: what is written here, and compared with what was written, goes by it. */
  readonly time: ClusterTime;

  constructor(options: StoreOptions) {
    this.#options = options;
    this.time = new ClusterTime(options.clock);
    this.#prepare(prepareDecoders());
  }

  /** Before the first entry is there; one piece a turn of the event loop. */
  #prepare(steps: Iterator<undefined>): void {
    this.#options.clock.after(0, () => {
      if (steps.next().done !== true) this.#prepare(steps);
    });
  }

  get view(): StoreView {
    return this.#tables;
  }

  /** Before the first proposal: where proposals go. */
  connect(proposer: Proposer): void {
    this.#proposer = proposer;
  }

  /**
   * Proposes one transaction. Resolves when it was applied here. Raises what `apply` refused it for
   * (`conflict`, `outOfSequence`, `notFound`) or `unavailable` (not the leader; outcome unknown).
   */
  async propose(actions: readonly Action[]): Promise<number> {
    const result = await this.tryPropose(actions);
    if (!result.ok) throw new SwarmError(result.code, result.message);
    return this.#tables.index;
  }

  /** As `propose`, but a refusal is a result and not an error: what control loops use. */
  tryPropose(actions: readonly Action[]): Promise<TransactionResult> {
    if (this.#queue.length >= QUEUED_TRANSACTIONS) {
      return Promise.reject(
        new SwarmError('exhausted', 'too many writes are waiting, try again later'),
      );
    }
    return new Promise((resolve, reject) => {
      const transaction = { actions, time: this.time.now() };
      this.#queue.push({ transaction, resolve, reject });
      this.#scheduleFlush();
    });
  }

  /** Hears all changes of each applied entry, synchronously, in order; returns how to stop. */
  watch(listener: (changes: readonly StoreChange[]) => void): () => void {
    this.#watchers.add(listener);
    return () => this.#watchers.delete(listener);
  }

  /** Called after the whole state was replaced by a snapshot. */
  onRestored(listener: () => void): () => void {
    this.#restored.add(listener);
    return () => this.#restored.delete(listener);
  }

  /** Resolves once the entry `index` was applied here. */
  applied(index: number): Promise<void> {
    if (this.#tables.index >= index) return Promise.resolve();
    return new Promise((resolve) => this.#indexWaiters.push({ index, resolve }));
  }

  /** Raft's side: entries in log order. */
  apply(entries: readonly { readonly index: number; readonly payload: Uint8Array }[]): void {
    for (const { index, payload } of entries) {
      this.#tables.index = index;
      if (payload.length > 0) this.#applyEntry(index, payload);
    }
    this.#wakeIndexWaiters();
  }

  /** Raft's side: the state as of now; the view is frozen at the first call of `next`. */
  async *snapshot(): AsyncIterable<Uint8Array> {
    const tables = TABLE_NAMES.map((table) => ({ table, objects: this.#tables.freeze(table) }));
    for (const chunk of encodeSnapshot(this.#tables.index, this.#level, tables)) yield chunk;
  }

  /** Raft's side: replaces everything. */
  async restore(index: number, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const lines: SnapshotLine[] = [];
    await decodeSnapshot(chunks, (line) => lines.push(line));
    this.#tables.clear();
    for (const { table, object } of lines) {
      this.#tables.put(table, object);
      this.time.observe(object.updatedAt);
    }
    this.#tables.index = index;
    for (const listener of this.#restored) listener();
    this.#wakeIndexWaiters();
  }

  #applyEntry(index: number, payload: Uint8Array): void {
    const entry = decodeEntry(payload);
    const changes: StoreChange[] = [];
    const results = entry.tx.map(({ transaction, problem }): TransactionResult => {
      if (transaction === undefined) {
        this.#options.logger.error(
          { index, problem },
          'a change in the log is malformed: left out',
        );
        return { ok: false, code: 'internal', message: problem };
      }
      this.time.observe(transaction.time);
      return applyTransaction(this.#tables, { index, level: entry.level }, transaction, changes);
    });
    if (changes.length > 0) for (const watcher of this.#watchers) this.#tell(watcher, changes);
    if (entry.by !== this.#options.instance) return;
    const waiting = this.#inFlight.get(entry.seq);
    this.#inFlight.delete(entry.seq);
    waiting?.forEach((one, i) => {
      const result = results[i];
      if (result !== undefined) one.resolve(result);
    });
  }

  /** A watcher that fails does not keep the change from the others, and the manager goes on. */
  #tell(watcher: (changes: readonly StoreChange[]) => void, changes: readonly StoreChange[]): void {
    try {
      watcher(changes);
    } catch (error) {
      this.#options.logger.error(
        { error: messageOf(error), tables: [...new Set(changes.map((one) => one.table))] },
        'a watcher of the store failed',
      );
    }
  }

  get #level(): number {
    return this.#tables.cluster?.featureLevel ?? 0;
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    queueMicrotask(() => {
      this.#flushScheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    while (this.#queue.length > 0 && this.#inFlight.size < ENTRIES_IN_FLIGHT) {
      const batch = this.#queue.splice(0, TRANSACTIONS_PER_ENTRY);
      const seq = ++this.#sequence;
      const { payload, sound } = this.#encode(seq, batch);
      if (sound.length === 0) continue;
      this.#inFlight.set(seq, sound);
      void this.#send(seq, payload);
    }
  }

  /** What would not be read back as it is must not reach the log: whoever made it hears of it. */
  #encode(seq: number, batch: readonly Waiting[]): { payload: Uint8Array; sound: Waiting[] } {
    const encode = (some: readonly Waiting[]): Uint8Array =>
      encodeEntry({
        level: this.#level,
        by: this.#options.instance,
        seq,
        tx: some.map((one) => one.transaction),
      });
    const payload = encode(batch);
    const problems = decodeEntry(payload).tx.map((one) => one.problem);
    const sound = batch.filter((_one, i) => problems[i] === undefined);
    if (sound.length === batch.length) return { payload, sound };
    batch.forEach((one, i) => {
      const problem = problems[i];
      if (problem === undefined) return;
      one.reject(new SwarmError('invalid', `the change is malformed: ${problem}`));
    });
    return { payload: encode(sound), sound };
  }

  async #send(seq: number, payload: Uint8Array): Promise<void> {
    try {
      if (this.#proposer === undefined)
        throw new SwarmError('unavailable', 'the manager is starting');
      await this.#proposer.propose(payload);
    } catch (error) {
      const waiting = this.#inFlight.get(seq);
      this.#inFlight.delete(seq);
      waiting?.forEach((one) =>
        one.reject(error instanceof Error ? error : new Error(String(error))),
      );
    }
    if (this.#queue.length > 0) this.#scheduleFlush();
  }

  #wakeIndexWaiters(): void {
    for (let i = this.#indexWaiters.length - 1; i >= 0; i--) {
      const waiter = this.#indexWaiters[i];
      if (waiter === undefined || waiter.index > this.#tables.index) continue;
      this.#indexWaiters.splice(i, 1);
      waiter.resolve();
    }
  }
}
