// The daemon's side of the resolver: keeps the connection, sends the whole table when it is made and
// differences after that, and starts the resolver again when it is gone.
import {
  backoffMs,
  messageOf,
  type Clock,
  type Connection,
  type Logger,
  type Random,
  type Timer,
} from '../../base/index.ts';
import {
  EMPTY_TABLE,
  tableChange,
  type AnswerTable,
  type ResolverReply,
  type ResolverRequest,
} from './resolver-protocol.ts';

/** A task waits this long at most for the resolver to hear of it. */
const RESOLVER_ANSWER_MS = 3_000;
/** Between tries to start the resolver's process. */
const RETRY_BACKOFF = { minMs: 200, maxMs: 10_000 } as const;

/** Starts the resolver process where there is none, and connects to it. */
export interface ResolverLauncher {
  /** Finds the running one, also one that an earlier daemon left. */
  connect(): Promise<Connection<ResolverRequest, ResolverReply>>;
  /** Ends the process and removes its files. */
  remove(): Promise<void>;
}

export interface ResolverClientOptions {
  readonly launcher: ResolverLauncher;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export class ResolverClient {
  readonly #options: ResolverClientOptions;
  #connection: Connection<ResolverRequest, ResolverReply> | undefined;
  #connecting = false;
  #stopped = false;
  #attempt = 0;
  #retry: Timer | undefined;
  #wanted: AnswerTable | undefined;
  #sent: AnswerTable = EMPTY_TABLE;
  /** False while the resolver has not read what was sent: it gets one difference when it has. */
  #writable = true;
  #seq = 0;
  #answered = 0;
  #failures: Readonly<Record<string, string>> = {};
  readonly #waiting = new Map<() => void, number>();
  #problem: string | undefined;

  constructor(options: ResolverClientOptions) {
    this.#options = options;
  }

  /** Takes the table that should be in effect. */
  publish(table: AnswerTable): void {
    this.#wanted = table;
    if (this.#connection === undefined) this.#connect();
    else this.#sendDifference();
  }

  /** True when everything published so far is in effect; false when the time is over. */
  async settled(): Promise<boolean> {
    // What was not sent yet goes with the next number.
    const target = this.#seq + (this.#connection === undefined || this.#isBehind() ? 1 : 0);
    if (this.#stopped || this.#answered >= target) return true;
    return new Promise<boolean>((resolve) => {
      const end = (inEffect: boolean): void => {
        timer.cancel();
        this.#waiting.delete(done);
        resolve(inEffect);
      };
      const done = (): void => end(true);
      const timer = this.#options.clock.after(RESOLVER_ANSWER_MS, () => end(false));
      this.#waiting.set(done, target);
    });
  }

  /** Why a task has no names, or why nobody has. */
  problems(): string[] {
    const tasks = Object.entries(this.#failures);
    return [
      ...(this.#problem === undefined ? [] : [this.#problem]),
      ...tasks.map(([taskId, message]) => `task ${taskId} has no names: ${message}`),
    ];
  }

  stop(): void {
    this.#stopped = true;
    this.#retry?.cancel();
    this.#connection?.close();
    for (const done of this.#waiting.keys()) done();
  }

  #connect(): void {
    if (this.#connecting || this.#stopped) return;
    this.#connecting = true;
    void this.#options.launcher.connect().then(
      (connection) => {
        this.#connecting = false;
        this.#connected(connection);
      },
      (error: unknown) => {
        this.#connecting = false;
        this.#lost(messageOf(error));
      },
    );
  }

  #connected(connection: Connection<ResolverRequest, ResolverReply>): void {
    if (this.#stopped) return connection.close();
    this.#connection = connection;
    this.#attempt = 0;
    this.#problem = undefined;
    connection.onMessage((reply) => this.#answer(reply));
    connection.onDrain(() => {
      if (this.#connection !== connection) return;
      this.#writable = true;
      this.#sendDifference();
    });
    connection.onClose((reason) => {
      if (this.#connection === connection) this.#lost(reason?.message ?? 'the connection ended');
    });
    const table = this.#wanted ?? EMPTY_TABLE;
    this.#sent = table;
    this.#writable = connection.send({ seq: ++this.#seq, type: 'replace', table });
  }

  #lost(message: string): void {
    this.#connection = undefined;
    if (this.#stopped) return;
    this.#problem = `the resolver does not answer: ${message}`;
    this.#options.logger.warn({ error: message }, 'resolver lost, starting it again');
    const delay = backoffMs(this.#attempt++, RETRY_BACKOFF, this.#options.random);
    this.#retry?.cancel();
    this.#retry = this.#options.clock.after(delay, () => this.#connect());
  }

  /** What was published while the resolver did not read. */
  #isBehind(): boolean {
    return this.#connection !== undefined && !this.#writable && this.#wanted !== this.#sent;
  }

  #sendDifference(): void {
    if (!this.#writable || this.#connection === undefined) return;
    const table = this.#wanted ?? EMPTY_TABLE;
    const change = tableChange(this.#sent, table);
    this.#sent = table;
    if (change === undefined) return this.#wake();
    this.#writable = this.#connection.send({ seq: ++this.#seq, type: 'change', ...change });
  }

  #answer({ seq, failures }: ResolverReply): void {
    this.#answered = seq;
    this.#failures = failures;
    this.#wake();
  }

  #wake(): void {
    // What came back to what it was is never sent.
    const latest = this.#isBehind() ? Infinity : this.#seq;
    for (const [done, target] of this.#waiting) {
      if (this.#answered >= Math.min(target, latest)) done();
    }
  }
}
