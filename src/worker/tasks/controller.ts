// The life of one task's container, as the agent asks for it: the steps of containers.ts in order,
// with the health check beside them.
import { SwarmError, type Logger } from '../../base/index.ts';
import { abortedWith, untilAborted } from '../../base/async/index.ts';
import type {
  ContainerObservation,
  TaskContext,
  TaskController,
  TaskExit,
} from '../runtime/index.ts';
import type { ContainerKey, Containers } from './containers.ts';
import {
  countInbound,
  socketTables,
  waitForListeners,
  type HealthRecord,
} from '../health/index.ts';
import { HealthMonitor, type HealthMonitorOptions } from './health-monitor.ts';
import { WHAT, prepareContainer, type PreparationOptions, type Prepared } from './preparation.ts';
import type { ContainerPlan } from './task-directory.ts';

export interface ControllerOptions {
  readonly preparation: PreparationOptions;
  readonly containers: Containers;
  readonly health: HealthMonitorOptions;
  readonly logger: Logger;
  /** One monitor a container, whoever asks; shared by all controllers. */
  readonly monitors: Map<string, HealthMonitor>;
  /** Takes away everything of a task. */
  readonly removeTask: (taskId: string) => Promise<void>;
}

/** How much of a failed check's output is said in the task's error. */
const MAX_ERROR_OUTPUT = 200;

export function createController(
  key: ContainerKey,
  context: TaskContext,
  options: ControllerOptions,
): TaskController {
  return new ContainerController(key, context, options);
}

class ContainerController implements TaskController {
  readonly #key: ContainerKey;
  readonly #context: TaskContext;
  readonly #options: ControllerOptions;
  #prepared: Prepared | undefined;
  /** The end of a preparation that its caller may have given up: what it makes must not outlive the task. */
  #preparing: Promise<unknown> = Promise.resolve();

  constructor(key: ContainerKey, context: TaskContext, options: ControllerOptions) {
    this.#key = key;
    this.#context = context;
    this.#options = options;
  }

  async observe(): Promise<ContainerObservation> {
    const observation = await this.#options.containers.observe(this.#key);
    if (observation.state !== 'running') return observation;
    const plan = await this.#plan();
    if (plan?.health === undefined) return { ...observation, healthy: true };
    const record = await this.#key.directory.readHealth();
    return { ...observation, healthy: record?.status === 'healthy' };
  }

  async prepare(signal: AbortSignal): Promise<void> {
    await this.#preparing;
    const preparing = prepareContainer(this.#key, this.#context, this.#options.preparation, signal);
    this.#preparing = preparing.catch(() => undefined);
    this.#prepared = await untilAborted(preparing, signal, WHAT);
  }

  async start(signal: AbortSignal): Promise<void> {
    const plan = await this.#requirePlan();
    await this.#options.containers.start(this.#key, plan, this.#prepared?.rootfs);
    const monitor = this.#monitor(plan);
    if (monitor === undefined) return this.#listening(plan, signal);
    const stop = new AbortController();
    const stopped = (): void => stop.abort();
    signal.addEventListener('abort', stopped);
    try {
      const exited = this.#options.containers.waitForExit(this.#key, stop.signal);
      exited.catch(() => undefined);
      const first = await Promise.race([
        monitor.verdict(stop.signal).then((record) => ({ record })),
        exited.then((exit) => ({ exit })),
      ]);
      if (signal.aborted) throw new SwarmError('unavailable', 'start was given up');
      if ('exit' in first) {
        const { exitCode, error } = first.exit;
        throw new SwarmError(
          'precondition',
          error ?? `task: container ended (${exitCode}) before it was healthy`,
        );
      }
      if (first.record.status === 'unhealthy') {
        await this.shutdown();
        throw new SwarmError('precondition', unhealthyError(first.record));
      }
    } finally {
      signal.removeEventListener('abort', stopped);
      stop.abort();
    }
  }

  async #listening({ listens }: ContainerPlan, signal: AbortSignal): Promise<void> {
    if (listens === undefined) return;
    const { state, pid } = await this.#options.containers.observe(this.#key);
    if (state !== 'running' || pid === undefined) return;
    await waitForListeners(listens, pid, this.#options.health.clock, signal);
  }

  async wait(signal: AbortSignal): Promise<TaskExit> {
    const plan = await this.#plan();
    const exited = this.#options.containers.waitForExit(this.#key, signal);
    exited.catch(() => undefined);
    const monitor = plan === undefined ? undefined : this.#monitor(plan);
    const stop = abortedWith(signal);
    try {
      if (monitor === undefined) return await exited;
      const first = await Promise.race([exited, monitor.unhealthy(stop.signal)]);
      stop.abort();
      if (!('status' in first) || first.status !== 'unhealthy') return await exited;
      const exit = await this.shutdown();
      const error = unhealthyError(first);
      return { ...exit, error: exit.error === undefined ? error : `${exit.error}: ${error}` };
    } finally {
      stop.abort();
      if (!signal.aborted) this.#dropMonitor();
    }
  }

  async connections(): Promise<number> {
    const { state, pid } = await this.#options.containers.observe(this.#key);
    if (state !== 'running' || pid === undefined) return 0;
    return countInbound(...(await socketTables(pid)));
  }

  async shutdown(): Promise<TaskExit> {
    this.#dropMonitor();
    await this.#preparing;
    return this.#options.containers.stop(this.#key, await this.#plan());
  }

  async remove(): Promise<void> {
    this.#dropMonitor();
    await this.#preparing;
    await this.#options.removeTask(this.#context.task.id);
  }

  async #plan(): Promise<ContainerPlan | undefined> {
    return this.#prepared?.plan ?? (await this.#key.directory.readPlan());
  }

  async #requirePlan(): Promise<ContainerPlan> {
    const plan = await this.#plan();
    if (plan === undefined) {
      throw new SwarmError('precondition', `task ${this.#key.taskId} has no container to start`);
    }
    return plan;
  }

  #monitor(plan: ContainerPlan): HealthMonitor | undefined {
    if (plan.health === undefined) return undefined;
    const { monitors, health } = this.#options;
    const present = monitors.get(this.#key.containerId);
    if (present !== undefined) return present;
    const monitor = new HealthMonitor(health, this.#key, plan.health);
    monitors.set(this.#key.containerId, monitor);
    return monitor;
  }

  #dropMonitor(): void {
    const { monitors } = this.#options;
    monitors.get(this.#key.containerId)?.stop();
    monitors.delete(this.#key.containerId);
  }
}

function unhealthyError(record: HealthRecord): string {
  const output = record.output.trim().slice(0, MAX_ERROR_OUTPUT);
  return output === '' ? 'unhealthy container' : `unhealthy container: ${output}`;
}
