// What the executor keeps on disk about a task: the files that its container sees as /etc/hosts and
// the like, its log, and small records that let a restarted daemon go on. The directory is the
// first thing made for a task and the last one removed, so it also tells which tasks there are.
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { SwarmError } from '../../base/index.ts';
import type { LogPlan } from '../../model/index.ts';
import type { TaskExit } from '../executor.ts';
import type { HealthPlan, HealthRecord } from './health-plan.ts';
import type { ListenPlan } from './listeners.ts';

/** What stays to be known about a container after its task's assignment was read. */
export interface ContainerPlan {
  readonly containerId: string;
  readonly imageId: string;
  readonly image: string;
  /** The container's name and labels, as Docker's API shows them. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly stopSignal: number;
  readonly gracePeriodMs: number;
  readonly health?: HealthPlan;
  /** Only without a health check. */
  readonly listens?: ListenPlan;
  /** Names of mounted volumes. */
  readonly volumes: readonly string[];
  readonly terminal: boolean;
  /** Absent when nothing is logged. */
  readonly log?: LogPlan;
}

export interface ExitRecord extends TaskExit {
  /** Milliseconds since 1970. */
  readonly finishedAt: number;
}

/** Task ids become names of directories. */
const TASK_ID = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/;

/** The directories of all tasks. */
export class TaskDirectories {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  async list(): Promise<string[]> {
    return fs.readdir(this.#root).catch(() => []);
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

  /** Removes the records first: half a removal must not look like a container that still is. */
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

  readPlan(): Promise<ContainerPlan | undefined> {
    return this.#read<ContainerPlan>('plan.json');
  }

  writePlan(plan: ContainerPlan): Promise<void> {
    return this.#write('plan.json', plan);
  }

  readExit(): Promise<ExitRecord | undefined> {
    return this.#read<ExitRecord>('exit.json');
  }

  writeExit(exit: ExitRecord): Promise<void> {
    return this.#write('exit.json', exit);
  }

  readHealth(): Promise<HealthRecord | undefined> {
    return this.#read<HealthRecord>('health.json');
  }

  writeHealth(record: HealthRecord): Promise<void> {
    return this.#write('health.json', record);
  }

  /** Set before the first try to start: tells a container that never ran from one that was lost. */
  markStarted(startedAt: number): Promise<void> {
    return this.#write('started.json', { startedAt });
  }

  /** Forgets a run, so that another one can begin. */
  async forgetRun(): Promise<void> {
    for (const name of ['exit.json', 'started.json', 'health.json']) {
      await fs.rm(join(this.path, name), { force: true });
    }
  }

  /** When the start was first tried, in milliseconds since 1970. */
  async startedAt(): Promise<number | undefined> {
    return (await this.#read<{ startedAt: number }>('started.json'))?.startedAt;
  }

  async #read<T>(name: string): Promise<T | undefined> {
    try {
      return JSON.parse(await fs.readFile(join(this.path, name), 'utf8')) as T;
    } catch (error) {
      const absent = error instanceof Error && 'code' in error && error.code === 'ENOENT';
      // A record that a power cut left empty counts as none.
      if (absent || error instanceof SyntaxError) return undefined;
      throw error;
    }
  }

  // Not synced: these records matter only as long as the container does, and no container survives
  // the loss of power that would cost them.
  async #write(name: string, value: unknown): Promise<void> {
    const path = join(this.path, name);
    await fs.writeFile(`${path}.tmp`, JSON.stringify(value), { mode: 0o600 });
    await fs.rename(`${path}.tmp`, path);
  }
}
