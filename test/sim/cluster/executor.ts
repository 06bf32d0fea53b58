// A runtime that only pretends: containers are records that outlive the daemon, and lose their
// processes with the machine. What a container does is said by its image's name: good, slow (to pull),
// crash (some time after its start), once (ends well), missing, sick (never healthy), stubborn (slow to stop).
import type { Prng, VirtualClock } from 'sim';
import { SwarmError, sleep } from '../../../src/base/index.ts';
import type { NodeDescription } from '../../../src/model/index.ts';
import type { Overlay } from '../../../src/overlay/index.ts';
import type {
  ContainerObservation,
  Executor,
  TaskContext,
  TaskController,
  TaskExit,
} from '../../../src/worker/runtime/executor.ts';
import type { SimulatedProcess } from './process.ts';

/** Addresses of a container on its networks. */
export interface ContainerAddress {
  readonly networkId: string;
  readonly address: string;
}

/** One container of a machine. */
export interface SimulatedContainer {
  readonly taskId: string;
  readonly nodeId: string;
  readonly serviceId: string;
  readonly image: string;
  readonly addresses: readonly ContainerAddress[];
  state: 'created' | 'running' | 'exited';
  exit: TaskExit | undefined;
}

/** Who wants to know what containers do. */
export interface ContainerObserver {
  created(host: string, container: SimulatedContainer, payloads: readonly string[]): void;
  started(host: string, container: SimulatedContainer): void;
  /** Its daemon is about to tell a running one to stop. */
  stopping(host: string, container: SimulatedContainer): void;
  ended(host: string, container: SimulatedContainer): void;
  removed(host: string, container: SimulatedContainer): void;
}

const LOST: TaskExit = { exitCode: -1, oomKilled: false, error: 'task: the container was lost' };
const FAILED: TaskExit = { exitCode: 1, oomKilled: false, error: 'task: non-zero exit (1)' };
const DONE: TaskExit = { exitCode: 0, oomKilled: false };

/** What of the machine's runtime outlives the daemon. */
export class SimulatedRuntime {
  readonly host: string;
  readonly containers = new Map<string, SimulatedContainer>();
  readonly images = new Set<string>();
  readonly #clock: VirtualClock;
  readonly #random: Prng;
  readonly #observer: ContainerObserver;
  readonly #waiting = new Map<SimulatedContainer, (() => void)[]>();

  constructor(host: string, clock: VirtualClock, random: Prng, observer: ContainerObserver) {
    this.host = host;
    this.#clock = clock;
    this.#random = random;
    this.#observer = observer;
  }

  create(container: SimulatedContainer, payloads: readonly string[]): void {
    this.containers.set(container.taskId, container);
    this.#observer.created(this.host, container, payloads);
  }

  start(container: SimulatedContainer): void {
    container.state = 'running';
    this.#observer.started(this.host, container);
    const { image } = container;
    if (!image.startsWith('crash') && !image.startsWith('once')) return;
    const exit = image.startsWith('once') ? DONE : FAILED;
    this.#clock.after(this.#random.between(200, 3_000), () => this.end(container, exit));
  }

  stopping(container: SimulatedContainer): void {
    if (container.state === 'running') this.#observer.stopping(this.host, container);
  }

  end(container: SimulatedContainer, exit: TaskExit): void {
    if (container.state === 'exited') return;
    const ran = container.state === 'running';
    container.state = 'exited';
    container.exit = exit;
    if (ran) this.#observer.ended(this.host, container);
    for (const tell of this.#waiting.get(container) ?? []) tell();
    this.#waiting.delete(container);
  }

  onEnd(container: SimulatedContainer, tell: () => void): void {
    if (container.state === 'exited') return tell();
    this.#waiting.set(container, [...(this.#waiting.get(container) ?? []), tell]);
  }

  remove(container: SimulatedContainer): void {
    this.end(container, LOST);
    if (this.containers.get(container.taskId) !== container) return;
    this.containers.delete(container.taskId);
    this.#observer.removed(this.host, container);
  }

  /** A container ends by itself, as its program does when it has a fault. */
  crashOne(): string | undefined {
    const running = [...this.containers.values()].filter(({ state }) => state === 'running');
    if (running.length === 0) return undefined;
    const chosen = this.#random.pick(running);
    this.end(chosen, FAILED);
    return chosen.taskId;
  }

  /** The machine is made anew. */
  wipe(): void {
    for (const container of this.containers.values()) this.remove(container);
  }

  /** The power is gone: processes end, records stay. */
  powerLost(): void {
    for (const container of this.containers.values()) {
      if (container.state === 'running') this.end(container, LOST);
    }
  }
}

/** What the executor of one daemon works with. */
export interface ExecutorOptions {
  readonly process: SimulatedProcess;
  readonly runtime: SimulatedRuntime;
  readonly overlay: Overlay;
  readonly description: NodeDescription;
}

/** The executor of one daemon, on the machine's runtime. */
export class SimulatedExecutor implements Executor {
  readonly #options: ExecutorOptions;

  constructor(options: ExecutorOptions) {
    this.#options = options;
  }

  async describe(): Promise<NodeDescription> {
    return this.#options.description;
  }

  controller(context: TaskContext): TaskController {
    return new SimulatedController(this.#options, context);
  }

  async listTasks(): Promise<string[]> {
    await this.#pause(5);
    return [...this.#options.runtime.containers.keys()].sort();
  }

  async removeTask(taskId: string): Promise<void> {
    await removeContainer(this.#options, taskId);
  }

  #pause(maxMs: number): Promise<void> {
    const { clock, random } = this.#options.process;
    return sleep(clock, 1 + random.below(maxMs));
  }
}

async function removeContainer(options: ExecutorOptions, taskId: string): Promise<void> {
  const { process, runtime, overlay } = options;
  await sleep(process.clock, 1 + process.random.below(20));
  const container = runtime.containers.get(taskId);
  if (container !== undefined) runtime.end(container, LOST);
  await overlay.detach(taskId);
  if (container !== undefined) runtime.remove(container);
}

class SimulatedController implements TaskController {
  readonly #options: ExecutorOptions;
  readonly #context: TaskContext;

  constructor(options: ExecutorOptions, context: TaskContext) {
    this.#options = options;
    this.#context = context;
  }

  async observe(): Promise<ContainerObservation> {
    await this.#pause(3);
    const container = this.#container;
    if (container === undefined) return { state: 'absent' };
    const { state, exit } = container;
    const containerId = `c-${container.taskId}`;
    if (state === 'running') return { state, containerId, pid: 1, healthy: true };
    return exit === undefined ? { state, containerId } : { state, containerId, exit };
  }

  async prepare(signal: AbortSignal): Promise<void> {
    const { runtime, overlay } = this.#options;
    const { task, revision } = this.#context;
    const image = revision.spec.TaskTemplate.ContainerSpec.Image;
    await this.#pull(image, signal);
    const payloads = this.#payloads();
    await overlay.attach(task);
    this.#checkAborted(signal);
    await this.#pause(20);
    if (this.#container !== undefined) return;
    const addresses = task.networks.flatMap(({ networkId, addresses: own }) =>
      own.map((address) => ({ networkId, address: address.split('/')[0] ?? '' })),
    );
    const { id: taskId, serviceId, nodeId } = task;
    runtime.create(
      { taskId, nodeId, serviceId, image, addresses, state: 'created', exit: undefined },
      payloads,
    );
  }

  async start(signal: AbortSignal): Promise<void> {
    await this.#pause(50);
    const container = this.#container;
    if (container === undefined) {
      throw new SwarmError('precondition', `task ${this.#context.task.id} has no container`);
    }
    this.#checkAborted(signal);
    if (container.state === 'created') this.#options.runtime.start(container);
    if (!container.image.startsWith('sick')) return;
    await this.#pause(1_000);
    this.#checkAborted(signal);
    await this.shutdown();
    throw new SwarmError('precondition', 'unhealthy container: check failed');
  }

  wait(signal: AbortSignal): Promise<TaskExit> {
    const { process, runtime } = this.#options;
    return new Promise((resolve, reject) => {
      const container = this.#container;
      if (container === undefined) return resolve(LOST);
      signal.addEventListener('abort', () =>
        reject(new SwarmError('unavailable', 'waiting was given up')),
      );
      const ended = (): void => process.enter(() => resolve(container.exit ?? LOST));
      runtime.onEnd(container, ended);
    });
  }

  /** Clients come and go; a few stay for longer than anybody waits for them. */
  async connections(): Promise<number> {
    await this.#pause(3);
    const { random } = this.#options.process;
    return random.chance(0.7) ? 0 : 1 + random.below(5);
  }

  async shutdown(): Promise<TaskExit> {
    const container = this.#container;
    const stubborn = container?.image.startsWith('stubborn') === true;
    if (container !== undefined) this.#options.runtime.stopping(container);
    await this.#pause(stubborn ? 5_000 : 100);
    if (container === undefined) return { exitCode: 0, oomKilled: false };
    this.#options.runtime.end(container, { exitCode: 143, oomKilled: false });
    return container.exit ?? LOST;
  }

  async remove(): Promise<void> {
    await removeContainer(this.#options, this.#context.task.id);
  }

  get #container(): SimulatedContainer | undefined {
    return this.#options.runtime.containers.get(this.#context.task.id);
  }

  async #pull(image: string, signal: AbortSignal): Promise<void> {
    const { runtime, process } = this.#options;
    if (runtime.images.has(image)) return this.#pause(5);
    await this.#pause(image.startsWith('slow') ? 4_000 : 300);
    this.#checkAborted(signal);
    if (image.startsWith('missing')) throw new SwarmError('notFound', `no such image: ${image}`);
    if (process.random.chance(0.02)) {
      throw new SwarmError('unavailable', 'the registry does not answer');
    }
    runtime.images.add(image);
  }

  /** What the container is given; secrets are in memory only and may still be on their way. */
  #payloads(): string[] {
    const { ContainerSpec: container } = this.#context.revision.spec.TaskTemplate;
    const ids = [
      ...(container.Secrets ?? []).map(({ SecretID }) => SecretID),
      ...(container.Configs ?? []).map(({ ConfigID }) => ConfigID),
    ];
    for (const id of ids) {
      if (this.#context.payload(id) === undefined) {
        throw new SwarmError('unavailable', `secret or config ${id} has not arrived`);
      }
    }
    return ids;
  }

  #checkAborted(signal: AbortSignal): void {
    if (signal.aborted) throw new SwarmError('unavailable', 'given up');
  }

  #pause(maxMs: number): Promise<void> {
    const { clock, random } = this.#options.process;
    return sleep(clock, 1 + random.below(maxMs));
  }
}
