// Which slots a replicated service gets and gives up.
import { Prng } from 'sim';
import { describe, expect, it } from 'vitest';
import { SwarmError } from '../../../base/index.ts';
import type { Action, Task } from '../../../model/index.ts';
import { aNode, aService, taskIn } from '../../../../test/builders/cluster-objects.ts';
import { aServiceSpec } from '../../../../test/builders/specs.ts';
import { PlanContext, isRunning, slotOf, type Slot } from '../slots/index.ts';
import { replicated, slotsToRemove } from './replicated.ts';

function aSlot(number: number, state: Task['status']['state'], nodeId: string | undefined): Slot {
  const task = taskIn(`t${number}`, state, nodeId, { slot: number });
  const slot = slotOf(String(number), [task]);
  if (slot === undefined) throw new Error('no slot');
  return slot;
}

const keys = (slots: readonly Slot[]): string[] => slots.map(({ key }) => key);

/** What the mode plans for these slots when `replicas` are wanted. */
function plan(slots: readonly Slot[], replicas: number, room = 200) {
  const service = aService(aServiceSpec({ replicas }));
  const context = new PlanContext(
    {
      service,
      slots: new Map(slots.map((slot) => [slot.key, slot.tasks])),
      node: (id) => aNode(id),
      allNodes: () => [],
      revision: () => undefined,
    },
    { random: new Prng('slots'), now: 5_000, room },
  );
  const kept = replicated.planSlots(context, slots);
  const actions = context.transactions.flat();
  const created = actions.flatMap((action) => createdTask(action) ?? []);
  return { kept: keys(kept), created, removed: actions.length - created.length, actions };
}

function createdTask(action: Action): Task | undefined {
  return action.kind === 'create' && action.table === 'task' ? (action.object as Task) : undefined;
}

describe('a replicated service', () => {
  it('gets the lowest numbers that are free', () => {
    const slots = [2, 4].map((number) => aSlot(number, 'running', 'a'));
    const { kept, created } = plan(slots, 6);
    expect(kept).toEqual(['2', '4']);
    expect(created.map(({ slot }) => slot)).toEqual([1, 3, 5, 6]);
  });

  it('gets new tasks that are to run, on no node yet', () => {
    const [task] = plan([], 1).created;
    expect(task).toMatchObject({
      serviceId: 's',
      revisionId: 'r',
      desiredState: 'running',
      status: { state: 'pending', timestamp: 5_000 },
    });
    expect(task?.nodeId).toBeUndefined();
  });

  it('gets nothing when it has what it wants', () => {
    const slots = [1, 2].map((number) => aSlot(number, 'running', 'a'));
    expect(plan(slots, 2)).toMatchObject({ kept: ['1', '2'], actions: [] });
  });

  it('loses all its slots when it wants none', () => {
    const slots = [1, 2, 3].map((number) => aSlot(number, 'running', 'a'));
    expect(plan(slots, 0)).toMatchObject({ kept: [], created: [], removed: 3 });
  });

  it('loses each task of a slot that it gives up', () => {
    const tasks = [
      taskIn('old', 'failed', 'a', { desiredState: 'shutdown', createdIndex: 1 }),
      taskIn('new', 'running', 'a', { createdIndex: 2 }),
    ];
    const slot = slotOf('1', tasks);
    const { actions } = plan(slot ? [slot] : [], 0);
    expect(actions).toMatchObject([
      { kind: 'update', object: { id: 'old', desiredState: 'remove' } },
      { kind: 'update', object: { id: 'new', desiredState: 'remove' } },
    ]);
  });

  it.each([-1, 1.5, 1_000_001, Number.NaN])('refuses %j replicas', (replicas) => {
    expect(() => plan([], replicas)).toThrow(SwarmError);
  });

  it('makes no more tasks than can be proposed, and one to say that there are more', () => {
    expect(plan([], 10_000, 50).created).toHaveLength(51);
    expect(plan([], 50, 50).created).toHaveLength(50);
  });

  it('gives up no more than can be proposed, but none of the others is planned either', () => {
    const slots = Array.from({ length: 100 }, (_, i) => aSlot(i + 1, 'running', 'a'));
    const { kept, removed } = plan(slots, 10, 20);
    expect([kept.length, removed]).toEqual([10, 21]);
  });

  it('can not say what is to become of a slot that is gone, without the others', () => {
    const service = aService();
    const context = new PlanContext(
      {
        service,
        slots: new Map(),
        node: () => undefined,
        allNodes: () => [],
        revision: () => undefined,
      },
      { random: new Prng('slots'), now: 0, room: 1 },
    );
    expect(replicated.planSlot(context, '1', undefined)).toBe('unknown');
    expect(replicated.planSlot(context, '1', aSlot(1, 'running', 'a'))).toBe('stays');
  });
});

describe('the slots that are given up', () => {
  it('are those that do not run first', () => {
    const slots = [aSlot(1, 'starting', 'a'), aSlot(2, 'running', 'b'), aSlot(3, 'running', 'b')];
    expect(keys(slotsToRemove(slots, 1))).toEqual(['1']);
  });

  it('are those on the nodes with most of the service next, which changes with each', () => {
    const slots = [
      aSlot(1, 'running', 'a'),
      aSlot(2, 'running', 'a'),
      aSlot(3, 'running', 'a'),
      aSlot(4, 'running', 'b'),
      aSlot(5, 'running', 'b'),
    ];
    expect(keys(slotsToRemove(slots, 3))).toEqual(['3', '5', '2']);
  });

  it('are the highest numbers at last', () => {
    const slots = [9, 10, 2].map((number) => aSlot(number, 'running', `n${number}`));
    expect(keys(slotsToRemove(slots, 2))).toEqual(['10', '9']);
  });

  it('count tasks without a node as on one', () => {
    const slots = [
      aSlot(1, 'pending', undefined),
      aSlot(2, 'pending', undefined),
      aSlot(3, 'starting', 'a'),
    ];
    expect(keys(slotsToRemove(slots, 2))).toEqual(['2', '3']);
  });

  it.each([0, -1])('are none when %i are too many', (count) => {
    expect(slotsToRemove([aSlot(1, 'running', 'a')], count)).toEqual([]);
  });

  it('are all when more are too many than there are', () => {
    expect(slotsToRemove([aSlot(1, 'running', 'a')], 5)).toHaveLength(1);
  });

  it('are those that a search for the worst of all, again and again, finds', () => {
    const random = new Prng('surplus');
    const states = ['running', 'starting', 'pending'] as const;
    for (let round = 0; round < 300; round++) {
      const slots = Array.from({ length: random.below(30) }, (_, i) =>
        aSlot(i + 1, states[random.below(3)] ?? 'running', `n${random.below(5)}`),
      );
      const count = random.below(slots.length + 2);
      expect(keys(slotsToRemove(slots, count))).toEqual(keys(removedSlowly(slots, count)));
    }
  });

  it('are found in time that grows with their number, not with its square', () => {
    let looked = 0;
    const counted = (number: number): Slot => {
      const slot = aSlot(number, 'running', `n${number % 50}`);
      return {
        ...slot,
        get key() {
          looked++;
          return slot.key;
        },
      };
    };
    const work = (size: number): number => {
      const slots = Array.from({ length: size }, (_, i) => counted(i + 1));
      looked = 0;
      slotsToRemove(slots, size / 2);
      return looked;
    };
    expect(work(4_000)).toBeLessThan(work(1_000) * 8);
  });

  /** The rule as it reads. */
  function removedSlowly(slots: readonly Slot[], count: number): Slot[] {
    const nodeOf = (slot: Slot): string => (slot.current ?? slot.tasks.at(-1))?.nodeId ?? '';
    const left = [...slots];
    const chosen: Slot[] = [];
    const load = (slot: Slot): number => left.filter((one) => nodeOf(one) === nodeOf(slot)).length;
    const runs = (slot: Slot): number => Number(slot.alive.some(isRunning));
    while (chosen.length < count && left.length > 0) {
      const [worst] = left.toSorted(
        (a, b) => runs(a) - runs(b) || load(b) - load(a) || Number(b.key) - Number(a.key),
      );
      if (worst === undefined) break;
      left.splice(left.indexOf(worst), 1);
      chosen.push(worst);
    }
    return chosen;
  }
});
