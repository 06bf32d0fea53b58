// `service logs`: frames of several tasks, cut anywhere, with the names put before their lines.
import { afterEach, describe, expect, it } from 'vitest';
import { keptContext } from '../../../test/builders/cli-context.ts';
import { fakeDaemon, type FakeDaemon, type FakeReply } from '../../../test/builders/fake-daemon.ts';
import { framesOf, printLogs } from './logs.ts';

function frame(stream: number, text: string): Buffer {
  const payload = Buffer.from(text);
  const header = Buffer.alloc(8);
  header.writeUInt8(stream, 0);
  header.writeUInt32BE(payload.length, 4);
  return Buffer.concat([header, payload]);
}

describe('frames', () => {
  const bytes = Buffer.concat([frame(1, 'one\n'), frame(2, ''), frame(2, 'zwei ü\n')]);

  it.each([1, 2, 3, 7, 8, 9, 100])('in chunks of %d bytes', async (size) => {
    const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
      bytes.subarray(i * size, (i + 1) * size),
    );
    const found: [number, string][] = [];
    async function* source(): AsyncIterable<Buffer> {
      yield* chunks;
      await Promise.resolve();
    }
    for await (const { stream, payload } of framesOf(source()))
      found.push([stream, payload.toString('utf8')]);
    expect(found).toEqual([
      [1, 'one\n'],
      [2, ''],
      [2, 'zwei ü\n'],
    ]);
  });
});

describe('printLogs', () => {
  let daemon: FakeDaemon | undefined;
  afterEach(() => daemon?.close());

  const service = {
    ID: 's1',
    Spec: { Name: 'web', Mode: {}, TaskTemplate: { ContainerSpec: {} } },
  };
  const detail =
    'com.docker.swarm.node.id=n1,com.docker.swarm.service.id=s1,com.docker.swarm.task.id=';
  const answers: Record<string, FakeReply> = {
    '/nodes': { body: [{ ID: 'n1', Description: { Hostname: 'host1' } }] },
    '/services/web': { body: service },
    '/services/s1': { body: service },
    '/tasks/task-1': { body: { ID: 'task-1', ServiceID: 's1', Slot: 1, NodeID: 'n1' } },
    '/tasks/task-2': { body: { ID: 'task-2', ServiceID: 's1', Slot: 12, NodeID: 'n1' } },
  };

  async function run(reference: string, flags: object, bytes: Buffer) {
    daemon = await fakeDaemon(({ path }) =>
      path.endsWith('/logs') ? { body: bytes } : answers[path],
    );
    const context = keptContext(daemon.host);
    await printLogs(context, reference, { ...flags });
    return { context, daemon };
  }

  it('names task and node, in columns', async () => {
    const bytes = Buffer.concat([
      frame(1, `${detail}task-2 hello\n`),
      frame(1, `${detail}task-1 again\n`),
      frame(2, `${detail}task-2 oops\n`),
    ]);
    const { context } = await run('web', {}, bytes);
    expect(context.out()).toBe('web.12.task-2@host1    | hello\nweb.1.task-1@host1     | again\n');
    expect(context.err()).toBe('web.12.task-2@host1    | oops\n');
  });

  it('keeps times before the names', async () => {
    const bytes = frame(1, `2026-01-01T00:00:00Z ${detail}task-1 x\n`);
    const { context, daemon: asked } = await run(
      'web',
      { timestamps: true, tail: '5', follow: true },
      bytes,
    );
    expect(context.out()).toBe('2026-01-01T00:00:00Z web.1.task-1@host1    | x\n');
    const request = asked.requests.find(({ path }) => path === '/services/web/logs');
    expect(Object.fromEntries(request?.query ?? [])).toEqual({
      stdout: '1',
      stderr: '1',
      follow: '1',
      timestamps: '1',
      tail: '5',
      details: '1',
    });
  });

  it('raw lines stay as they are', async () => {
    const { context } = await run('web', { raw: true }, frame(1, 'plain\n'));
    expect(context.out()).toBe('plain\n');
  });

  it('takes a task, too', async () => {
    const { context, daemon: asked } = await run('task-1', {}, frame(1, `${detail}task-1 x\n`));
    expect(asked.seen).toContain('GET /tasks/task-1/logs');
    expect(context.out()).toBe('web.1.task-1@host1    | x\n');
  });

  it('an unknown name', async () => {
    await expect(run('nothing', {}, Buffer.alloc(0))).rejects.toThrow(
      'no such task or service: nothing',
    );
  });

  it('errors of the stream go to standard error', async () => {
    const { context } = await run('web', {}, frame(3, 'node host2 is down\n'));
    expect(context.err()).toBe('error: node host2 is down\n');
  });
});
