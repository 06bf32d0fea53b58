// The control plane on one store without Raft: real control, real loops, a virtual clock, and agents
// that carry out what they are told (or fail as the test says). For scenarios that read like a story.
import { Prng, VirtualClock } from 'sim';
import { silentLogger, type Clock, type Logger } from '../../src/base/index.ts';
import { Allocator } from '../../src/manager/allocator/index.ts';
import { LeaderControl } from '../../src/manager/control/index.ts';
import { ControlLoopRunner, type LoopStore } from '../../src/manager/loops/control-loop-runner.ts';
import {
  ConstraintEnforcer,
  Orchestrator,
  TaskReaper,
} from '../../src/manager/orchestrator/index.ts';
import { SchedulerLoop } from '../../src/manager/placement/index.ts';
import { Store } from '../../src/manager/store/index.ts';
import {
  TASK_STATE,
  create,
  isTerminal,
  specIndexOf,
  update,
  type NodeSpec,
  type ServiceSpec,
  type StoreChange,
  type Task,
  type TaskState,
} from '../../src/model/index.ts';
import { aClusterSpec } from '../builders/specs.ts';

/** What happens when an agent starts a task: it runs, it fails at once, or it is rejected. */
export type Outcome = 'running' | 'failed' | 'rejected' | 'complete';

export class World {
  readonly clock = new VirtualClock();
  readonly store: Store;
  readonly control: LeaderControl;
  readonly runner: ControlLoopRunner;
  /** Decides the outcome of a start; tests replace it. */
  outcome: (task: Task) => Outcome = () => 'running';
  /** Tasks that can't even be prepared (no such image): rejected also while they are held at ready. */
  unpreparable: (task: Task) => boolean = () => false;
  /** Nodes whose agents are silent. */
  readonly dead = new Set<string>();
  /** How far the leader's wall clock is behind; another leader has another clock. */
  behindMs = 0;
  /** How long a start and a stop take. */
  startMs = 10;
  stopMs = 10;
  readonly #random = new Prng('scenario');
  #index = 0;

  /** `seen` is what the loops see of the store, for tests in which that is not what it should be. */
  constructor(seen: (store: Store) => LoopStore = (store) => store, logger: Logger = silentLogger) {
    const clock: Clock = {
      now: () => this.clock.now() - this.behindMs,
      monotonicMs: () => this.clock.monotonicMs(),
      after: (delayMs, fire) => this.clock.after(delayMs, fire),
    };
    this.store = new Store({ clock, logger: silentLogger, instance: 'scenario' });
    this.store.connect({
      propose: (payload) => {
        this.store.apply([{ index: ++this.#index, payload }]);
        return Promise.resolve(this.#index);
      },
    });
    const newJoinToken = (): string => 'token';
    const { time } = this.store;
    this.control = new LeaderControl({
      store: this.store,
      clock: time,
      random: this.#random,
      newJoinToken,
    });
    const loops = [
      new Allocator(),
      new Orchestrator(this.#random),
      new SchedulerLoop(),
      new ConstraintEnforcer(),
      new TaskReaper(),
    ];
    this.runner = new ControlLoopRunner(seen(this.store), loops, time, logger);
    this.store.watch((changes) => changes.forEach((change) => this.#act(change)));
  }

  async start(nodes: readonly string[]): Promise<void> {
    await this.store.propose([
      create('cluster', {
        id: 'cluster',
        spec: aClusterSpec(),
        rootCertificates: '',
        rootKey: '',
        joinTokens: { worker: 'w', manager: 'm' },
        addressPools: ['10.0.0.0/8'],
        subnetSize: 24,
        dataPathPort: 4789,
        blacklist: {},
        nextNodeNumber: 1,
      }),
    ]);
    for (const id of nodes) await this.addNode(id);
    this.runner.start();
    await this.clock.advance(0);
  }

  async addNode(id: string, labels: Record<string, string> = {}): Promise<void> {
    const spec: NodeSpec = { Role: 'worker', Availability: 'active', Labels: labels };
    await this.store.propose([
      {
        kind: 'addNode',
        object: {
          id,
          spec,
          role: 'worker',
          status: {
            state: 'ready',
            message: '',
            address: '',
            dataPathAddress: '',
            since: this.clock.now(),
          },
          description: {
            hostname: id,
            platform: { architecture: 'x86_64', os: 'linux' },
            resources: { nanoCpus: 4e9, memoryBytes: 8e9 },
            engine: { version: 'test', labels: {}, plugins: [] },
          },
        },
      },
    ]);
    await this.clock.advance(0);
  }

  async setNode(id: string, state: 'ready' | 'down'): Promise<void> {
    const node = this.store.view.get('node', id);
    if (node === undefined) throw new Error(`no node ${id}`);
    const status = { ...node.status, state, since: this.clock.now() };
    await this.store.propose([update('node', { ...node, status })]);
    await this.clock.advance(0);
  }

  async drain(id: string): Promise<void> {
    const node = this.store.view.get('node', id);
    if (node === undefined) throw new Error(`no node ${id}`);
    const spec: NodeSpec = { ...node.spec, Availability: 'drain' };
    await this.control.handle('node.update', { id, version: specIndexOf(node), spec });
    await this.clock.advance(0);
  }

  async create(spec: ServiceSpec): Promise<string> {
    const { id } = await this.control.handle('service.create', { spec });
    return id;
  }

  async update(id: string, change: (spec: ServiceSpec) => ServiceSpec): Promise<void> {
    const service = this.store.view.get('service', id);
    if (service === undefined) throw new Error(`no service ${id}`);
    const version = specIndexOf(service);
    await this.control.handle('service.update', { id, version, spec: change(service.spec) });
  }

  tasks(serviceId: string, state?: TaskState): Task[] {
    const tasks = [...this.store.view.tasksOfService(serviceId)];
    return state === undefined ? tasks : tasks.filter((task) => task.status.state === state);
  }

  /** Running tasks per node, sorted: "a:2 b:1". */
  spread(serviceId: string): string {
    const counts = new Map<string, number>();
    for (const { nodeId = '?' } of this.tasks(serviceId, 'running')) {
      counts.set(nodeId, (counts.get(nodeId) ?? 0) + 1);
    }
    return [...counts]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([node, count]) => `${node}:${count}`)
      .join(' ');
  }

  /** What an agent does when its assignment changes. */
  #act(change: StoreChange): void {
    if (change.table !== 'task' || change.after === undefined) return;
    const task = change.after;
    if (task.nodeId === undefined || this.dead.has(task.nodeId)) return;
    if (isTerminal(task.status.state)) return;
    if (TASK_STATE[task.status.state] < TASK_STATE.assigned) return;
    if (TASK_STATE[task.desiredState] >= TASK_STATE.shutdown) {
      if (change.before?.desiredState !== task.desiredState)
        this.#later(this.stopMs, task.id, 'shutdown');
    } else if (task.status.state === 'assigned' && this.unpreparable(task)) {
      this.#later(this.startMs, task.id, 'rejected');
    } else if (task.desiredState === 'running' && task.status.state === 'assigned') {
      this.#later(this.startMs, task.id, this.outcome(task));
    }
  }

  #later(delayMs: number, taskId: string, state: TaskState): void {
    this.clock.after(delayMs, () => {
      const task = this.store.view.get('task', taskId);
      if (task === undefined || isTerminal(task.status.state)) return;
      if (task.nodeId !== undefined && this.dead.has(task.nodeId)) return;
      const stopping = TASK_STATE[task.desiredState] >= TASK_STATE.shutdown;
      if (state !== 'shutdown' && stopping) return;
      const timestamp = this.clock.now();
      const runningSince = state === 'running' ? timestamp : task.status.runningSince;
      const status = { state, timestamp, message: state };
      const full = runningSince === undefined ? status : { ...status, runningSince };
      void this.store.tryPropose([update('task', { ...task, status: full })]);
    });
  }
}
