// The agent's side of a session: picks a manager, registers, sends heartbeats and statuses, hands on
// what comes back. When the manager is silent, closes or knows less than we have seen, it goes on with
// another one, with growing pauses. Silence counts, not the state of the connection.
import {
  SwarmError,
  backoffMs,
  decoder,
  messageOf,
  sleep,
  type Clock,
  type Connection,
  type Logger,
  type Random,
  type Timer,
} from '../base/index.ts';
import {
  DISPATCHER_MESSAGE,
  type AgentMessage,
  type AssignmentsMessage,
  type ClusterInfo,
  type DispatcherMessage,
  type Register,
  type TaskStatusReport,
} from '../model/index.ts';

const decodeMessage = decoder(DISPATCHER_MESSAGE, 'message of a manager');

const BACKOFF = { minMs: 100, maxMs: 2_000 };
/** The times here are those of clusters with this period or less; they grow with it, as it does with nodes. */
const USUAL_PERIOD_MS = 500;
/** One that was given up may only have been busy, and half of its work was done: each try has more patience. */
const PATIENCE_GROWTH = 1.5;
const PATIENCE_MAX = 5;
/** A manager that says nothing for this many periods (or the least time below) is given up. */
const SILENT_PERIODS = 3;
const SILENT_MIN_MS = 1_500;
/** Part of a period that an answer may take before it counts as missed. */
const ANSWERED_WITHIN = 0.25;
/**
 * A manager says at once that it is there: a dead machine behind a cut link costs no more than this. In a
 * large cluster all come at once after a failure, and one that gives up early has cost its manager as much as
 * one that was served.
 */
const ANSWER_TIMEOUT_MS = 1_000;
/** A node that leaves waits at most this long for the managers to know of it. */
const LEAVE_TIMEOUT_MS = 2_000;
/** Of one message to a manager, which takes 4 MiB of a worker. */
const REPORTS_PER_MESSAGE = 250;
/** Registering takes a commit, and may have to wait for an election. */
const REGISTER_TIMEOUT_MS = 5_000;

/** What the manager says is decoded by the session. */
export type DispatcherConnection = Connection<AgentMessage, unknown>;

export interface SessionHandler {
  describe(): Register;
  /** Registered: a complete set will follow; raises when the manager is behind what was seen. */
  registered(epoch: number): void;
  assignments(message: AssignmentsMessage): void;
  info(info: ClusterInfo): void;
  /** No host sends anything new to this task; `missing` are those of which that is not known. */
  drained(taskId: string, missing: readonly string[]): void;
  /** The manager has read what it did not read before: reports are taken again. */
  readOn(): void;
  /** No session at present. */
  lost(): void;
}

export interface SessionOptions {
  readonly dial: (address: string) => DispatcherConnection;
  /** Addresses of managers, host:port; asked anew for every try. */
  readonly managers: () => readonly string[];
  /** Of this node's own manager, while it has one: asked first, because that costs least. */
  readonly ownManager?: (() => string | undefined) | undefined;
  readonly handler: SessionHandler;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export class Session {
  readonly #options: SessionOptions;
  #connection: DispatcherConnection | undefined;
  #ready = false;
  /** False while the manager does not read: reports wait where only the newest of each task is kept. */
  #writable = true;
  #attempt = 0;
  #last = '';
  #periodMs = 500;
  #heardAt = 0;
  /** The present manager has said something. */
  #answered = false;
  #timers: Timer[] = [];
  #closed = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#connect();
  }

  get ready(): boolean {
    return this.#ready;
  }

  /**
   * False when there is no session, or its manager does not read: they are to be given again at
   * `registered` or `readOn`.
   */
  send(reports: readonly TaskStatusReport[]): boolean {
    if (!this.#ready || !this.#writable || this.#connection === undefined) return false;
    for (let at = 0; at < reports.length; at += REPORTS_PER_MESSAGE) {
      const part = reports.slice(at, at + REPORTS_PER_MESSAGE);
      this.#writable = this.#connection.send({ statuses: { reports: part } });
    }
    return true;
  }

  /** Says that kernel and resolver have what the set of `index` says; nothing without a session. */
  applied(index: number): void {
    if (this.#ready) this.#connection?.send({ applied: { index } });
  }

  /** Asks for `drained`; nothing without a session. */
  drain(taskId: string): void {
    if (this.#ready) this.#connection?.send({ drain: { taskId } });
  }

  /** Leaves the present manager and registers with another one. */
  restart(reason: string): void {
    this.#drop(new Error(reason));
  }

  /** Says that the node leaves the cluster, and ends; at once without a session. */
  async leave(): Promise<void> {
    const connection = this.#connection;
    this.#closed = true;
    if (this.#ready && connection !== undefined) {
      const ended = new Promise<void>((resolve) => connection.onClose(() => resolve()));
      connection.send({ leaving: {} });
      await Promise.race([ended, sleep(this.#options.clock, LEAVE_TIMEOUT_MS)]);
    }
    this.close();
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#timers) timer.cancel();
    this.#connection?.close();
  }

  #connect(): void {
    const { dial, handler, clock, logger } = this.#options;
    if (this.#closed) return;
    const address = this.#choose();
    if (address === undefined) return this.#retryLater();
    this.#last = address;
    const connection = dial(address);
    this.#connection = connection;
    this.#heardAt = clock.monotonicMs();
    this.#answered = false;
    this.#writable = true;
    connection.onDrain(() => {
      if (connection !== this.#connection) return;
      this.#writable = true;
      handler.readOn();
    });
    connection.onMessage((message) => {
      if (connection === this.#connection) this.#receive(message);
    });
    connection.onClose((error) => {
      if (connection === this.#connection) this.#drop(error ?? new Error('closed by the manager'));
    });
    logger.debug({ address }, 'registering');
    connection.send({ register: handler.describe() });
    this.#watch(connection, this.#answerTimeoutMs);
  }

  /** How much larger than usual the cluster is, by its period; 1 for a usual one. */
  get #largeness(): number {
    return Math.max(1, this.#periodMs / USUAL_PERIOD_MS);
  }

  get #answerTimeoutMs(): number {
    const patience = Math.min(PATIENCE_MAX, PATIENCE_GROWTH ** Math.max(0, this.#attempt - 1));
    return ANSWER_TIMEOUT_MS * this.#largeness * patience;
  }

  /** The node's own at first; then any manager but the one that just failed, if there is another. */
  #choose(): string | undefined {
    const own = this.#options.ownManager?.();
    if (own !== undefined && this.#attempt === 0) return own;
    const managers = this.#options.managers();
    const others = managers.filter((address) => address !== this.#last);
    const choices = others.length > 0 && this.#attempt > 0 ? others : managers;
    return choices[this.#options.random.below(Math.max(1, choices.length))];
  }

  /** What does not fit, and what can't be acted on, ends the session with its error. */
  #receive(raw: unknown): void {
    this.#heardAt = this.#options.clock.monotonicMs();
    this.#answered = true;
    try {
      this.#take(decodeMessage(raw));
    } catch (error) {
      if (!(error instanceof SwarmError)) throw error;
      this.#drop(error);
    }
  }

  #take(message: DispatcherMessage): void {
    const { handler } = this.#options;
    if (message.registered) {
      this.#periodMs = message.registered.heartbeatPeriodMs;
      handler.registered(message.registered.epoch);
      this.#ready = true;
      this.#attempt = 0;
      this.#heartbeat();
    } else if (message.assignments) handler.assignments(message.assignments);
    else if (message.info) {
      this.#periodMs = message.info.heartbeatPeriodMs;
      handler.info(message.info);
    } else if (message.drained) {
      handler.drained(message.drained.taskId, message.drained.missing);
    }
  }

  /** One timer for both: a heartbeat that is due is when the last answers have been missed. */
  #heartbeat(): void {
    const connection = this.#connection;
    if (connection === undefined || !this.#ready) return;
    const { clock } = this.#options;
    const allowed = Math.max(SILENT_MIN_MS, SILENT_PERIODS * this.#periodMs);
    // The answer to a heartbeat comes a moment after it: that is no part of the next period.
    if (this.#silentFor(allowed - this.#periodMs * ANSWERED_WITHIN)) return;
    connection.send({ heartbeat: {} });
    const timer = clock.after(this.#periodMs, () => {
      if (connection === this.#connection) this.#heartbeat();
    });
    this.#timers = [timer];
  }

  /** Gives a manager up that was silent for too long before the session began. */
  #watch(connection: DispatcherConnection, limitMs: number): void {
    const timer = this.#options.clock.after(limitMs / 3, () => {
      if (connection !== this.#connection || this.#closed || this.#ready) return;
      const allowed = this.#answered ? REGISTER_TIMEOUT_MS : this.#answerTimeoutMs;
      if (!this.#silentFor(allowed)) this.#watch(connection, Math.min(allowed, SILENT_MIN_MS));
    });
    this.#timers = [timer];
  }

  /** Ends the session when its manager was silent for longer. */
  #silentFor(limitMs: number): boolean {
    const silentMs = this.#options.clock.monotonicMs() - this.#heardAt;
    if (silentMs <= limitMs) return false;
    this.#drop(new Error(`the manager was silent for ${Math.round(silentMs)} ms`));
    return true;
  }

  #drop(error: Error): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    this.#connection = undefined;
    const wasReady = this.#ready;
    this.#ready = false;
    connection.close();
    for (const timer of this.#timers) timer.cancel();
    this.#timers = [];
    if (this.#closed) return;
    this.#options.logger.info({ manager: this.#last, error: messageOf(error) }, 'session lost');
    if (wasReady) this.#options.handler.lost();
    this.#retryLater();
  }

  #retryLater(): void {
    const { clock, random } = this.#options;
    const large = this.#largeness;
    const limits = { minMs: BACKOFF.minMs * large, maxMs: BACKOFF.maxMs * large };
    const delay = backoffMs(this.#attempt++, limits, random);
    this.#timers.push(clock.after(delay, () => this.#connect()));
  }
}
