import { Prng, VirtualClock, settle } from 'sim';
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../base/index.ts';
import { Removals } from './removals.ts';

function scene() {
  const clock = new VirtualClock();
  const removals = new Removals({ clock, random: new Prng('removals'), logger: silentLogger });
  return { clock, removals };
}

describe('the removal of a task', () => {
  it('is tried until it works, by one at a time', async () => {
    const { clock, removals } = scene();
    let tries = 0;
    const remove = async (): Promise<void> => {
      if (++tries < 4) throw new Error('busy');
    };
    const first = removals.run('t', remove);
    expect(removals.run('t', remove)).toBe(first);
    await clock.advance(60_000);
    await first;
    expect(tries).toBe(4);
    expect(removals.has('t')).toBe(false);
  });

  it('ends with the agent, also one that hangs', async () => {
    const { clock, removals } = scene();
    let tries = 0;
    const failing = removals.run('a', async () => {
      tries++;
      throw new Error('never');
    });
    const hanging = removals.run('b', () => new Promise(() => undefined));
    await settle();
    removals.end();
    await Promise.all([failing, hanging]);
    const before = tries;
    await clock.advance(600_000);
    expect(tries).toBe(before);
  });

  it('does not keep a node from leaving for ever', async () => {
    const { clock, removals } = scene();
    const hanging = removals.run('a', () => new Promise(() => undefined));
    const done = removals.endAfter(120_000);
    await clock.advance(120_000);
    await hanging;
    done();
    expect(removals.has('a')).toBe(false);
  });
});
