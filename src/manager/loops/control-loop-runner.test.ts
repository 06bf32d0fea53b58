// A loop that fails costs the other loops nothing, and begins anew.
import { VirtualClock } from 'sim';
import { describe, expect, it } from 'vitest';
import { silentLogger, type Logger } from '../../base/index.ts';
import { remove, type Action, type StoreChange } from '../../model/index.ts';
import { memoryStore, newNode } from '../../../test/builders/memory-store.ts';
import type { ControlLoop, Plan } from './control-loop.ts';
import { ControlLoopRunner } from './control-loop-runner.ts';

class Recorder implements ControlLoop {
  readonly name: string;
  resets = 0;
  plans = 0;
  seen = 0;
  observing: (change: StoreChange) => void = () => {};
  resetting = (): void => {};
  planning: () => Plan = () => ({ transactions: [], more: false });

  constructor(name: string) {
    this.name = name;
  }

  reset(): void {
    this.resets++;
    this.resetting();
  }

  observe(change: StoreChange): void {
    this.seen++;
    this.observing(change);
  }

  plan(): Plan {
    this.plans++;
    return this.planning();
  }
}

function setUp() {
  const clock = new VirtualClock();
  const lines: string[] = [];
  const say = (_: unknown, message: string): void => void lines.push(message);
  const logger: Logger = { ...silentLogger, warn: say, error: say };
  const { store } = memoryStore(clock);
  const loops = [new Recorder('first'), new Recorder('second')] as const;
  const runner = new ControlLoopRunner(store, loops, clock, logger);
  return { clock, store, lines, runner, first: loops[0], second: loops[1] };
}

const broken = (): never => {
  throw new TypeError('cannot read properties of undefined');
};

describe('a transaction that was refused', () => {
  it('is told to the loop, which is asked again', async () => {
    const { clock, store, runner, first } = setUp();
    await store.propose([newNode('a')]);
    // Nothing has this version.
    const stale = [remove('node', 'a', 4711)];
    const told: unknown[] = [];
    const loop: ControlLoop = first;
    loop.refused = (transactions) => {
      told.push(...transactions);
      const isThere = (): boolean => store.view.get('node', 'a') !== undefined;
      first.planning = () => ({
        transactions: isThere() ? [[remove('node', 'a')]] : [],
        more: false,
      });
    };
    first.planning = () => ({ transactions: [stale], more: false });
    runner.start();
    await clock.advance(2_000);
    expect(told).toEqual([stale]);
    expect(store.view.get('node', 'a')).toBeUndefined();
    runner.stop();
  });
});

describe('the runner', () => {
  it('lets a loop begin anew that could not take in a change', async () => {
    const { clock, store, lines, runner, first, second } = setUp();
    runner.start();
    await clock.advance(10);
    first.observing = broken;
    await store.propose([newNode('a')]);
    await clock.advance(10);
    first.observing = () => {};
    await store.propose([newNode('b')]);
    await clock.advance(10);
    expect([first.resets, first.seen, second.seen]).toEqual([2, 2, 2]);
    expect(lines).toEqual(['a loop could not take in a change and begins anew']);
  });

  it.each(['resetting', 'planning'] as const)('tries a loop again that fails %s', async (what) => {
    const { clock, store, lines, runner, first, second } = setUp();
    first[what] = broken;
    runner.start();
    await clock.advance(0);
    for (let i = 0; i < 50; i++) {
      await store.propose([newNode(`n${i}`)]);
      await clock.advance(100);
    }
    expect(first.resets).toBeLessThan(10);
    expect(second.seen).toBe(50);
    expect(lines).toEqual(['a loop failed and begins anew']);
    if (what === 'resetting') first.resetting = () => {};
    else first.planning = () => ({ transactions: [], more: false });
    await clock.advance(31_000);
    const { plans } = first;
    await store.propose([newNode('last')]);
    await clock.advance(10);
    expect(first.plans).toBe(plans + 1);
  });

  it('proposes what is sound of a plan, and is not kept busy by the rest', async () => {
    const { clock, store, lines, runner, first } = setUp();
    const unsound = { kind: 'session', nodeId: 'b', managerId: 7 } as unknown as Action;
    first.planning = () => ({
      transactions: [
        [unsound],
        [remove('node', 'nobody')],
        ...(store.view.get('node', 'a') ? [] : [[newNode('a')]]),
      ],
      more: true,
      wakeAt: clock.now(),
    });
    runner.start();
    await clock.advance(60_000);
    expect(store.view.get('node', 'a')).toBeDefined();
    expect(first.plans).toBeLessThan(30);
    expect(lines).toEqual(['a part of a plan could not be proposed']);
  });

  it('gives loops with more to do one plan after another in turn', async () => {
    const { clock, runner, first, second } = setUp();
    const order: string[] = [];
    const left = { first: 3, second: 3 };
    first.planning = () => {
      order.push('first');
      return { transactions: [], more: --left.first > 0 };
    };
    second.planning = () => {
      order.push('second');
      return { transactions: [], more: --left.second > 0 };
    };
    runner.start();
    await clock.advance(0);
    expect(order).toEqual(['first', 'second', 'first', 'second', 'first', 'second']);
  });

  it('lets the event loop have its turn after each plan', async () => {
    const { clock, runner, first, second } = setUp();
    const order: string[] = [];
    let left = 2;
    first.planning = () => {
      order.push('first');
      // Somebody else is due at once, too.
      clock.after(0, () => order.push('somebody'));
      return { transactions: [], more: --left > 0 };
    };
    second.planning = () => {
      order.push('second');
      return { transactions: [], more: false };
    };
    runner.start();
    await clock.advance(0);
    expect(order).toEqual(['first', 'second', 'somebody', 'first', 'somebody']);
  });

  it('plans once for all changes of an entry, and once for those that came meanwhile', async () => {
    const { clock, store, runner, first } = setUp();
    runner.start();
    await clock.advance(0);
    first.plans = 0;
    await Promise.all([store.propose([newNode('a')]), store.propose([newNode('b')])]);
    await store.propose([newNode('c')]);
    await clock.advance(0);
    expect([first.plans, first.seen]).toEqual([1, 3]);
  });

  it('wakes a loop at the time it asked for, and not before', async () => {
    const { clock, runner, first } = setUp();
    first.planning = () => ({ transactions: [], more: false, wakeAt: clock.now() + 1_000 });
    runner.start();
    await clock.advance(0);
    expect(first.plans).toBe(1);
    await clock.advance(999);
    expect(first.plans).toBe(1);
    await clock.advance(1);
    expect(first.plans).toBe(2);
  });

  it('plans nothing once it was stopped, and begins anew when it is started again', async () => {
    const { clock, store, runner, first } = setUp();
    runner.start();
    await clock.advance(0);
    await store.propose([newNode('a')]);
    runner.stop();
    await clock.advance(1_000);
    expect([first.resets, first.plans]).toEqual([1, 1]);
    runner.start();
    await clock.advance(0);
    expect([first.resets, first.plans]).toEqual([2, 2]);
  });
});
