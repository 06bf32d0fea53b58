import { VirtualClock } from 'sim';
import { describe, expect, it } from 'vitest';
import { ANSWER_LIMIT_MS, AppliedSets, DrainQuestions } from './endpoint-drain.ts';

describe('DrainQuestions', () => {
  function questions() {
    const clock = new VirtualClock();
    const asked: string[] = [];
    const session = { drain: (id: string) => void asked.push(id) };
    const open = new DrainQuestions(clock, () => session);
    return { clock, asked, open };
  }

  it('hands on the answer of the managers', async () => {
    const { open, asked } = questions();
    const result = open.ask('t1', new AbortController().signal);
    expect(asked).toEqual(['t1']);
    open.answered('other', []);
    open.answered('t1', ['n2']);
    expect(await result).toEqual({ missing: ['n2'] });
  });

  it('goes on without an answer after a while', async () => {
    const { open, clock } = questions();
    let result: unknown;
    void open.ask('t1', new AbortController().signal).then((value) => (result = value));
    await clock.advance(ANSWER_LIMIT_MS - 1);
    expect(result).toBeUndefined();
    await clock.advance(1);
    expect(result).toEqual({ missing: undefined });
  });

  it('asks again in a new session, but not for what is answered or given up', async () => {
    const { open, asked } = questions();
    const stop = new AbortController();
    const first = open.ask('t1', stop.signal);
    const second = open.ask('t2', new AbortController().signal);
    stop.abort();
    await first;
    open.askAgain();
    expect(asked).toEqual(['t1', 't2', 't2']);
    open.answered('t2', []);
    await second;
    open.askAgain();
    expect(asked).toEqual(['t1', 't2', 't2']);
  });
});

describe('AppliedSets', () => {
  it('tells each newest set after it has settled, and skips those in between', async () => {
    const release: (() => void)[] = [];
    const told: number[] = [];
    const sets = new AppliedSets(
      () => new Promise((resolve) => release.push(resolve)),
      (index) => told.push(index),
    );
    const turn = async (): Promise<void> => {
      release.shift()?.();
      await new Promise((resolve) => setImmediate(resolve));
    };
    sets.handedOver(3);
    sets.handedOver(5);
    sets.handedOver(8);
    expect(told).toEqual([]);
    await turn();
    await turn();
    expect(told).toEqual([3, 8]);
    expect(release).toEqual([]);
    sets.handedOver(9);
    await turn();
    expect(told).toEqual([3, 8, 9]);
  });
});
