import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { LogLine } from '../backend/index.ts';
import { LogOutput, pump } from './log-stream.ts';

const line = (text: string): LogLine => ({ stream: 1, time: 'T', text: Buffer.from(text) });
const options = { tty: true, timestamps: false, details: false };

/** Takes one write and is full until `go`. */
class SlowClient extends Writable {
  readonly texts: string[] = [];
  #go: (() => void) | undefined;

  constructor() {
    super({ highWaterMark: 1 });
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.texts.push(chunk.toString());
    this.#go = done;
  }

  go(): void {
    this.#go?.();
  }
}

async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

describe('LogOutput', () => {
  it('reads no further than its client does, and many wait with one listener', async () => {
    const client = new SlowClient();
    const output = new LogOutput(client, options);
    let read = 0;
    async function* lines(): AsyncIterable<LogLine> {
      for (const text of ['a', 'b', 'c']) {
        read++;
        yield line(text);
      }
    }
    const { signal } = new AbortController();
    const pumps = Array.from({ length: 20 }, () => pump(lines(), output, signal));
    await turn();
    expect(read).toBe(20);
    expect(client.listenerCount('drain')).toBe(1);
    while (client.texts.length < 60) {
      client.go();
      await turn();
    }
    client.go();
    await Promise.all(pumps);
    expect(client.listenerCount('drain')).toBe(0);
    expect(client.listenerCount('close')).toBe(0);
  });

  it('stops waiting for a client that goes', async () => {
    const client = new SlowClient();
    const writing = new LogOutput(client, options).write(line('a'));
    client.destroy();
    await writing;
  });

  it('tells of a failure inside the stream', async () => {
    const client = new SlowClient();
    const failing: AsyncIterable<LogLine> = {
      [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new Error('the file is gone')) }),
    };
    const output = new LogOutput(client, { ...options, tty: false });
    await pump(failing, output, new AbortController().signal);
    expect(client.texts[0]).toBe('\x03\0\0\0\0\0\0\x11the file is gone\n');
  });
});
