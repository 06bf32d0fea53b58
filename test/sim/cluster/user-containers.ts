// Users' containers of a simulated machine: a runtime that only pretends, whose runs outlive the daemon
// and end with the machine's power, and the real keeper on top of it, wired as src/daemon does it. What a
// container does is said by its image's name: good (ends now and then), short, crash, stubborn.
import type { Prng, VirtualClock } from 'sim';
import { SwarmError, sleep, type Disk, type Logger } from '../../../src/base/index.ts';
import { BoundNetworking } from '../../../src/daemon/bound-networking.ts';
import type { NodeDescription } from '../../../src/model/index.ts';
import type { Overlay } from '../../../src/overlay/index.ts';
import type {
  ContainerLogLine,
  ContainerRun,
  ContainerRuntime,
  RunEnd,
} from '../../../src/worker/runtime/container-runtime.ts';
import type { TaskContext, TaskExit } from '../../../src/worker/runtime/executor.ts';
import { UserContainers, type AskManagers } from '../../../src/worker/standalone/index.ts';
import type { ContainerObserver, SimulatedContainer } from './executor.ts';
import type { SimulatedProcess } from './process.ts';

/** One run of a user's container; `taskId` is its place's, or made up for one without. */
export interface UserRun extends SimulatedContainer {
  readonly key: string;
  readonly containerId: string;
  /** By which the overlay knows it. */
  readonly overlayId: string;
  startedAt: number | undefined;
  finishedAt: number;
}

const LOST: TaskExit = { exitCode: 255, oomKilled: false, error: 'task: the container was lost' };
const NONE: ContainerRun = { state: 'absent', pid: 0, startedAt: undefined, end: undefined };

/** 64 hexadecimal digits, as real ones. */
const containerIdOf = (key: string): string =>
  Buffer.from(key).reverse().toString('hex').padEnd(64, '0').slice(0, 64);

/** What of the machine's runtime outlives the daemon. */
export class UserRuntime {
  /** The present or last run of each container. */
  readonly runs = new Map<string, UserRun>();
  readonly #host: string;
  readonly #clock: VirtualClock;
  readonly #random: Prng;
  readonly #observer: ContainerObserver;
  readonly #calm: () => boolean;
  readonly #waiting = new Map<UserRun, (() => void)[]>();
  #count = 0;

  /** `calm`: nothing ends by itself any more. */
  constructor(
    host: string,
    clock: VirtualClock,
    random: Prng,
    observer: ContainerObserver,
    calm: () => boolean,
  ) {
    this.#host = host;
    this.#clock = clock;
    this.#random = random;
    this.#observer = observer;
    this.#calm = calm;
  }

  get running(): UserRun[] {
    return [...this.runs.values()].filter(({ state }) => state === 'running');
  }

  /** Whether what is named so fails to start this time; nothing ends or fails once it is calm. */
  startFails({ image }: UserRun): boolean {
    return image.startsWith('crash') && !this.#calm() && this.#random.chance(0.2);
  }

  create(context: TaskContext, nodeId: string, attachmentId: string | undefined): void {
    const { id: key, networks } = context.task;
    this.runs.set(key, {
      key,
      containerId: containerIdOf(key),
      overlayId: attachmentId ?? key,
      taskId: attachmentId ?? `${key}/${++this.#count}`,
      nodeId,
      serviceId: '',
      image: context.revision.spec.TaskTemplate.ContainerSpec.Image,
      addresses: networks.flatMap(({ networkId, addresses }) =>
        addresses.map((address) => ({ networkId, address: address.split('/')[0] ?? '' })),
      ),
      state: 'created',
      exit: undefined,
      startedAt: undefined,
      finishedAt: 0,
    });
  }

  start(run: UserRun): void {
    run.state = 'running';
    run.startedAt = this.#clock.now();
    this.#observer.started(this.#host, run);
    const { image } = run;
    const short = image.startsWith('short') || image.startsWith('crash');
    if (!short && !this.#random.chance(0.3)) return;
    const life = short ? this.#random.between(200, 4_000) : this.#random.between(2_000, 30_000);
    const exitCode = image.startsWith('short') ? 0 : this.#random.pick([0, 1, 137]);
    this.#clock.after(life, () => {
      if (!this.#calm()) this.end(run, { exitCode, oomKilled: false });
    });
  }

  end(run: UserRun, exit: TaskExit): void {
    if (run.state === 'exited') return;
    const ran = run.state === 'running';
    run.state = 'exited';
    run.exit = exit;
    run.finishedAt = this.#clock.now();
    if (ran) this.#observer.ended(this.#host, run);
    for (const tell of this.#waiting.get(run) ?? []) tell();
    this.#waiting.delete(run);
  }

  onEnd(run: UserRun, tell: () => void): void {
    if (run.state === 'exited') return tell();
    this.#waiting.set(run, [...(this.#waiting.get(run) ?? []), tell]);
  }

  /** The power is gone: processes end, records stay. */
  powerLost(): void {
    for (const run of this.running) this.end(run, LOST);
  }

  /** The machine is made anew. */
  wipe(): void {
    for (const run of this.runs.values()) this.end(run, LOST);
    this.runs.clear();
  }
}

/** What the keeper of one daemon's process works with. */
export interface UserContainersSetup {
  readonly process: SimulatedProcess;
  readonly machine: { readonly userRuntime: UserRuntime; readonly description: NodeDescription };
  readonly overlay: Overlay;
  readonly disk: Disk;
  readonly logger: Logger;
  readonly nodeId: () => string;
  readonly askManagers: AskManagers;
}

/** The real keeper on the machine's pretended runtime. */
export function keepUserContainers(setup: UserContainersSetup): UserContainers {
  const { process, machine, overlay, disk, logger, askManagers } = setup;
  const bound = new BoundNetworking(overlay);
  const places = new Map<string, string | undefined>();
  return new UserContainers({
    directory: '/containers',
    runtime: new ProcessRuntime(setup, bound, places),
    networking: {
      bind: (key, attachmentId) => {
        places.set(key, attachmentId);
        bound.bind(key, attachmentId);
      },
      addresses: (key) => bound.addresses(key),
      detach: (key) => bound.detach(key),
    },
    askManagers,
    describeNetworks: () => [],
    node: () => ({ id: '', ...machine.description }),
    clock: process.clock,
    random: process.random.split('containers'),
    disk,
    logger,
  });
}

/** The runtime as one process of the daemon has it. */
class ProcessRuntime implements ContainerRuntime {
  readonly #setup: UserContainersSetup;
  readonly #networking: BoundNetworking;
  readonly #places: ReadonlyMap<string, string | undefined>;
  readonly #random: Prng;

  constructor(
    setup: UserContainersSetup,
    networking: BoundNetworking,
    places: ReadonlyMap<string, string | undefined>,
  ) {
    this.#setup = setup;
    this.#networking = networking;
    this.#places = places;
    this.#random = setup.process.random.split('container runtime');
  }

  containerId(key: string): string {
    return containerIdOf(key);
  }

  async imageId(reference: string): Promise<string | undefined> {
    await this.#pause(5);
    return `sha256:${reference}`;
  }

  checkSignal(): void {
    // All that clients here send are signals.
  }

  async prepare(context: TaskContext): Promise<void> {
    await this.#pause(100);
    await this.#networking.attach(context.task);
    await this.#pause(20);
    this.#runtime.create(context, this.#setup.nodeId(), this.#places.get(context.task.id));
  }

  async start(key: string): Promise<void> {
    await this.#pause(50);
    const run = this.#run(key);
    if (run === undefined) throw new SwarmError('precondition', `${key} has no container to start`);
    if (this.#runtime.startFails(run)) {
      throw new SwarmError('precondition', 'starting container failed');
    }
    if (run.state === 'created') this.#runtime.start(run);
  }

  async observe(key: string): Promise<ContainerRun> {
    await this.#pause(3);
    const run = this.#run(key);
    if (run === undefined) return NONE;
    const { state, startedAt } = run;
    return { state, pid: state === 'running' ? 1 : 0, startedAt, end: endOf(run) };
  }

  health(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  volumes(): Promise<readonly string[]> {
    return Promise.resolve([]);
  }

  wait(key: string, signal: AbortSignal): Promise<RunEnd> {
    const { process } = this.#setup;
    const runtime = this.#runtime;
    return new Promise((resolve, reject) => {
      const run = this.#run(key);
      if (run === undefined) return resolve({ ...LOST, finishedAt: process.clock.now() });
      const abort = (): void => reject(new SwarmError('unavailable', 'waiting was given up'));
      signal.addEventListener('abort', abort);
      runtime.onEnd(run, () =>
        process.enter(() => {
          signal.removeEventListener('abort', abort);
          resolve(endOf(run) ?? { ...LOST, finishedAt: 0 });
        }),
      );
    });
  }

  async stop(key: string, { graceMs = 10_000 }: { readonly graceMs?: number }): Promise<void> {
    const stubborn = this.#run(key)?.image.startsWith('stubborn') === true;
    await this.#pause(stubborn ? Math.min(graceMs, 5_000) : 100);
    const run = this.#run(key);
    if (run !== undefined) this.#runtime.end(run, { exitCode: 143, oomKilled: false });
  }

  async kill(key: string, signal: string): Promise<void> {
    await this.#pause(20);
    const run = this.#run(key);
    if (run === undefined || (run.image.startsWith('stubborn') && signal !== 'KILL')) return;
    this.#runtime.end(run, { exitCode: 137, oomKilled: false });
  }

  async renew(key: string): Promise<void> {
    await this.#pause(5);
    const run = this.#run(key);
    if (run === undefined) return;
    this.#runtime.end(run, LOST);
    this.#runtime.runs.delete(key);
  }

  async remove(key: string): Promise<void> {
    await this.#pause(20);
    const run = this.#run(key);
    if (run !== undefined) this.#runtime.end(run, LOST);
    await this.#networking.detach(key);
    this.#runtime.runs.delete(key);
  }

  // oxlint-disable-next-line require-yield
  async *logs(): AsyncGenerator<ContainerLogLine> {
    await this.#pause(5);
  }

  get #runtime(): UserRuntime {
    return this.#setup.machine.userRuntime;
  }

  #run(key: string): UserRun | undefined {
    return this.#runtime.runs.get(key);
  }

  #pause(maxMs: number): Promise<void> {
    return sleep(this.#setup.process.clock, 1 + this.#random.below(maxMs));
  }
}

function endOf({ exit, finishedAt }: UserRun): RunEnd | undefined {
  return exit && { ...exit, finishedAt };
}
