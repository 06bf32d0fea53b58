// Runs a container's health check again and again and keeps what came out of it. The rules are in
// health-plan.ts; here are the processes and the clock.
import { randomBytes } from 'node:crypto';
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
import type { ContainerdClient, ExitWatch, ProcessEnd } from '../containerd/index.ts';
import type { ContainerKey } from './containers.ts';
import {
  MAX_OUTPUT_BYTES,
  STARTING,
  afterCheck,
  checkDelayMs,
  type HealthPlan,
  type HealthRecord,
} from '../health/index.ts';
import { processMessage, processOf, type OciProcess } from '../oci/index.ts';
import type { PayloadDirectory } from './payloads.ts';

/** Exit code of a check that took too long (Docker's). */
const TIMED_OUT = -1;

export interface HealthMonitorOptions {
  readonly client: ContainerdClient;
  readonly exits: ExitWatch;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly loggerPath: string;
  /** Where outputs of checks are kept for a moment. */
  readonly scratch: PayloadDirectory;
}

export class HealthMonitor {
  readonly #options: HealthMonitorOptions;
  readonly #key: ContainerKey;
  readonly #plan: HealthPlan;
  readonly #stopping = new AbortController();
  readonly #listeners = new Set<() => void>();
  #record: HealthRecord = STARTING;

  constructor(options: HealthMonitorOptions, key: ContainerKey, plan: HealthPlan) {
    this.#options = options;
    this.#key = key;
    this.#plan = plan;
    void this.#run();
  }

  get record(): HealthRecord {
    return this.#record;
  }

  stop(): void {
    this.#stopping.abort();
    this.#tell();
  }

  /** Resolves when the container is healthy or unhealthy, or the monitor is stopped. */
  async verdict(signal: AbortSignal): Promise<HealthRecord> {
    await this.#until(() => this.#record.status !== 'starting', signal);
    return this.#record;
  }

  /** Resolves when the container is unhealthy, or the monitor is stopped. */
  async unhealthy(signal: AbortSignal): Promise<HealthRecord> {
    await this.#until(() => this.#record.status === 'unhealthy', signal);
    return this.#record;
  }

  #until(condition: () => boolean, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (!condition() && !signal.aborted && !this.#stopping.signal.aborted) return;
        this.#listeners.delete(check);
        signal.removeEventListener('abort', check);
        resolve();
      };
      this.#listeners.add(check);
      signal.addEventListener('abort', check);
      check();
    });
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }

  async #run(): Promise<void> {
    const { clock, logger } = this.#options;
    const { signal } = this.#stopping;
    const { directory } = this.#key;
    // A restarted daemon goes on with what the one before it had found.
    this.#record = (await directory.readHealth()) ?? STARTING;
    this.#tell();
    const startedAt = (await directory.startedAt()) ?? clock.now();
    while (!signal.aborted && this.#record.status !== 'unhealthy') {
      await sleep(clock, checkDelayMs(this.#plan, this.#record, clock.now() - startedAt), signal);
      if (signal.aborted) return;
      try {
        const result = await this.#check();
        if (signal.aborted) return;
        const age = clock.now() - startedAt;
        this.#record = afterCheck(this.#plan, this.#record, result, age);
        await directory.writeHealth(this.#record);
        this.#tell();
      } catch (error) {
        // The container ended, or containerd is away: neither says anything about health.
        logger.debug({ task: this.#key.taskId, error: messageOf(error) }, 'no health check');
      }
    }
  }

  async #check(): Promise<{ exitCode: number; output: string }> {
    const { client, exits, clock, scratch } = this.#options;
    const { containerId } = this.#key;
    const execId = `health-${randomBytes(8).toString('hex')}`;
    await scratch.ensureMounted();
    const file = scratch.scratchPath(`${containerId}-${execId}`);
    const process: OciProcess = { ...(await this.#containerProcess()), args: this.#plan.args };
    const output = captureUri(this.#options.loggerPath, file);
    const stop = new AbortController();
    try {
      await client.tasks.exec({
        containerId,
        execId,
        stdout: output,
        stderr: output,
        spec: processMessage({ ...process, terminal: false }),
      });
      const startError = await start(client, containerId, execId);
      if (startError !== undefined) return { exitCode: 126, output: startError };
      const ended = exits.wait(containerId, execId, stop.signal);
      ended.catch(() => undefined);
      const limit = sleep(clock, this.#plan.timeoutMs, stop.signal).then(() => undefined);
      const end: ProcessEnd | undefined = await Promise.race([ended, limit]);
      if (end === undefined) {
        await client.tasks.kill({ containerId, execId, signal: SIGKILL });
        await ended;
        const seconds = this.#plan.timeoutMs / 1000;
        return { exitCode: TIMED_OUT, output: `Health check exceeded timeout (${seconds}s)` };
      }
      if (end.lost) throw new SwarmError('unavailable', 'the check was lost');
      await client.tasks.deleteProcess({ containerId, execId });
      return { exitCode: end.exitStatus, output: await checkOutput(file) };
    } finally {
      stop.abort();
      await client.tasks.deleteProcess({ containerId, execId }).catch(() => undefined);
      await fs.rm(file, { force: true });
    }
  }

  /** The check runs as the container's own process does: same user, environment, capabilities. */
  async #containerProcess(): Promise<OciProcess> {
    const { container } = await this.#options.client.containers.get({ id: this.#key.containerId });
    return processOf(container.spec?.value ?? new Uint8Array(0));
  }
}

/** '' of a check that wrote nothing. */
async function checkOutput(file: string): Promise<string> {
  return (await ifPresent(fs.readFile(file, 'utf8'))) ?? '';
}

/** Undefined once it runs; why not, when the program can't be executed. */
async function start(
  client: ContainerdClient,
  containerId: string,
  execId: string,
): Promise<string | undefined> {
  try {
    await client.tasks.start({ containerId, execId });
    return undefined;
  } catch (error) {
    if (error instanceof SwarmError && !error.temporary && error.code !== 'notFound') {
      return error.message;
    }
    throw error;
  }
}

function captureUri(loggerPath: string, file: string): string {
  const query = new URLSearchParams({ file, mode: 'capture', limit: String(MAX_OUTPUT_BYTES) });
  return `binary://${loggerPath}?${query.toString()}`;
}
