// One simulated manager machine: its disk stays, its processes come and go. Each process runs the
// real consensus on the ports of this world, and the key-value store above it.
import type { Message } from 'raft-ts';
import { CheckFailure, SimDisk, type Prng, type VirtualClock } from 'sim';
import {
  messageOf,
  silentLogger,
  SwarmError,
  type LogFields,
  type Logger,
} from '../../../src/base/index.ts';
import {
  startLocalConsensus,
  type Consensus,
  type ConsensusOptions,
  type ConsensusStatus,
  type Member,
} from '../../../src/manager/raft/index.ts';
import { recover } from '../../../src/manager/raft/host/recovery.ts';
import { SimulatedProcess, type Timekeeping } from '../cluster/process.ts';
import type { AppliedLedger } from './applied-ledger.ts';
import { KeyValueStore } from './key-value-store.ts';
import type { Links } from './links.ts';
import { machineDisk, putBefore, type DiskCondition } from './machine-disk.ts';
import type { HostsOptions } from './options.ts';
import { MemberPromises } from './promises.ts';

/** What machines share. */
export interface MachineWorld {
  readonly clock: VirtualClock;
  readonly options: HostsOptions;
  /** A line of the trace, at this time. */
  line(text: string): void;
  readonly links: Links;
  readonly ledger: AppliedLedger;
  /** A checker has seen a violation; the run ends with the first. */
  violated(error: unknown): void;
  /** This member says that it leads. */
  leads(raftId: number, term: number): void;
}

/** Where consensus keeps its files. */
export const DIRECTORY = '/raft';

/** What is wrong with a machine now. */
export interface MachineCondition extends DiskCondition {
  /** The owner's thread takes what raft's thread hands it up to this much later. */
  ownerBusyMsMax: number;
  /** It takes nothing at all before this time. */
  ownerStallsUntilMs: number;
}

interface Running {
  readonly process: SimulatedProcess;
  readonly store: KeyValueStore;
  consensus: Consensus | undefined;
  /** What the disk was made to refuse, if anything. */
  refused: string | undefined;
}

/** One machine; `self` is its identity for as long as its disk is good. */
export class Machine {
  readonly self: Member;
  readonly disk = new SimDisk();
  readonly condition: MachineCondition;
  readonly time: Timekeeping;
  readonly #world: MachineWorld;
  readonly #prng: Prng;
  readonly #promises: MemberPromises;
  #running: Running | undefined;
  #hasBegun = false;
  #processes = 0;
  /** A bit was flipped on its disk and not found yet; true once it was reported. */
  flipped: 'no' | 'unnoticed' | 'reported' = 'no';
  /** Its removal was asked for, and may yet happen. */
  leaving = false;
  /** Removed from the group for good, its disk thrown away. */
  retired = false;
  /** Its last start or run ended because of its disk. */
  lastEnd = '';

  constructor(raftId: number, nodeId: string, world: MachineWorld, prng: Prng) {
    this.self = { raftId, nodeId, address: `m${raftId}:2378` };
    this.#world = world;
    this.#prng = prng;
    this.#promises = new MemberPromises(this.name);
    this.condition = {
      syncMsMax: world.options.syncMsMax,
      failNextSync: false,
      ownerBusyMsMax: world.options.ownerBusyMsMax,
      ownerStallsUntilMs: 0,
    };
    const { drift } = world.options;
    const rate = 1 + drift * (prng.below(201) / 100 - 1);
    this.time = { rate, offsetMs: 0, lagMs: 0 };
    putBefore(this.disk, this.condition, world.clock, (bound) => prng.below(bound));
  }

  get name(): string {
    return `m${this.self.raftId}`;
  }

  get up(): boolean {
    return this.#running !== undefined;
  }

  /** Whether it has ever been told who the members are. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** Undefined while it is down or starting. */
  get consensus(): Consensus | undefined {
    return this.#running?.consensus;
  }

  get store(): KeyValueStore | undefined {
    return this.#running?.store;
  }

  get process(): SimulatedProcess | undefined {
    return this.#running?.process;
  }

  get status(): ConsensusStatus | undefined {
    return this.consensus?.status;
  }

  get isLeader(): boolean {
    return this.status?.isLeader === true;
  }

  /** Begins to start; what comes of it is seen in `consensus`, `up` and `flipped`. */
  start(start: ConsensusOptions['start']): void {
    const { clock, links, ledger } = this.#world;
    const name = `${this.name}.${++this.#processes}`;
    const random = this.#prng.split(`process ${this.#processes}`);
    const process = new SimulatedProcess(name, clock, random, this.time);
    const store = new KeyValueStore(name, ledger);
    const running: Running = { process, store, consensus: undefined, refused: undefined };
    this.#running = running;
    this.#world.line(`${name} starts (${start.kind})`);
    const ended = (error: unknown): void => {
      if (this.#running === running) this.#ended(running, error);
    };
    startLocalConsensus(
      this.#consensusOptions(start),
      {
        apply: (entries) => process.alive && store.apply(entries),
        snapshot: () => store.snapshot(),
        restore: (index, chunks) => store.restore(index, chunks),
        statusChanged: (status) => this.#statusChanged(running, status),
        failed: ended,
      },
      {
        clock: process.clock,
        random,
        disk: machineDisk(this.disk, process, (what) => (running.refused = what)),
        logger: this.#logger(name),
        transport: () => links.transport(process, this.self, (message) => this.#sent(message)),
        toOwner: this.#owner(running),
      },
    ).then((consensus) => {
      if (!process.alive) return;
      running.consensus = consensus;
      this.#world.line(`${name} is up at ${store.index}`);
      this.#checkFiles();
      if (this.flipped === 'unnoticed') this.flipped = 'no';
    }, ended);
  }

  /** The owner's thread is busy now and then: what raft's thread hands it waits, in order. */
  #owner(running: Running): (deliver: () => void) => void {
    const { clock } = this.#world;
    const { process } = running;
    const prng = this.#prng.split(`owner ${process.name}`);
    let arrives = 0;
    const queue: (() => void)[] = [];
    const next = (): void => process.enter(queue.shift() ?? ((): void => {}));
    return (deliver) => {
      const { ownerBusyMsMax, ownerStallsUntilMs } = this.condition;
      // Not at its start: that the files are tidy then is seen when it says that it has started.
      const mayStall = running.consensus !== undefined;
      const busyMs = mayStall && prng.chance(0.3) ? prng.below(ownerBusyMsMax + 1) : 0;
      arrives = Math.max(arrives, clock.monotonicMs() + busyMs, mayStall ? ownerStallsUntilMs : 0);
      const waits = arrives - clock.monotonicMs();
      queue.push(deliver);
      if (waits === 0) queueMicrotask(next);
      else clock.after(waits, next);
    };
  }

  /** What the program says goes into the trace. */
  #logger(name: string): Logger {
    const say = (fields: LogFields, message: string): void =>
      this.#world.line(`${name}: ${message} ${JSON.stringify(fields)}`);
    const logger: Logger = { ...silentLogger, warn: say, error: say, child: () => logger };
    return logger;
  }

  #consensusOptions(start: ConsensusOptions['start']): ConsensusOptions {
    const { options } = this.#world;
    return {
      directory: DIRECTORY,
      self: this.self,
      listenAddress: this.self.address,
      start,
      tls: { certificate: '', key: '', rootCertificates: '' },
      tickMs: 100,
      electionTicks: 10,
      heartbeatTicks: 1,
      snapshotInterval: options.snapshotInterval,
      snapshotLogBytes: options.snapshotLogBytes,
      snapshotKeepEntries: options.snapshotKeepEntries,
      logSegmentBytes: options.segmentBytes,
      dataKey: new Uint8Array(32).fill(this.self.raftId),
    };
  }

  #sent(message: Message): void {
    try {
      this.#promises.sent(message);
    } catch (error) {
      this.#world.violated(error);
    }
  }

  #statusChanged(running: Running, status: ConsensusStatus): void {
    if (!running.process.alive) return;
    if (status.members.length > 0) this.#hasBegun = true;
    if (status.isLeader) this.#world.leads(status.raftId, status.term);
  }

  /** The program has ended by itself: it must have had a reason. */
  #ended(running: Running, error: unknown): void {
    this.#world.line(`${running.process.name} ended: ${messageOf(error)}`);
    running.process.kill();
    this.disk.kill();
    this.#running = undefined;
    this.lastEnd = messageOf(error);
    const damage = error instanceof SwarmError && error.code === 'dataLoss';
    if (damage && this.flipped === 'unnoticed') this.flipped = 'reported';
    else if (damage || running.refused === undefined) {
      this.#world.violated(
        error instanceof CheckFailure
          ? error
          : new CheckFailure(
              'ends only for a reason',
              `${running.process.name} ended with “${messageOf(error)}” on a disk without fault`,
            ),
      );
    }
  }

  /** SIGKILL; what was written stays, synced or not. */
  kill(): void {
    this.#running?.process.kill();
    this.#running = undefined;
    this.disk.kill();
  }

  /** The power goes; what was not synced may be gone. */
  losePower(prng: Prng): void {
    this.kill();
    this.disk.crash(prng);
  }

  /** A planned stop. */
  async stop(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    // However the close ends, the program ends.
    await running.consensus?.close().catch(() => {});
    if (this.#running === running) this.kill();
  }

  /** Reads the log as a start would, and compares it with what was promised. */
  async audit(): Promise<void> {
    const before = this.disk.before;
    this.disk.before = async () => {};
    try {
      const { directory, dataKey, self, logSegmentBytes } = this.#consensusOptions({
        kind: 'restart',
      });
      const { storage, wal } = await recover(
        {
          directory,
          dataKey,
          self,
          start: { kind: 'restart' },
          ...(logSegmentBytes === undefined ? {} : { logSegmentBytes }),
        },
        { disk: this.disk, random: this.#prng.split('audit') },
      );
      await wal.close();
      const { term, vote } = storage.initialState().hardState;
      this.#promises.check({ term, vote, lastIndex: storage.lastIndex() });
    } catch (error) {
      // Nothing written yet, no room, or damage: the start itself shows whether that may be.
      if (!(error instanceof CheckFailure) || this.flipped !== 'no') return;
      throw error;
    } finally {
      this.disk.before = before;
    }
  }

  /** After a start nothing half done is left, and one snapshot at most. */
  #checkFiles(): void {
    const paths = this.disk.paths();
    const drafts = paths.filter((path) => /\/snapshot-.*\.tmp$/.test(path));
    if (drafts.length === 0) return;
    this.#world.violated(
      new CheckFailure('files are tidy', `${this.name} starts with ${drafts.join(', ')} left over`),
    );
  }

  /** Bytes of log and snapshots, and how many files of each. */
  footprint(): { bytes: number; segments: number; snapshots: number } {
    const paths = this.disk.paths();
    return {
      bytes: this.disk.usedBytes,
      segments: paths.filter((path) => path.endsWith('.log')).length,
      snapshots: paths.filter((path) => path.endsWith('.snap')).length,
    };
  }
}
