// One container of a user: its runs one after another, and what its record says. Changes wait for one
// another; the end of a run comes when it comes.
import { SwarmError, messageOf, type Logger, type Timer } from '../../base/index.ts';
import type { ContainerRestartPolicy } from '../../model/index.ts';
import type { RunEnd } from '../runtime/index.ts';
import { beginRun, type RecordHolder, type Run, type RunOptions } from './begin-run.ts';
import { Condition, persist } from '../../base/async/index.ts';
import type { ContainerRecord } from './record.ts';
import { restartDelayMs, startsWithDaemon } from './restart-policy.ts';

/** A container that goes by itself waits for those who still read its output. */
const READERS_LIMIT_MS = 10_000;
/** Of a run that could not begin (Docker's). */
const NOT_STARTED = 128;

export interface UserContainerOptions extends RunOptions {
  /** Durable when it resolves. */
  readonly save: (record: ContainerRecord) => Promise<void>;
  /** It is gone. */
  readonly forget: (record: ContainerRecord) => Promise<void>;
  readonly logger: Logger;
}

export interface StopOptions {
  readonly signal?: string;
  readonly graceMs?: number;
}

export class UserContainer {
  /** Told when it starts, ends, or goes. */
  readonly changes = new Condition();
  readonly #options: UserContainerOptions;
  readonly #closing = new AbortController();
  #record: ContainerRecord;
  /** `ended` resolves when all that its end brings is done, but for a next start or removal. */
  #run: (Run & { readonly ended: Promise<RunEnd> }) | undefined;
  #last: { readonly startedAt?: number | undefined; readonly end?: RunEnd | undefined } = {};
  #ends = 0;
  #restart: Timer | undefined;
  #lastDelayMs = 0;
  #turn: Promise<unknown> = Promise.resolve();
  #removed = false;
  #readers = 0;

  constructor(record: ContainerRecord, options: UserContainerOptions) {
    this.#record = record;
    this.#options = options;
  }

  get record(): ContainerRecord {
    return this.#record;
  }

  get run(): Run | undefined {
    return this.#run;
  }

  get last(): { readonly startedAt?: number | undefined; readonly end?: RunEnd | undefined } {
    return this.#last;
  }

  /** Runs that have ended, or could not begin, since this daemon did. */
  get ends(): number {
    return this.#ends;
  }

  get restarting(): boolean {
    return this.#restart !== undefined;
  }

  get removed(): boolean {
    return this.#removed;
  }

  get lastExit(): { readonly exitCode: number; readonly error: string } {
    const { error } = this.#record;
    return { exitCode: error === '' ? (this.#last.end?.exitCode ?? 0) : NOT_STARTED, error };
  }

  /**
   * Goes on with what an earlier daemon left; call once, before anything else. When its state can't be
   * learnt, that is tried again and again, and whatever is asked of it meanwhile waits.
   */
  async adopt(): Promise<void> {
    try {
      await this.#adopt();
    } catch (error) {
      this.#tell(error, 'a container could not be taken up, it is tried again');
      // When the daemon ends first, the next one tries.
      this.#turn = this.#persist(() => this.#adopt()).catch(() => undefined);
    }
  }

  async #adopt(): Promise<void> {
    const { runtime, networking, attachments } = this.#options;
    const { key, id, running, stopped, config, attachmentId, createdAt } = this.#record;
    networking.bind(key, attachmentId);
    const { state, pid, startedAt, end } = await runtime.observe(key);
    this.#last = { startedAt, end };
    if (state === 'running') {
      const attachment =
        attachmentId === undefined
          ? undefined
          : attachments.open(attachmentId, id, this.#stopForAttachment);
      attachment?.run(pid);
      this.#began({ attachment, pid, startedAt: startedAt ?? createdAt });
      return;
    }
    if (running) await networking.detach(key);
    // The runtime forgets its runs where the next one is begun, and that may have failed.
    const ran = startedAt !== undefined || running || this.#record.ran === true;
    await this.#note({ running: false, ran });
    if (running && config.autoRemove) {
      // Not waited for: it takes its turn after this.
      void this.#removeItself();
      return;
    }
    const exitCode = end?.exitCode ?? 255;
    if (startsWithDaemon(config.restart, { stopped, ran, exitCode })) this.#startAfter(0);
  }

  /** False when it runs already. */
  start(): Promise<boolean> {
    return this.#alone(async () => {
      this.#lastDelayMs = 0;
      try {
        return await this.#start(0);
      } catch (error) {
        if (this.#record.config.autoRemove) void this.#removeItself();
        throw error;
      }
    });
  }

  /** False when it did not run. */
  stop(how: StopOptions): Promise<boolean> {
    return this.#alone(async () => {
      await this.#change({ stopped: true });
      const waiting = this.#cancelRestart();
      return (await this.#stop(how)) || waiting;
    });
  }

  restart(how: StopOptions): Promise<void> {
    return this.#alone(async () => {
      await this.#change({ stopped: true });
      this.#cancelRestart();
      await this.#stop(how);
      await this.#start(0);
    });
  }

  /** Beside everything else: a stop may be waiting for what this brings. */
  async kill(signal: string): Promise<void> {
    const { key, config } = this.#record;
    this.#options.runtime.checkSignal(signal);
    if (this.#run === undefined) {
      throw new SwarmError(
        'conflict',
        `cannot kill container: ${config.name}: container ${this.#record.id} is not running`,
      );
    }
    if (isFinal(signal)) await this.#change({ stopped: true });
    await this.#options.runtime.kill(key, signal);
  }

  /** `check` raises when the name is taken; asked when it is this one's turn, and no step before. */
  rename(name: string, check: () => void): Promise<void> {
    return this.#alone(async () => {
      check();
      const { config } = this.#record;
      try {
        await this.#change({ config: { ...config, name } });
      } catch (error) {
        // What the disk did not take is not so, and the name is free.
        this.#record = { ...this.#record, config };
        throw error;
      }
    });
  }

  remove(force: boolean, volumes: boolean): Promise<void> {
    return this.#alone(async () => {
      if (this.#run !== undefined && !force) {
        throw new SwarmError(
          'conflict',
          `cannot remove container "/${this.#record.config.name}": container is running: stop the container before removing or force remove`,
        );
      }
      await this.#change({ stopped: true });
      this.#cancelRestart();
      await this.#stop({ graceMs: 0 });
      await this.#remove(volumes);
    });
  }

  /** Somebody reads its output: it does not go by itself meanwhile, for a time. */
  reading(): () => void {
    this.#readers++;
    let over = false;
    return () => {
      if (over) return;
      over = true;
      this.#readers--;
      this.changes.tell();
    };
  }

  /** Stops deciding; the container goes on. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#cancelRestart();
    await this.#turn;
  }

  /** One change after another. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(() => {
      if (!this.#removed) return work();
      throw new SwarmError('notFound', `No such container: ${this.#record.id}`);
    });
    this.#turn = mine.catch(() => undefined);
    return mine;
  }

  async #start(restartCount: number): Promise<boolean> {
    if (this.#run !== undefined) {
      // It survived a signal that was to end it, and is wanted again.
      if (this.#record.stopped) await this.#change({ stopped: false });
      return false;
    }
    this.#cancelRestart();
    await this.#change({ stopped: false, restartCount });
    const record = (): ContainerRecord => this.#record;
    const holder: RecordHolder = {
      get record() {
        return record();
      },
      change: (change) => this.#change(change),
    };
    try {
      this.#began(await beginRun(this.#options, holder, this.#stopForAttachment));
    } catch (error) {
      this.#ends++;
      this.changes.tell();
      throw error;
    }
    return true;
  }

  readonly #stopForAttachment = async (): Promise<void> => {
    await this.#alone(() => this.#stop({}));
  };

  /** Ends its run, as if it had ended by itself; not one without networks of its own. */
  async interrupt(): Promise<void> {
    const { networks } = this.#record.config;
    if (networks.some(({ target }) => target === 'host' || target === 'none')) return;
    await this.#alone(() => this.#stop({}));
  }

  #began(run: Run): void {
    const ended = this.#watch(run);
    // Nobody waits for it when the daemon ends first.
    ended.catch(() => undefined);
    this.#run = { ...run, ended };
    this.changes.tell();
  }

  async #watch(run: Run): Promise<RunEnd> {
    const { clock, networking } = this.#options;
    const { key } = this.#record;
    const end = await this.#end();
    run.attachment?.end(end);
    await networking.detach(key).catch((error: unknown) => {
      // What is left goes with the next start, or with the container.
      this.#tell(error, 'networks of a container remain');
    });
    await this.#note({ running: false });
    this.#run = undefined;
    this.#last = { startedAt: run.startedAt, end };
    this.#ends++;
    this.changes.tell();
    const delayMs = this.#delayAfter(end.exitCode, clock.now() - run.startedAt);
    if (delayMs !== undefined) this.#startAfter(delayMs);
    else if (this.#record.config.autoRemove) void this.#removeItself();
    return end;
  }

  #end(): Promise<RunEnd> {
    return this.#persist(() => this.#options.runtime.wait(this.#record.key, this.#closing.signal));
  }

  /** However often the runtime has to be asked. */
  #persist<T>(work: () => Promise<T>): Promise<T> {
    const { clock } = this.#options;
    return persist(work, { clock, signal: this.#closing.signal }, (error) =>
      this.#tell(error, 'the state of a container is asked for again'),
    );
  }

  #tell(error: unknown, what: string): void {
    const fields = { container: this.#record.config.name, error: messageOf(error) };
    this.#options.logger.warn(fields, what);
  }

  #delayAfter(exitCode: number, lastedMs: number): number | undefined {
    const { config, stopped, restartCount } = this.#record;
    const policy: ContainerRestartPolicy = config.restart;
    const lastDelayMs = this.#lastDelayMs;
    return restartDelayMs(policy, {
      exitCode,
      lastedMs,
      restarts: restartCount,
      lastDelayMs,
      stopped,
    });
  }

  #startAfter(delayMs: number): void {
    if (this.#closing.signal.aborted || this.#removed) return;
    this.#lastDelayMs = delayMs;
    const timer = this.#options.clock.after(delayMs, () => {
      this.#alone(async () => {
        if (this.#restart !== timer) return;
        const { restartCount } = this.#record;
        try {
          await this.#start(restartCount + (delayMs > 0 ? 1 : 0));
        } catch (error) {
          this.#tell(error, 'a container could not be started again');
          // Without its managers it has had no try.
          const early = error instanceof SwarmError && error.temporary;
          if (early) await this.#note({ restartCount });
          const next = this.#delayAfter(NOT_STARTED, 0);
          if (next !== undefined) this.#startAfter(next);
        }
      }).catch(() => {
        // It was removed meanwhile.
      });
    });
    this.#restart = timer;
    this.changes.tell();
  }

  #cancelRestart(): boolean {
    const waiting = this.#restart !== undefined;
    this.#restart?.cancel();
    this.#restart = undefined;
    return waiting;
  }

  async #stop(how: StopOptions): Promise<boolean> {
    const run = this.#run;
    if (run === undefined) return false;
    await this.#options.runtime.stop(this.#record.key, how);
    await run.ended;
    return true;
  }

  /** `--rm`, once those who read its output have it. */
  async #removeItself(): Promise<void> {
    const limit = new AbortController();
    const timer = this.#options.clock.after(READERS_LIMIT_MS, () => limit.abort());
    await this.changes.until(() => this.#readers === 0, limit.signal);
    timer.cancel();
    try {
      await this.#alone(() => (this.#run === undefined ? this.#remove(true) : Promise.resolve()));
    } catch (error) {
      if (!this.#removed) this.#tell(error, 'a container that was to go remains');
    }
  }

  async #remove(volumes: boolean): Promise<void> {
    await this.#options.runtime.remove(this.#record.key, volumes);
    await this.#options.forget(this.#record);
    this.#removed = true;
    this.changes.tell();
  }

  async #change(change: Partial<ContainerRecord>): Promise<void> {
    this.#record = { ...this.#record, ...change };
    await this.#options.save(this.#record);
  }

  /** What a failing disk does not take is taken with the next change. */
  async #note(change: Partial<ContainerRecord>): Promise<void> {
    await this.#change(change).catch((error: unknown) => {
      const fields = { container: this.#record.config.name, error: messageOf(error) };
      this.#options.logger.error(fields, 'the record of a container could not be stored');
    });
  }
}

/** Those that mean an end: after them no policy starts it again (Docker's rule). */
function isFinal(signal: string): boolean {
  return ['9', '15', 'KILL', 'TERM'].includes(signal.toUpperCase().replace(/^SIG/, ''));
}
