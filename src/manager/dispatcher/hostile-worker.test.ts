// A worker's certificate in wrong hands: its holder may say anything in its session. 100,000 malformed
// messages of each kind change nothing but what the node may say of itself.
import { MANAGER } from '../access/index.ts';
import { Prng, VirtualClock, settle } from 'sim';
import { beforeEach, describe, expect, it } from 'vitest';
import { memoryStore, newNode } from '../../../test/builders/memory-store.ts';
import {
  MESSAGE_KINDS,
  REGISTER,
  STATUS,
  malformed,
} from '../../../test/builders/malformed-messages.ts';
import { SwarmError, decoder, silentLogger, type Connection } from '../../base/index.ts';
import {
  TABLES,
  create,
  isTableName,
  type AgentMessage,
  type DispatcherMessage,
  type Draft,
  type Task,
} from '../../model/index.ts';
import type { LeaderApi } from '../methods/index.ts';
import { Leader } from '../index.ts';
import { TABLE_NAMES, type Store } from '../store/index.ts';
import { Dispatcher } from './dispatcher.ts';
import { Liveness } from './liveness.ts';
import { EndpointDrains } from './drains/index.ts';

const MESSAGES = 100_000;

/** One end of a connection; what is delivered to it is handled at once. */
class Line implements Connection<DispatcherMessage, unknown> {
  readonly sent: DispatcherMessage[] = [];
  readonly refused: Error[];
  closed = false;
  #handler: (message: unknown) => void = () => {};
  readonly #closes: ((reason?: Error) => void)[] = [];

  constructor(refused: Error[] = []) {
    this.refused = refused;
  }

  send(message: DispatcherMessage): boolean {
    if (this.sent.length < 100) this.sent.push(message);
    return true;
  }

  onMessage(handler: (message: unknown) => void): void {
    this.#handler = handler;
  }

  onDrain(): void {}

  onClose(handler: (reason?: Error) => void): void {
    this.#closes.push(handler);
  }

  close(reason?: Error): void {
    if (this.closed) return;
    this.closed = true;
    if (reason !== undefined) this.refused.push(reason);
    for (const close of this.#closes) close(reason);
  }

  says(message: unknown): void {
    if (!this.closed) this.#handler(message);
  }
}

let store: Store;
let dispatcher: Dispatcher;
let others: Line;

function aTask(id: string, nodeId: string): Draft<Task> {
  return {
    id,
    serviceId: 's',
    revisionId: 'r',
    slot: 1,
    nodeId,
    desiredState: 'running',
    status: { state: 'assigned', timestamp: 0, message: '' },
    networks: [],
  };
}

beforeEach(async () => {
  const clock = new VirtualClock();
  ({ store } = memoryStore(clock));
  for (const id of ['m', 'w1', 'w2']) await store.propose([newNode(id)]);
  await store.propose([create('task', aTask('t1', 'w1')), create('task', aTask('t2', 'w2'))]);
  const liveness = new Liveness(store, clock, silentLogger, {
    periodMs: () => 500,
    probe: () => Promise.resolve(false),
  });
  const endpointDrains = new EndpointDrains(store, clock, silentLogger, () => false);
  const executor = new Leader({
    store,
    version: 'test',
    clock,
    logger: silentLogger,
    liveness,
    endpointDrains,
    control: undefined as never,
    authority: undefined as never,
    consensus: undefined as never,
    whenReady: () => Promise.resolve(),
  });
  const leader: LeaderApi = {
    forward: (method, request) => executor.execute(method, request, MANAGER),
  };
  dispatcher = new Dispatcher({
    store,
    leader,
    clock,
    logger: silentLogger,
    managerId: 'm',
    applyTimeoutMs: 1_000,
  });
  others = new Line();
  dispatcher.serve('w2', others, '10.0.0.2:4000');
  const register = { ...REGISTER, address: '10.0.0.2:2377', dataPathAddress: '10.0.0.2' };
  others.says({ register } satisfies AgentMessage);
  await settle();
  expect(others.sent.some((message) => message.registered !== undefined)).toBe(true);
});

/** A session of w1, registered or not: a commit each, and most messages end theirs. */
async function aSession(registered: boolean, refused: Error[]): Promise<Line> {
  const line = new Line(refused);
  dispatcher.serve('w1', line, '10.0.0.1:4000');
  if (registered) {
    line.says({ register: REGISTER } satisfies AgentMessage);
    for (let i = 0; i < 20 && line.sent.length < 2; i++) await Promise.resolve();
  }
  return line;
}

describe.each(MESSAGE_KINDS)('malformed messages of the kind %s', (kind) => {
  it('end their session at most, with an error that says what is wrong', async () => {
    const random = new Prng(kind.length);
    const refused: Error[] = [];
    const before = store.view.get('task', 't2');
    const nodeBefore = store.view.get('node', 'w2');
    // Statuses are looked into once there is a session, the others before.
    const registered = (): boolean => random.below(kind === 'statuses' ? 3 : 20) === 0;
    let line = await aSession(registered(), refused);
    for (let i = 0; i < MESSAGES; i++) {
      line.says(malformed(random, kind));
      if (kind === 'register') await Promise.resolve();
      if (line.closed || kind === 'register') {
        line = await aSession(kind !== 'register' && registered(), refused);
      }
    }
    await settle();
    expect(refused.length).toBeGreaterThan(MESSAGES / 10);
    for (const error of refused.slice(0, 5_000)) {
      expect(error).toBeInstanceOf(SwarmError);
      expect(error.message).toMatch(
        /message of an agent|description|status|address|registered once|was replaced/,
      );
    }
    // Nothing malformed is stored, and nothing that is another node's has changed.
    for (const table of TABLE_NAMES) {
      const decode = isTableName(table) ? decoder(TABLES[table], table) : undefined;
      for (const object of store.view.all(table)) decode?.(structuredClone(object));
    }
    expect(store.view.get('task', 't2')).toBe(before);
    expect(store.view.get('node', 'w2')).toBe(nodeBefore);
    expect(others.closed).toBe(false);
    expect(Object.prototype).not.toHaveProperty('polluted');
    // The others go on.
    const status = JSON.stringify(STATUS);
    others.says({ statuses: { reports: [{ taskId: 't2', status, sequence: 1 }] } });
    await settle();
    expect(store.view.get('task', 't2')?.status.state).toBe('running');
  });
});

describe('a worker that speaks in the right form', () => {
  it('speaks of its own tasks alone', async () => {
    const line = await aSession(true, []);
    const status = JSON.stringify({ ...STATUS, state: 'failed' });
    line.says({ statuses: { reports: [{ taskId: 't2', status, sequence: 9 }] } });
    await settle();
    expect(store.view.get('task', 't2')?.status.state).toBe('assigned');
    expect(line.closed).toBe(false);
  });

  it('can’t be at the address of another node', async () => {
    const refused: Error[] = [];
    const line = new Line(refused);
    dispatcher.serve('w1', line, '10.0.0.1:4000');
    line.says({ register: { ...REGISTER, dataPathAddress: '10.0.0.2' } });
    await settle();
    expect(refused[0]?.message).toContain('which is the address of node w2');
  });

  it('that floods the leader with statuses ends its own session alone', async () => {
    const refused: Error[] = [];
    const line = await aSession(true, refused);
    const status = JSON.stringify({ ...STATUS, message: 'x'.repeat(4_000) });
    const reports = Array.from({ length: 250 }, (_, i) => ({
      taskId: 't1',
      status,
      sequence: i + 1,
    }));
    for (let i = 0; i < 20; i++) line.says({ statuses: { reports } });
    expect(refused[0]).toMatchObject({ code: 'exhausted' });
    await settle();
    expect(others.closed).toBe(false);
  });
});
