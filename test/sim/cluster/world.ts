// The whole simulated cluster: machines and wires, and the places where checkers look on. One seed
// makes one world, event for event.
import { CheckFailure, Prng, VirtualClock, type Trace } from 'sim';
import { messageOf, SwarmError, type LogFields, type Logger } from '../../../src/base/index.ts';
import type { Consensus, ConsensusHandler, Manager } from '../../../src/manager/index.ts';
import type { AgentConnection } from '../../../src/manager/dispatcher/index.ts';
import {
  createJoinToken,
  type AssignmentsMessage,
  type DispatcherMessage,
  type StoreChange,
} from '../../../src/model/index.ts';
import { HOSTILE_ADDRESS } from './hostile-worker.ts';
import { SimulatedStream, type Endpoint } from './connections.ts';
import type { SimulatedDaemon } from './daemon.ts';
import type { SimulatedContainer } from './executor.ts';
import { Machine } from './machine.ts';
import { SimulatedWires } from './network.ts';
import type { ClusterOptions } from './options.ts';
import { RaftWires } from './raft-wires.ts';

/** What a checker may look on at; all of them are called when the thing has just happened. */
export interface Checker {
  readonly name: string;
  /** A manager has applied one entry; `first`: no other has applied this index before. */
  applied?(step: AppliedStep): void;
  /** A manager's life has begun, or its state was replaced by a snapshot. */
  restored?(daemon: SimulatedDaemon, manager: Manager): void;
  /** A manager is about to propose; the payload is an entry of the store. */
  proposing?(daemon: SimulatedDaemon, manager: Manager, payload: Uint8Array): void;
  /** A dispatcher sends to an agent. */
  sent?(manager: Manager, nodeId: string, message: DispatcherMessage): void;
  containerCreated?(host: string, container: SimulatedContainer, payloads: readonly string[]): void;
  containerStarted?(host: string, container: SimulatedContainer): void;
  containerStopping?(host: string, container: SimulatedContainer): void;
  containerEnded?(host: string, container: SimulatedContainer): void;
  /** A daemon's log, from level info on. */
  logged?(host: string, message: string, fields: LogFields): void;
  /** The faults are over and everything has come to rest. */
  settled?(leader: Manager): void | Promise<void>;
}

/** One entry on one manager. */
export interface AppliedStep {
  readonly daemon: SimulatedDaemon;
  readonly manager: Manager;
  readonly index: number;
  readonly payload: Uint8Array;
  readonly changes: readonly StoreChange[];
  readonly first: boolean;
}

const TEXT = new TextDecoder();

/** Machines, wires, clock and checkers of one run. */
export class World {
  readonly options: ClusterOptions;
  readonly clock = new VirtualClock();
  readonly random: Prng;
  readonly trace: Trace;
  readonly wires: SimulatedWires;
  readonly raftWires: RaftWires;
  readonly machines: Machine[] = [];
  readonly checkers: Checker[] = [];
  readonly clusterId = 'simulated';
  readonly rootKey = 'ROOTKEY-of-the-simulated-cluster';
  readonly tokens: { readonly worker: string; readonly manager: string };
  failure: CheckFailure | undefined;
  /** The faults are over. */
  mended = false;
  readonly #mistakes: Prng;
  readonly #oldSets = new Map<string, AssignmentsMessage>();
  #streams: SimulatedStream[] = [];
  #highest = 0;

  constructor(seed: number, options: ClusterOptions, trace: Trace) {
    this.options = options;
    this.random = new Prng(seed).split('cluster');
    this.trace = trace;
    this.#mistakes = this.random.split('mistakes');
    const digest = new Uint8Array(32);
    const tokens = this.random.split('tokens');
    this.tokens = {
      worker: createJoinToken(digest, tokens),
      manager: createJoinToken(digest, tokens),
    };
    this.wires = new SimulatedWires(this.clock, this.random.split('wires'), (host) => {
      return this.machine(host)?.process;
    });
    this.raftWires = new RaftWires(this.wires, (message, from, to) =>
      this.trace.line(
        `${this.#at} raft ${from}>${to} ${message.type} t${message.term} i${message.index}`,
      ),
    );
  }

  get #at(): string {
    return this.clock.monotonicMs().toFixed(3);
  }

  machine(host: string): Machine | undefined {
    return this.machines.find((machine) => machine.host === host);
  }

  /** host:port that connections from a host come from. */
  addressOf(host: string): string {
    return `${this.machine(host)?.underlay ?? HOSTILE_ADDRESS}:40000`;
  }

  machineOfNode(nodeId: string): Machine | undefined {
    return this.machines.find((machine) => machine.nodeId === nodeId);
  }

  addMachine(joinsAs: 'found' | { join: 'manager' | 'worker' }): Machine {
    const machine = new Machine(this, this.machines.length + 1, joinsAs, {
      created: (host, container, payloads) => {
        this.#container(host, container, 'created');
        for (const checker of this.checkers) {
          checker.containerCreated?.(host, container, payloads);
        }
      },
      started: (host, container) => {
        this.#container(host, container, 'started');
        for (const checker of this.checkers) checker.containerStarted?.(host, container);
      },
      stopping: (host, container) => {
        this.#container(host, container, 'is told to stop');
        for (const checker of this.checkers) checker.containerStopping?.(host, container);
      },
      ended: (host, container) => {
        this.#container(host, container, 'ended');
        for (const checker of this.checkers) checker.containerEnded?.(host, container);
      },
      removed: (host, container) => this.#container(host, container, 'removed'),
    });
    this.machines.push(machine);
    return machine;
  }

  #container(host: string, container: SimulatedContainer, what: string): void {
    this.trace.line(`${this.#at} ${host} container ${container.taskId} ${what}`);
  }

  /** Managers that run now and have the state of their cluster. */
  managers(): { machine: Machine; manager: Manager }[] {
    return this.machines.flatMap((machine) => {
      const manager = machine.daemon?.manager;
      return manager === undefined ? [] : [{ machine, manager }];
    });
  }

  leader(): Manager | undefined {
    return this.managers().find(({ manager }) => manager.consensus.status.isLeader)?.manager;
  }

  managerHosts(except: string): string[] {
    const hosts = this.managers().map(({ machine }) => machine.host);
    const others = hosts.filter((host) => host !== except);
    return others.length > 0 ? others : ['h1'];
  }

  /** A checker found a promise broken; the first one counts. */
  fail(checker: string, sentence: string): void {
    this.failure ??= new CheckFailure(checker, sentence, this.trace.last(100));
  }

  /** Lets time pass until `condition`; false when it did not come true in time. */
  async until(condition: () => boolean, limitMs: number): Promise<boolean> {
    let over = false;
    const timer = this.clock.after(limitMs, () => {
      over = true;
    });
    await this.clock.until(
      () => over || this.failure !== undefined || condition(),
      limitMs + 1,
      'the end',
    );
    timer.cancel();
    if (this.failure !== undefined) throw this.failure;
    return condition();
  }

  async pass(milliseconds: number): Promise<void> {
    await this.until(() => false, milliseconds);
  }

  loggerFor(host: string): Logger {
    const write =
      (level: string) =>
      (fields: LogFields, message: string): void => {
        this.trace.line(`${this.#at} ${host} ${level} ${message} ${JSON.stringify(fields)}`);
        for (const checker of this.checkers) checker.logged?.(host, message, fields);
      };
    const logger: Logger = {
      debug: () => {},
      info: write('info'),
      warn: write('warn'),
      error: write('error'),
      child: () => logger,
    };
    return logger;
  }

  /** A call from one daemon to another. */
  ask<T>(
    from: SimulatedDaemon,
    host: string,
    serve: (daemon: SimulatedDaemon) => Promise<T>,
    timeoutMs: number,
  ): Promise<T> {
    return this.wires.call(
      from.process,
      from.machine.host,
      host,
      (process) => {
        const daemon = this.machine(host)?.daemon;
        if (daemon === undefined || daemon.process !== process) {
          throw new SwarmError('unavailable', `${host} is starting`);
        }
        return serve(daemon);
      },
      timeoutMs,
    );
  }

  /** A stream from a daemon's agent to a manager. */
  openStream(from: SimulatedDaemon, host: string): SimulatedStream {
    const client = { host: from.machine.host, process: from.process };
    return this.openStreamOf(client, from.nodeId ?? '', host);
  }

  /** A stream from whoever has the certificate of a node. */
  openStreamOf(client: Endpoint, nodeId: string, host: string): SimulatedStream {
    const target = this.machine(host)?.daemon;
    const server = { host, process: target?.process ?? client.process };
    const stream = new SimulatedStream(this.wires, client, server);
    this.#streams = [...this.#streams.filter(({ over }) => !over), stream];
    this.wires.carry(client.host, host, () => {
      if (target === undefined) stream.break(`${host} does not answer`);
      else target.process.enter(() => target.serveAgent(nodeId, stream));
    });
    return stream;
  }

  /** Streams that are open now. */
  get streams(): readonly SimulatedStream[] {
    return this.#streams.filter(({ over }) => !over);
  }

  /** The dispatcher's end of a session, with the checkers beside it. */
  tapped(daemon: SimulatedDaemon, nodeId: string, connection: AgentConnection): AgentConnection {
    return {
      ...connection,
      send: (message) => {
        this.#mistake(nodeId, connection, message);
        const manager = daemon.manager;
        if (message.heartbeat === undefined) {
          this.trace.line(`${this.#at} ${daemon.machine.host}>${nodeId} ${textOf(message)}`);
        }
        if (manager !== undefined) {
          for (const checker of this.checkers) checker.sent?.(manager, nodeId, message);
        }
        return connection.send(message);
      },
    };
  }

  /** Fault `staleSet`: a manager that should know better tells an agent what was true long ago. */
  #mistake(nodeId: string, connection: AgentConnection, message: DispatcherMessage): void {
    const set = message.assignments;
    if (set?.complete !== true || set.index === 0 || !this.options.faults.has('staleSet')) return;
    const old = this.#oldSets.get(nodeId);
    if (old === undefined || (this.#mistakes.chance(0.1) && old.index < set.index)) {
      this.#oldSets.set(nodeId, set);
    }
    if (old === undefined || this.mended || old.index === set.index || !this.#mistakes.chance(0.3))
      return;
    this.trace.line(`${this.#at} ${nodeId} is told the set of ${old.index} again`);
    connection.send({ assignments: { ...old, appliesTo: 0, resultsIn: 1 } });
  }

  /** The store's side of Raft, entry by entry. */
  watched(daemon: SimulatedDaemon, handler: ConsensusHandler): ConsensusHandler {
    const manager = daemon.created;
    if (manager === undefined) throw new Error('Raft is started before its manager is made');
    return {
      ...handler,
      apply: (entries) => {
        for (const entry of entries) {
          const { index, payload } = entry;
          const first = index > this.#highest;
          this.#highest = Math.max(this.#highest, index);
          this.trace.line(`${this.#at} ${daemon.machine.host} applies ${index}`);
          if (first) this.trace.line(TEXT.decode(payload));
          const changes: StoreChange[] = [];
          const stop = manager.store.watch((some) => changes.push(...some));
          handler.apply([entry]);
          stop();
          for (const checker of this.checkers) {
            checker.applied?.({ daemon, manager, index, payload, changes, first });
          }
        }
      },
    };
  }

  managerCreated(daemon: SimulatedDaemon, manager: Manager): void {
    const tell = (): void => {
      for (const checker of this.checkers) checker.restored?.(daemon, manager);
    };
    tell();
    manager.store.onRestored(tell);
  }

  proposalsSeen(daemon: SimulatedDaemon, consensus: Consensus): Consensus {
    const manager = daemon.created;
    return new Proxy(consensus, {
      get: (target, name) => {
        if (name === 'propose') {
          return (payload: Uint8Array) => {
            if (manager !== undefined) {
              for (const checker of this.checkers) checker.proposing?.(daemon, manager, payload);
            }
            return target.propose(payload);
          };
        }
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  }

  /** The log is broken, or the daemon could not start: it ends, and its supervisor starts it again. */
  daemonFailed(daemon: SimulatedDaemon, error: unknown): void {
    if (daemon.machine.daemon !== daemon) return;
    const damaged = error instanceof SwarmError && error.code === 'dataLoss';
    if (damaged) this.fail('recovery', `${daemon.machine.host}: ${messageOf(error)}`);
    daemon.machine.ended(error);
  }
}

function textOf(message: DispatcherMessage): string {
  const { registered, assignments, info } = message;
  if (registered !== undefined) return `registered ${registered.epoch}`;
  if (info !== undefined) return 'info';
  if (assignments === undefined) return 'heartbeat';
  const { complete, index, updates, removes } = assignments;
  return `assignments${complete ? ' complete' : ''} ${index} +${updates.length} -${removes.length}`;
}
