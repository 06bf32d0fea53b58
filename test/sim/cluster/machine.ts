// A simulated machine: its disk, kernel and runtime, which outlive the daemon, and the daemon's process,
// which comes and goes.
import { SimDisk, type Prng } from 'sim';
import { messageOf, sleep } from '../../../src/base/index.ts';
import type { NodeDescription } from '../../../src/model/index.ts';
import { FakeKernel } from '../../builders/overlay-world.ts';
import { SimulatedDaemon } from './daemon.ts';
import { goodDisk, type DiskFaults } from './disk.ts';
import { SimulatedRuntime, type ContainerObserver } from './executor.ts';
import { SimulatedProcess, type Timekeeping } from './process.ts';
import { UserRuntime } from './user-containers.ts';
import type { World } from './world.ts';

/** An operator waits so long for `leave`, then wipes the machine. */
const LEAVE_LIMIT_MS = 10_000;

/** One machine, on or off. */
export class Machine {
  readonly number: number;
  readonly host: string;
  readonly runtime: SimulatedRuntime;
  readonly userRuntime: UserRuntime;
  readonly disk = new SimDisk();
  readonly time: Timekeeping = { rate: 1, offsetMs: 0, lagMs: 0 };
  readonly diskFaults: DiskFaults = goodDisk();
  readonly runDiskFaults: DiskFaults = { syncMs: 0, syncFails: 0, full: false };
  readonly description: NodeDescription;
  /** Empty after a power cut. */
  runDisk = new SimDisk();
  kernel = new FakeKernel();
  daemon: SimulatedDaemon | undefined;
  /** It joins as this when it is started for the first time. */
  readonly joinsAs: 'found' | { readonly join: 'manager' | 'worker' };
  /** Off from a power cut to the next start: then nothing of it answers. */
  powered = true;
  /** Nobody starts it again. */
  retired = false;
  readonly #world: World;
  readonly #random: Prng;
  #runs = 0;

  constructor(
    world: World,
    number: number,
    joinsAs: 'found' | { join: 'manager' | 'worker' },
    observer: ContainerObserver,
  ) {
    this.#world = world;
    this.number = number;
    this.host = `h${number}`;
    this.joinsAs = joinsAs;
    this.#random = world.random.split(this.host);
    const runtimeRandom = this.#random.split('runtime');
    this.runtime = new SimulatedRuntime(this.host, world.clock, runtimeRandom, observer);
    this.userRuntime = new UserRuntime(
      this.host,
      world.clock,
      this.#random.split('user containers'),
      observer,
      () => world.mended,
    );
    this.description = {
      hostname: this.host,
      platform: { architecture: 'x86_64', os: 'linux' },
      resources: { nanoCpus: 4e9, memoryBytes: 8e9 },
      engine: { version: 'simulated', labels: {}, plugins: [] },
    };
  }

  get address(): string {
    return `${this.host}:2377`;
  }

  get raftAddress(): string {
    return `${this.host}:2378`;
  }

  /** For VXLAN. */
  get underlay(): string {
    return `10.99.${this.number >> 8}.${this.number & 255}`;
  }

  get process(): SimulatedProcess | undefined {
    return this.daemon?.process;
  }

  get nodeId(): string | undefined {
    return this.daemon?.nodeId;
  }

  /** Starts the daemon where none runs. */
  start(): void {
    if (this.daemon !== undefined || this.retired) return;
    this.powered = true;
    const run = ++this.#runs;
    const random = this.#random.split(`run${run}`);
    const { clock } = this.#world;
    const process = new SimulatedProcess(`${this.host}/${run}`, clock, random, this.time);
    const daemon = new SimulatedDaemon(this.#world, this, process);
    this.daemon = daemon;
    this.#world.trace.line(`${this.host} starts`);
    daemon.start(this.joinsAs).catch((error: unknown) => {
      if (process.alive) this.#world.daemonFailed(daemon, error);
    });
  }

  /** SIGKILL to the daemon: containers, kernel and disk stay. */
  kill(): void {
    const daemon = this.daemon;
    if (daemon === undefined) return;
    this.daemon = undefined;
    daemon.process.kill();
    this.#world.trace.line(`${this.host} killed`);
  }

  /** Everything that was not on stable storage is gone. */
  cutPower(): void {
    this.kill();
    this.powered = false;
    this.#world.trace.line(`${this.host} without power`);
    this.runtime.powerLost();
    this.userRuntime.powerLost();
    this.disk.crash(this.#random.split(`crash${this.#runs}`));
    this.kernel = new FakeKernel();
    this.runDisk = new SimDisk();
  }

  /** What the agent knew of its tasks is gone; containers are not. */
  forget(): void {
    void this.disk.remove('/node/assignments.json');
    void this.disk.syncDirectory('/node');
  }

  /** Leaves the cluster for good; what it could not clean up goes with the machine. */
  async leave(): Promise<boolean> {
    const { daemon } = this;
    if (daemon === undefined || this.retired) return false;
    this.retired = true;
    const limit = sleep(this.#world.clock, LEAVE_LIMIT_MS);
    const left = daemon.leave().catch(() => {});
    await Promise.race([limit, left]);
    this.kill();
    this.powered = false;
    this.runtime.wipe();
    this.userRuntime.wipe();
    return true;
  }

  /** The daemon ended by itself, or could not start; as a supervisor the world starts it again. */
  ended(error: unknown): void {
    this.#world.trace.line(`${this.host} ended: ${messageOf(error)}`);
    this.kill();
    this.#world.clock.after(1_000 + this.#random.below(2_000), () => this.start());
  }
}
