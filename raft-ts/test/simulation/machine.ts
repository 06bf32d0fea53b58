// The state machine that the group replicates: registers, and a session per client that remembers its
// last command, so that a command which is in the log twice takes effect once.
import type { ConfState } from '../../src/index.ts';

/** A command of a client; entries carry its number. */
export interface Command {
  readonly id: number;
  readonly client: number;
  /** Grows by one with every new command of the client. */
  readonly sequence: number;
  readonly key: string;
  readonly operation:
    | { readonly kind: 'write'; readonly value: number }
    | { readonly kind: 'cas'; readonly expected: number; readonly value: number };
}

interface Session {
  readonly sequence: number;
  readonly succeeded: boolean;
}

/** What applying a command came to. */
export interface Applied {
  /** False when the command had been applied before. */
  readonly tookEffect: boolean;
  readonly succeeded: boolean;
}

/** A machine's whole state; never changed once taken. */
export interface MachineImage {
  readonly index: number;
  readonly term: number;
  readonly registers: ReadonlyMap<string, number>;
  readonly sessions: ReadonlyMap<number, Session>;
  readonly digest: number;
  readonly confState: ConfState;
  /** Index of the last membership change. */
  readonly confIndex: number;
}

/** One replica. */
export class Machine {
  index = 0;
  term = 0;
  /** Hash of everything applied, in order. */
  digest = 0;
  confState: ConfState;
  confIndex = 0;
  #registers = new Map<string, number>();
  #sessions = new Map<number, Session>();

  constructor(confState: ConfState) {
    this.confState = confState;
  }

  /** The register's value; 0 while it was never written. */
  read(key: string): number {
    return this.#registers.get(key) ?? 0;
  }

  /** The entry at the next index; without a command it changes nothing but the index. */
  apply(index: number, term: number, command: Command | undefined): Applied | undefined {
    this.index = index;
    this.term = term;
    const id = command?.id ?? 0;
    this.digest = (Math.imul(this.digest ^ (index * 31 + term), 0x01000193) ^ id) >>> 0;
    if (command === undefined) return undefined;
    const session = this.#sessions.get(command.client);
    if (session !== undefined && session.sequence >= command.sequence) {
      return { tookEffect: false, succeeded: session.succeeded };
    }
    const { key, operation } = command;
    const succeeded = operation.kind === 'write' || operation.expected === this.read(key);
    if (succeeded) this.#registers.set(key, operation.value);
    this.#sessions.set(command.client, { sequence: command.sequence, succeeded });
    return { tookEffect: true, succeeded };
  }

  image(): MachineImage {
    return {
      index: this.index,
      term: this.term,
      registers: new Map(this.#registers),
      sessions: new Map(this.#sessions),
      digest: this.digest,
      confState: this.confState,
      confIndex: this.confIndex,
    };
  }

  restore(image: MachineImage): void {
    this.index = image.index;
    this.term = image.term;
    this.digest = image.digest;
    this.confState = image.confState;
    this.confIndex = image.confIndex;
    this.#registers = new Map(image.registers);
    this.#sessions = new Map(image.sessions);
  }
}
