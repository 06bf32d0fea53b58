// Tunnels between two nodes over a real connection: bytes arrive whole and in order both ways, a slow
// reader holds the writer, either direction ends by itself, and what breaks one is told.
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TestAuthority } from '../../../test/builders/certificates.ts';
import { SwarmError, silentLogger } from '../../base/index.ts';
import { deferred } from '../../base/async/index.ts';
import { TlsIdentity, loadMethods } from '../../platform/index.ts';
import { ClusterRpc, NODE_PROTOS } from './cluster-rpc.ts';
import {
  TunnelEnd,
  WINDOW_BYTES,
  type FrameConnection,
  type Tunnel,
  type TunnelHandlers,
} from './tunnel-end.ts';
import { openTunnel } from './tunnel-service.ts';

const methods = loadMethods(join(import.meta.dirname, '..', '..', '..', 'proto'), NODE_PROTOS);
let authority: TestAuthority;
let here: ClusterRpc;
let there: ClusterRpc;
let address = '';
/** Of the handler `held`: what it got, and when it may go on. */
let got: Tunnel | undefined;

const handlers: TunnelHandlers = {
  echo: async (_request, tunnel) => {
    for await (const bytes of tunnel.input) await tunnel.write(bytes);
  },
  greet: async (request, tunnel) => {
    await tunnel.write(Buffer.from(`hello ${request}`));
  },
  held: async (_request, tunnel) => {
    got = tunnel;
    await new Promise((resolve) => tunnel.signal.addEventListener('abort', resolve));
  },
  refuse: () => Promise.reject(new SwarmError('notFound', 'No such container: x')),
};

async function node(nodeId: string, role: 'manager' | 'worker'): Promise<ClusterRpc> {
  return new ClusterRpc({
    identity: new TlsIdentity(await authority.issue(nodeId, `swarm-${role}`)),
    methods,
    clusterId: 'cluster',
    logger: silentLogger,
    manager: () => undefined,
    roleOf: (peer) => peer.role,
    readLogs: async function* () {},
    trace: () => Promise.reject(new Error('not here')),
    tunnels: handlers,
  });
}

beforeEach(async () => {
  authority = new TestAuthority('cluster');
  await authority.start();
  here = await node('m1', 'manager');
  there = await node('w1', 'worker');
  address = `127.0.0.1:${await there.server.listen('127.0.0.1:0')}`;
  got = undefined;
});

afterEach(() => {
  here.close();
  there.close();
});

const open = (kind: string, request: object = {}): Tunnel =>
  openTunnel(here.clients, { nodeId: 'w1', address }, kind, request);

async function all(tunnel: Tunnel): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const bytes of tunnel.input) parts.push(bytes);
  return Buffer.concat(parts);
}

/** Until something on the other side of the wire is so. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

describe('a tunnel', () => {
  it('carries bytes both ways, whole and in order', async () => {
    const tunnel = open('echo');
    const sent = Buffer.alloc(5 * WINDOW_BYTES + 7, 0).map((_, i) => (i * 31) % 251);
    const received = all(tunnel);
    await tunnel.write(sent);
    tunnel.end();
    expect(Buffer.compare(await received, Buffer.from(sent))).toBe(0);
    await until(() => tunnel.signal.aborted);
  });

  it('carries many small pieces', async () => {
    const tunnel = open('echo');
    const received = all(tunnel);
    for (let i = 0; i < 3_000; i++) await tunnel.write(Buffer.from([i % 256]));
    tunnel.end();
    expect((await received).length).toBe(3_000);
  });

  it('hands the request to the handler of its kind', async () => {
    const tunnel = open('greet', { name: 'you' });
    tunnel.end();
    expect((await all(tunnel)).toString()).toBe('hello {"name":"you"}');
  });

  it('goes on in one direction when the other has ended', async () => {
    const tunnel = open('held');
    tunnel.end();
    await until(() => got !== undefined);
    await got?.write(Buffer.from('still here'));
    got?.end();
    expect((await all(tunnel)).toString()).toBe('still here');
  });

  it('holds the writer when nobody reads', async () => {
    const tunnel = open('held');
    let isDone = false;
    const writing = tunnel.write(Buffer.alloc(4 * WINDOW_BYTES)).then(
      () => (isDone = true),
      () => undefined,
    );
    await until(() => got !== undefined);
    const reader = got?.input[Symbol.asyncIterator]();
    let bytes = 0;
    while (bytes < WINDOW_BYTES) bytes += (await reader?.next())?.value?.length ?? 0;
    expect(isDone).toBe(false);
    got?.close();
    await writing;
    expect(isDone).toBe(false);
  });

  it('tells why a handler refused', async () => {
    await expect(all(open('refuse'))).rejects.toMatchObject({ code: 'notFound' });
    await expect(all(open('nowhere'))).rejects.toMatchObject({ code: 'unimplemented' });
  });

  it('breaks when the other node goes, and says so to both sides of its owner', async () => {
    const tunnel = open('held');
    await until(() => got !== undefined);
    there.close();
    await expect(all(tunnel)).rejects.toMatchObject({ code: 'unavailable' });
    await expect(tunnel.write(Buffer.alloc(2 * WINDOW_BYTES))).rejects.toMatchObject({
      code: 'unavailable',
    });
  });

  it('is for managers alone', async () => {
    const worker = await node('w2', 'worker');
    const tunnel = openTunnel(worker.clients, { nodeId: 'w1', address }, 'echo', {});
    await expect(all(tunnel)).rejects.toMatchObject({ code: 'denied' });
    worker.close();
  });
});

describe('what comes through a tunnel', () => {
  /** An end whose other side sends what the test says. */
  function hostile() {
    const closed = deferred<Error | undefined>();
    const connection: FrameConnection = {
      send: () => true,
      onMessage: () => undefined,
      onDrain: () => undefined,
      onClose: () => undefined,
      close: (reason) => closed.resolve(reason),
    };
    return { end: new TunnelEnd(connection, true), closed: closed.promise };
  }

  it.each([
    ['more than the window', { data: new Uint8Array(WINDOW_BYTES + 1) }],
    ['more taken than was sent', { taken: 1 }],
    ['nothing', {}],
  ])('is refused when it is %s', (_what, frame) => {
    expect(() => hostile().end.take(frame)).toThrow(/tunnel: /);
  });

  it('is refused after its end', () => {
    const { end } = hostile();
    end.take({ end: {} });
    expect(() => end.take({ data: new Uint8Array(1) })).toThrow('unexpected data');
  });

  it('is bounded in frames as well as in bytes', () => {
    const { end } = hostile();
    let taken = 0;
    expect(() => {
      for (; taken < 10_000; taken++) end.take({ data: new Uint8Array(1) });
    }).toThrow('unexpected data');
    expect(taken).toBe(256);
  });
});
