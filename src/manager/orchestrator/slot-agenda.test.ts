// What is planned together, what apart, and what never twice in one plan.
import { describe, expect, it } from 'vitest';
import { remove, type Action } from '../../model/index.ts';
import type { Planned } from '../loops/index.ts';
import { SlotAgenda, type SlotPlanner } from './slot-agenda.ts';

const BUDGET = { transactions: 10, spent: () => false };
const NOTHING: Planned = { transactions: [] };

const some = (count: number): Planned => ({
  transactions: Array.from({ length: count }, (_, i): Action[] => [remove('task', `t${i}`)]),
});

/** Writes down what is looked at; plans nothing unless it is told to. */
function recorder(parts: Partial<SlotPlanner> = {}): SlotPlanner & { readonly seen: string[] } {
  const seen: string[] = [];
  return {
    seen,
    planService: (id, room) => {
      seen.push(id);
      return parts.planService?.(id, room) ?? NOTHING;
    },
    planSlot: (id, key, room) => {
      seen.push(`${id}.${key}`);
      return parts.planSlot === undefined ? NOTHING : parts.planSlot(id, key, room);
    },
    explain: (id, error) => {
      if (error !== undefined) seen.push(`${id}: ${error}`);
      return parts.explain?.(id, error) ?? [];
    },
  };
}

describe('a slot', () => {
  it('is looked at by itself, once', () => {
    const agenda = new SlotAgenda();
    for (const key of ['1', '2', '1']) agenda.addSlot('s', key);
    const planner = recorder();
    expect(agenda.plan(0, BUDGET, planner)).toMatchObject({ transactions: [], more: false });
    expect(planner.seen).toEqual(['s.1', 's.2']);
  });

  it('is looked at with its service when that is looked at, too', () => {
    for (const order of ['slot first', 'service first']) {
      const agenda = new SlotAgenda();
      if (order === 'slot first') agenda.addSlot('s', '1');
      agenda.addService('s');
      if (order === 'service first') agenda.addSlot('s', '1');
      const planner = recorder();
      agenda.plan(0, BUDGET, planner);
      expect(planner.seen).toEqual(['s']);
    }
  });

  it('that needs the others is looked at with its service, in the same plan', () => {
    const agenda = new SlotAgenda();
    agenda.addSlot('s', '1');
    const planner = recorder({ planSlot: () => undefined });
    agenda.plan(0, BUDGET, planner);
    expect(planner.seen).toEqual(['s.1', 's']);
  });

  it('keeps its service for the next plan when another slot of it has been planned', () => {
    const agenda = new SlotAgenda();
    agenda.addSlot('s', '1');
    agenda.addSlot('s', '2');
    const planner = recorder({ planSlot: (_id, key) => (key === '1' ? some(1) : undefined) });
    const plan = agenda.plan(0, BUDGET, planner);
    expect([planner.seen, plan.transactions.length, plan.more]).toEqual([['s.1', 's.2'], 1, true]);
    agenda.plan(0, BUDGET, planner);
    expect(planner.seen).toEqual(['s.1', 's.2', 's']);
  });

  it('does not keep the services of others waiting', () => {
    const agenda = new SlotAgenda();
    agenda.addSlot('s', '1');
    agenda.addService('other');
    const planner = recorder({ planSlot: () => some(1) });
    agenda.plan(0, BUDGET, planner);
    expect(planner.seen).toEqual(['s.1', 'other']);
  });

  it('is looked at when its time has come', () => {
    const agenda = new SlotAgenda();
    agenda.addSlotAt('s', '1', 100);
    const planner = recorder();
    expect(agenda.plan(99, BUDGET, planner).wakeAt).toBe(100);
    expect(planner.seen).toEqual([]);
    agenda.plan(100, BUDGET, planner);
    expect(planner.seen).toEqual(['s.1']);
  });

  it('may have any key', () => {
    const agenda = new SlotAgenda();
    for (const key of ['', '1', 'node/with.signs and spaces']) agenda.addSlot('s', key);
    const planner = recorder();
    agenda.plan(0, BUDGET, planner);
    expect(planner.seen).toEqual(['s.', 's.1', 's.node/with.signs and spaces']);
  });

  it('is told how much room there is', () => {
    const agenda = new SlotAgenda();
    agenda.addSlot('s', '1');
    agenda.addSlot('s', '2');
    const rooms: number[] = [];
    agenda.plan(
      0,
      BUDGET,
      recorder({
        planSlot: (_id, _key, room) => {
          rooms.push(room);
          return some(4);
        },
      }),
    );
    expect(rooms).toEqual([10, 6]);
  });
});

describe('a slot that can not be planned', () => {
  const broken: Partial<SlotPlanner> = {
    planSlot: () => {
      throw new Error('odd slot');
    },
    planService: () => {
      throw new Error('odd service');
    },
  };

  it('has its service looked at, which says what is wrong', () => {
    const agenda = new SlotAgenda();
    agenda.addSlot('s', '1');
    const planner = recorder(broken);
    const plan = agenda.plan(0, BUDGET, planner);
    expect(planner.seen).toEqual(['s.1', 's', 's: odd service']);
    expect(plan.faults).toEqual([{ object: 's', error: 'odd service' }]);
  });

  it('waits for the next look at its service', () => {
    const agenda = new SlotAgenda();
    agenda.addSlot('s', '1');
    const first = recorder(broken);
    const { wakeAt } = agenda.plan(0, BUDGET, first);
    agenda.addSlot('s', '2');
    const second = recorder(broken);
    agenda.plan(10, BUDGET, second);
    expect([second.seen, wakeAt]).toEqual([[], 1_000]);
    const third = recorder();
    agenda.plan(1_000, BUDGET, third);
    agenda.addSlot('s', '2');
    agenda.plan(1_001, BUDGET, third);
    expect(third.seen).toEqual(['s', 's.2']);
  });

  it('takes nothing back of what its service said, when another slot can be', () => {
    const agenda = new SlotAgenda();
    const said: (string | undefined)[] = [];
    agenda.addSlot('s', '1');
    agenda.plan(
      0,
      BUDGET,
      recorder({
        explain: (_id, error) => {
          said.push(error);
          return [];
        },
      }),
    );
    expect(said).toEqual([]);
  });
});

describe('a service', () => {
  it('with more to do than there is room is looked at again', () => {
    const agenda = new SlotAgenda();
    agenda.addService('s');
    const planner = recorder({ planService: (_id, room) => some(room + 1) });
    const plan = agenda.plan(0, BUDGET, planner);
    expect([plan.transactions.length, plan.more]).toEqual([10, true]);
    agenda.plan(0, BUDGET, planner);
    expect(planner.seen).toEqual(['s', 's']);
  });

  it('is forgotten with the rest', () => {
    const agenda = new SlotAgenda();
    agenda.addService('s');
    agenda.addSlot('s', '1');
    agenda.addSlotAt('s', '2', 5);
    agenda.clear();
    const planner = recorder();
    expect(agenda.plan(10, BUDGET, planner)).toMatchObject({ more: false });
    expect(planner.seen).toEqual([]);
  });
});
