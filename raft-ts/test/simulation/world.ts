// One run's world: virtual time, the members and their network, what is known of commands and
// snapshots, and the trace of everything that happens.
import { EventQueue, type Prng, type Trace } from 'sim';
import type { Entry, Message, Snapshot } from '../../src/index.ts';
import { Checkers } from '../checkers/index.ts';
import type { Command, MachineImage } from './machine.ts';
import { Member } from './member.ts';
import { Network } from './network.ts';
import { decodeNumber, encodeNumber } from './numbers.ts';
import { TICK_MS, type SimulationOptions } from './options.ts';

/** Everything in one run. */
export class World {
  readonly queue = new EventQueue();
  readonly options: SimulationOptions;
  readonly prng: Prng;
  readonly checkers = new Checkers();
  readonly members: Member[] = [];
  readonly network: Network;
  /** Steps of the run: ticks and deliveries. */
  events = 0;
  /** No more faults. */
  isCalm = false;
  /** Called when a member has won an election. */
  elected: (member: Member) => void = () => {};
  /** Called when a member has applied a membership change. */
  membershipApplied: (member: Member, index: number) => void = () => {};
  readonly #trace: Trace;
  readonly #commands: Command[] = [];
  readonly #images: MachineImage[] = [];

  constructor(options: SimulationOptions, prng: Prng, trace: Trace) {
    this.options = options;
    this.prng = prng.split('world');
    this.#trace = trace;
    this.network = new Network(this.queue, prng.split('wire'), options.network, {
      deliver: (message) => this.#deliver(message),
      lost: (message) => this.#lost(message),
    });
    this.#addMembers(prng.split('members'));
  }

  #addMembers(prng: Prng): void {
    const { options } = this;
    const ids = Array.from({ length: options.voters + options.learners }, (_, i) => i + 1);
    const confState = {
      voters: ids.slice(0, options.voters),
      votersOutgoing: [],
      learners: ids.slice(options.voters),
      learnersNext: [],
      autoLeave: false,
    };
    const registers = new Map<string, number>();
    const state = { index: 1, term: 1, digest: 0, confState, confIndex: 1 };
    const first = this.snapshotOf({ ...state, registers, sessions: new Map() });
    for (let id = 1; id <= ids.length + options.spares; id++) {
      const isAsync =
        options.disk.async === 'all' || (options.disk.async === 'some' && id % 2 === 0);
      const drift = (options.group.drift * (prng.below(2001) - 1000)) / 1000;
      const tickMs = TICK_MS * (1 + drift);
      this.members.push(
        new Member(id, this, isAsync, tickMs, id <= ids.length ? first : undefined),
      );
    }
  }

  line(text: string): void {
    this.#trace.line(`${this.queue.now.toFixed(2)} ${text}`);
  }

  member(id: number): Member {
    const member = this.members[id - 1];
    if (member === undefined) throw new Error(`no member ${id}`);
    return member;
  }

  /** The leader of the highest term, if any member is one. */
  get leader(): Member | undefined {
    let found: Member | undefined;
    for (const member of this.members) {
      if (member.isLeader && (member.node?.term ?? 0) > (found?.node?.term ?? 0)) found = member;
    }
    return found;
  }

  /** Some members, each with this probability. */
  idsOf(prng: Prng, chance: number): number[] {
    return this.members.filter(() => prng.chance(chance)).map(({ id }) => id);
  }

  send(message: Message): void {
    this.network.send(message);
  }

  #deliver(message: Message): void {
    this.events++;
    const member = this.members[message.to - 1];
    this.#trace.line(describe(this.queue.now, message));
    if (member?.node === undefined) {
      this.#lost(message);
      return;
    }
    member.receive(message);
    if (message.type === 'MsgSnap') this.#reportSnapshot(message, true);
  }

  #lost(message: Message): void {
    if (message.type === 'MsgSnap') this.#reportSnapshot(message, false);
    else if (message.type === 'MsgApp' && this.prng.chance(0.2)) {
      this.members[message.from - 1]?.attempt((node) => node.reportUnreachable(message.to));
    }
  }

  /** The sender's host learns what became of its snapshot: it must, sooner or later. */
  #reportSnapshot(message: Message, delivered: boolean): void {
    const sender = this.member(message.from);
    const { life } = sender;
    const report = (): void => {
      if (sender.life !== life) return;
      const told = sender.attempt((node) => node.reportSnapshot(message.to, delivered));
      if (!told) this.queue.after(5, report);
    };
    this.queue.after(this.prng.between(0, 50), report);
  }

  writeDelay(): number {
    const { maxWriteMs } = this.options.disk;
    return maxWriteMs === 0 || this.isCalm ? 0 : this.prng.below(maxWriteMs + 1);
  }

  applyDelay(): number {
    const { maxApplyMs } = this.options.disk;
    return maxApplyMs === 0 || this.isCalm ? 0 : this.prng.below(maxApplyMs + 1);
  }

  /** Numbers a command. */
  addCommand(fields: Omit<Command, 'id'>): Command {
    const command = { ...fields, id: this.#commands.length + 1 };
    this.#commands.push(command);
    return command;
  }

  /** The command that an entry carries; none in those that open a term. */
  commandOf(entry: Entry): Command | undefined {
    return this.#commands[decodeNumber(entry.data) - 1];
  }

  snapshotOf(image: MachineImage): Snapshot {
    this.#images.push(image);
    const { index, term, confState } = image;
    return { index, term, confState, data: encodeNumber(this.#images.length, 0) };
  }

  /** The state in a snapshot; that of a member without any is empty. */
  imageOf(snapshot: Snapshot): MachineImage {
    const image = this.#images[decodeNumber(snapshot.data) - 1];
    if (image !== undefined) return image;
    const { index, term, confState } = snapshot;
    const empty = { registers: new Map<string, number>(), sessions: new Map() };
    return { index, term, confState, confIndex: 0, digest: 0, ...empty };
  }

  /** A line per member, for a failure's report. */
  describe(): string[] {
    return this.members.map(describeMember);
  }
}

function describeMember({ id, isGone, node, machine, storage }: Member): string {
  const { voters, votersOutgoing, learners } = machine.confState;
  const conf = `(${voters.join(' ')})&&(${votersOutgoing.join(' ')}) l(${learners.join(' ')})`;
  const disk = `disk ${storage.firstIndex()}..${storage.lastIndex()}`;
  const life = isGone ? 'gone' : (node?.role ?? 'down');
  const core =
    node === undefined ? '' : `term ${node.term} lead ${node.lead} commit ${node.commit}`;
  return `${id}: ${life} ${core} applied ${machine.index} ${disk} ${conf}`;
}

function describe(now: number, message: Message): string {
  const { type, from, to, term, logTerm, index, entries, commit, reject } = message;
  const size = entries.length === 0 ? '' : ` +${entries.length}`;
  const said = reject ? ' no' : '';
  return `${now.toFixed(2)} ${from}>${to} ${type} t${term} ${logTerm}/${index}${size} c${commit}${said}`;
}
