// One container's life in containerd, step by step. Every step may be repeated and may be the first
// after a crash: each looks at what there is before it believes that something is missing.
import * as fs from 'node:fs/promises';
import {
  SwarmError,
  ifPresent,
  messageOf,
  sleep,
  type Clock,
  type Logger,
} from '../../base/index.ts';
import { SIGKILL } from '../../model/index.ts';
import type { ContainerObservation, TaskExit } from '../runtime/index.ts';
import {
  countsOomKill,
  oomCounter,
  specMessage,
  type CgroupLayout,
  type OciSpec,
} from '../oci/index.ts';
import {
  isAlreadyExists,
  isNotFound,
  milliseconds,
  type AnyMessage,
  type ContainerdClient,
  type ExitWatch,
  type MountMessage,
  type ProcessEnd,
  type ProcessMessage,
} from '../containerd/index.ts';
import { Semaphore } from '../../base/async/index.ts';
import type { ContainerPlan, ExitRecord, TaskDirectory } from './task-directory.ts';

/** Label of everything that belongs to a task. */
export const TASK_LABEL = 'tsswarm.task';
/** Starts at once: more only make each of them slower. */
const STARTS_AT_ONCE = 4;
/** A process must be gone this long after SIGKILL, else something is wrong with the kernel. */
const KILL_TIMEOUT_MS = 30_000;
/** containerd may still be closing the task's pipes when it is first asked to delete it. */
const DELETE_TRIES = 50;
const DELETE_RETRY_MS = 100;
/** Labels that start with this are containerd's instructions for its garbage collector. */
const GC_ROOT_LABEL = 'containerd.io/gc.root';
const RUNC_OPTIONS_TYPE = 'containerd.runc.v1.Options';
const LOST_ERROR = 'task: the container was lost (the host or its runtime stopped)';

export interface RuntimeChoice {
  /** containerd's runtime, "io.containerd.runc.v2". */
  readonly shim: string;
  /** OCI runtime that the shim calls: a name or path, default runc. */
  readonly binary?: string | undefined;
}

export interface ContainersOptions {
  readonly client: ContainerdClient;
  readonly exits: ExitWatch;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly snapshotter: string;
  readonly runtime: RuntimeChoice;
  readonly cgroups: CgroupLayout;
  readonly cgroupParent: string;
  readonly loggerPath: string;
}

/** A task's container: its id and the directory with its records. */
export interface ContainerKey {
  readonly taskId: string;
  readonly containerId: string;
  readonly directory: TaskDirectory;
}

export class Containers {
  readonly #options: ContainersOptions;
  readonly #starts = new Semaphore(STARTS_AT_ONCE);
  readonly #finishing = new Map<string, Promise<TaskExit>>();

  constructor(options: ContainersOptions) {
    this.#options = options;
  }

  /** The container's writable file system on top of an image; found again when it exists. */
  async prepareSnapshot(key: ContainerKey, parent: string): Promise<readonly MountMessage[]> {
    const { client, snapshotter } = this.#options;
    // A root of the garbage collector: nothing else refers to it until the container is made.
    const labels = { [TASK_LABEL]: key.taskId, [GC_ROOT_LABEL]: 'true' };
    try {
      const request = { snapshotter, key: key.containerId, parent, labels };
      return (await client.snapshots.prepare(request)).mounts;
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      return (await client.snapshots.mounts({ snapshotter, key: key.containerId })).mounts;
    }
  }

  /** Makes the container's record; one that a killed daemon left without a process is replaced. */
  async create(
    key: ContainerKey,
    details: { spec: OciSpec; image: string; labels: Readonly<Record<string, string>> },
  ): Promise<void> {
    const { client, snapshotter } = this.#options;
    const container = {
      id: key.containerId,
      labels: { ...details.labels, [TASK_LABEL]: key.taskId },
      image: details.image,
      runtime: { name: this.#options.runtime.shim, options: this.#runtimeOptions() },
      spec: specMessage(details.spec),
      snapshotter,
      snapshotKey: key.containerId,
    };
    try {
      await client.containers.create({ container });
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      if ((await this.process(key)) !== undefined) return;
      await ifPresent(client.containers.delete({ id: key.containerId }));
      await client.containers.create({ container });
    }
  }

  /** Starts the process unless it was started before; what has ended is not started again. */
  async start(key: ContainerKey, plan: ContainerPlan, rootfs?: readonly MountMessage[]) {
    await this.#starts.run(async () => {
      if ((await key.directory.readExit()) !== undefined) return;
      await key.directory.markStarted(this.#options.clock.now());
      const created = await this.#createTask(key, plan, rootfs);
      if (!created) return;
      try {
        await this.#options.client.tasks.start({ containerId: key.containerId });
      } catch (error) {
        // What failed to start is no use to anybody: the next try makes it anew.
        await this.#deleteTask(key);
        throw startError(error);
      }
    });
  }

  /** The container's first process, if containerd has one. */
  async process(key: ContainerKey): Promise<ProcessMessage | undefined> {
    const { containerId } = key;
    const found = await ifPresent(this.#options.client.tasks.get({ containerId }));
    return found?.process ?? undefined;
  }

  /** What there is now; changes nothing. */
  async observe(key: ContainerKey): Promise<ContainerObservation> {
    const { containerId } = key;
    const exit = await key.directory.readExit();
    if (exit !== undefined) return { state: 'exited', containerId, exit };
    const process = await this.process(key);
    if (process === undefined) {
      const record = await ifPresent(this.#options.client.containers.get({ id: containerId }));
      if (record === undefined) return { state: 'absent' };
      if ((await key.directory.startedAt()) === undefined) return { state: 'created', containerId };
      return { state: 'exited', containerId, exit: lostExit() };
    }
    if (process.status === 'STOPPED') {
      const end = await this.#exitOf(key, processEnd(process, this.#options.clock));
      return { state: 'exited', containerId, exit: end };
    }
    const running = process.status !== 'CREATED';
    return { state: running ? 'running' : 'created', containerId, pid: process.pid };
  }

  /** Waits for the process to end, keeps a record of how, and frees what it held. */
  async waitForExit(key: ContainerKey, signal: AbortSignal): Promise<TaskExit> {
    const exit = await key.directory.readExit();
    if (exit !== undefined) return exit;
    for (;;) {
      const end = await this.#options.exits.wait(key.containerId, key.containerId, signal);
      // Of a container that runs again the word of its run before may come only now.
      const early = end.exitedAt < ((await key.directory.startedAt()) ?? 0);
      if (early && (await this.process(key))?.status === 'RUNNING') continue;
      return this.#finish(key, end);
    }
  }

  /** Sends the signal, waits, then kills; resolves when the process is gone. */
  async stop(key: ContainerKey, plan: ContainerPlan | undefined): Promise<TaskExit> {
    const process = await this.process(key);
    if (process === undefined) return this.#exitWithoutProcess(key);
    if (process.status === 'CREATED') {
      await this.#deleteTask(key);
      return { exitCode: 0, oomKilled: false };
    }
    const gone = new AbortController();
    const exited = this.waitForExit(key, gone.signal);
    exited.catch(() => undefined);
    const { clock, logger } = this.#options;
    await this.signal(key, plan?.stopSignal ?? SIGKILL);
    const grace = new AbortController();
    const patience = sleep(clock, plan?.gracePeriodMs ?? 0, grace.signal).then(() => undefined);
    let exit = await Promise.race([exited, patience]);
    grace.abort();
    if (exit === undefined) {
      await this.signal(key, SIGKILL);
      const limit = new AbortController();
      const timeout = sleep(clock, KILL_TIMEOUT_MS, limit.signal).then(() => undefined);
      exit = await Promise.race([exited, timeout]);
      limit.abort();
    }
    gone.abort();
    if (exit === undefined) {
      logger.error({ task: key.taskId, pid: process.pid }, 'process survives SIGKILL');
      throw new SwarmError(
        'unavailable',
        `process ${process.pid} of task ${key.taskId} is still there ${KILL_TIMEOUT_MS / 1000} s after SIGKILL`,
      );
    }
    return exit;
  }

  /** Frees what an ended process may still hold, so that another run can begin. */
  async release(key: ContainerKey): Promise<void> {
    if ((await this.process(key))?.status === 'STOPPED') await this.#deleteTask(key);
  }

  /** Takes away process, record and file system; all of it may be gone already. */
  async remove(key: ContainerKey): Promise<void> {
    const { client, snapshotter, exits } = this.#options;
    const process = await this.process(key);
    const runs = process !== undefined && !['STOPPED', 'CREATED'].includes(process.status);
    if (runs) await this.stop(key, undefined);
    // Also without a process: of a start that was interrupted containerd's helper may be left.
    await this.#deleteTask(key);
    await ifPresent(client.containers.delete({ id: key.containerId }));
    await ifPresent(client.snapshots.remove({ snapshotter, key: key.containerId }));
    exits.forget(key.containerId);
  }

  /** Ids of all tasks that have a container. */
  async taskIds(): Promise<readonly string[]> {
    const { containers } = await this.#options.client.containers.list({
      filters: [`labels.${JSON.stringify(TASK_LABEL)}`],
    });
    return containers.flatMap(({ labels }) => labels[TASK_LABEL] ?? []);
  }

  /** True when there is a process to be started now. */
  async #createTask(
    key: ContainerKey,
    plan: ContainerPlan,
    rootfs?: readonly MountMessage[],
  ): Promise<boolean> {
    const { client, snapshotter } = this.#options;
    const { containerId } = key;
    const mounts =
      rootfs ?? (await client.snapshots.mounts({ snapshotter, key: containerId })).mounts;
    const log = logUri(this.#options.loggerPath, key.directory.logPath, plan);
    try {
      await client.tasks.create({
        containerId,
        rootfs: mounts,
        stdout: log,
        stderr: plan.terminal ? '' : log,
        terminal: plan.terminal,
      });
      return true;
    } catch (error) {
      if (!isAlreadyExists(error)) throw startError(error);
      const process = await this.process(key);
      if (process !== undefined) return process.status === 'CREATED';
      // containerd died while it made the task: what it has of it is in the way and no use.
      await this.#deleteTask(key);
      throw new SwarmError('unavailable', `the start of task ${key.taskId} was interrupted`);
    }
  }

  /** A signal to the container's first process; nothing happens when it has ended. */
  async signal(key: ContainerKey, signal: number): Promise<void> {
    const { containerId } = key;
    try {
      // SIGKILL to the first process takes its whole PID namespace along.
      await this.#options.client.tasks.kill({ containerId, signal });
    } catch (error) {
      // It ended by itself meanwhile.
      if (!isNotFound(error)) throw error;
    }
  }

  #finish(key: ContainerKey, end: ProcessEnd): Promise<TaskExit> {
    const running = this.#finishing.get(key.containerId);
    if (running !== undefined) return running;
    const work = this.#recordExit(key, end).finally(() => this.#finishing.delete(key.containerId));
    this.#finishing.set(key.containerId, work);
    return work;
  }

  async #recordExit(key: ContainerKey, end: ProcessEnd): Promise<TaskExit> {
    const recorded = await key.directory.readExit();
    if (recorded !== undefined) return recorded;
    const exit = await this.#exitOf(key, end);
    try {
      await key.directory.writeExit(exit);
    } catch (error) {
      // The directory is gone when the task was removed meanwhile.
      if (!isNotFound(error)) {
        // On a full disk the end is told all the same; containerd keeps it until there is room or the
        // task is removed.
        const fields = { task: key.taskId, error: messageOf(error) };
        this.#options.logger.warn(fields, 'how a container ended can’t be recorded');
        return exit;
      }
    }
    await this.#deleteTask(key);
    return exit;
  }

  async #exitOf(key: ContainerKey, end: ProcessEnd): Promise<ExitRecord> {
    if (end.lost) return lostExit(end.exitedAt);
    const oomKilled = end.exitStatus !== 0 && (await this.#wasOutOfMemory(key.containerId));
    const exit = { exitCode: end.exitStatus, oomKilled, finishedAt: end.exitedAt };
    if (end.exitStatus === 0) return exit;
    const reason = oomKilled ? ': OOM killed' : '';
    return { ...exit, error: `task: non-zero exit (${end.exitStatus})${reason}` };
  }

  /**
   * The kernel's counter lives as long as the group, which goes with the task; events may be
   * lost.
   */
  async #wasOutOfMemory(containerId: string): Promise<boolean> {
    const { cgroups, cgroupParent, exits } = this.#options;
    if (exits.wasOutOfMemory(containerId)) return true;
    const counter = oomCounter(cgroups, cgroupParent, containerId);
    if (counter === undefined) return false;
    // A group that is being taken apart answers ENODEV.
    return countsOomKill((await ifPresent(fs.readFile(counter.file, 'utf8'), 'ENODEV')) ?? '');
  }

  async #exitWithoutProcess(key: ContainerKey): Promise<TaskExit> {
    const exit = await key.directory.readExit();
    if (exit !== undefined) return exit;
    if ((await key.directory.startedAt()) === undefined) return { exitCode: 0, oomKilled: false };
    return lostExit();
  }

  async #deleteTask(key: ContainerKey): Promise<void> {
    const { client, clock } = this.#options;
    for (let attempt = 1; ; attempt++) {
      try {
        await ifPresent(client.tasks.delete({ containerId: key.containerId }));
        return;
      } catch (error) {
        const busy = error instanceof SwarmError && error.code === 'precondition';
        if (!busy || attempt >= DELETE_TRIES) throw error;
        await this.signal(key, SIGKILL);
        await sleep(clock, DELETE_RETRY_MS);
      }
    }
  }

  #runtimeOptions(): AnyMessage {
    const { client, runtime, cgroups } = this.#options;
    const value = client.encodeRuncOptions({
      ...(runtime.binary === undefined ? {} : { binaryName: runtime.binary }),
      ...(cgroups.driver === 'systemd' ? { systemdCgroup: true } : {}),
    });
    return { type_url: RUNC_OPTIONS_TYPE, value };
  }
}

/** The URI by which containerd starts the logger beside a container; '' for no log. */
export function logUri(loggerPath: string, file: string, plan: Pick<ContainerPlan, 'log'>): string {
  if (plan.log === undefined) return '';
  const query = new URLSearchParams({
    file,
    'max-size': String(plan.log.maxSize),
    'max-file': String(plan.log.maxFiles),
  });
  return `binary://${loggerPath}?${query.toString()}`;
}

function processEnd(process: ProcessMessage, clock: Clock): ProcessEnd {
  const exitedAt = milliseconds(process.exitedAt) ?? clock.now();
  return { exitStatus: process.exitStatus, exitedAt, lost: false };
}

function lostExit(finishedAt = 0): ExitRecord {
  return { exitCode: 255, oomKilled: false, error: LOST_ERROR, finishedAt };
}

/** Docker's words for a process that could not be started. */
function startError(error: unknown): unknown {
  if (!(error instanceof SwarmError) || error.temporary) return error;
  const text = error.message
    .replace(/^containerd \S+: /, '')
    .replace(/^failed to create (shim )?task: /, '');
  return new SwarmError('precondition', `starting container failed: ${text}`, { cause: error });
}
