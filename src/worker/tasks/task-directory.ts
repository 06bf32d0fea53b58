// What the executor keeps on disk about a task: the files that its container sees as /etc/hosts and
// the like, its log, and small records that let a restarted daemon go on. The directory is the
// first thing made for a task and the last one removed, so it also tells which tasks there are.
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import {
  SwarmError,
  boolean,
  decoder,
  ifPresent,
  integer,
  list,
  map,
  messageOf,
  number,
  optional,
  record,
  text,
  type Decoded,
  type Decoder,
} from '../../base/index.ts';
import { LOG_PLAN } from '../../model/index.ts';
import { HEALTH_PLAN, HEALTH_RECORD, LISTEN_PLAN, type HealthRecord } from '../health/index.ts';

const ID = text(512);
const NAME = text(4096);

/** What stays to be known about a container after its task's assignment was read. */
const CONTAINER_PLAN = record({
  containerId: ID,
  imageId: ID,
  image: NAME,
  /** The container's name and labels, as Docker's API shows them. */
  name: NAME,
  labels: map(text(1024 * 1024), 100_000),
  stopSignal: integer(1, 64),
  gracePeriodMs: number(),
  health: optional(HEALTH_PLAN),
  /** Only without a health check. */
  listens: optional(LISTEN_PLAN),
  /** Names of mounted volumes. */
  volumes: list(text(255)),
  terminal: boolean(),
  /** Absent when nothing is logged. */
  log: optional(LOG_PLAN),
});
export type ContainerPlan = Decoded<typeof CONTAINER_PLAN>;

const EXIT_RECORD = record({
  exitCode: integer(),
  /** Killed by the kernel for want of memory. */
  oomKilled: boolean(),
  error: optional(text()),
  /** Milliseconds since 1970. */
  finishedAt: number(),
});
export type ExitRecord = Decoded<typeof EXIT_RECORD>;

const START_RECORD = record({ startedAt: number() });

/** What a file of ours may hold; the largest have a plan's labels. */
const LIMITS = { length: 16 * 1024 * 1024, code: 'dataLoss' } as const;
const decodePlan = decoder(CONTAINER_PLAN, 'plan.json', LIMITS);
const decodeExit = decoder(EXIT_RECORD, 'exit.json', LIMITS);
const decodeHealth = decoder(HEALTH_RECORD, 'health.json', LIMITS);
const decodeStart = decoder(START_RECORD, 'started.json', LIMITS);

/** Of a container whose record can't be read: that it ended is all that is known. */
const UNREADABLE_EXIT: ExitRecord = {
  exitCode: 255,
  oomKilled: false,
  error: 'task: the record of how the container ended is damaged',
  finishedAt: 0,
};

/** Task ids become names of directories. */
const TASK_ID = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/;

/** The directories of all tasks. */
export class TaskDirectories {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  async list(): Promise<string[]> {
    return (await ifPresent(fs.readdir(this.#root))) ?? [];
  }

  of(taskId: string): TaskDirectory {
    if (!TASK_ID.test(taskId)) {
      throw new SwarmError('invalid', `${JSON.stringify(taskId)} is no task id`);
    }
    return new TaskDirectory(join(this.#root, taskId));
  }
}

export class TaskDirectory {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  async make(): Promise<void> {
    await fs.mkdir(this.path, { recursive: true, mode: 0o711 });
  }

  /** Removes all of it; a removal that was cut short is repeated by the next one. */
  async remove(): Promise<void> {
    await fs.rm(this.path, { recursive: true, force: true });
  }

  file(name: 'hosts' | 'hostname' | 'resolv.conf'): string {
    return join(this.path, name);
  }

  get logPath(): string {
    return join(this.path, 'json.log');
  }

  /**
   * Writes a file that the container may see at once: in place, its inode may be mounted
   * already.
   */
  async writeFile(name: 'hosts' | 'hostname' | 'resolv.conf', content: string): Promise<string> {
    const path = this.file(name);
    await fs.writeFile(path, content, { mode: 0o644 });
    return path;
  }

  /** Raises `dataLoss` for a damaged one: who mounts which volume must not be guessed. */
  readPlan(): Promise<ContainerPlan | undefined> {
    return this.#read('plan.json', decodePlan);
  }

  /** Raises `invalid` for a plan that could not be read again: images and specs may hold anything. */
  writePlan(plan: ContainerPlan): Promise<void> {
    return this.#write('plan.json', plan, decodePlan);
  }

  readExit(): Promise<ExitRecord | undefined> {
    return orDamaged(this.#read('exit.json', decodeExit), UNREADABLE_EXIT);
  }

  writeExit(exit: ExitRecord): Promise<void> {
    return this.#write('exit.json', exit, decodeExit);
  }

  /** A damaged one counts as none: the next check says how it is. */
  readHealth(): Promise<HealthRecord | undefined> {
    return orDamaged(this.#read('health.json', decodeHealth), undefined);
  }

  writeHealth(record: HealthRecord): Promise<void> {
    return this.#write('health.json', record, decodeHealth);
  }

  /** Set before the first try to start: tells a container that never ran from one that was lost. */
  markStarted(startedAt: number): Promise<void> {
    return this.#write('started.json', { startedAt }, decodeStart);
  }

  /** Forgets a run, so that another one can begin. */
  async forgetRun(): Promise<void> {
    for (const name of ['exit.json', 'started.json', 'health.json']) {
      await fs.rm(join(this.path, name), { force: true });
    }
  }

  /** When the start was first tried, in milliseconds since 1970. */
  async startedAt(): Promise<number | undefined> {
    // That there is one says that it was started.
    const unknown = { startedAt: 0 };
    return (await orDamaged(this.#read('started.json', decodeStart), unknown))?.startedAt;
  }

  async #read<T>(name: string, decode: Decoder<T>): Promise<T | undefined> {
    const path = join(this.path, name);
    const content = await ifPresent(fs.readFile(path));
    // A power cut may leave an empty record; then it counts as none.
    if (content === undefined || content.every((byte) => byte === 0)) return undefined;
    try {
      return decode.json(content);
    } catch (error) {
      throw new SwarmError('dataLoss', `${path} is damaged: ${messageOf(error)}`);
    }
  }

  // Renamed into place, so that it is whole or not there; not synced: no container survives the loss of
  // power that would cost it.
  async #write<T>(name: string, value: T, decode: Decoder<T>): Promise<void> {
    const path = join(this.path, name);
    const json = JSON.stringify(value);
    try {
      decode.json(json);
    } catch (error) {
      throw new SwarmError('invalid', `${name} can't hold this: ${messageOf(error)}`);
    }
    await fs.writeFile(`${path}.tmp`, json, { mode: 0o600 });
    await fs.rename(`${path}.tmp`, path);
  }
}

/** What stands for a damaged record; other errors are raised. */
async function orDamaged<T>(reading: Promise<T>, instead: T): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof SwarmError && error.code === 'dataLoss') return instead;
    throw error;
  }
}
