// The world of this size: machines, links, clients, and the operator who starts machines, brings in
// new ones for those that were lost, and adds and removes members.
import { CheckFailure, Prng, VirtualClock, type Trace } from 'sim';
import { messageOf } from '../../../src/base/index.ts';
import { AppliedLedger } from './applied-ledger.ts';
import { Client, History } from './clients.ts';
import { Links } from './links.ts';
import { Machine, type MachineWorld } from './machine.ts';
import type { HostsOptions } from './options.ts';

const GOOD_DELAY_MS = 2;

/** Everything of one seed. */
export class World implements MachineWorld {
  readonly prng: Prng;
  readonly clock = new VirtualClock();
  readonly trace: Trace;
  readonly options: HostsOptions;
  readonly links: Links;
  readonly ledger = new AppliedLedger();
  readonly history = new History();
  readonly machines: Machine[] = [];
  readonly #leaders = new Map<number, number>();
  #clients: Client[] = [];
  #violation: unknown;

  constructor(prng: Prng, options: HostsOptions, trace: Trace) {
    this.prng = prng;
    this.options = options;
    this.trace = trace;
    this.links = new Links(this.clock, prng.split('links'), options.inOrder, {
      delayMsMax: options.delayMsMax,
      loss: 0,
      repeat: 0,
    });
  }

  line(text: string): void {
    this.trace.line(`${Math.floor(this.clock.monotonicMs())} ${text}`);
  }

  violated(error: unknown): void {
    this.#violation ??= error;
  }

  /** Throws the first violation. */
  check(): void {
    if (this.#violation === undefined) return;
    if (this.#violation instanceof Error) throw this.#violation;
    throw new Error(messageOf(this.#violation));
  }

  /** Checker: one leader a term (Election Safety, §5.2). */
  leads(raftId: number, term: number): void {
    const known = this.#leaders.get(term);
    if (known === undefined) {
      this.#leaders.set(term, raftId);
      this.line(`m${raftId} leads in term ${term}`);
    } else if (known !== raftId) {
      const sentence = `m${known} and m${raftId} both lead in term ${term}`;
      this.violated(new CheckFailure('one leader a term', sentence));
    }
  }

  /** Lets time pass, and stops at the first violation. */
  async pass(milliseconds: number): Promise<void> {
    await this.clock.advance(milliseconds);
    this.check();
  }

  /** Lets time pass until a condition holds; that it does is the liveness that is demanded. */
  async until(condition: () => boolean, limitMs: number, what: () => string): Promise<void> {
    const deadline = this.clock.monotonicMs() + limitMs;
    while (!condition()) {
      if (this.clock.monotonicMs() >= deadline) {
        throw new CheckFailure('liveness', `${what()} within ${limitMs} ms`);
      }
      await this.pass(50);
    }
  }

  addMachine(): Machine {
    const raftId = this.machines.length + 1;
    const prng = this.prng.split(`machine ${raftId}`);
    // A node that left may come back as another member.
    const [back] = this.machines.filter(
      ({ retired, self }) =>
        retired && this.present.every((machine) => machine.self.nodeId !== self.nodeId),
    );
    const nodeId = back !== undefined && prng.chance(0.5) ? back.self.nodeId : `node${raftId}`;
    const machine = new Machine(raftId, nodeId, this, prng);
    this.machines.push(machine);
    return machine;
  }

  /** Machines that are not thrown away. */
  get present(): Machine[] {
    return this.machines.filter((machine) => !machine.retired);
  }

  get leader(): Machine | undefined {
    const leaders = this.present.filter((machine) => machine.isLeader);
    return leaders.sort((a, b) => (b.status?.term ?? 0) - (a.status?.term ?? 0))[0];
  }

  /** Founds the group and brings it to its size. */
  async found(): Promise<void> {
    const first = this.addMachine();
    first.start({ kind: 'bootstrap' });
    await this.until(
      () => first.isLeader,
      10_000,
      () => 'the first member leads',
    );
    while (this.present.length < this.options.members) {
      const machine = await this.enlarge();
      const joined = (): boolean =>
        this.leader?.status?.voters.includes(machine?.self.raftId ?? 0) === true;
      await this.until(joined, 20_000, () => `${machine?.name ?? 'a new member'} votes`);
    }
  }

  /** The operator adds a member; undefined when the leader did not agree. */
  async enlarge(): Promise<Machine | undefined> {
    const leader = this.leader;
    const members = leader?.status?.members;
    if (leader?.consensus === undefined || members === undefined) return undefined;
    const machine = this.addMachine();
    this.line(`operator adds ${machine.name}`);
    const added = leader.consensus.addMember(machine.self);
    // It listens before it is told: the leader's first messages need not be lost.
    machine.start({ kind: 'join', members });
    const outcome = await this.#outcome(added);
    this.line(`adding ${machine.name}: ${outcome}`);
    return machine;
  }

  /** The operator removes a member and throws its machine away. */
  async shrink(machine: Machine): Promise<boolean> {
    const leader = this.leader;
    if (leader?.consensus === undefined) return false;
    this.line(`operator removes ${machine.name}`);
    machine.leaving = true;
    const outcome = await this.#outcome(leader.consensus.removeMember(machine.self.raftId));
    this.line(`removing ${machine.name}: ${outcome}`);
    const gone = outcome === 'done';
    if (gone) {
      machine.kill();
      machine.retired = true;
    }
    return gone;
  }

  async #outcome(work: Promise<unknown>): Promise<string> {
    let outcome: string | undefined;
    work.then(
      () => (outcome = 'done'),
      (error: unknown) => (outcome = messageOf(error)),
    );
    const deadline = this.clock.monotonicMs() + 5000;
    while (outcome === undefined && this.clock.monotonicMs() < deadline) await this.pass(20);
    return outcome ?? 'no answer';
  }

  /** Starts a machine that is down, once its log was compared with its promises. */
  async restart(machine: Machine): Promise<void> {
    if (machine.up || machine.retired) return;
    await machine.audit();
    // A member that was never told who the others are has to be told again.
    const others = this.present.filter((other) => other !== machine);
    machine.start(
      machine.hasBegun || others.length === 0
        ? { kind: 'restart' }
        : { kind: 'join', members: others.map(({ self }) => self) },
    );
  }

  startClients(): void {
    for (let i = 0; i < this.options.clients; i++) {
      const world = {
        clock: this.clock,
        options: this.options,
        history: this.history,
        machines: () => this.present,
        trace: (line: string) => this.line(line),
      };
      this.#clients.push(new Client(`c${i}`, world, this.prng.split(`client ${i}`)));
    }
  }

  stopClients(): void {
    for (const client of this.#clients) client.stop();
    this.#clients = [];
  }

  /** Nothing is wrong with anything any more. */
  healAll(): void {
    this.links.heal();
    Object.assign(this.links.condition, { delayMsMax: GOOD_DELAY_MS, loss: 0, repeat: 0 });
    for (const machine of this.present) {
      machine.condition.failNextSync = false;
      machine.condition.syncMsMax = this.options.syncMsMax;
      machine.condition.ownerBusyMsMax = this.options.ownerBusyMsMax;
      machine.disk.capacityBytes = Infinity;
      machine.process?.resume();
    }
  }
}
