// One change of the membership at a time; a leave ends the one under way, in bounded time, and what
// had begun is taken down whole.
import { VirtualClock } from 'sim';
import { describe, expect, it } from 'vitest';
import { silentLogger, sleep } from '../../base/index.ts';
import {
  END_LIMIT_MS,
  PART_LIMIT_MS,
  MembershipChange,
  allInOrder,
  goOn,
  inTime,
  unlessEnded,
  waitUntil,
} from './membership-change.ts';

const never = new Promise<never>(() => {});

describe('a change of the membership', () => {
  it('is the only one, and the next may begin when it is over', async () => {
    const change = new MembershipChange(new VirtualClock());
    let end = (): void => {};
    const first = change.run('init', () => new Promise<void>((resolve) => (end = resolve)));
    await expect(change.run('join', async () => {})).rejects.toThrow('already part of a swarm');
    end();
    await first;
    await expect(change.run('join', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(change.kind).toBeUndefined();
    await expect(change.run('leave', async () => 1)).resolves.toBe(1);
  });

  it('is ended by a leave, says so, and is over before the leave goes on', async () => {
    const clock = new VirtualClock();
    const change = new MembershipChange(clock);
    const order: string[] = [];
    const join = change.run('join', async (signal) => {
      const limits = { clock, everyMs: 10, limitMs: 20_000, signal, late: () => new Error('late') };
      await waitUntil(() => false, limits).finally(() => order.push('stopped'));
    });
    const refused = expect(join).rejects.toThrow('this node left the swarm while its join was');
    await clock.advance(100);
    await change.end().then(() => order.push('ended'));
    await refused;
    expect(order).toEqual(['stopped', 'ended']);
    await expect(change.run('init', async () => 1)).resolves.toBe(1);
  });

  it('that does not end is not waited for without bound, and nothing else begins meanwhile', async () => {
    const clock = new VirtualClock();
    const change = new MembershipChange(clock);
    void change.run('init', () => never);
    const late = expect(change.end()).rejects.toThrow('has not ended within 30 s');
    await clock.advance(END_LIMIT_MS + 1);
    await late;
    await expect(change.run('join', async () => {})).rejects.toThrow('already part');
  });

  it('refuses what comes while it is a leave', async () => {
    const clock = new VirtualClock();
    const change = new MembershipChange(clock);
    const leave = change.run('leave', () => sleep(clock, 10));
    await expect(change.run('init', async () => {})).rejects.toThrow('is leaving its swarm');
    await expect(change.end()).rejects.toThrow('is leaving its swarm');
    await clock.advance(20);
    await leave;
  });
});

it('gives up work that nobody answers, with the reason; its own error is passed on', async () => {
  const abort = new AbortController();
  const { signal } = abort;
  await expect(unlessEnded(Promise.reject(new Error('own')), signal)).rejects.toThrow('own');
  const given = expect(unlessEnded(never, signal)).rejects.toThrow('left');
  abort.abort(new Error('left'));
  await given;
  expect(() => goOn(signal)).toThrow('left');
});

it('waits no longer than its limit', async () => {
  const clock = new VirtualClock();
  const { signal } = new AbortController();
  const limits = { clock, everyMs: 10, limitMs: 50, signal, late: () => new Error('late') };
  const late = expect(waitUntil(() => false, limits)).rejects.toThrow('late');
  await clock.advance(100);
  await late;
});

it('takes down all parts in order although one fails, and tells the first failure', async () => {
  const done: string[] = [];
  const down = allInOrder(silentLogger, {
    agent: () => Promise.reject(new Error('agent stays')),
    manager: async () => void done.push('manager'),
    listener: () => {
      done.push('listener');
      throw new Error('second');
    },
    files: async () => void done.push('files'),
  });
  await expect(down).rejects.toThrow('agent stays');
  expect(done).toEqual(['manager', 'listener', 'files']);
});

it('waits for no part of a node without bound', async () => {
  const clock = new VirtualClock();
  await inTime(clock, 'containers', Promise.resolve());
  const late = expect(inTime(clock, 'containers', never)).rejects.toThrow('within 60 s');
  await clock.advance(PART_LIMIT_MS + 1);
  await late;
});
