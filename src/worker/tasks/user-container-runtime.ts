// Users' containers on containerd: the same preparation, records and logs as a task's, but they run again
// and again, and a failing health check is shown, not acted on.
import { SwarmError } from '../../base/index.ts';
import { signalNumber } from '../../model/index.ts';
import type {
  ContainerLogLine,
  ContainerLogOptions,
  ContainerRun,
  ContainerRuntime,
  RunEnd,
  TaskContext,
} from '../runtime/index.ts';
import type { ContainerKey } from './containers.ts';
import type { ControllerOptions } from './controller.ts';
import { HealthMonitor } from './health-monitor.ts';
import { containerIdOf, prepareContainer } from './preparation.ts';
import type { ContainerPlan } from './task-directory.ts';

/** `docker stop --time -1`: as long as a timer can wait, 24 days. */
const FOREVER_MS = 2 ** 31 - 1;

export interface UserContainerRuntimeOptions extends ControllerOptions {
  readonly key: (taskId: string) => ContainerKey;
  readonly remove: (taskId: string, anonymousVolumes: boolean) => Promise<void>;
  readonly logs: (taskId: string, options: ContainerLogOptions) => AsyncIterable<ContainerLogLine>;
}

export class UserContainerRuntime implements ContainerRuntime {
  readonly #options: UserContainerRuntimeOptions;

  constructor(options: UserContainerRuntimeOptions) {
    this.#options = options;
  }

  containerId(key: string): string {
    return containerIdOf(key);
  }

  async imageId(reference: string): Promise<string | undefined> {
    return (await this.#options.preparation.images.resolve(reference))?.id;
  }

  checkSignal(signal: string): void {
    signalNumber(signal);
  }

  async prepare(context: TaskContext): Promise<void> {
    const { key, preparation } = this.#options;
    await prepareContainer(key(context.task.id), context, preparation);
  }

  async start(id: string): Promise<void> {
    const key = this.#options.key(id);
    const plan = await key.directory.readPlan();
    if (plan === undefined) throw new SwarmError('precondition', `${id} has no container to start`);
    await this.#options.containers.start(key, plan);
    this.#watchHealth(key, plan);
  }

  async observe(id: string): Promise<ContainerRun> {
    const key = this.#options.key(id);
    const { state, pid = 0, exit } = await this.#options.containers.observe(key);
    const startedAt = await key.directory.startedAt();
    const plan = await key.directory.readPlan();
    if (state === 'running' && plan !== undefined) this.#watchHealth(key, plan);
    const record = await key.directory.readExit();
    const { clock } = this.#options.health;
    const end = exit && { ...exit, finishedAt: record?.finishedAt ?? clock.now() };
    return { state, pid, startedAt, end };
  }

  async health(id: string): Promise<'starting' | 'healthy' | 'unhealthy' | undefined> {
    return this.#options.monitors.get(this.#options.key(id).containerId)?.record.status;
  }

  async volumes(id: string): Promise<readonly string[]> {
    return (await this.#options.key(id).directory.readPlan())?.volumes ?? [];
  }

  async wait(id: string, signal: AbortSignal): Promise<RunEnd> {
    const key = this.#options.key(id);
    const exit = await this.#options.containers.waitForExit(key, signal);
    if (!signal.aborted) this.#forgetHealth(key);
    const { clock } = this.#options.health;
    return { ...exit, finishedAt: (await key.directory.readExit())?.finishedAt ?? clock.now() };
  }

  async stop(id: string, how: { readonly signal?: string; readonly graceMs?: number }) {
    const key = this.#options.key(id);
    const plan = await key.directory.readPlan();
    this.#forgetHealth(key);
    await this.#options.containers.stop(key, plan && { ...plan, ...requests(how) });
  }

  async kill(id: string, signal: string): Promise<void> {
    await this.#options.containers.signal(this.#options.key(id), signalNumber(signal));
  }

  async renew(id: string): Promise<void> {
    const key = this.#options.key(id);
    this.#options.health.exits.forget(key.containerId);
    await this.#options.containers.release(key);
    await key.directory.forgetRun();
  }

  remove(id: string, volumes: boolean): Promise<void> {
    return this.#options.remove(id, volumes);
  }

  logs(id: string, options: ContainerLogOptions): AsyncIterable<ContainerLogLine> {
    return this.#options.logs(id, options);
  }

  #watchHealth(key: ContainerKey, plan: ContainerPlan): void {
    const { monitors, health } = this.#options;
    if (plan.health === undefined || monitors.has(key.containerId)) return;
    monitors.set(key.containerId, new HealthMonitor(health, key, plan.health));
  }

  #forgetHealth({ containerId }: ContainerKey): void {
    this.#options.monitors.get(containerId)?.stop();
    this.#options.monitors.delete(containerId);
  }
}

function requests(how: {
  readonly signal?: string;
  readonly graceMs?: number;
}): Partial<Pick<ContainerPlan, 'stopSignal' | 'gracePeriodMs'>> {
  const { signal, graceMs } = how;
  return {
    ...(signal !== undefined && { stopSignal: signalNumber(signal) }),
    ...(graceMs !== undefined && { gracePeriodMs: graceMs < 0 ? FOREVER_MS : graceMs }),
  };
}
