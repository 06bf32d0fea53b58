// A group of members on a network that loses, repeats and reorders, with storage that survives
// crashes and a state machine that does not.
import type { Prng } from 'sim';
import {
  decodeConfChange,
  LOCAL_APPEND_THREAD,
  MemoryStorage,
  NO_LIMIT,
  RaftError,
  RawNode,
  type ConfState,
  type Entry,
  type HardState,
  type Message,
  type Snapshot,
} from '../src/index.ts';
import type { SafetyChecker } from './checkers/safety.ts';

/** One member, running or crashed. */
export class GroupMember {
  readonly id: number;
  readonly async: boolean;
  readonly storage = new MemoryStorage();
  readonly #prng: Prng;
  readonly #checker: SafetyChecker;
  node: RawNode | undefined;
  /** Index and payload of everything applied since the beginning. */
  state: [number, string][] = [];
  applied = 0;
  confState: ConfState;
  appendWork: Message[] = [];
  applyWork: Message[] = [];
  readonly reads = new Map<string, number>();

  constructor(id: number, first: Snapshot, async: boolean, prng: Prng, checker: SafetyChecker) {
    this.id = id;
    this.async = async;
    this.#prng = prng;
    this.#checker = checker;
    this.storage.applySnapshot(first);
    this.storage.setHardState({ term: first.term, vote: 0, commit: first.index });
    this.confState = first.confState;
  }

  start(): void {
    const snapshot = this.storage.snapshot();
    this.#restore(snapshot);
    this.node = new RawNode({
      id: this.id,
      electionTicks: 10,
      heartbeatTicks: 2,
      storage: this.storage,
      applied: this.applied,
      random: (bound) => this.#prng.below(bound),
      asyncStorageWrites: this.async,
      preVote: true,
      checkQuorum: true,
      maxSizePerMessage: 200,
      maxInflightMessages: 4,
      maxCommittedSizePerReady: 150,
    });
  }

  /** What was not stored is gone. */
  crash(): void {
    this.node = undefined;
    this.appendWork = [];
    this.applyWork = [];
    this.reads.clear();
  }

  /** Carries out one Ready; returns messages for others. */
  process(): Message[] {
    const { node } = this;
    if (node === undefined || !node.hasReady()) return [];
    const ready = node.ready();
    if (node.isLeader) this.#checker.leads(this.id, node.term);
    for (const { index, context } of ready.readStates) {
      const asked = this.reads.get(Buffer.from(context).toString());
      if (asked !== undefined) this.#checker.read(this.id, index, asked);
    }
    if (!this.async) {
      this.#store(ready.hardState, ready.entries, ready.snapshot);
      this.#apply(ready.committedEntries);
      node.advance();
      return [...ready.messages];
    }
    const out: Message[] = [];
    for (const message of ready.messages) {
      if (message.to === LOCAL_APPEND_THREAD) this.appendWork.push(message);
      else if (message.to < 0) this.applyWork.push(message);
      else out.push(message);
    }
    return out;
  }

  /** Does one job of the log writer; returns messages for others. */
  writeOne(): Message[] {
    const work = this.appendWork.shift();
    if (work === undefined) return [];
    this.#store(work.term === 0 ? undefined : work, work.entries, work.snapshot);
    return this.#respond(work);
  }

  applyOne(): Message[] {
    const work = this.applyWork.shift();
    if (work === undefined) return [];
    this.#apply(work.entries);
    return this.#respond(work);
  }

  step(message: Message): void {
    this.attempt((node) => node.step(message));
  }

  /** Calls that may be refused. */
  attempt(call: (node: RawNode) => void): void {
    if (this.node === undefined) return;
    try {
      call(this.node);
    } catch (error) {
      if (!(error instanceof RaftError)) throw error;
    }
  }

  /** Takes a snapshot and drops most of the log. */
  compact(): void {
    const data = new TextEncoder().encode(JSON.stringify(this.state));
    this.storage.createSnapshot(this.applied, this.confState, data);
    const keep = this.#prng.below(5);
    this.storage.compact(Math.max(0, (this.storage.snapshot()?.index ?? 0) - keep));
  }

  #respond(work: Message): Message[] {
    const out: Message[] = [];
    for (const message of work.responses) {
      if (message.to === this.id) this.step(message);
      else out.push(message);
    }
    return out;
  }

  #store(
    hardState: HardState | undefined,
    entries: readonly Entry[],
    snapshot: Snapshot | undefined,
  ): void {
    if (hardState !== undefined) {
      const { term, vote, commit } = hardState;
      this.storage.setHardState({ term, vote, commit });
    }
    if (snapshot !== undefined && this.storage.applySnapshot(snapshot)) this.#restore(snapshot);
    this.storage.append(entries);
    for (const entry of entries) {
      const previous = this.storage.term(entry.index - 1);
      if (previous !== undefined) this.#checker.stored(this.id, entry, previous);
    }
  }

  #restore(snapshot: Snapshot | undefined): void {
    if (snapshot === undefined) return;
    this.confState = snapshot.confState;
    this.applied = snapshot.index;
    const text = new TextDecoder().decode(snapshot.data);
    this.state = text === '' ? [] : (JSON.parse(text) as [number, string][]);
  }

  #apply(entries: readonly Entry[]): void {
    for (const entry of entries) {
      // A snapshot may have come in between.
      if (entry.index <= this.applied) continue;
      if (entry.index !== this.applied + 1) {
        throw new Error(`member ${this.id} applies ${entry.index} after ${this.applied}`);
      }
      this.#checker.applied(this.id, entry);
      this.applied = entry.index;
      if (entry.type === 'normal') {
        if (entry.data.length > 0) {
          this.state.push([entry.index, new TextDecoder().decode(entry.data)]);
        }
      } else {
        // An impossible change is dropped, by all members alike.
        this.attempt((node) => {
          this.confState = node.applyConfChange(decodeConfChange(entry));
        });
      }
    }
  }

  /** Everything in the stable log; for messages of failures. */
  get log(): readonly Entry[] {
    const { storage } = this;
    return storage.entries(storage.firstIndex(), storage.lastIndex() + 1, NO_LIMIT) ?? [];
  }
}
