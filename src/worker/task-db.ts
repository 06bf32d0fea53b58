// What the agent remembers on disk: its assignments, the last status of each task, the epoch and
// index it saw last. Secrets and registry credentials stay in memory. One write at a time; changes
// that come meanwhile go with the next.
import { Coalescer } from '../base/async/index.ts';
import {
  SwarmError,
  count,
  decoder,
  list,
  messageOf,
  pair,
  record,
  sleep,
  text,
  unknown,
  type Clock,
  type Disk,
  type Logger,
} from '../base/index.ts';
import {
  TASK_STATUS,
  type AssignmentTables,
  type RevisionAssignment,
  type TaskStatus,
} from '../model/index.ts';
import { tablesFrom } from './assignment-set.ts';

const FORMAT_VERSION = 1;

/** Tasks of one host, and objects of one kind that it is told, at the very most. */
const TASKS_MAX = 100_000;
const ITEMS_MAX = 10_000_000;
const items = list(pair(text(512), unknown()), ITEMS_MAX);
const STORED = record({
  v: count(),
  epoch: count(),
  index: count(),
  statuses: list(pair(text(128), TASK_STATUS), TASKS_MAX),
  tables: record({
    task: items,
    revision: items,
    network: items,
    host: items,
    serviceEndpoint: items,
    taskEndpoint: items,
  }),
});
/**
 * Changes of this long go into one write. A crash loses at most these: what was assigned is sent again
 * by the managers, and how far a container is can be seen from it.
 */
const WRITE_PAUSE_MS = 100;
/** Between two tries on a disk that fails or is full. */
const RETRY_MS = 1_000;

export interface AgentState {
  readonly tables: AssignmentTables;
  readonly statuses: ReadonlyMap<string, TaskStatus>;
  readonly epoch: number;
  readonly index: number;
}

export class TaskDb {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #pause = new AbortController();
  #hurry = false;
  readonly #writes = new Coalescer<AgentState>(
    (state) => this.#write(state),
    () => this.#rest(),
  );

  constructor(disk: Disk, path: string, clock: Clock, logger: Logger) {
    this.#disk = disk;
    this.#path = path;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** What was stored last; raises `dataLoss` for a format that this release doesn't know. */
  async load(): Promise<AgentState | undefined> {
    const content = await this.#disk.readFile(this.#path);
    if (content === undefined) return undefined;
    const stored = decoder(STORED, this.#path, {
      code: 'dataLoss',
      length: Number.MAX_SAFE_INTEGER,
    }).json(content);
    if (stored.v !== FORMAT_VERSION) {
      throw new SwarmError(
        'dataLoss',
        `${this.#path} has format ${stored.v}, this release reads ${FORMAT_VERSION}`,
      );
    }
    return {
      tables: tablesFrom(stored.tables, (problem) =>
        this.#logger.error({ path: this.#path, problem }, 'what was stored does not fit: left out'),
      ),
      statuses: new Map(stored.statuses),
      epoch: stored.epoch,
      index: stored.index,
    };
  }

  /** Stores soon; an older state that was not written yet is skipped. */
  save(state: AgentState): void {
    this.#writes.add(state);
  }

  /** Resolves when everything handed in is on disk (or failed to get there). */
  async flushed(): Promise<void> {
    this.#hurry = true;
    this.#pause.abort();
    await this.#writes.settled();
  }

  /** States that come closely one after another are one write. */
  async #rest(): Promise<void> {
    if (!this.#hurry) await sleep(this.#clock, WRITE_PAUSE_MS, this.#pause.signal);
  }

  async #write(state: AgentState): Promise<void> {
    try {
      await this.#disk.writeFileAtomic(this.#path, encode(state), 0o600);
    } catch (error) {
      // Without it a restart would ask the managers first; running containers are safe either way.
      this.#logger.error(
        { path: this.#path, error: messageOf(error) },
        'assignments could not be stored',
      );
      if (this.#hurry) return;
      await sleep(this.#clock, RETRY_MS, this.#pause.signal);
      if (!this.#writes.superseded) this.#writes.add(state);
    }
  }
}

function encode(state: AgentState): Uint8Array {
  const { task, revision, network, host, serviceEndpoint, taskEndpoint } = state.tables;
  const text = JSON.stringify({
    v: FORMAT_VERSION,
    epoch: state.epoch,
    index: state.index,
    statuses: [...state.statuses],
    tables: {
      task: [...task],
      revision: [...revision].map(([key, value]) => [key, withoutCredentials(value)]),
      network: [...network],
      host: [...host],
      serviceEndpoint: [...serviceEndpoint],
      taskEndpoint: [...taskEndpoint],
    },
  });
  return new TextEncoder().encode(text);
}

function withoutCredentials({ registryAuth: _secret, ...revision }: RevisionAssignment): object {
  return revision;
}
