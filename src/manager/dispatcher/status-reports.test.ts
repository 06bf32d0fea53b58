// What agents say of their tasks, on its way to the leader: their own tasks alone, in calls of a bounded
// size, one at a time.
import { settle } from 'sim';
import { beforeEach, describe, expect, it } from 'vitest';
import { AgentLine } from '../../../test/builders/agent-line.ts';
import { STATUS } from '../../../test/builders/malformed-messages.ts';
import { memoryStore, newNode } from '../../../test/builders/memory-store.ts';
import { silentLogger } from '../../base/index.ts';
import { create, type Task } from '../../model/index.ts';
import type { LeaderApi } from '../methods/index.ts';
import type { Store } from '../store/index.ts';
import { REPORTS_PER_CALL, REPORT_BYTES_PER_CALL, REPORT_BYTES_PER_SESSION_MAX } from './limits.ts';
import { AgentSession } from './session.ts';
import { SharedSets } from './sets/index.ts';
import { StatusReports } from './status-reports.ts';

interface Told {
  readonly taskId: string;
  readonly nodeId: string;
  readonly status: Task['status'];
}

let store: Store;
let reports: StatusReports;
let session: AgentSession;
let calls: Told[][];
let failures: number;
/** How each call goes on. */
let answer: () => Promise<void>;

beforeEach(async () => {
  ({ store } = memoryStore());
  calls = [];
  failures = 0;
  answer = () => Promise.resolve();
  for (const id of ['a', 'b']) await store.propose([newNode(id)]);
  for (const [id, nodeId] of [
    ['t1', 'a'],
    ['t2', 'b'],
  ] as const) {
    const task = {
      id,
      serviceId: 's',
      revisionId: 'r',
      slot: 1,
      nodeId,
      desiredState: 'running',
      status: { state: 'assigned', timestamp: 0, message: '' },
      networks: [],
    } as const;
    await store.propose([create('task', { ...task, networks: [] })]);
  }
  const leader: LeaderApi = {
    forward: async (_method, request) => {
      calls.push((request as { reports: Told[] }).reports);
      await answer();
      return {} as never;
    },
  };
  reports = new StatusReports(store.view, leader, silentLogger, () => failures++);
  const shared = new SharedSets<AgentSession>(store);
  session = new AgentSession('a', 7, new AgentLine(), shared, () => {});
});

const status = JSON.stringify(STATUS);
const report = (taskId: string, sequence: number, text = status) => ({
  taskId,
  status: text,
  sequence,
});

describe('StatusReports', () => {
  it('go on with the epoch of their session', async () => {
    reports.take(session, [report('t1', 3)]);
    await settle();
    expect(calls).toHaveLength(1);
    expect(calls[0]).toMatchObject([
      { taskId: 't1', nodeId: 'a', status: { state: STATUS.state, epoch: 7, sequence: 3 } },
    ]);
    expect(session.reportBytes).toBe(0);
  });

  it('are of the node’s own tasks alone', async () => {
    reports.take(session, [report('t2', 1), report('unknown', 1), report('t1', 1)]);
    await settle();
    expect(calls.flat().map(({ taskId }) => taskId)).toEqual(['t1']);
  });

  it('that do not fit raise an error that says so', () => {
    const raise = (text: string) => (): void => reports.take(session, [report('t1', 1, text)]);
    expect(raise('{')).toThrow(/status/);
    expect(raise('{"state":"flying"}')).toThrow(/status/);
  });

  it('share calls while one is under way, and no call is too large', async () => {
    let release = (): void => {};
    answer = () => new Promise((resolve) => (release = resolve));
    reports.take(session, [report('t1', 1)]);
    for (let i = 2; i <= REPORTS_PER_CALL + 12; i++) reports.take(session, [report('t1', i)]);
    await settle();
    expect(calls.map(({ length }) => length)).toEqual([1]);
    answer = () => Promise.resolve();
    release();
    await settle();
    expect(calls.map(({ length }) => length)).toEqual([1, REPORTS_PER_CALL, 11]);
    expect(calls.flat().map((told) => told.status.sequence)).toEqual(
      Array.from({ length: REPORTS_PER_CALL + 12 }, (_, i) => i + 1),
    );
  });

  it('of many bytes go in several calls', async () => {
    let release = (): void => {};
    answer = () => new Promise((resolve) => (release = resolve));
    reports.take(session, [report('t1', 1)]);
    const long = JSON.stringify({ ...STATUS, message: 'x'.repeat(4_000) });
    const count = Math.ceil((1.5 * REPORT_BYTES_PER_CALL) / long.length);
    for (let i = 0; i < count; i++) reports.take(session, [report('t1', i + 2, long)]);
    answer = () => Promise.resolve();
    release();
    await settle();
    expect(calls).toHaveLength(3);
    for (const call of calls) {
      expect(JSON.stringify(call).length).toBeLessThan(1.2 * REPORT_BYTES_PER_CALL);
    }
  });

  it('of one node wait up to a limit', () => {
    answer = () => new Promise(() => {});
    const long = JSON.stringify({ ...STATUS, message: 'x'.repeat(4_000) });
    const count = Math.ceil(REPORT_BYTES_PER_SESSION_MAX / long.length) + 2;
    const all = Array.from({ length: count }, (_, i) => report('t1', i, long));
    expect(() => reports.take(session, all)).toThrow('more of its tasks than can be recorded');
  });

  it('that fail end the sessions: agents say all of it again', async () => {
    answer = () => Promise.reject(new Error('no leader'));
    reports.take(session, [report('t1', 1)]);
    await settle();
    expect(failures).toBe(1);
    answer = () => Promise.resolve();
    reports.take(session, [report('t1', 2)]);
    await settle();
    expect(calls.at(-1)?.map((told) => told.status.sequence)).toEqual([2]);
  });

  it('are dropped when this manager ends', async () => {
    let release = (): void => {};
    answer = () => new Promise((resolve) => (release = resolve));
    reports.take(session, [report('t1', 1)]);
    reports.take(session, [report('t1', 2)]);
    reports.close();
    release();
    await settle();
    expect(calls).toHaveLength(1);
  });
});
