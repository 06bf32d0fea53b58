// Trying those that may have room now finds room for all that can have it: after any change, once the loop
// has placed what it could, a loop that begins anew on the same store places nothing more.
import { Prng } from 'sim';
import { expect, it } from 'vitest';
import { create, remove, type Action, type ServiceSpec, type Task } from '../../model/index.ts';
import { taskIn } from '../../../test/builders/cluster-objects.ts';
import { LoopDriver } from '../../../test/builders/loop-driver.ts';
import { aServiceSpec } from '../../../test/builders/specs.ts';
import { SchedulerLoop } from './scheduler-loop.ts';

const ROUNDS = 40;
const STEPS = 50;
const NODES = ['a', 'b', 'c'];
const REVISIONS = ['r0', 'r1', 'r2'];
const ENDS = ['complete', 'failed', 'shutdown', 'orphaned'] as const;

function anySpec(random: Prng): ServiceSpec {
  const chance = (percent: number): boolean => random.below(100) < percent;
  return aServiceSpec({
    TaskTemplate: {
      ContainerSpec: { Image: 'i' },
      ...(chance(50) ? { Resources: { Reservations: { NanoCPUs: 2e9 } } } : {}),
      Placement: {
        ...(chance(40) ? { Constraints: ['node.labels.zone==x'] } : {}),
        ...(chance(30) ? { MaxReplicas: 1 + random.below(2) } : {}),
        ...(chance(30)
          ? { Preferences: [{ Spread: { SpreadDescriptor: 'node.labels.zone' } }] }
          : {}),
      },
    },
  });
}

const zone = (random: Prng): Record<string, string> =>
  random.below(2) === 0 ? { zone: 'x' } : { zone: 'y' };

async function begin(random: Prng): Promise<LoopDriver> {
  const driver = new LoopDriver(new SchedulerLoop());
  driver.budget = 1 + random.below(20);
  for (const id of NODES.slice(1)) await driver.addNode(id, { labels: zone(random) });
  for (const id of REVISIONS) {
    await driver.put(
      create('revision', { id, serviceId: `s-${id}`, spec: anySpec(random), ports: [] }),
    );
  }
  return driver;
}

let count = 0;

function newTask(random: Prng): Task {
  const revisionId = REVISIONS[random.below(REVISIONS.length)] ?? 'r0';
  const pinned = random.below(4) === 0 ? NODES[random.below(NODES.length)] : undefined;
  count++;
  return taskIn(`t${count}`, 'pending', pinned, {
    slot: pinned === undefined ? count : 0,
    serviceId: `s-${revisionId}`,
    revisionId,
  });
}

/** One of many things. */
async function happen(random: Prng, driver: LoopDriver): Promise<string> {
  const tasks = driver.tasks();
  const task = tasks[random.below(Math.max(1, tasks.length))];
  const id = NODES[random.below(NODES.length)] ?? 'a';
  switch (random.below(8)) {
    case 0:
    case 1:
    case 2: {
      const made = Array.from({ length: 1 + random.below(4) }, () => newTask(random));
      await driver.addTasks(...made);
      return `${made.length} tasks`;
    }
    case 3:
    case 4: {
      if (task?.status.state !== 'assigned') return 'nothing';
      const state = ENDS[random.below(ENDS.length)] ?? 'failed';
      await driver.setState(task.id, state);
      return `${task.id} is ${state}`;
    }
    case 5:
      if (task === undefined) return 'nothing';
      await driver.put(remove('task', task.id));
      return `${task.id} is removed`;
    case 6:
      if (task === undefined) return 'nothing';
      await driver.changeTask(task.id, { desiredState: 'shutdown' });
      return `${task.id} is to stop`;
    default:
      return changeNode(random, driver, id);
  }
}

async function changeNode(random: Prng, driver: LoopDriver, id: string): Promise<string> {
  if (driver.view.get('node', id) === undefined) {
    await driver.addNode(id, { labels: zone(random) });
    return `${id} comes`;
  }
  if (random.below(4) === 0) {
    await driver.put(remove('node', id));
    return `${id} goes`;
  }
  const state = (['ready', 'ready', 'down'] as const)[random.below(3)] ?? 'ready';
  const Availability = (['active', 'active', 'drain'] as const)[random.below(3)] ?? 'active';
  const Labels = zone(random);
  await driver.changeNode(id, ({ spec, status }) => ({
    status: { ...status, state },
    spec: { ...spec, Availability, Labels },
  }));
  return `${id} is ${state}, ${Availability}, ${JSON.stringify(Labels)}`;
}

const placements = (transactions: readonly (readonly Action[])[]): string[] =>
  transactions.flat().flatMap((action) => {
    if (action.kind !== 'update' || action.table !== 'task') return [];
    const task = action.object as Task;
    return task.status.state === 'assigned' ? [`${task.id} to ${task.nodeId}`] : [];
  });

it('nobody waits who could be placed', async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const random = new Prng(`placement ${round}`);
    const driver = await begin(random);
    const told: string[] = [];
    for (let step = 0; step < STEPS; step++) {
      told.push(await happen(random, driver));
      await driver.run();
      const anew = new SchedulerLoop();
      anew.reset(driver.view);
      const { transactions } = anew.plan(driver.clock.now(), {
        transactions: 1_000,
        spent: () => false,
      });
      expect(placements(transactions), `round ${round}:\n${told.join('\n')}`).toEqual([]);
    }
  }
});

it('nobody is on a node that is too small for what it has', async () => {
  const random = new Prng('room');
  for (let round = 0; round < ROUNDS; round++) {
    const driver = await begin(random);
    for (let step = 0; step < STEPS; step++) {
      await happen(random, driver);
      await driver.run();
      for (const id of NODES) {
        const taken = [...driver.view.tasksOfNode(id)].reduce((sum, task) => {
          if (task.status.state !== 'assigned') return sum;
          const spec = driver.view.get('revision', task.revisionId)?.spec;
          return sum + (spec?.TaskTemplate.Resources?.Reservations?.NanoCPUs ?? 0);
        }, 0);
        expect(taken).toBeLessThanOrEqual(4e9);
      }
    }
  }
});
