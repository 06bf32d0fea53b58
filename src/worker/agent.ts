// The agent of one node: keeps the assignments, runs a TaskRunner per task, feeds the overlay, reports
// statuses. It goes on without managers, and after a restart it finds its containers again and touches
// none that runs. A container is stopped only because a whole and newest set says so.
import {
  SwarmError,
  messageOf,
  type Clock,
  type Disk,
  type Logger,
  type Random,
} from '../base/index.ts';
import {
  FEATURE_LEVEL,
  drainTimeMs,
  isPredefinedNetwork,
  shortened,
  type AssignmentsMessage,
  type ClusterInfo,
  type NetworkAssignment,
  type NodeDescription,
  type Register,
  type RevisionAssignment,
  type TaskAssignment,
  type TaskStatus,
} from '../model/index.ts';
import type { Overlay } from '../overlay/index.ts';
import { AssignmentReceiver, emptyTables } from './assignment-set.ts';
import type { Executor, TaskController } from './runtime/index.ts';
import { Session, type DispatcherConnection } from './session.ts';
import { TaskDb, type AgentState } from './task-db.ts';
import { Removals } from './removals.ts';
import { stopGracefully } from './graceful-stop.ts';
import { TaskRunner, type TaskRunnerOptions } from './task-runner.ts';
import { AppliedSets, DrainQuestions } from './endpoint-drain.ts';

/** A node that leaves its cluster does not wait longer for what can't be removed. */
const REMOVE_ALL_LIMIT_MS = 120_000;
/** Between two messages with statuses: many tasks that start at once share them. */
const REPORT_PAUSE_MS = 5;

/**
 * What was stored may be a moment older than what the kernel has got: after a start the overlay is told
 * only what the managers say, or, without any, what was stored after this long. Meanwhile it goes on as
 * it was; less than the retries of a task that can't be prepared without it.
 */
const MANAGERS_FIRST_MS = 3_000;

export interface AgentOptions {
  readonly nodeId: string;
  readonly executor: Executor;
  readonly overlay: Overlay;
  readonly clock: Clock;
  readonly random: Random;
  readonly disk: Disk;
  readonly logger: Logger;
  /** File for assignments and statuses. */
  readonly statePath: string;
  readonly dial: (address: string) => DispatcherConnection;
  readonly managers: () => readonly string[];
  /** Address of this node's own manager, while it has one. */
  readonly ownManager?: () => string | undefined;
  /** host:port of this node's gRPC port, and the address for VXLAN. */
  readonly address: string;
  readonly dataPathAddress: string;
  readonly onClusterInfo: (info: ClusterInfo) => void;
}

export class Agent {
  readonly #options: AgentOptions;
  readonly #db: TaskDb;
  readonly #runners = new Map<string, TaskRunner>();
  readonly #sequences = new Map<string, number>();
  readonly #dirty = new Set<string>();
  readonly #removals: Removals;
  #state: AgentState;
  #receiver: AssignmentReceiver;
  #session: Session | undefined;
  #description: NodeDescription | undefined;
  #dataPathPort = 4789;
  readonly #endpointDrains: DrainQuestions;
  readonly #applied: AppliedSets;
  #sendScheduled = false;
  #sentAt = -Infinity;
  #closed = false;
  /** For the managers, after a start with stored assignments. */
  #waiting = false;

  /** Loads what was stored, adopts what runs, and connects to a manager. */
  static async start(options: AgentOptions): Promise<Agent> {
    const db = new TaskDb(options.disk, options.statePath, options.clock, options.logger);
    const state = (await db.load()) ?? {
      tables: emptyTables(),
      statuses: new Map<string, TaskStatus>(),
      epoch: 0,
      index: 0,
    };
    const agent = new Agent(options, db, state);
    agent.#description = await options.executor.describe();
    agent.#waitForManagers(state.index > 0);
    agent.#applyTables(state.tables);
    agent.#session = new Session({
      dial: options.dial,
      managers: options.managers,
      ownManager: options.ownManager,
      clock: options.clock,
      random: options.random,
      logger: options.logger,
      handler: {
        describe: () => agent.#describe(),
        registered: (epoch) => agent.#registered(epoch),
        assignments: (message) => agent.#assignments(message),
        info: (info) => agent.#takeClusterInfo(info),
        drained: (id, missing) => agent.#endpointDrains.answered(id, missing),
        readOn: () => agent.#scheduleSend(),
        lost: () => {},
      },
    });
    options.overlay.onEncryption(() => agent.#session?.restart('this host has another key'));
    return agent;
  }

  private constructor(options: AgentOptions, db: TaskDb, state: AgentState) {
    this.#options = options;
    this.#db = db;
    this.#state = state;
    this.#removals = new Removals(options);
    this.#receiver = new AssignmentReceiver(state.tables, (problem) =>
      options.logger.error({ problem }, 'an assignment does not fit: left out'),
    );
    this.#endpointDrains = new DrainQuestions(options.clock, () => this.#session);
    this.#applied = new AppliedSets(
      () => options.overlay.applied(),
      (index) => this.#session?.applied(index),
    );
  }

  /** True while a manager serves this agent. */
  get connected(): boolean {
    return this.#session?.ready === true;
  }

  /** Tasks that are assigned to this node, for local inspection. */
  get tasks(): ReadonlyMap<string, TaskAssignment> {
    return this.#state.tables.task;
  }

  /** Networks that this node has something on. */
  get networks(): ReadonlyMap<string, NetworkAssignment> {
    return this.#state.tables.network;
  }

  /** Stops deciding; containers and network stay as they are. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#removals.end();
    this.#session?.close();
    await Promise.all([...this.#runners.values()].map((runner) => runner.detach()));
    await this.#db.flushed();
  }

  /** The node leaves the cluster: all its tasks are stopped and removed. */
  async removeAll(): Promise<void> {
    this.#closed = true;
    await this.#session?.leave();
    const { executor } = this.#options;
    const ids = new Set([...this.#runners.keys(), ...(await executor.listTasks())]);
    const done = this.#removals.endAfter(REMOVE_ALL_LIMIT_MS);
    await Promise.all([...ids].map((id) => this.#removeOne(id)));
    done();
    this.#state = { tables: emptyTables(), statuses: new Map(), epoch: 0, index: 0 };
    await this.#db.flushed();
    await this.#options.disk.remove(this.#options.statePath);
  }

  #describe(): Register {
    const told = { ...this.#description, ...this.#encryption(), featureLevel: FEATURE_LEVEL };
    return {
      description: JSON.stringify(told),
      address: this.#options.address,
      dataPathAddress: this.#options.dataPathAddress,
      lastEpoch: this.#state.epoch,
      lastIndex: this.#state.index,
    };
  }

  #encryption(): Pick<NodeDescription, 'encryption'> {
    const encryption = this.#options.overlay.encryption();
    return encryption === undefined ? {} : { encryption };
  }

  #registered(epoch: number): void {
    if (epoch <= this.#state.epoch) {
      throw new SwarmError(
        'outOfSequence',
        `session ${epoch} is not newer than ${this.#state.epoch}`,
      );
    }
    this.#receiver.newSession();
    this.#setState({ ...this.#state, epoch });
    // Whatever was reported in an older session may not have been recorded.
    for (const id of this.#runners.keys()) this.#dirty.add(id);
    this.#scheduleSend();
  }

  #assignments(message: AssignmentsMessage): void {
    const received = this.#receiver.receive(message);
    if (received === undefined || this.#closed) return;
    const { tables, complete } = received;
    // A session is an entry of the log that its manager has applied: also an agent that lost its
    // memory can tell an old set by it.
    const seen = Math.max(this.#state.index, this.#state.epoch);
    if (message.index < seen) {
      throw new SwarmError(
        'outOfSequence',
        `the manager's state ${message.index} is older than ${seen}`,
      );
    }
    const statuses = new Map([...this.#state.statuses].filter(([id]) => tables.task.has(id)));
    this.#setState({ ...this.#state, tables, statuses, index: message.index });
    this.#waiting = false;
    this.#applyTables(tables);
    this.#applied.handedOver(message.index);
    if (complete) this.#endpointDrains.askAgain();
    if (complete) void this.#removeUnknown();
  }

  #takeClusterInfo(info: ClusterInfo): void {
    if (info.dataPathPort !== this.#dataPathPort) {
      this.#dataPathPort = info.dataPathPort;
      this.#updateOverlay();
    }
    this.#options.onClusterInfo(info);
  }

  #applyTables(tables: AgentState['tables']): void {
    this.#updateOverlay();
    for (const [id, task] of tables.task) this.#applyTask(id, task);
    for (const id of this.#runners.keys()) {
      if (!tables.task.has(id)) void this.#removeOne(id);
    }
  }

  #applyTask(id: string, task: TaskAssignment): void {
    const runner = this.#runners.get(id);
    if (runner !== undefined) return runner.desire(task.desiredState);
    if (this.#removals.has(id)) return;
    const revision = this.#state.tables.revision.get(task.revisionId);
    const description = this.#description;
    if (revision === undefined || description === undefined) return;
    const { executor, nodeId, clock, random, logger } = this.#options;
    const controller = executor.controller({
      task,
      revision,
      payload: (payloadId) => this.#state.tables.payload.get(payloadId),
      node: { id: nodeId, hostname: description.hostname, platform: description.platform },
    });
    this.#runners.set(
      id,
      new TaskRunner({
        taskId: id,
        controller,
        desired: task.desiredState,
        status: this.#state.statuses.get(id),
        report: (status) => this.#report(id, status),
        ...this.#gracefulStop(task, revision, controller),
        clock,
        random,
        logger,
      }),
    );
  }

  /** Nobody is sent by the overlay to a task without a network of the cluster. */
  #gracefulStop(
    task: TaskAssignment,
    { spec }: RevisionAssignment,
    controller: TaskController,
  ): Pick<TaskRunnerOptions, 'gracefulStop'> {
    const { clock, logger } = this.#options;
    if (!task.networks.some(({ networkId }) => !isPredefinedNetwork(networkId))) return {};
    return {
      gracefulStop: (say, signal) =>
        stopGracefully(
          {
            taskId: task.id,
            drainEndpoints: (taskId, until) => this.#endpointDrains.ask(taskId, until),
            connections: () => controller.connections(),
            drainMs: drainTimeMs(spec.Labels),
            say,
            clock,
            logger,
          },
          signal,
        ),
    };
  }

  /** Containers that no assignment names, left over from a crash: found at each complete set. */
  async #removeUnknown(): Promise<void> {
    try {
      for (const id of await this.#options.executor.listTasks()) {
        if (!this.#state.tables.task.has(id) && !this.#runners.has(id)) await this.#removeOne(id);
      }
    } catch (error) {
      this.#options.logger.warn(
        { error: messageOf(error) },
        'left-over containers could not be listed',
      );
    }
  }

  async #removeOne(id: string): Promise<void> {
    const runner = this.#runners.get(id);
    this.#runners.delete(id);
    this.#dirty.delete(id);
    this.#sequences.delete(id);
    const { executor } = this.#options;
    await this.#removals.run(id, () => runner?.remove() ?? executor.removeTask(id));
    // Also when it was given up.
    void runner?.detach();
    const again = this.#state.tables.task.get(id);
    if (again !== undefined && !this.#closed) this.#applyTask(id, again);
  }

  /** The kernel goes on as it is until the managers have said what is new, for a while. */
  #waitForManagers(waiting: boolean): void {
    this.#waiting = waiting;
    if (!waiting) return;
    this.#options.clock.after(MANAGERS_FIRST_MS, () => {
      if (!this.#waiting || this.#closed) return;
      this.#waiting = false;
      this.#updateOverlay();
    });
  }

  #updateOverlay(): void {
    if (this.#waiting) return;
    const { network, host, serviceEndpoint, taskEndpoint } = this.#state.tables;
    this.#options.overlay.update({
      self: host.get(this.#options.nodeId),
      dataPathPort: this.#dataPathPort,
      networks: network,
      hosts: host,
      services: serviceEndpoint,
      endpoints: taskEndpoint,
    });
  }

  #report(id: string, status: TaskStatus): void {
    if (!this.#runners.has(id) && !this.#state.tables.task.has(id)) return;
    const statuses = new Map(this.#state.statuses);
    statuses.set(id, status);
    this.#setState({ ...this.#state, statuses });
    this.#sequences.set(id, (this.#sequences.get(id) ?? 0) + 1);
    this.#dirty.add(id);
    this.#scheduleSend();
  }

  #setState(state: AgentState): void {
    this.#state = state;
    this.#db.save(state);
  }

  /** A report goes out at once; those that follow closely go out together. */
  #scheduleSend(): void {
    if (this.#sendScheduled) return;
    this.#sendScheduled = true;
    const { clock } = this.#options;
    const pause = Math.max(0, this.#sentAt + REPORT_PAUSE_MS - clock.monotonicMs());
    clock.after(pause, () => {
      this.#sendScheduled = false;
      this.#sentAt = clock.monotonicMs();
      const ids = [...this.#dirty];
      const reports = ids.flatMap((id) => {
        const status = this.#runners.get(id)?.status;
        if (status === undefined || status.state === 'assigned') return [];
        return [
          {
            taskId: id,
            status: JSON.stringify(shortened(status)),
            sequence: this.#sequences.get(id) ?? 0,
          },
        ];
      });
      if (reports.length === 0 || this.#session?.send(reports)) this.#dirty.clear();
    });
  }
}
