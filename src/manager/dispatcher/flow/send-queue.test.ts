// Who is sent what has changed, when, and how long one turn may be.
import { VirtualClock } from 'sim';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Clock } from '../../../base/index.ts';
import {
  ASSIGNMENTS_PAUSE_MS,
  IN_FLIGHT_BYTES_MAX,
  IN_FLIGHT_MS,
  ROUND_PAUSE_MAX_MS,
  TURN_MS,
} from './limits.ts';
import { SendQueue } from './send-queue.ts';

/** What sending to one session takes, in milliseconds of the manager. */
const SEND_MS = 1;

let virtual: VirtualClock;
/** Time that the manager has spent sending. */
let spentMs: number;
let clock: Clock;
/** Names in the order of sending, and a mark between turns. */
let sent: string[];
let queue: SendQueue<string>;
/** What happens while a session is sent something. */
let onSend: (session: string) => void;
/** Of what each session is sent. */
let bytes: number;

beforeEach(() => {
  virtual = new VirtualClock();
  spentMs = 0;
  sent = [];
  onSend = () => {};
  bytes = 100;
  clock = {
    now: () => virtual.now(),
    monotonicMs: () => virtual.monotonicMs() + spentMs,
    after: (delayMs, fire) =>
      virtual.after(delayMs, () => {
        sent.push('|');
        fire();
      }),
  };
  queue = new SendQueue(clock, (session) => {
    spentMs += SEND_MS;
    sent.push(session);
    onSend(session);
    return bytes;
  });
});

const names = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}${i}`);
const followedBy = (sessions: readonly string[]) => ({ followers: new Set(sessions) });
const turns = (): string[][] =>
  sent
    .join(' ')
    .split('|')
    .map((turn) => turn.split(' ').filter((name) => name !== ''))
    .filter((turn) => turn.length > 0);

describe('SendQueue', () => {
  it('sends the first change at once, and what follows closely together', async () => {
    queue.add('a');
    await virtual.advance(0);
    expect(turns()).toEqual([['a']]);
    queue.add('a');
    queue.add('b');
    await virtual.advance(ASSIGNMENTS_PAUSE_MS - 1);
    queue.add('c');
    expect(turns()).toHaveLength(1);
    await virtual.advance(ASSIGNMENTS_PAUSE_MS);
    expect(turns()[1]).toEqual(['a', 'b', 'c']);
    await virtual.advance(1_000);
    expect(turns()).toHaveLength(2);
  });

  it('cuts a round into turns, and serves everybody once', async () => {
    const all = names('w', 100);
    queue.addFollowers(followedBy(all));
    await virtual.advance(1_000);
    expect(turns().flat()).toEqual(all);
    for (const turn of turns()) expect(turn.length).toBeLessThanOrEqual(TURN_MS / SEND_MS + 1);
    expect(turns().length).toBeGreaterThanOrEqual(all.length / (TURN_MS / SEND_MS + 1));
  });

  it('lets own changes in between those of a round', async () => {
    const all = names('w', 100);
    onSend = (session) => {
      if (session === 'w20') queue.add('own');
    };
    queue.addFollowers(followedBy(all));
    await virtual.advance(1_000);
    const order = turns().flat();
    expect(order.indexOf('own') - order.indexOf('w20')).toBeLessThanOrEqual(2);
    expect(order).toHaveLength(all.length + 1);
  });

  it('does not let a flood of own changes hold up a round', async () => {
    const all = names('w', 50);
    queue.addFollowers(followedBy(all));
    for (const name of names('own', 500)) queue.add(name);
    await virtual.advance(0);
    const first = turns().flat().slice(0, 10);
    expect(first.filter((name) => name.startsWith('w'))).toHaveLength(5);
  });

  it('has one round for all changes of a time, and the longer pauses the more follow', async () => {
    const few = followedBy(names('f', 10));
    const many = followedBy(names('m', 2_000));
    queue.addFollowers(few);
    queue.addFollowers(many);
    queue.addFollowers(many);
    await virtual.advance(2_000);
    expect(turns().flat()).toHaveLength(2_010);
    const after = sent.length;
    queue.addFollowers(few);
    await virtual.advance(0);
    expect(turns().flat()).toHaveLength(2_020);
    // The pause is counted from the beginning of a round: here that was long ago.
    queue.addFollowers(few);
    await virtual.advance(ROUND_PAUSE_MAX_MS);
    expect(turns().flat()).toHaveLength(2_030);
    expect(sent.length).toBeGreaterThan(after);
  });

  it('gathers what changes while a round lasts into the next one', async () => {
    const all = names('w', 30);
    const set = followedBy(all);
    queue.addFollowers(set);
    await virtual.advance(0);
    queue.addFollowers(set);
    queue.addFollowers(set);
    await virtual.advance(1_000);
    expect(turns().flat()).toEqual([...all, ...all]);
  });

  it('sends nothing to those that are gone', async () => {
    queue.add('a');
    queue.add('b');
    queue.remove('a');
    await virtual.advance(10);
    expect(turns().flat()).toEqual(['b']);
    queue.add('c');
    queue.addFollowers(followedBy(['d']));
    queue.clear();
    expect(queue.waiting).toBe(0);
    await virtual.advance(1_000);
    expect(turns().flat()).toEqual(['b']);
    queue.add('e');
    await virtual.advance(10);
    expect(turns().flat()).toEqual(['b', 'e']);
  });

  it('waits while too much is on its way, until it has arrived or for a time', async () => {
    bytes = IN_FLIGHT_BYTES_MAX / 4;
    const all = names('w', 20);
    queue.addFollowers(followedBy(all));
    await virtual.advance(100);
    expect(turns().flat()).toHaveLength(4);
    queue.arrived('w1');
    queue.arrived('w2');
    await virtual.advance(100);
    expect(turns().flat()).toHaveLength(6);
    queue.remove('w3');
    await virtual.advance(100);
    expect(turns().flat()).toHaveLength(7);
    // Nobody says anything any more.
    await virtual.advance(5 * IN_FLIGHT_MS);
    expect(turns().flat()).toEqual(all);
    queue.add('own');
    await virtual.advance(10);
    expect(turns().flat().at(-1)).toBe('own');
  });
});
