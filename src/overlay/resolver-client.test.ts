import { describe, expect, it } from 'vitest';
import { silentLogger, type Connection } from '../base/index.ts';
import { FakeClock } from '../../test/builders/overlay-world.ts';
import { ResolverClient } from './resolver-client.ts';
import type { AnswerTable, ResolverReply, ResolverRequest } from './resolver-protocol.ts';

class FakeResolver {
  readonly clock = new FakeClock();
  readonly asked: ResolverRequest[] = [];
  running = true;
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

  crash(): void {
    this.running = false;
    this.#close?.();
  }

  #connect(): Promise<Connection<ResolverRequest, ResolverReply>> {
    if (!this.running) return Promise.reject(new Error('not started'));
    return Promise.resolve({
      send: (request) => this.asked.push(request) > 0,
      onMessage: (handler) => (this.#reply = handler),
      onDrain: () => undefined,
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
});
