// What a loop has to look at and when, how much of it one plan takes, and what becomes of objects that
// can't be planned.
import { Prng } from 'sim';
import { describe, expect, it } from 'vitest';
import { remove, type Action } from '../../model/index.ts';
import { Agenda, planAgenda, type Planner } from './agenda.ts';
import { Faults, SlicedWalk } from './faults.ts';

const BUDGET = { transactions: 10, spent: () => false };

const transactions = (id: string, count: number): (readonly Action[])[] =>
  Array.from({ length: count }, (_, i) => [remove('task', `${id}${i}`)]);

/** Plans `counts` transactions for each id; says nothing about faults. */
function planner(counts: Readonly<Record<string, number>>): Planner & { readonly seen: string[] } {
  const seen: string[] = [];
  return {
    seen,
    planOne: (id) => {
      seen.push(id);
      return { transactions: transactions(id, counts[id] ?? 0) };
    },
    explain: () => [],
  };
}

describe('an agenda', () => {
  it('gives each id once, in the order in which they were added', () => {
    const agenda = new Agenda();
    for (const id of ['b', 'a', 'b']) agenda.add(id);
    expect([...agenda.take(0)]).toEqual(['b', 'a']);
    expect(agenda.empty).toBe(true);
  });

  it('keeps what was not taken', () => {
    const agenda = new Agenda();
    for (const id of ['a', 'b', 'c']) agenda.add(id);
    for (const id of agenda.take(0)) if (id === 'b') break;
    expect([...agenda.take(0)]).toEqual(['c']);
  });

  it('gives an id again that was added while it was looked at', () => {
    const agenda = new Agenda();
    agenda.add('a');
    const taken: string[] = [];
    for (const id of agenda.take(0)) {
      taken.push(id);
      if (taken.length < 3) agenda.add(id);
    }
    expect(taken).toEqual(['a', 'a', 'a']);
  });

  it('gives nothing before its time', () => {
    const agenda = new Agenda();
    agenda.addAt('a', 100);
    expect([[...agenda.take(99)], agenda.wakeAt]).toEqual([[], 100]);
    expect([[...agenda.take(100)], agenda.wakeAt]).toEqual([['a'], undefined]);
  });

  it('goes by the earliest of several times', () => {
    const agenda = new Agenda();
    agenda.addAt('a', 200);
    agenda.addAt('a', 100);
    agenda.addAt('a', 300);
    expect(agenda.wakeAt).toBe(100);
    expect([...agenda.take(100)]).toEqual(['a']);
    expect([...agenda.take(1_000)]).toEqual([]);
  });

  it('is empty once it was cleared', () => {
    const agenda = new Agenda();
    agenda.add('a');
    agenda.addAt('b', 100);
    agenda.clear();
    expect([agenda.empty, agenda.wakeAt, [...agenda.take(1_000)]]).toEqual([true, undefined, []]);
  });

  it('gives ids at their times whatever they are', () => {
    const random = new Prng('agenda');
    for (let round = 0; round < 50; round++) {
      const agenda = new Agenda();
      const times = new Map<string, number>();
      for (let i = 0; i < 60; i++) {
        const id = `i${random.below(20)}`;
        const time = random.below(100);
        agenda.addAt(id, time);
        times.set(id, Math.min(time, times.get(id) ?? Infinity));
      }
      for (let now = 0; now < 100; now += 10) {
        expect(agenda.wakeAt).toBe(times.size === 0 ? undefined : Math.min(...times.values()));
        const due = [...times].filter(([, time]) => time <= now).map(([id]) => id);
        expect([...agenda.take(now)].sort()).toEqual(due.sort());
        for (const id of due) times.delete(id);
      }
    }
  });
});

describe('a plan of an agenda', () => {
  it('has all that is due while there is room', () => {
    const agenda = new Agenda();
    for (const id of ['a', 'b']) agenda.add(id);
    const plan = planAgenda(agenda, 0, BUDGET, planner({ a: 4, b: 6 }));
    expect([plan.transactions.length, plan.more]).toEqual([10, false]);
  });

  it('leaves the rest for the next one', () => {
    const agenda = new Agenda();
    for (const id of ['a', 'b', 'c']) agenda.add(id);
    const all = planner({ a: 4, b: 7, c: 1 });
    const plan = planAgenda(agenda, 0, BUDGET, all);
    expect([plan.transactions.length, plan.more, all.seen]).toEqual([10, true, ['a', 'b']]);
    planAgenda(agenda, 0, BUDGET, all);
    expect(all.seen).toEqual(['a', 'b', 'c', 'b']);
  });

  it('ends when its time is over', () => {
    const agenda = new Agenda();
    for (const id of ['a', 'b']) agenda.add(id);
    const all = planner({});
    const plan = planAgenda(agenda, 0, { transactions: 10, spent: () => true }, all);
    expect([all.seen, plan.more]).toEqual([['a'], true]);
  });

  it('says in an object that it can not be planned, and in the log', () => {
    const agenda = new Agenda();
    agenda.add('a');
    const said: (string | undefined)[] = [];
    const broken: Planner = {
      planOne: () => {
        throw new Error('no sense');
      },
      explain: (_id, error) => {
        said.push(error);
        return transactions('say', 1);
      },
    };
    const plan = planAgenda(agenda, 5_000, BUDGET, broken);
    expect([said, plan.transactions]).toEqual([['no sense'], transactions('say', 1)]);
    expect(plan.faults).toEqual([{ object: 'a', error: 'no sense' }]);
    expect(plan.wakeAt).toBe(6_000);
    expect(agenda.faults.has('a')).toBe(true);
  });

  it('tries it again ever more slowly, at least once a minute, and logs it once', () => {
    const agenda = new Agenda();
    const broken: Planner = {
      planOne: () => {
        throw new Error('no sense');
      },
      explain: () => {
        throw new Error('not even that');
      },
    };
    let now = 0;
    const pauses: number[] = [];
    const faults: number[] = [];
    agenda.add('a');
    for (let i = 0; i < 9; i++) {
      const plan = planAgenda(agenda, now, BUDGET, broken);
      pauses.push((plan.wakeAt ?? 0) - now);
      faults.push(plan.faults?.length ?? 0);
      now = plan.wakeAt ?? 0;
    }
    expect(pauses).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60].map((seconds) => seconds * 1_000));
    expect(faults).toEqual([1, 0, 0, 0, 0, 0, 0, 0, 0]);
  });

  it('takes back what it said once it can', () => {
    const agenda = new Agenda();
    agenda.faults.failed('a', new Error('no sense'));
    agenda.add('a');
    const said: (string | undefined)[] = [];
    const mended: Planner = {
      planOne: () => ({ transactions: [] }),
      explain: (_id, error) => {
        said.push(error);
        return [];
      },
    };
    planAgenda(agenda, 0, BUDGET, mended);
    expect([said, agenda.faults.has('a')]).toEqual([[undefined], false]);
  });
});

describe('a walk in pieces', () => {
  const objects = (count: number): { id: string }[] =>
    Array.from({ length: count }, (_, i) => ({ id: `o${i}` }));

  it('visits all, a few at a time', () => {
    const seen: string[] = [];
    const walk = new SlicedWalk(objects(300), new Faults(), ({ id }) => seen.push(id));
    const done: boolean[] = [];
    for (let i = 0; i < 6; i++) done.push(walk.go({ transactions: 1, spent: () => true }));
    expect(seen).toHaveLength(300);
    expect(done).toEqual([false, false, false, false, true, true]);
  });

  it('is done at once with nothing', () => {
    expect(new SlicedWalk([], new Faults(), () => {}).go(BUDGET)).toBe(true);
  });

  it('leaves out what it can not read, and says so', () => {
    const faults = new Faults();
    const seen: string[] = [];
    const walk = new SlicedWalk(objects(3), faults, ({ id }) => {
      if (id === 'o1') throw new Error('odd');
      seen.push(id);
    });
    expect(walk.go(BUDGET)).toBe(true);
    expect(seen).toEqual(['o0', 'o2']);
    expect(faults.takeFresh()).toEqual([{ object: 'o1', error: 'odd' }]);
  });
});
