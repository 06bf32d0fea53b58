import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { framed } from './forwarder.ts';
import { serveQuestions } from './tcp-questions.ts';

const opened: (Socket | Server)[] = [];
afterEach(() => {
  for (const one of opened.splice(0)) {
    if ('destroy' in one) one.destroy();
    else one.close();
  }
});

async function connected(
  answer: (message: Buffer) => Promise<Buffer | undefined>,
  idleMs?: number,
): Promise<Socket> {
  const server = createServer((connection) => serveQuestions(connection, answer, idleMs));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.on('error', () => undefined);
  opened.push(socket, server);
  await once(socket, 'connect');
  return socket;
}

describe('questions over TCP', () => {
  it('are answered in order, however they are cut, also to who asks and closes its side', async () => {
    const socket = await connected((message) => {
      return Promise.resolve(message.length === 0 ? undefined : Buffer.concat([message, message]));
    });
    const bytes = Buffer.concat(['a', '', 'bc', 'd'].map((text) => framed(Buffer.from(text))));
    for (const byte of bytes) {
      socket.write(Buffer.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    const parts: Buffer[] = [];
    socket.on('data', (part: Buffer) => parts.push(part));
    socket.end();
    await once(socket, 'close');
    const wanted = ['aa', 'bcbc', 'dd'].map((text) => framed(Buffer.from(text)));
    expect(Buffer.concat(parts)).toEqual(Buffer.concat(wanted));
  });

  it('of a task that does not read the answers are not taken in, and it is hung up on', async () => {
    let answered = 0;
    const reply = Buffer.alloc(60_000);
    const socket = await connected(() => {
      answered++;
      return Promise.resolve(reply);
    }, 300);
    socket.pause();
    const questions = Buffer.concat(Array.from({ length: 100 }, () => framed(Buffer.alloc(100))));
    const closed = new Promise((resolve) => socket.once('close', resolve));
    // 100,000 questions: 6 GB of answers.
    for (let i = 0; i < 1_000 && !socket.destroyed; i++) {
      socket.write(questions);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await closed;
    // What the kernel holds for both ends, and one more.
    expect(answered * reply.length).toBeLessThan(32 * 1024 * 1024);
  });
});
