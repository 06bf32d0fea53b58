// One member with its host: ticks, disk, state machine, and the work of every Ready. It keeps to the
// contract of RawNode, and its machine may stop at any instant.
import {
  decodeConfChange,
  describeConfState,
  LOCAL_APPEND_THREAD,
  RaftError,
  RawNode,
  type Entry,
  type HardState,
  type Message,
  type Ready,
  type Snapshot,
} from '../../src/index.ts';
import { LogView } from '../checkers/index.ts';
import { decodeNumber, encodeNumber } from './numbers.ts';
import { Machine } from './machine.ts';
import { TICK_MS } from './options.ts';
import { StableStorage } from './stable-storage.ts';
import { Waiting } from './waiting.ts';
import type { World } from './world.ts';

/** Messages that wait while the host is busy or stands still. */
const MAX_INBOX = 1000;

/** A member, running or not. */
export class Member {
  readonly id: number;
  readonly storage = new StableStorage();
  readonly machine: Machine;
  readonly view = new LogView();
  readonly isAsync: boolean;
  node: RawNode | undefined;
  /** Grows with every start and stop: events of an earlier life mean nothing. */
  life = 0;
  /** The process gets no time until it is resumed. */
  isPaused = false;
  /** Stopped for good by the operator. */
  isGone = false;
  readonly #world: World;
  readonly #tickMs: number;
  #busy = false;
  #gathering = false;
  #missedTicks = 0;
  #inbox: Message[] = [];
  #appendWork: Message[] = [];
  #applyWork: Message[] = [];
  #appending = false;
  #installing = false;
  #applying = false;
  #electedIn = 0;
  readonly #waiting = new Waiting();

  constructor(id: number, world: World, isAsync: boolean, tickMs: number, first?: Snapshot) {
    this.id = id;
    this.#world = world;
    this.isAsync = isAsync;
    this.#tickMs = tickMs;
    if (first !== undefined) {
      this.storage.write({ term: first.term, vote: 0, commit: first.index }, [], first);
      this.storage.sync();
    }
    this.machine = new Machine(this.storage.current.confState);
    this.storage.beforeSnapshot = () => this.#offerSnapshot();
  }

  start(): void {
    const { options, checkers, prng } = this.#world;
    const { group } = options;
    this.#restore(this.storage.current);
    const terms: number[] = [];
    for (let i = this.storage.firstIndex(); i <= this.storage.lastIndex(); i++) {
      terms.push(this.storage.term(i) ?? 0);
    }
    this.view.reset(this.storage.firstIndex() - 1, terms);
    this.life++;
    this.node = new RawNode({
      ...group,
      id: this.id,
      storage: this.storage,
      applied: this.machine.index,
      random: (bound) => prng.below(bound),
      asyncStorageWrites: this.isAsync,
      readOnlyMode: group.leases ? 'leaseBased' : 'safe',
    });
    checkers.durability.restarted(this.id, this.node.term);
    checkers.commits.restarted(this.id, this.node.commit);
    this.#world.line(`${this.id} starts term ${this.node.term} commit ${this.node.commit}`);
    this.#scheduleTick(prng.below(TICK_MS));
  }

  /** What was not synced is lost, as far as the disk likes. */
  crash(): void {
    this.node = undefined;
    this.life++;
    this.isPaused = false;
    this.#busy = false;
    this.#gathering = false;
    this.#appending = false;
    this.#installing = false;
    this.#applying = false;
    this.#missedTicks = 0;
    this.#electedIn = 0;
    this.#inbox = [];
    this.#appendWork = [];
    this.#applyWork = [];
    this.#waiting.clear();
    this.storage.crash(this.#world.prng);
    this.#world.checkers.leaderLog.crashed(this.id);
    this.#world.line(`${this.id} crashes`);
  }

  get isLeader(): boolean {
    return this.node?.isLeader === true;
  }

  resume(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    if (!this.#world.options.group.catchUpTicks) this.#missedTicks = 0;
    this.#takeInbox();
  }

  receive(message: Message): void {
    if (this.node === undefined) return;
    if (this.isPaused || this.#busy) {
      if (this.#inbox.length < MAX_INBOX) this.#inbox.push(message);
      return;
    }
    this.attempt((node) => node.step(message));
  }

  /** A client's command; false when it is refused. */
  propose(data: Uint8Array, onApplied: (succeeded: boolean) => void): boolean {
    if (!this.attempt((node) => node.propose(data))) return false;
    this.#waiting.proposed(decodeNumber(data), onApplied);
    return true;
  }

  /** Asks for a read; `answer` is called once it may be answered. */
  read(context: number, answer: () => void): boolean {
    this.#waiting.asked(context, this.#world.checkers.commits.highest, answer);
    return this.attempt((node) => node.readIndex(encodeNumber(context, 0)));
  }

  /** A call that may be refused; false when it is, or when nobody is there to take it. */
  attempt(call: (node: RawNode) => void): boolean {
    const { node } = this;
    if (node === undefined || this.isPaused || this.#busy) return false;
    let done = true;
    try {
      call(node);
    } catch (error) {
      if (!(error instanceof RaftError)) throw error;
      done = false;
    }
    this.#afterInput(node);
    return done;
  }

  #afterInput(node: RawNode): void {
    if (node.isLeader && this.#electedIn !== node.term) {
      this.#world.checkers.elections.leads(this.id, node.term);
    }
    const { gatherMs } = this.#world.options.group;
    if (gatherMs === 0 || this.#world.isCalm) {
      this.#pump();
    } else if (!this.#gathering) {
      this.#gathering = true;
      this.#later(gatherMs, () => {
        this.#gathering = false;
        this.#pump();
      });
    }
  }

  /** Runs later, unless the member has stopped since. */
  #later(delay: number, run: () => void): void {
    const { life } = this;
    this.#world.queue.after(delay, () => {
      if (this.life === life) run();
    });
  }

  #scheduleTick(delay: number): void {
    this.#later(delay, () => {
      this.#scheduleTick(this.#tickMs);
      if (this.isPaused || this.#busy) {
        this.#missedTicks++;
        return;
      }
      this.#world.events++;
      this.attempt((node) => node.tick());
    });
  }

  #takeInbox(): void {
    while (this.#missedTicks > 0 && !this.#busy && !this.isPaused) {
      this.#missedTicks--;
      this.attempt((node) => node.tick());
    }
    while (this.#inbox.length > 0 && !this.#busy && !this.isPaused) {
      const message = this.#inbox.shift();
      if (message !== undefined) this.receive(message);
    }
  }

  /** Carries out what the core wants, as long as it wants something. */
  #pump(): void {
    const { node } = this;
    while (node !== undefined && node === this.node && node.hasReady()) {
      if (this.#busy || this.isPaused) return;
      const ready = node.ready();
      this.#observe(node, ready);
      for (const state of ready.readStates) this.#waiting.confirmed(this.id, state);
      this.#waiting.answerUpTo(this.machine.index);
      if (this.isAsync) this.#dispatch(ready);
      else this.#carryOut(node, ready);
    }
  }

  #observe(node: RawNode, ready: Ready): void {
    const { checkers } = this.#world;
    const { term } = node;
    if (ready.snapshot !== undefined) this.view.install(ready.snapshot);
    this.view.append(ready.entries);
    if (node.isLeader) {
      checkers.leaderLog.handedOut(this.id, term, ready.entries, this.view.lastIndex);
      if (this.#electedIn !== term) {
        this.#electedIn = term;
        this.#world.line(`${this.id} leads term ${term}`);
        checkers.elections.leads(this.id, term);
        checkers.durability.voted(this.id, term, this.id);
        checkers.commits.elected(this.id, term, this.view);
        this.#world.elected(this);
      }
    }
    checkers.commits.observe(this.id, term, node.commit, this.view);
  }

  #carryOut(node: RawNode, ready: Ready): void {
    const { hardState, entries, snapshot } = ready;
    this.#write(hardState, entries, snapshot);
    const needsSync = ready.mustSync || snapshot !== undefined;
    const finish = (): void => {
      this.#busy = false;
      if (needsSync) this.storage.sync();
      if (snapshot !== undefined) this.#restore(snapshot);
      for (const message of ready.messages) this.#send(message);
      this.#apply(ready.committedEntries);
      node.advance();
      this.#afterInput(node);
      this.#takeInbox();
    };
    const delay = needsSync ? this.#world.writeDelay() : 0;
    if (delay === 0) {
      finish();
      return;
    }
    this.#busy = true;
    this.#later(delay, finish);
  }

  #dispatch(ready: Ready): void {
    for (const message of ready.messages) {
      if (message.to === LOCAL_APPEND_THREAD) this.#appendWork.push(message);
      else if (message.to < 0) this.#applyWork.push(message);
      else this.#send(message);
    }
    this.#appendNext();
    this.#applyNext();
  }

  /** The log writer: several orders share one sync. */
  #appendNext(): void {
    if (this.#appending || this.#appendWork.length === 0) return;
    this.#appending = true;
    const batch = this.#appendWork.splice(0, 1 + this.#world.prng.below(4));
    this.#installing = batch.some(({ snapshot }) => snapshot !== undefined);
    for (const { term, vote, commit, entries, snapshot } of batch) {
      this.#write(term === 0 ? undefined : { term, vote, commit }, entries, snapshot);
    }
    this.#later(this.#world.writeDelay(), () => {
      this.#appending = false;
      this.#installing = false;
      this.storage.sync();
      for (const work of batch) {
        if (work.snapshot !== undefined) this.#restore(work.snapshot);
        this.#respond(work);
      }
      this.#appendNext();
    });
  }

  #applyNext(): void {
    if (this.#applying || this.#applyWork.length === 0) return;
    this.#applying = true;
    this.#later(this.#world.applyDelay(), () => {
      this.#applying = false;
      const work = this.#applyWork.shift();
      if (work === undefined) return;
      this.#apply(work.entries);
      this.#respond(work);
      this.#applyNext();
    });
  }

  #respond(work: Message): void {
    for (const message of work.responses) {
      if (message.to === this.id) this.receive(message);
      else this.#send(message);
    }
  }

  #send(message: Message): void {
    this.#world.checkers.durability.sent(message, this.storage.durable);
    this.#world.send(message);
  }

  #write(
    hardState: HardState | undefined,
    entries: readonly Entry[],
    snapshot: Snapshot | undefined,
  ): void {
    this.storage.write(hardState, entries, snapshot);
    for (const entry of entries) {
      const previous = this.storage.term(entry.index - 1);
      if (previous !== undefined) this.#world.checkers.logs.stored(this.id, entry, previous);
    }
  }

  #restore(snapshot: Snapshot): void {
    const image = this.#world.imageOf(snapshot);
    if (image.index < this.machine.index && this.node !== undefined) return;
    this.machine.restore(image);
    this.#world.checkers.machines.restored(this.id, image.index, image.digest);
    this.#waiting.answerUpTo(image.index);
  }

  #apply(entries: readonly Entry[]): void {
    const { machine } = this;
    const { machines } = this.#world.checkers;
    for (const entry of entries) {
      // A snapshot may have come in between.
      if (entry.index <= machine.index) continue;
      const before = machine.index;
      const command = entry.type === 'normal' ? this.#world.commandOf(entry) : undefined;
      // The core may ask for a snapshot meanwhile: its state and its membership must belong together.
      if (entry.type !== 'normal') this.#changeMembership(entry);
      const applied = machine.apply(entry.index, entry.term, command);
      machines.applied(this.id, entry.index, before, machine.digest);
      if (command === undefined || applied === undefined) continue;
      if (applied.tookEffect) machines.tookEffect(command.id, entry.index);
      this.#waiting.applied(command.id, applied.succeeded);
    }
    this.#waiting.answerUpTo(machine.index);
  }

  #changeMembership(entry: Entry): void {
    const { node, machine } = this;
    if (node === undefined) return;
    try {
      machine.confState = node.applyConfChange(decodeConfChange(entry));
      machine.confIndex = entry.index;
      this.#world.line(`${this.id} ${entry.index}: ${describeConfState(machine.confState)}`);
    } catch (error) {
      // An impossible change is dropped, by all members alike.
      if (!(error instanceof RaftError)) throw error;
      return;
    }
    // Others may act on it from now on, so it must not be forgotten that it is committed.
    const { hardState } = this.storage.initialState();
    if (hardState.commit < entry.index) {
      this.storage.write({ ...hardState, commit: entry.index }, [], undefined);
    }
    this.storage.sync();
    this.#world.membershipApplied(this, entry.index);
  }

  /** True while a snapshot of the leader waits to be put in place: none of our own meanwhile. */
  get isInstalling(): boolean {
    return this.#installing || this.#appendWork.some(({ snapshot }) => snapshot !== undefined);
  }

  /** Takes a snapshot of the machine. */
  takeSnapshot(): void {
    if (this.node === undefined || this.isInstalling || this.#busy) return;
    const { machine, storage } = this;
    if (machine.index <= storage.current.index) return;
    const image = machine.image();
    storage.saveSnapshot(this.#world.snapshotOf(image));
  }

  #offerSnapshot(): boolean {
    // A member that was just taken in ignores a snapshot which does not name it.
    if (this.machine.confIndex > this.storage.current.index) this.takeSnapshot();
    return this.machine.confIndex <= this.storage.current.index && !this.#world.prng.chance(0.05);
  }
}
