// Over a real socket: the kernel's buffers are part of what a client that does not read may hold.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ApiServer } from '../../../test/builders/api-server.ts';
import { SwarmError } from '../../base/index.ts';
import type { ImageProgress } from '../backend/index.ts';
import { PROGRESS_UNREAD_BYTES_MAX } from './progress-lines.ts';

type Work = (progress: (line: ImageProgress) => void) => Promise<void>;

let api: ApiServer;
let pull: Work;
const sockets: Socket[] = [];

beforeAll(async () => {
  api = await ApiServer.start(['n1'], {
    pull: (_reference, _options, progress) => pull(progress),
    load: async (archive) => {
      for await (const _ of archive) throw new SwarmError('invalid', 'no image archive');
    },
  });
});

afterAll(() => api.stop());

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

async function sent(head: string): Promise<Socket> {
  const socket = connect(api.socketPath);
  socket.on('error', () => undefined);
  sockets.push(socket);
  await once(socket, 'connect');
  socket.write(`${head}\r\nHost: x\r\n`);
  return socket;
}

async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

/** Until the client is gone or `count` lines were told. */
async function tell(
  count: number,
  line: ImageProgress,
  progress: (line: ImageProgress) => void,
): Promise<void> {
  for (let i = 0; i < count; i++) {
    progress(line);
    if (i % 100 === 0) await turn();
  }
}

const TEXT = 'x'.repeat(1000);

describe('a client that does not read progress', () => {
  it('misses how far a download is, and hears the end', async () => {
    const before = process.memoryUsage().heapUsed;
    let after = before;
    const over = new Promise<void>((resolve) => {
      pull = async (progress) => {
        await tell(20_000, { status: TEXT, progressDetail: { current: 1, total: 2 } }, progress);
        after = process.memoryUsage().heapUsed;
        progress({ status: 'the end' });
        resolve();
      };
    });
    const client = await sent('POST /images/create?fromImage=a HTTP/1.1');
    client.pause();
    client.write('\r\n');
    await over;
    // 20 MB were told. What is allowed here is what waits, and what the collector left so far.
    expect(after - before).toBeLessThan(10 * PROGRESS_UNREAD_BYTES_MAX);
    let text = '';
    client.on('data', (chunk: Buffer) => (text += chunk.toString()));
    client.resume();
    await expect.poll(() => text).toContain('the end');
    expect(text.length).toBeLessThan(PROGRESS_UNREAD_BYTES_MAX);
  });

  it('is dropped when too much waits for it', async () => {
    const over = new Promise<void>((resolve) => {
      pull = async (progress) => {
        await tell(20_000, { status: TEXT }, progress);
        resolve();
      };
    });
    const client = await sent('POST /images/create?fromImage=a HTTP/1.1');
    client.pause();
    client.write('\r\n');
    await over;
    let length = 0;
    client.on('data', (chunk: Buffer) => (length += chunk.length));
    client.resume();
    await once(client, 'close');
    expect(length).toBeLessThan(2 * PROGRESS_UNREAD_BYTES_MAX);
  });
});

describe('an upload that is refused', () => {
  it('says why to who still sends', async () => {
    const client = await sent('POST /images/load HTTP/1.1');
    client.write('Content-Length: 1000000\r\n\r\nbegin');
    let text = '';
    client.on('data', (chunk: Buffer) => (text += chunk.toString()));
    await expect.poll(() => text).toContain('no image archive');
  });
});
