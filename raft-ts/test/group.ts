// A small group for tests of single rules: members in memory, messages delivered in order until
// nothing is left, unless a test loses or holds some. Time passes only by `tick`.
import {
  decodeConfChange,
  emptyBytes,
  makeMessage,
  MemoryStorage,
  RaftError,
  RawNode,
  type ConfChange,
  type ConfState,
  type Entry,
  type Message,
  type MessageFields,
  type RaftOptions,
  type Snapshot,
} from '../src/index.ts';

/** How a group begins. */
export interface GroupOptions {
  readonly voters: readonly number[];
  readonly learners?: readonly number[];
  /** Members that exist but belong to no group yet. */
  readonly spares?: readonly number[];
  /** Terms of the entries that a member's log holds after entry 1 (which is of term 1). */
  readonly logs?: Readonly<Record<number, readonly number[]>>;
  readonly raft?: Partial<RaftOptions>;
}

/** Takes a snapshot whenever one is asked for: a new member ignores those that do not name it. */
class FreshSnapshots extends MemoryStorage {
  take: () => void = () => {};

  override snapshot(): Snapshot | undefined {
    this.take();
    return super.snapshot();
  }
}

interface TestMember {
  readonly storage: FreshSnapshots;
  node: RawNode;
  confState: ConfState;
  applied: string[];
  appliedIndex: number;
  reads: number[];
}

/** The text of an entry, for members' states. */
export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Election time-out in ticks; heartbeats come with every tick. */
export const ELECTION_TICKS = 10;

export class TestGroup {
  readonly #members = new Map<number, TestMember>();
  readonly #options: Partial<RaftOptions>;
  readonly #cut = new Set<number>();
  /** Every message that was sent, lost or not, since the start. */
  readonly sent: Message[] = [];
  wire: Message[] = [];
  /** Which messages do not arrive. */
  lost: (message: Message) => boolean = () => false;

  constructor({ voters, learners = [], spares = [], logs = {}, raft = {} }: GroupOptions) {
    this.#options = raft;
    const confState = { voters, learners, votersOutgoing: [], learnersNext: [], autoLeave: false };
    for (const id of [...voters, ...learners]) {
      const storage = new FreshSnapshots();
      storage.applySnapshot({ index: 1, term: 1, confState, data: emptyBytes });
      const terms = logs[id] ?? [];
      storage.append(
        terms.map((term, i) => ({ term, index: i + 2, type: 'normal', data: emptyBytes })),
      );
      storage.setHardState({ term: terms.at(-1) ?? 1, vote: 0, commit: 1 });
      this.#add(id, storage, confState, 1);
    }
    const nobody = { ...confState, voters: [], learners: [] };
    for (const id of spares) this.#add(id, new FreshSnapshots(), nobody, 0);
  }

  #add(id: number, storage: FreshSnapshots, confState: ConfState, appliedIndex: number): void {
    const node = this.#start(id, storage, appliedIndex);
    this.#members.set(id, { storage, node, confState, applied: [], appliedIndex, reads: [] });
    storage.take = () => this.#takeSnapshot(id);
  }

  #start(id: number, storage: MemoryStorage, applied: number): RawNode {
    return new RawNode({
      electionTicks: ELECTION_TICKS,
      heartbeatTicks: 1,
      random: () => 0,
      ...this.#options,
      id,
      storage,
      applied,
    });
  }

  #member(id: number): TestMember {
    const member = this.#members.get(id);
    if (member === undefined) throw new Error(`no member ${id}`);
    return member;
  }

  get ids(): number[] {
    return [...this.#members.keys()];
  }

  node(id: number): RawNode {
    return this.#member(id).node;
  }

  storage(id: number): MemoryStorage {
    return this.#member(id).storage;
  }

  /** What a member has applied, without the entries that open a term. */
  applied(id: number): readonly string[] {
    return this.#member(id).applied;
  }

  /** Indexes of the reads that a member was allowed. */
  reads(id: number): readonly number[] {
    return this.#member(id).reads;
  }

  /** Terms of a member's stable log, from index 2 on. */
  terms(id: number): number[] {
    const { storage } = this.#member(id);
    const terms: number[] = [];
    for (let i = 2; i <= storage.lastIndex(); i++) terms.push(storage.term(i) ?? 0);
    return terms;
  }

  voters(id: number): readonly number[] {
    return this.node(id).status().confState.voters;
  }

  /** Nothing reaches these members, and nothing comes from them. */
  cut(...ids: number[]): void {
    for (const id of ids) this.#cut.add(id);
  }

  mend(...ids: number[]): void {
    for (const id of ids.length === 0 ? [...this.#cut] : ids) this.#cut.delete(id);
  }

  /** A member's process ends and starts again from its disk. */
  restart(id: number): void {
    const member = this.#member(id);
    // What was taken is there; none is taken on the way down.
    const { take } = member.storage;
    member.storage.take = () => {};
    const snapshot = member.storage.snapshot();
    member.storage.take = take;
    member.appliedIndex = snapshot?.index ?? 0;
    member.confState = snapshot?.confState ?? member.confState;
    member.applied = textOf(snapshot?.data ?? emptyBytes)
      .split(' ')
      .filter(Boolean);
    member.node = this.#start(id, member.storage, member.appliedIndex);
  }

  /** Does the work of one member's Ready, if there is some; its messages go onto the wire. */
  work(id: number): boolean {
    const member = this.#member(id);
    const { node, storage } = member;
    if (!node.hasReady()) return false;
    const ready = node.ready();
    if (ready.hardState !== undefined) storage.setHardState(ready.hardState);
    if (ready.snapshot !== undefined && storage.applySnapshot(ready.snapshot)) {
      member.confState = ready.snapshot.confState;
      member.appliedIndex = ready.snapshot.index;
      member.applied = textOf(ready.snapshot.data).split(' ').filter(Boolean);
    }
    storage.append(ready.entries);
    for (const message of ready.messages) this.#post(message);
    for (const entry of ready.committedEntries) this.#apply(member, entry);
    for (const { index } of ready.readStates) member.reads.push(index);
    node.advance();
    return true;
  }

  #post(message: Message): void {
    this.sent.push(message);
    const isLost = this.#cut.has(message.from) || this.#cut.has(message.to) || this.lost(message);
    if (!isLost) this.wire.push(message);
    if (message.type === 'MsgSnap') this.node(message.from).reportSnapshot(message.to, !isLost);
  }

  #apply(member: TestMember, entry: Entry): void {
    // The core may ask for a snapshot within: it is of what is applied so far.
    if (entry.type !== 'normal') {
      member.confState = member.node.applyConfChange(decodeConfChange(entry));
    } else if (entry.data.length > 0) {
      member.applied.push(textOf(entry.data));
    }
    member.appliedIndex = entry.index;
  }

  /** Delivers one message. */
  deliver(message: Message): void {
    this.try(() => this.#members.get(message.to)?.node.step(message));
  }

  /** A message as if it came from the network. */
  step(fields: MessageFields & { to: number }): void {
    this.deliver(makeMessage(fields));
  }

  /** Works and delivers until nothing is left. */
  settle(): void {
    for (let rounds = 0; rounds < 1000; rounds++) {
      let busy = false;
      for (const id of this.ids) while (this.work(id)) busy = true;
      for (const message of this.wire.splice(0)) {
        this.deliver(message);
        busy = true;
      }
      if (!busy) return;
    }
    throw new Error('the group does not come to rest');
  }

  /** Time passes for one member. */
  tick(id: number, ticks = 1): void {
    for (let i = 0; i < ticks; i++) {
      this.node(id).tick();
      this.settle();
    }
  }

  /** Time passes for all. */
  tickAll(ticks = 1): void {
    for (let i = 0; i < ticks; i++) {
      for (const id of this.ids) this.node(id).tick();
      this.settle();
    }
  }

  /** Makes a member leader. */
  lead(id: number): void {
    this.node(id).campaign();
    this.settle();
    if (!this.node(id).isLeader) throw new Error(`member ${id} was not elected`);
  }

  propose(id: number, text: string): void {
    this.node(id).propose(bytesOf(text));
  }

  change(id: number, change: ConfChange): void {
    this.node(id).proposeConfChange(change);
  }

  #takeSnapshot(id: number): void {
    const { storage, applied, appliedIndex, confState } = this.#member(id);
    storage.createSnapshot(appliedIndex, confState, bytesOf(applied.join(' ')));
  }

  /** Takes a snapshot of a member's state, and drops its log up to there. */
  compact(id: number): void {
    this.#takeSnapshot(id);
    const { storage, appliedIndex } = this.#member(id);
    storage.compact(appliedIndex);
  }

  /** A call that may be refused; the reason, if it is. */
  try(call: () => void): string | undefined {
    try {
      call();
      return undefined;
    } catch (error) {
      if (!(error instanceof RaftError)) throw error;
      return error.reason;
    }
  }
}

function textOf(data: Uint8Array): string {
  return new TextDecoder().decode(data);
}
