// What hosts have applied, on its way to the leader: together, the newest alone, one call at a time.
import { VirtualClock, settle } from 'sim';
import { beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../base/index.ts';
import type { LeaderApi } from '../methods/index.ts';
import { AppliedReports } from './applied-reports.ts';
import { APPLIED_PAUSE_MS } from './limits.ts';

let clock: VirtualClock;
let reports: AppliedReports;
let told: string[];
/** How each call goes on. */
let answer: () => Promise<object>;

beforeEach(() => {
  clock = new VirtualClock();
  told = [];
  answer = () => Promise.resolve({});
  const leader: LeaderApi = {
    forward: async (_method, request) => {
      const { hosts } = request as { hosts: { nodeId: string; index: number }[] };
      told.push(hosts.map(({ nodeId, index }) => `${nodeId}:${index}`).join(' '));
      return (await answer()) as never;
    },
  };
  reports = new AppliedReports(leader, clock, silentLogger);
});

describe('AppliedReports', () => {
  it('tells the first at once, and together what follows closely', async () => {
    reports.add('a', 1);
    await clock.advance(0);
    expect(told).toEqual(['a:1']);
    reports.add('a', 2);
    reports.add('b', 2);
    reports.add('a', 5);
    reports.add('a', 4);
    await clock.advance(APPLIED_PAUSE_MS - 1);
    expect(told).toHaveLength(1);
    await clock.advance(1);
    expect(told.slice(1)).toEqual(['a:5 b:2']);
    await clock.advance(1_000);
    expect(told).toHaveLength(2);
  });

  it('waits for an answer before it tells more', async () => {
    let release = (): void => {};
    answer = () => new Promise((resolve) => (release = () => resolve({})));
    reports.add('a', 1);
    await clock.advance(0);
    for (let i = 2; i < 100; i++) {
      reports.add('a', i);
      await clock.advance(10);
    }
    expect(told).toEqual(['a:1']);
    release();
    await settle();
    await clock.advance(0);
    expect(told).toEqual(['a:1', 'a:99']);
  });

  it('goes on after a call that failed: the next leader is told everything anew', async () => {
    answer = () => Promise.reject(new Error('no leader'));
    reports.add('a', 1);
    await clock.advance(0);
    answer = () => Promise.resolve({});
    reports.add('b', 2);
    await clock.advance(APPLIED_PAUSE_MS);
    expect(told).toEqual(['a:1', 'b:2']);
  });

  it('says nothing any more once it is closed', async () => {
    reports.add('a', 1);
    reports.close();
    await clock.advance(1_000);
    expect(told).toEqual([]);
  });
});
