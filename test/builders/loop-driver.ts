// One control loop on a store in memory, without the runner: a test says when it plans, and sees what.
import { VirtualClock } from 'sim';
import { create, update, type Action, type Node, type Task } from '../../src/model/index.ts';
import type { Budget, ControlLoop, Plan } from '../../src/manager/loops/index.ts';
import type { Store, StoreView } from '../../src/manager/store/index.ts';
import { aNode, aRevision, aService, type NodeTraits } from './cluster-objects.ts';
import { memoryStore } from './memory-store.ts';
import { aServiceSpec } from './specs.ts';

/** More plans than any test of a loop needs: one that goes on is caught. */
const PLANS_MAX = 2_000;

const stored = <T extends object>(object: T): T => {
  const { version: _v, createdAt: _c, updatedAt: _u, ...draft } = object as Record<string, unknown>;
  return draft as T;
};

export class LoopDriver {
  readonly clock = new VirtualClock();
  readonly store: Store;
  readonly loop: ControlLoop;
  /** Plans that were asked for, and transactions that they gave. */
  plans = 0;
  transactions: (readonly Action[])[] = [];
  wakeAt: number | undefined;
  /** Transactions of one plan. */
  budget = 200;

  /** The loop starts from an empty store. */
  constructor(loop: ControlLoop) {
    this.loop = loop;
    this.store = memoryStore(this.clock).store;
    loop.reset(this.view);
    this.store.watch((changes) => changes.forEach((change) => loop.observe(change)));
  }

  get view(): StoreView {
    return this.store.view;
  }

  /** One plan, which is not proposed. */
  plan(spent: () => boolean = () => false): Plan {
    const budget: Budget = { transactions: this.budget, spent };
    this.plans++;
    const plan = this.loop.plan(this.clock.now(), budget);
    this.wakeAt = plan.wakeAt;
    return plan;
  }

  /** Plans and proposes until the loop wants nothing more; what was given since the last call of this. */
  async run(spent: () => boolean = () => false): Promise<readonly (readonly Action[])[]> {
    this.transactions = [];
    for (let plans = 0; plans < PLANS_MAX; plans++) {
      const { transactions, more } = this.plan(spent);
      this.transactions.push(...transactions);
      for (const actions of transactions) await this.store.tryPropose(actions);
      if (transactions.length === 0 && !more) return this.transactions;
    }
    throw new Error(`the loop still wants more after ${PLANS_MAX} plans`);
  }

  async put(...actions: readonly Action[]): Promise<void> {
    for (const action of actions) await this.store.propose([action]);
  }

  /** Service `s` at revision `r`. */
  async addService(spec = aServiceSpec()): Promise<void> {
    await this.put(
      create('revision', stored(aRevision('r', spec))),
      create('service', stored(aService(spec))),
    );
  }

  async addNodes(...ids: readonly string[]): Promise<void> {
    for (const id of ids) await this.addNode(id);
  }

  async addNode(id: string, traits: NodeTraits = {}): Promise<void> {
    const { number: _number, ...node } = aNode(id, traits);
    await this.put({ kind: 'addNode', object: stored(node) });
  }

  async addTasks(...tasks: readonly Task[]): Promise<void> {
    for (const task of tasks) await this.put(create('task', stored(task)));
  }

  /** The node with these fields instead. */
  async changeNode(id: string, change: (node: Node) => Partial<Node>): Promise<void> {
    const node = this.view.get('node', id);
    if (node === undefined) throw new Error(`no node ${id}`);
    await this.put(update('node', { ...node, ...change(node) }));
  }

  async setState(id: string, state: Task['status']['state']): Promise<void> {
    const task = this.task(id);
    await this.changeTask(id, { status: { ...task.status, state, timestamp: this.clock.now() } });
  }

  async changeTask(id: string, change: Partial<Task>): Promise<void> {
    await this.put(update('task', { ...this.task(id), ...change }));
  }

  /** Tells how many objects were read by id through the view since this call. */
  countReads(): () => number {
    let reads = 0;
    const { view } = this;
    const get = view.get.bind(view);
    view.get = (table, id) => {
      reads++;
      return get(table, id);
    };
    return () => reads;
  }

  task(id: string): Task {
    const task = this.view.get('task', id);
    if (task === undefined) throw new Error(`no task ${id}`);
    return task;
  }

  tasks(state?: Task['status']['state']): Task[] {
    const all = [...this.view.all('task')];
    return state === undefined ? all : all.filter(({ status }) => status.state === state);
  }
}
