// Looking at what changed alone finds all that looking at everything finds: after any change, once the loop
// has done what it wants, a loop that begins anew on the same store wants nothing more.
import { Prng } from 'sim';
import { describe, expect, it } from 'vitest';
import { create, remove, update, type ServiceSpec, type Task } from '../../model/index.ts';
import { aRevision } from '../../../test/builders/cluster-objects.ts';
import { LoopDriver } from '../../../test/builders/loop-driver.ts';
import { newCluster } from '../../../test/builders/memory-store.ts';
import { inWords } from '../../../test/builders/service-plan.ts';
import { aServiceSpec, withImage } from '../../../test/builders/specs.ts';
import type { ControlLoop } from '../loops/index.ts';
import { ConstraintEnforcer } from './constraint-enforcer.ts';
import { Orchestrator } from './orchestrator.ts';
import { TaskReaper } from './task-reaper.ts';

const ROUNDS = 25;
const STEPS = 60;
const NODES = ['a', 'b', 'c', 'd'];
const UP = ['assigned', 'preparing', 'starting', 'running'] as const;
const ENDS = ['complete', 'failed', 'rejected', 'shutdown'] as const;

/** A service with whatever policy; its mode is for life. */
function anySpec(random: Prng, isGlobal: boolean): ServiceSpec {
  const chance = (percent: number): boolean => random.below(100) < percent;
  const Condition = (['any', 'on-failure', 'none'] as const)[random.below(3)] ?? 'any';
  return withImage(
    {
      ...aServiceSpec({ replicas: random.below(6) }),
      ...(isGlobal ? { Mode: { Global: {} } } : {}),
      TaskTemplate: {
        ContainerSpec: { Image: 'i' },
        RestartPolicy: { Condition, Delay: random.below(4) * 1e9, MaxAttempts: random.below(3) },
        Placement: chance(30) ? { Constraints: ['node.labels.zone==x'] } : {},
      },
      UpdateConfig: {
        Parallelism: random.below(3),
        Monitor: 1e9,
        Order: chance(50) ? 'start-first' : 'stop-first',
        FailureAction: (['pause', 'continue', 'rollback'] as const)[random.below(3)] ?? 'pause',
      },
    },
    `hello:${random.below(3)}`,
  );
}

/** A cluster in which something happens. */
class Story {
  readonly random: Prng;
  readonly driver: LoopDriver;
  readonly #isGlobal: boolean;
  #revision = 0;

  constructor(seed: string, loop: ControlLoop) {
    this.random = new Prng(seed);
    this.#isGlobal = this.random.below(3) === 0;
    this.driver = new LoopDriver(loop);
  }

  async begin(): Promise<void> {
    await this.driver.put(newCluster());
    for (const id of NODES.slice(0, 3)) {
      const labels: Record<string, string> = this.random.below(2) === 0 ? { zone: 'x' } : {};
      await this.driver.addNode(id, { labels });
    }
    await this.driver.addService(anySpec(this.random, this.#isGlobal));
  }

  /** One of many things; its name. */
  async happen(): Promise<string> {
    const { random, driver } = this;
    const tasks = driver.tasks();
    const task = tasks[random.below(Math.max(1, tasks.length))];
    const what = random.below(12);
    if (what < 6 && task !== undefined) return this.#goOn(task);
    if (what === 6) return this.#changeNode();
    if (what === 7) return this.#changeService();
    if (what === 8 && task !== undefined) {
      await driver.put(remove('task', task.id));
      return `${task.id} is removed`;
    }
    if (what === 9) {
      await driver.clock.advance(random.below(6_000));
      return 'time passes';
    }
    if (what === 10 && random.below(4) === 0 && driver.view.get('service', 's')) {
      await driver.put(remove('service', 's'));
      return 'the service goes';
    }
    return 'nothing';
  }

  /** What an agent or the scheduler does with a task. */
  async #goOn(task: Task): Promise<string> {
    const { random, driver } = this;
    const ended = ENDS.some((state) => state === task.status.state);
    if (ended) return 'nothing';
    const stopping = random.below(3) === 0;
    const state = (stopping ? ENDS : UP)[random.below(4)] ?? 'running';
    const nodeId = task.nodeId ?? NODES[random.below(NODES.length)] ?? 'a';
    const timestamp = driver.clock.now();
    const running = state === 'running' ? { runningSince: timestamp } : {};
    await driver.changeTask(task.id, {
      nodeId,
      status: { state, timestamp, message: '', ...running },
    });
    return `${task.id} on ${nodeId} is ${state}`;
  }

  async #changeNode(): Promise<string> {
    const { random, driver } = this;
    const id = NODES[random.below(NODES.length)] ?? 'a';
    if (driver.view.get('node', id) === undefined) {
      await driver.addNode(id, { labels: { zone: 'x' } });
      return `${id} comes`;
    }
    const state = (['ready', 'down', 'unknown'] as const)[random.below(3)] ?? 'ready';
    const Availability = (['active', 'pause', 'drain'] as const)[random.below(3)] ?? 'active';
    switch (random.below(4)) {
      case 0:
        await driver.put(remove('node', id));
        return `${id} is removed`;
      case 1:
        await driver.changeNode(id, ({ status }) => ({ status: { ...status, state } }));
        return `${id} is ${state}`;
      case 2:
        await driver.changeNode(id, ({ spec }) => ({ spec: { ...spec, Availability } }));
        return `${id} is ${Availability}`;
      default:
        await driver.changeNode(id, ({ spec }) => ({ spec: { ...spec, Labels: { zone: 'y' } } }));
        return `${id} has another label`;
    }
  }

  async #changeService(): Promise<string> {
    const { random, driver } = this;
    const service = driver.view.get('service', 's');
    if (service === undefined) return 'nothing';
    const replicas = random.below(6);
    if (!this.#isGlobal && random.below(2) === 0) {
      const spec = { ...service.spec, Mode: { Replicated: { Replicas: replicas } } };
      await driver.put(update('service', { ...service, spec }));
      return `${replicas} replicas`;
    }
    const id = `r${++this.#revision}`;
    const spec = anySpec(random, this.#isGlobal);
    const { ports } = aRevision(id, spec);
    await driver.put(create('revision', { id, serviceId: 's', spec, ports }));
    const startedAt = driver.clock.now();
    await driver.put(
      update('service', {
        ...service,
        spec,
        revisionId: id,
        previousSpec: service.spec,
        previousRevisionId: service.revisionId,
        updateStatus: { state: 'updating', startedAt, message: '' },
      }),
    );
    return `another spec (${id})`;
  }
}

const BUDGET = { transactions: 1_000, spent: () => false };

async function holds(name: string, make: () => ControlLoop): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    const story = new Story(`${name} ${round}`, make());
    const { driver } = story;
    await story.begin();
    const told: string[] = [];
    for (let step = 0; step < STEPS; step++) {
      told.push(await story.happen());
      await driver.run();
      const anew = make();
      anew.reset(driver.view);
      const { transactions } = anew.plan(driver.clock.now(), BUDGET);
      const wakes = new Map<string, number>();
      const missed = inWords({ transactions, wakeAt: undefined, wakes });
      expect(missed, `round ${round}:\n${told.join('\n')}`).toEqual([]);
    }
  }
}

describe('nothing is missed', () => {
  it('by the orchestrator', async () => {
    let made = 0;
    await holds('orchestrator', () => new Orchestrator(new Prng(`ids ${made++}`)));
  });

  it('by the reaper', async () => {
    await holds('reaper', () => new TaskReaper());
  });

  it('by the enforcer', async () => {
    await holds('enforcer', () => new ConstraintEnforcer());
  });
});
