// Clients: each does one operation after the other, asks any member, asks again when no answer comes,
// and at last gives up. What they asked and were told is the history that is judged.
import type { HistoryEntry, Prng, RegisterOperation } from 'sim';
import type { Command } from './machine.ts';
import type { Member } from './member.ts';
import { encodeNumber } from './numbers.ts';
import type { World } from './world.ts';

/** How often an operation is tried before its client gives up. */
const MAX_ATTEMPTS = 4;

interface Running {
  readonly key: string;
  readonly called: number;
  readonly command: Command | undefined;
  attempts: number;
  done: boolean;
}

/** All clients of a run. */
export class Clients {
  readonly #world: World;
  readonly #prng: Prng;
  readonly #history: HistoryEntry[] = [];
  /** Counts calls and answers, so that no two share an instant. */
  #instant = 0;
  #context = 0;
  #open = new Map<number, Running>();
  #sequences = new Map<number, number>();
  #lastMember = new Map<number, Member>();
  #lastSeen = new Map<string, number>();
  /** Answered operations. */
  answered = 0;
  isStopped = false;

  constructor(world: World, prng: Prng) {
    this.#world = world;
    this.#prng = prng;
    const { clients, maxThinkMs } = world.options.load;
    for (let client = 1; client <= clients; client++) {
      world.queue.after(prng.below(maxThinkMs), () => this.#next(client));
    }
  }

  /** What was asked and told so far; operations under way count as unanswered. */
  get history(): readonly HistoryEntry[] {
    const open: HistoryEntry[] = [];
    for (const [client, running] of this.#open) {
      if (!running.done) open.push(this.#entry(client, running, undefined, 0, false));
    }
    return [...this.#history, ...open];
  }

  /** Starts one more client's write; `done` is called when it is acknowledged. */
  writeNow(done: () => void): void {
    const client = 1000 + this.#instant;
    const running = this.#begin(client, 'write');
    const poll = (): void => {
      if (running.done) done();
      else this.#world.queue.after(5, poll);
    };
    running.attempts = -1_000_000;
    this.#try(client, running);
    poll();
  }

  #next(client: number): void {
    if (this.isStopped) return;
    const { reads } = this.#world.options.load;
    const kind = this.#prng.chance(reads) ? 'read' : this.#prng.chance(0.7) ? 'write' : 'cas';
    this.#try(client, this.#begin(client, kind));
  }

  #begin(client: number, kind: 'read' | 'write' | 'cas'): Running {
    const key = `k${this.#prng.below(this.#world.options.load.keys)}`;
    const called = ++this.#instant;
    let command: Command | undefined;
    if (kind !== 'read') {
      const sequence = (this.#sequences.get(client) ?? 0) + 1;
      this.#sequences.set(client, sequence);
      // No value is written twice: the instant of its call is its own.
      const operation =
        kind === 'write'
          ? ({ kind, value: called } as const)
          : ({ kind, expected: this.#lastSeen.get(key) ?? 0, value: called } as const);
      command = this.#world.addCommand({ client, sequence, key, operation });
    }
    const running = { key, called, command, attempts: 0, done: false };
    this.#open.set(client, running);
    return running;
  }

  #try(client: number, running: Running): void {
    if (running.done) return;
    if (running.attempts > 0) this.#lastMember.delete(client);
    if (running.attempts++ >= MAX_ATTEMPTS) {
      this.#history.push(this.#entry(client, running, undefined, 0, false));
      this.#finish(client, running);
      return;
    }
    const member = this.#choose(client);
    const taken = this.#ask(client, running, member);
    const { options } = this.#world;
    const patience = options.group.electionTicks * 10 * (taken ? 1 : 0.3);
    this.#world.queue.after(this.#prng.between(1, Math.ceil(patience)), () =>
      this.#try(client, running),
    );
  }

  /** Mostly whoever answered last time, or somebody who believes to lead: not always the same. */
  #choose(client: number): Member {
    const { members } = this.#world;
    const last = this.#lastMember.get(client);
    if (last !== undefined && this.#prng.chance(0.6)) return last;
    const leaders = members.filter(({ isLeader }) => isLeader);
    const member = this.#prng.pick(
      leaders.length > 0 && this.#prng.chance(0.7) ? leaders : members,
    );
    this.#lastMember.set(client, member);
    return member;
  }

  #ask(client: number, running: Running, member: Member): boolean {
    const { command, key } = running;
    if (command !== undefined) {
      const padding = this.#prng.below(this.#world.options.load.maxPayload + 1);
      return member.propose(encodeNumber(command.id, padding), (succeeded) => {
        this.#answer(client, running, command.operation.value, succeeded);
      });
    }
    return member.read(++this.#context, () => {
      this.#answer(client, running, member.machine.read(key), true);
    });
  }

  #answer(client: number, running: Running, value: number, succeeded: boolean): void {
    if (running.done) return;
    this.answered++;
    if (succeeded) this.#lastSeen.set(running.key, value);
    const answered = ++this.#instant;
    const told = running.command?.operation.kind ?? 'read';
    this.#world.line(`client ${client} ${told} ${running.key} ${value} ${succeeded ? 'ok' : 'no'}`);
    this.#history.push(this.#entry(client, running, answered, value, succeeded));
    this.#finish(client, running);
  }

  #finish(client: number, running: Running): void {
    running.done = true;
    const think = this.#prng.below(this.#world.options.load.maxThinkMs + 1);
    if (client < 1000) this.#world.queue.after(think, () => this.#next(client));
  }

  #entry(
    client: number,
    running: Running,
    answered: number | undefined,
    value: number,
    succeeded: boolean,
  ): HistoryEntry {
    const { key, called, command } = running;
    const operation: RegisterOperation =
      command === undefined
        ? { kind: 'read', value }
        : command.operation.kind === 'write'
          ? command.operation
          : { ...command.operation, succeeded };
    return { client: `c${client}`, key, operation, called, answered };
  }
}
