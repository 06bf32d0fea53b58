// Logs of a service whose nodes come and go: what can be had comes, then what could not; who follows goes
// on.
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { settle } from 'sim';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ApiServer } from '../../../test/builders/api-server.ts';
import { SwarmError } from '../../base/index.ts';
import { remove, update, type Task } from '../../model/index.ts';
import type { LogLine, LogQuery } from '../backend/index.ts';

let api: ApiServer;
/** By node: what its tasks have written, and what happens at the end of that. */
let written: Map<string, LogLine[]>;
let atEnd: (task: Task, query: LogQuery, signal: AbortSignal) => Promise<void>;
let asked: LogQuery[];

beforeEach(async () => {
  api = await ApiServer.start(['n1', 'n2']);
  written = new Map();
  asked = [];
  atEnd = () => Promise.resolve();
  api.manager = {
    ...api.manager,
    taskLogs: async function* (taskId, query, signal) {
      const task = api.world.store.view.get('task', taskId);
      if (task === undefined) throw new SwarmError('notFound', 'no task');
      asked.push(query);
      const since = query.since;
      for (const one of written.get(task.nodeId ?? '') ?? []) {
        if (Date.parse(one.time) >= since) yield one;
      }
      await atEnd(task, query, signal);
    },
  };
  const TaskTemplate = { ContainerSpec: { Image: 'i' } };
  const body = { Name: 'web', TaskTemplate, Mode: { Global: {} } };
  expect(await api.call('POST', '/services/create', { body })).toMatchObject({ status: 201 });
  await settle();
  await api.world.clock.advance(100);
});

afterEach(() => api.stop());

let nano = 0;
const line = (
  text: string,
  time = `2025-01-01T00:00:00.${String(++nano).padStart(9, '0')}Z`,
): LogLine => ({
  stream: 1,
  time,
  text: new TextEncoder().encode(`${text}\n`),
});

interface Frame {
  readonly stream: number;
  readonly text: string;
}

function framesOf(bytes: Buffer): Frame[] {
  const frames: Frame[] = [];
  for (let at = 0; at + 8 <= bytes.length;) {
    const length = bytes.readUInt32BE(at + 4);
    const text = bytes.subarray(at + 8, at + 8 + length).toString('utf8');
    frames.push({ stream: bytes[at] ?? 0, text });
    at += 8 + length;
  }
  return frames;
}

function open(path: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ socketPath: api.socketPath, path, agent: false }, resolve);
    request.once('error', reject);
    request.end();
  });
}

async function framesAt(path: string): Promise<Frame[]> {
  const chunks: Buffer[] = [];
  for await (const chunk of (await open(path)) as AsyncIterable<Buffer>) chunks.push(chunk);
  return framesOf(Buffer.concat(chunks));
}

const LOGS = '/services/web/logs?stdout=1&stderr=1';
const warning = (reason: string): Frame => ({
  stream: 3,
  text: `warning: incomplete log stream. some logs could not be retrieved for the following reasons: ${reason}\n`,
});

describe('logs of a service', () => {
  it('come whole, and without a word, when all nodes are there', async () => {
    written.set('n1', [line('a')]).set('n2', [line('b')]);
    const frames = await framesAt(LOGS);
    expect(frames.map(({ text }) => text).sort()).toEqual(['a\n', 'b\n']);
  });

  it('of nodes that are up come first, then which one is down', async () => {
    written.set('n1', [line('a'), line('b')]).set('n2', [line('never')]);
    await api.world.setNode('n2', 'down');
    expect(await framesAt(LOGS)).toEqual([
      { stream: 1, text: 'a\n' },
      { stream: 1, text: 'b\n' },
      warning('node n2 is down'),
    ]);
  });

  it('come up to where a connection breaks, with the reason at the end', async () => {
    written.set('n1', [line('a')]).set('n2', [line('b')]);
    atEnd = async ({ nodeId }) => {
      if (nodeId === 'n2') throw new SwarmError('unavailable', 'Connection dropped');
    };
    const frames = await framesAt(LOGS);
    expect(
      frames
        .slice(0, 2)
        .map(({ text }) => text)
        .sort(),
    ).toEqual(['a\n', 'b\n']);
    expect(frames[2]).toEqual(warning('node n2 is not available (Connection dropped)'));
  });

  it('don’t wait for a silent node longer than until it is taken for dead', async () => {
    written.set('n1', [line('a')]);
    atEnd = ({ nodeId }, _query, signal) =>
      nodeId === 'n1'
        ? Promise.resolve()
        : new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
    const frames = framesAt(LOGS);
    await until(() => asked.length === 2);
    await api.world.setNode('n2', 'down');
    expect(await frames).toEqual([{ stream: 1, text: 'a\n' }, warning('node n2 is down')]);
  });

  it('of a terminal have the reason among them', async () => {
    written.set('n1', [line('a')]);
    const TaskTemplate = { ContainerSpec: { Image: 'i', TTY: true } };
    const body = { Name: 'tty', TaskTemplate, Mode: { Global: {} } };
    await api.call('POST', '/services/create', { body });
    await settle();
    await api.world.clock.advance(100);
    await api.world.setNode('n2', 'down');
    const { text } = await api.call('GET', LOGS.replace('web', 'tty'));
    expect(text).toBe(`a\n${warning('node n2 is down').text}`);
  });
});

describe('who follows', () => {
  it('hears of an outage as a line of the task, and gets what came meanwhile once', async () => {
    const [first, second, third] = [line('1'), line('2'), line('3')];
    written.set('n2', [first, second]);
    let broken: (() => void) | undefined;
    atEnd = ({ nodeId }, { follow }, signal) => {
      if (!follow || nodeId === 'n1') return stay(signal);
      return new Promise((resolve, reject) => {
        broken = () => reject(new SwarmError('unavailable', 'Connection dropped'));
        signal.addEventListener('abort', () => resolve());
      });
    };
    const response = await open(`${LOGS}&follow=1&tail=5&details=1`);
    const chunks: Buffer[] = [];
    response.on('data', (chunk: Buffer) => chunks.push(chunk));
    response.once('error', () => {});
    const texts = (): string[] => framesOf(Buffer.concat(chunks)).map(({ text }) => text);
    await until(() => texts().length === 2 && broken !== undefined);
    await api.world.setNode('n2', 'down');
    await until(() => texts().length === 3);
    const [task] = [...api.world.store.view.all('task')].filter(({ nodeId }) => nodeId === 'n2');
    expect(texts()[2]).toBe(
      `com.docker.swarm.node.id=n2,com.docker.swarm.service.id=${task?.serviceId},` +
        `com.docker.swarm.task.id=${task?.id} node n2 is down: its lines come when it is back\n`,
    );
    written.set('n2', [first, second, third]);
    await api.world.setNode('n2', 'ready');
    await until(() => texts().length === 4);
    expect(texts()[3]).toMatch(/ 3\n$/);
    expect(asked.at(-1)).toMatchObject({ tail: -1, since: Date.parse(second.time) });
    expect(framesOf(Buffer.concat(chunks)).map(({ stream }) => stream)).toEqual([1, 1, 2, 1]);
    response.destroy();
  });

  it('comes to the end when the service is removed, also where a node does not end', async () => {
    written.set('n1', [line('a')]);
    atEnd = ({ nodeId }, _query, signal) => (nodeId === 'n1' ? stay(signal) : Promise.resolve());
    const frames = framesAt(`${LOGS}&follow=1`);
    await until(() => asked.length >= 2);
    expect(await api.call('DELETE', '/services/web')).toMatchObject({ status: 200 });
    const { store } = api.world;
    await store.propose([...store.view.all('task')].map(({ id }) => remove('task', id)));
    expect((await frames).map(({ text }) => text)).toEqual(['a\n']);
  }, 15_000);

  it('comes to the end when the task is removed, and at once where it is over', async () => {
    const { store } = api.world;
    const [task] = [...store.view.all('task')].filter(({ nodeId }) => nodeId === 'n1');
    if (task === undefined) throw new Error('no task');
    written.set('n1', [line('a')]);
    const path = `/tasks/${task.id}/logs?stdout=1&follow=1`;
    const frames = framesAt(path);
    await until(() => asked.length >= 1);
    await store.propose([
      update('task', {
        ...task,
        desiredState: 'shutdown',
        status: { ...task.status, state: 'complete' },
      }),
    ]);
    expect((await frames).map(({ text }) => text)).toEqual(['a\n']);
    expect((await framesAt(path)).map(({ text }) => text)).toEqual(['a\n']);
  });
});

function stay(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

describe('a client of logs that never reads', () => {
  it('is waited for at bounded cost, and its reading ends with it', async () => {
    const text = new Uint8Array(1000);
    let read = 0;
    let isOver = false;
    api.manager = {
      ...api.manager,
      taskLogs: async function* (_taskId, _query, signal) {
        try {
          // 1 GB.
          for (; read < 1_000_000 && !signal.aborted; read++) {
            yield { stream: 1, time: new Date(read).toISOString(), text };
            if (read % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
          }
        } finally {
          isOver = true;
        }
      },
    };
    const client = connect(api.socketPath);
    client.pause();
    client.write('GET /services/web/logs?stdout=1&follow=1 HTTP/1.1\r\nHost: x\r\n\r\n');
    await expect.poll(() => read).toBeGreaterThan(10);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(read * text.length).toBeLessThan(2 * 1024 * 1024);
    expect(isOver).toBe(false);
    client.destroy();
    await expect.poll(() => isOver).toBe(true);
  });
});
