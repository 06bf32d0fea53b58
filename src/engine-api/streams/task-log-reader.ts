// The lines of one task of a service, from the node that has them. Who follows goes on over an outage of
// the node: what it wrote meanwhile comes when the node is back, each line once. Who does not gets what
// can be had, and why the rest could not.
import { SwarmError, messageOf } from '../../base/index.ts';
import { isTerminal, type Task } from '../../model/index.ts';
import type { LogLine, LogQuery, ManagerBackend } from '../backend/index.ts';
import type { LogOutput } from './log-stream.ts';

/** A node that says nothing at all for this long is not waited for, unless somebody follows. */
const FIRST_ANSWER_MS = 10_000;
/** For what is on its way when the managers forget a task, whose container is gone by then. */
const LAST_LINES_MS = 2_000;
/** Between two tries to reach a node that is up. */
const RETRY_MS = 1_000;

export interface TaskLogOptions {
  readonly backend: ManagerBackend;
  readonly task: Task;
  readonly query: LogQuery;
  readonly output: LogOutput;
  readonly details: string;
  readonly signal: AbortSignal;
}

export class TaskLogReader {
  readonly #options: TaskLogOptions;
  /** Time of the last line that was passed on, and how many lines had that very time. */
  #last = '';
  #lastCount = 0;
  #isTold = false;

  constructor(options: TaskLogOptions) {
    this.#options = options;
  }

  /** Resolves at the end of the lines: with why some are missing, or undefined when none is. */
  async run(): Promise<string | undefined> {
    const { query, signal } = this.#options;
    for (;;) {
      const problem = await this.#read();
      if (!query.follow || signal.aborted) return problem;
      if (this.#isOver()) return this.#isForgotten() ? undefined : problem;
      // In the middle of a stream that goes on, it is a line like others: clients stop at an error.
      if (problem !== undefined && !this.#isTold) await this.#tell(problem);
      this.#isTold = problem !== undefined;
      await this.#pause();
    }
  }

  async #read(): Promise<string | undefined> {
    const { backend, task, query, signal } = this.#options;
    const before = this.#nodeProblem();
    if (before !== undefined) return before;
    const abort = new AbortController();
    const end = (): void => abort.abort();
    signal.addEventListener('abort', end, { once: true });
    let last: NodeJS.Timeout | undefined;
    const look = (): void => {
      // A connection to a machine that is gone may be silent for minutes.
      if (this.#nodeProblem() !== undefined) end();
      if (this.#isForgotten()) last ??= setTimeout(end, LAST_LINES_MS);
    };
    const stop = backend.changes(look);
    look();
    let isLate = false;
    const late = (): void => {
      isLate = true;
      end();
    };
    const timer = query.follow ? undefined : setTimeout(late, FIRST_ANSWER_MS);
    try {
      for await (const line of backend.taskLogs(task.id, this.#rest(), abort.signal)) {
        clearTimeout(timer);
        if (abort.signal.aborted) break;
        await this.#pass(line);
      }
    } catch (error) {
      return signal.aborted ? undefined : (this.#nodeProblem() ?? this.#wording(error));
    } finally {
      clearTimeout(timer);
      clearTimeout(last);
      stop();
      signal.removeEventListener('abort', end);
    }
    if (signal.aborted || !abort.signal.aborted) return undefined;
    const seconds = FIRST_ANSWER_MS / 1000;
    return isLate ? `node ${this.#name()} did not answer within ${seconds} s` : this.#nodeProblem();
  }

  /** What is still to come: from the last line on, which the node gives once more. */
  #rest(): LogQuery {
    const { query } = this.#options;
    return this.#last === '' ? query : { ...query, tail: -1, since: Date.parse(this.#last) };
  }

  #seen = 0;

  async #pass(line: LogLine): Promise<void> {
    const { output, details } = this.#options;
    if (line.time < this.#last) return;
    if (line.time === this.#last && this.#seen < this.#lastCount) {
      this.#seen++;
      return;
    }
    this.#lastCount = line.time === this.#last ? this.#lastCount + 1 : 1;
    this.#seen = this.#lastCount;
    this.#last = line.time;
    this.#isTold = false;
    await output.write(line, details);
  }

  async #tell(problem: string): Promise<void> {
    const { output, details } = this.#options;
    const text = new TextEncoder().encode(`${problem}: its lines come when it is back\n`);
    await output.write({ stream: 2, time: new Date().toISOString(), text }, details);
  }

  #name(): string {
    const { backend, task } = this.#options;
    return backend.queries.node(task.nodeId)?.description?.hostname ?? task.nodeId ?? '';
  }

  #nodeProblem(): string | undefined {
    const { backend, task } = this.#options;
    const node = backend.queries.node(task.nodeId);
    if (node === undefined) return `node ${this.#name()} is no longer in the cluster`;
    return node.status.state === 'down' ? `node ${this.#name()} is down` : undefined;
  }

  #wording(error: unknown): string {
    const isUnreachable = error instanceof SwarmError && error.code === 'unavailable';
    const what = isUnreachable ? 'is not available' : 'can’t give them';
    return `node ${this.#name()} ${what} (${messageOf(error)})`;
  }

  /** Its container is gone, and what it wrote with it. */
  #isForgotten(): boolean {
    const { backend, task } = this.#options;
    return backend.queries.task(task.id) === undefined;
  }

  /** Nothing more will come. */
  #isOver(): boolean {
    const { backend, task } = this.#options;
    const now = backend.queries.task(task.id);
    const isGone = backend.queries.node(task.nodeId) === undefined;
    return now === undefined || isGone || isTerminal(now.status.state);
  }

  /** Until a node that was down is back, or a while when it is up. */
  #pause(): Promise<void> {
    const { backend, signal } = this.#options;
    this.#seen = 0;
    const wasDown = this.#nodeProblem() !== undefined;
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        stop();
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = wasDown ? undefined : setTimeout(done, RETRY_MS);
      const stop = backend.changes(() => {
        if (wasDown && (this.#nodeProblem() === undefined || this.#isOver())) done();
      });
      signal.addEventListener('abort', done, { once: true });
    });
  }
}
