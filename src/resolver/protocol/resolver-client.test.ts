import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { silentLogger, type Connection } from '../../base/index.ts';
import { FakeClock } from '../../../test/builders/overlay-world.ts';
import { ResolverClient } from './resolver-client.ts';
import { jsonLines, onLines } from '../../platform/system/index.ts';
import {
  EMPTY_TABLE,
  MAX_LINE_BYTES,
  applyRequest,
  parseReply,
  parseRequest,
  type AnswerTable,
  type ResolverReply,
  type ResolverRequest,
} from './resolver-protocol.ts';

class FakeResolver {
  readonly clock = new FakeClock();
  readonly asked: ResolverRequest[] = [];
  running = true;
  /** Whether it reads what it is sent. */
  reads = true;
  #drain: () => void = () => undefined;
  #reply: ((reply: ResolverReply) => void) | undefined;
  #close: (() => void) | undefined;

  client(): ResolverClient {
    return new ResolverClient({
      clock: this.clock,
      random: { bytes: (length) => new Uint8Array(length), below: () => 0 },
      logger: silentLogger,
      launcher: { connect: () => this.#connect(), remove: () => Promise.resolve() },
    });
  }

  answer(failures: Readonly<Record<string, string>> = {}): void {
    this.#reply?.({ seq: this.asked.at(-1)?.seq ?? 0, failures });
  }

  readOn(): void {
    this.reads = true;
    this.#drain();
  }

  crash(): void {
    this.running = false;
    this.#close?.();
  }

  #connect(): Promise<Connection<ResolverRequest, ResolverReply>> {
    if (!this.running) return Promise.reject(new Error('not started'));
    return Promise.resolve({
      send: (request) => {
        this.asked.push(request);
        return this.reads;
      },
      onMessage: (handler) => (this.#reply = handler),
      onDrain: (handler) => (this.#drain = handler),
      onClose: (handler) => (this.#close = handler),
      close: () => undefined,
    });
  }
}

function table(name: string): AnswerTable {
  return { networks: { n: { name, names: {}, reverse: {} } }, tasks: {} };
}

async function turns(): Promise<void> {
  for (let i = 0; i < 5; i++) await Promise.resolve();
}

describe('ResolverClient', () => {
  it('sends the whole table first, differences after that', async () => {
    const resolver = new FakeResolver();
    const client = resolver.client();
    client.publish(table('a'));
    await turns();
    client.publish(table('b'));
    client.publish(table('b'));
    expect(resolver.asked.map(({ seq, type }) => [seq, type])).toEqual([
      [1, 'replace'],
      [2, 'change'],
    ]);
  });

  it('waits for the answer to what was sent last', async () => {
    const resolver = new FakeResolver();
    const client = resolver.client();
    client.publish(table('a'));
    await turns();
    let settled = false;
    const waiting = client.settled().then(() => (settled = true));
    await turns();
    expect(settled).toBe(false);
    resolver.answer();
    await waiting;
  });

  it('does not wait for ever', async () => {
    const resolver = new FakeResolver();
    resolver.running = false;
    const client = resolver.client();
    client.publish(table('a'));
    await turns();
    const waiting = client.settled();
    resolver.clock.advance(3_000);
    await waiting;
    expect(client.problems()).toEqual(['the resolver does not answer: not started']);
  });

  it('starts a resolver that went away again, and gives it the whole table', async () => {
    const resolver = new FakeResolver();
    const client = resolver.client();
    client.publish(table('a'));
    await turns();
    resolver.crash();
    client.publish(table('b'));
    await turns();
    expect(client.problems()).toHaveLength(1);
    resolver.running = true;
    resolver.clock.advance(60_000);
    await turns();
    expect(resolver.asked.at(-1)).toMatchObject({ type: 'replace', table: table('b') });
    expect(client.problems()).toEqual([]);
  });

  it('says which task has no names', async () => {
    const resolver = new FakeResolver();
    const client = resolver.client();
    client.publish(table('a'));
    await turns();
    resolver.answer({ t1: 'port taken' });
    expect(client.problems()).toEqual(['task t1 has no names: port taken']);
  });

  it('sends one difference to a resolver that was slow, and is settled with its answer', async () => {
    const resolver = new FakeResolver();
    resolver.reads = false;
    const client = resolver.client();
    client.publish(table('a'));
    await turns();
    resolver.answer();
    let settled: boolean | undefined;
    for (const name of ['b', 'c', 'd']) client.publish(table(name));
    void client.settled().then((inEffect) => (settled = inEffect));
    expect(resolver.asked).toHaveLength(1);
    resolver.readOn();
    await turns();
    expect(settled).toBeUndefined();
    expect(resolver.asked.slice(1)).toMatchObject([{ seq: 2, networks: { n: { name: 'd' } } }]);
    resolver.answer();
    await turns();
    expect(settled).toBe(true);
  });

  it('is settled at once when what a slow resolver was to learn is over', async () => {
    const resolver = new FakeResolver();
    resolver.reads = false;
    const client = resolver.client();
    client.publish(table('a'));
    await turns();
    resolver.answer();
    client.publish(table('b'));
    const settled = client.settled();
    client.publish(table('a'));
    resolver.readOn();
    expect(await settled).toBe(true);
    expect(resolver.asked).toHaveLength(1);
  });

  it('holds two tables at most for a resolver that does not read, and misses nothing after', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'resolver-'));
    const path = join(directory, 's');
    const server = createServer((socket) => socket.pause());
    await once(server.listen(path), 'listening');
    const accepted = once(server, 'connection');
    const socket = createConnection(path);
    const [far] = (await accepted) as [typeof socket];
    const client = new ResolverClient({
      clock: new FakeClock(),
      random: { bytes: (length) => new Uint8Array(length), below: () => 0 },
      logger: silentLogger,
      launcher: {
        connect: () => Promise.resolve(jsonLines(socket, parseReply, MAX_LINE_BYTES)),
        remove: () => Promise.resolve(),
      },
    });
    const long = 'x'.repeat(100);
    const made = (i: number): AnswerTable => ({
      networks: { n: { name: `n-${i}-${long}`, names: {}, reverse: {} } },
      tasks: {},
    });
    // 2 MB, if all were sent.
    const last = made(10_000);
    for (let i = 0; i <= 10_000; i++) {
      client.publish(made(i));
      if (i % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(socket.writableLength).toBeLessThan(32 * 1024);
    let table: AnswerTable = EMPTY_TABLE;
    onLines(far, MAX_LINE_BYTES, (line) => (table = applyRequest(table, parseRequest(line))));
    far.resume();
    await expect.poll(() => table).toMatchObject(last);
    client.stop();
    socket.destroy();
    server.close();
    await rm(directory, { recursive: true });
  });
});
