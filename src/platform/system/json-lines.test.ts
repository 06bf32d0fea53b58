import { mkdtemp, rm } from 'node:fs/promises';
import { createConnection, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { jsonLines } from './json-lines.ts';

describe('lines of JSON', () => {
  let directory = '';
  let sockets: Socket[] = [];
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lines-'));
  });
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    await rm(directory, { recursive: true });
  });

  /** Both ends of a connection. */
  async function connected(): Promise<[Socket, Socket]> {
    const server = createServer();
    const path = join(directory, 's');
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
    const near = createConnection(path);
    const far = await accepted;
    server.close();
    sockets = [near, far];
    return [near, far];
  }

  function decode(line: string): number {
    const value = Number(line);
    if (Number.isNaN(value)) throw new Error(`${line} is no number`);
    return value;
  }

  it('come whole, however they were cut', async () => {
    const [near, far] = await connected();
    const seen: number[] = [];
    const done = new Promise<void>((resolve) => {
      jsonLines(near, decode, 100).onMessage((value) => {
        seen.push(value);
        if (seen.length === 4) resolve();
      });
    });
    far.write('1\n2');
    await new Promise((resolve) => setImmediate(resolve));
    far.write('3\n4\n5\n');
    await done;
    expect(seen).toEqual([1, 23, 4, 5]);
  });

  it.each([
    ['no message', 'x\n', 'x is no number'],
    ['a line without end', '1'.repeat(500), 'a line of more than 100 bytes'],
  ])('with %s end the connection and nothing else', async (_, text, message) => {
    const [near, far] = await connected();
    const connection = jsonLines<number, number>(near, decode, 100);
    connection.onMessage(() => undefined);
    const closed = new Promise<Error | undefined>((resolve) => connection.onClose(resolve));
    far.on('error', () => undefined);
    far.write(text);
    expect((await closed)?.message).toBe(message);
  });
});
