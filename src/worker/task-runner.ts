// Carries out one task: asks the machine for the next step, takes it on the controller, reports the
// state. One step at a time; an order to stop interrupts a step that can take long.
import {
  SwarmError,
  backoffMs,
  messageOf,
  sleep,
  type Clock,
  type Logger,
  type Random,
} from '../base/index.ts';
import { abortedWith } from '../base/async/index.ts';
import {
  TASK_STATE,
  isTerminal,
  laterState,
  type TaskState,
  type TaskStatus,
} from '../model/index.ts';
import type { ContainerObservation, TaskController, TaskExit } from './runtime/index.ts';
import { nextStep } from './task-machine.ts';

/** Temporary errors (a registry that does not answer) are retried within one attempt of the task. */
const RETRIES_MAX = 4;
const RETRY = { minMs: 500, maxMs: 8_000 };

/** Preparing or starting went wrong: that is the task's end, unlike an error in looking at it. */
class StepFailed extends Error {
  constructor(cause: unknown) {
    super('step failed', { cause });
  }
}

export interface TaskRunnerOptions {
  readonly taskId: string;
  readonly controller: TaskController;
  readonly desired: TaskState;
  /** The last status that was stored; undefined for a task that is new here. */
  readonly status: TaskStatus | undefined;
  readonly report: (status: TaskStatus) => void;
  /**
   * What comes between the order that a running task stops and its stop signal (see graceful-stop.ts);
   * returns at once when `signal` aborts. Absent: nothing.
   */
  readonly gracefulStop?: (say: (message: string) => void, signal: AbortSignal) => Promise<void>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export class TaskRunner {
  readonly #options: TaskRunnerOptions;
  #status: TaskStatus;
  #desired: TaskState;
  #step = new AbortController();
  #wake: (() => void) | undefined;
  #stopped = false;
  #hurry = false;
  /** Started by this daemon and not said to run yet: nobody is sent to it. */
  #starting = false;
  /** What the container is after our own step; asked for when unknown. */
  #known: ContainerObservation | undefined;
  readonly #finished: Promise<void>;

  constructor(options: TaskRunnerOptions) {
    this.#options = options;
    this.#desired = options.desired;
    this.#status = options.status ?? {
      state: 'assigned',
      timestamp: options.clock.now(),
      message: 'assigned',
    };
    this.#finished = this.#run();
  }

  get status(): TaskStatus {
    return this.#status;
  }

  /** The desired state that the managers give; it only grows. */
  desire(desired: TaskState): void {
    if (TASK_STATE[desired] <= TASK_STATE[this.#desired]) return;
    // A second order while it stops gracefully: it is to go now.
    if (TASK_STATE[this.#desired] >= TASK_STATE.shutdown) this.#hurry = true;
    this.#desired = desired;
    if (TASK_STATE[desired] >= TASK_STATE.shutdown) this.#step.abort();
    this.#wake?.();
  }

  /** Stops deciding and leaves the container as it is (the daemon ends). */
  async detach(): Promise<void> {
    this.#stopped = true;
    this.#step.abort();
    this.#wake?.();
    await this.#finished;
  }

  /** The assignment is gone: container and files go too. */
  async remove(): Promise<void> {
    // Nobody is left to say who may still send it something.
    this.#hurry = true;
    this.desire('remove');
    await this.#finished;
    await this.#options.controller.remove();
  }

  async #run(): Promise<void> {
    const { clock, logger, taskId } = this.#options;
    while (!this.#stopped) {
      try {
        if (await this.#turn()) return;
      } catch (error) {
        if (this.#stopped) return;
        if (error instanceof StepFailed) this.#fail(error.cause);
        else if (!this.#step.signal.aborted) {
          // Looking and stopping must succeed in the end: the container may well be running.
          logger.warn({ taskId, error: messageOf(error) }, 'a step is tried again');
          await sleep(clock, RETRY.minMs);
        }
      }
    }
  }

  /** One step; true when nothing is left to do but to be removed. */
  async #turn(): Promise<boolean> {
    const { controller } = this.#options;
    const container = this.#known ?? (await controller.observe());
    this.#known = undefined;
    if (this.#stopped) return true;
    // Only now: an order that came while we looked is one that this step acts on.
    this.#step = new AbortController();
    const step = nextStep(this.#desired, this.#status.state, container);
    switch (step.kind) {
      case 'prepare':
        this.#report('preparing', 'preparing');
        await this.#retried((signal) => controller.prepare(signal));
        this.#known = { state: 'created' };
        // On its way up a task says where it stays, not every step that it passes.
        if (TASK_STATE[this.#desired] < TASK_STATE.running) this.#report('ready', 'prepared');
        return false;
      case 'hold':
        if (this.#status.state !== 'ready') this.#report('ready', 'prepared');
        await this.#changed();
        return false;
      case 'start':
        this.#report('starting', 'starting');
        this.#starting = container.state !== 'running';
        await this.#retried((signal) => controller.start(signal));
        if (this.#step.signal.aborted) return false;
        this.#starting = false;
        this.#known = await controller.observe();
        this.#reportRunning(this.#known);
        return false;
      case 'wait': {
        const exit = await controller.wait(this.#step.signal);
        if (!this.#step.signal.aborted) this.#reportExit(exit, container);
        return false;
      }
      case 'shutdown':
        await this.#shutdown(container);
        return false;
      case 'ended':
        this.#reportExit(container.exit ?? lost(), container);
        return false;
      case 'done':
        if (TASK_STATE[this.#desired] >= TASK_STATE.shutdown) return true;
        await this.#changed();
        return false;
    }
  }

  /** True when the task may be stopped now; false when there is something newer to be looked at. */
  async #stoppedGracefully(container: ContainerObservation): Promise<boolean> {
    const { gracefulStop, controller } = this.#options;
    // The status alone does not tell: it may be older than the crash that this daemon starts after.
    const served = container.state === 'running' && !this.#starting;
    if (gracefulStop === undefined || !served || this.#hurry) return true;
    const ended = abortedWith(this.#step.signal);
    const { signal } = ended;
    // A process that ends by itself meanwhile is waited for no longer.
    controller.wait(signal).then(
      () => ended.abort(),
      () => {},
    );
    try {
      await gracefulStop((message) => this.#report('running', message), signal);
    } catch (error) {
      const { logger, taskId } = this.#options;
      logger.error({ taskId, error: messageOf(error) }, 'the task stops without being drained');
    }
    ended.abort();
    return !this.#stopped;
  }

  async #shutdown(container: ContainerObservation): Promise<void> {
    if (!(await this.#stoppedGracefully(container))) return;
    const exit = await this.#options.controller.shutdown();
    const id = container.containerId;
    const more = id === undefined ? {} : { container: { id, pid: 0, exitCode: exit.exitCode } };
    this.#report('shutdown', 'shutdown', more);
  }

  #reportRunning(container: ContainerObservation): void {
    if (container.state !== 'running') return;
    const { containerId, pid } = container;
    const more =
      containerId === undefined
        ? {}
        : { container: { id: containerId, pid: pid ?? 0, exitCode: 0 } };
    this.#report('running', 'started', more);
  }

  #reportExit(exit: TaskExit, container: ContainerObservation): void {
    const id = container.containerId ?? this.#status.container?.id;
    const more = id === undefined ? {} : { container: { id, pid: 0, exitCode: exit.exitCode } };
    if (exit.exitCode === 0 && exit.error === undefined) {
      this.#report('complete', 'finished', more);
    } else {
      const error = exit.error ?? `task: non-zero exit (${exit.exitCode})`;
      this.#report('failed', 'started', { ...more, error });
    }
  }

  /** Before `starting` an error rejects the task, after it the task has failed. */
  #fail(error: unknown): void {
    if (this.#step.signal.aborted && !isTerminal(this.#status.state)) return;
    const rejected = TASK_STATE[this.#status.state] < TASK_STATE.starting;
    this.#options.logger.info(
      { taskId: this.#options.taskId, error: messageOf(error) },
      'task failed',
    );
    this.#report(rejected ? 'rejected' : 'failed', this.#status.message, {
      error: messageOf(error),
    });
  }

  async #retried(act: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const { clock, random } = this.#options;
    for (let tries = 0; ; tries++) {
      try {
        await act(this.#step.signal);
        return;
      } catch (error) {
        const temporary = error instanceof SwarmError && error.temporary;
        if (!temporary || tries >= RETRIES_MAX || this.#step.signal.aborted) {
          throw new StepFailed(error);
        }
        await sleep(clock, backoffMs(tries, RETRY, random), this.#step.signal);
      }
    }
  }

  #changed(): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    const before = this.#desired;
    return new Promise((resolve) => {
      this.#wake = () => {
        if (this.#desired === before && !this.#stopped) return;
        this.#wake = undefined;
        resolve();
      };
    });
  }

  #report(state: TaskState, message: string, more: Partial<TaskStatus> = {}): void {
    if (laterState(state, this.#status.state) !== state) return;
    this.#status = {
      ...this.#status,
      ...more,
      state,
      message,
      timestamp: this.#options.clock.now(),
    };
    this.#options.report(this.#status);
  }
}

function lost(): TaskExit {
  return { exitCode: -1, oomKilled: false, error: 'the container is gone' };
}
