// Refusals over real connections on loopback: the caller hears of them at once, with code and reason.
import http2 from 'node:http2';
import type { Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { connect as tlsConnect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { join } from 'node:path';
import { SwarmError, silentLogger } from '../../base/index.ts';
import { TestAuthority } from '../../../test/builders/certificates.ts';
import { TlsIdentity, type TlsPems } from './identity.ts';
import { RpcClient } from './rpc-client.ts';
import { UNREAD_MESSAGES_MAX } from './rpc-connection.ts';
import { CALLER_LIMITS, loadMethods, type Access } from './rpc-definitions.ts';
import { STRANGERS_PER_ADDRESS_MAX } from './rpc-port.ts';
import { RpcServer } from './rpc-server.ts';

const SESSION = '/tsswarm.v1.Dispatcher/Session';
const ECHO = SESSION;
const LOGS = '/tsswarm.v1.Logs/Read';
const methods = loadMethods(join(import.meta.dirname, '..', '..', '..', 'proto'), [
  'ca.proto',
  'control.proto',
  'dispatcher.proto',
  'logs.proto',
]);
/** A method of each kind of caller. */
const access = new Map<string, Access>([
  ['/tsswarm.v1.Ca/GetRootCertificate', 'anyone'],
  ['/tsswarm.v1.Ca/IssueCertificate', 'anyone'],
  ['/tsswarm.v1.Control/Call', 'manager'],
  [SESSION, 'node'],
  [LOGS, 'manager'],
]);
const removed = new Set<string>();
const roles = new Map<string, 'manager' | 'worker'>();
let server: RpcServer;
let port = 0;
let dropped: Error | undefined;
/** What node m5 is given: as many batches, each of so many bytes. */
const asked = { count: 0, bytes: 0 };
/** How many of them were taken, and whether the reading has ended. */
const given = { count: 0, isOver: false };
let authorityOf: (nodeId: string, unit?: string) => Promise<TlsPems>;
let clientOf: (nodeId: string, unit?: string) => Promise<RpcClient>;
const clients: RpcClient[] = [];

beforeAll(async () => {
  const authority = new TestAuthority('cluster');
  await authority.start();
  server = new RpcServer({
    identity: new TlsIdentity(await authority.issue('m1')),
    methods,
    clusterId: 'cluster',
    access,
    roleOf: ({ nodeId, role }) => (removed.has(nodeId) ? undefined : (roles.get(nodeId) ?? role)),
    logger: silentLogger,
  });
  const absent = (): never => {
    throw new SwarmError('unavailable', 'this node is not a manager');
  };
  server.duplex(SESSION, (connection, caller) => {
    if (!/^w[56]$/.test(caller.peer?.nodeId ?? '')) return absent();
    connection.onMessage(() => connection.send({ heartbeat: {} }));
    connection.onClose((reason) => {
      dropped = reason;
    });
  });
  server.stream(LOGS, async (_request, { peer }, emit, signal) => {
    if (peer?.nodeId !== 'm5') throw new SwarmError('notFound', 'task x not found');
    const text = Buffer.alloc(asked.bytes);
    Object.assign(given, { count: 0, isOver: false });
    while (given.count < asked.count && !signal.aborted) {
      await emit({ lines: [{ stream: 1, time: '', text }] });
      given.count++;
    }
    given.isOver = true;
  });
  server.unary('/tsswarm.v1.Ca/IssueCertificate', (_request, { peer }) =>
    Promise.resolve({ nodeId: peer?.nodeId ?? 'caller has no certificate' }),
  );
  port = await server.listen('127.0.0.1:0');
  authorityOf = (nodeId, unit) => authority.issue(nodeId, unit);
  clientOf = async (nodeId, unit) => {
    const identity = new TlsIdentity(await authority.issue(nodeId, unit));
    const address = `127.0.0.1:${port}`;
    const client = RpcClient.connect({ methods, address, identity, clusterId: 'cluster' });
    clients.push(client);
    return client;
  };
});

afterAll(() => {
  for (const client of clients) client.close();
  server.close();
});

/** Why a two-way stream was closed. */
function closing(client: RpcClient): Promise<Error | undefined> {
  const connection = client.duplex(SESSION);
  connection.onMessage(() => {});
  return new Promise((resolve) => connection.onClose(resolve));
}

async function readAll(client: RpcClient): Promise<void> {
  const { signal } = new AbortController();
  for await (const _batch of client.stream(LOGS, { taskId: 'x' }, signal)) continue;
}

describe('a refused call', () => {
  it('ends a two-way stream whose handler raises', async () => {
    const error = await closing(await clientOf('w1', 'swarm-worker'));
    expect(error).toMatchObject({ code: 'unavailable', message: 'this node is not a manager' });
  });

  it('ends a two-way stream of a node that was removed', async () => {
    removed.add('w2');
    const error = await closing(await clientOf('w2', 'swarm-worker'));
    expect(error).toMatchObject({ code: 'denied' });
  });

  it('ends a stream of answers', async () => {
    await expect(readAll(await clientOf('m2'))).rejects.toMatchObject({
      code: 'notFound',
      message: 'task x not found',
    });
    await expect(readAll(await clientOf('w1', 'swarm-worker'))).rejects.toMatchObject({
      code: 'denied',
      message: 'node w1 is not a manager',
    });
  });
});

describe('callers without a certificate', () => {
  const CA = '/tsswarm.v1.Ca/IssueCertificate';
  const strangerTo = (): RpcClient => {
    const client = RpcClient.connectUnauthenticated(methods, `127.0.0.1:${port}`, undefined);
    clients.push(client);
    return client;
  };

  it('reach what is open to anyone, with a body of bounded size', async () => {
    const client = strangerTo();
    await expect(client.unary(CA, { csr: 'x', token: 't' }, 5_000)).resolves.toMatchObject({
      nodeId: 'caller has no certificate',
    });
    const long = { csr: 'x'.repeat(CALLER_LIMITS.stranger.messageBytes), token: 't' };
    await expect(client.unary(CA, long, 5_000)).rejects.toMatchObject({ code: 'exhausted' });
  });

  it('are refused by the path alone: not a byte of what they send is waited for', async () => {
    expect(await closing(strangerTo())).toMatchObject({
      code: 'unauthenticated',
      message: 'a certificate of this cluster is required',
    });
    // Only the headers of the call, and nothing more ever.
    const session = http2.connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
    const request = session.request({
      ':method': 'POST',
      ':path': LOGS,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    request.on('error', () => {});
    const trailers = await new Promise<http2.IncomingHttpHeaders>((resolve) =>
      request.on('response', resolve),
    );
    expect(trailers['grpc-status']).toBe('16');
    session.destroy();
  });

  it('get few connections, which does not keep nodes out', async () => {
    const held: Socket[] = [];
    for (let i = 0; i < STRANGERS_PER_ADDRESS_MAX * 3; i++) {
      const socket = tlsConnect({
        port,
        host: '127.0.0.1',
        rejectUnauthorized: false,
        ALPNProtocols: ['h2'],
      });
      socket.on('error', () => {});
      held.push(socket);
      await new Promise((resolve) => socket.once('secureConnect', resolve));
    }
    await expect
      .poll(() => held.filter((socket) => !socket.destroyed && socket.readable).length)
      .toBeLessThanOrEqual(STRANGERS_PER_ADDRESS_MAX);
    await expect(readAll(await clientOf('m9'))).rejects.toMatchObject({ code: 'notFound' });
    for (const socket of held) socket.destroy();
  });
});

describe('a node', () => {
  it('that was demoted has a worker’s rights with its manager’s certificate', async () => {
    const client = await clientOf('m3');
    await expect(readAll(client)).rejects.toMatchObject({ code: 'notFound' });
    roles.set('m3', 'worker');
    await expect(readAll(client)).rejects.toMatchObject({ code: 'denied' });
  });

  it('that was removed loses all that it has open', async () => {
    const connection = (await clientOf('w5', 'swarm-worker')).duplex(ECHO);
    const closed = new Promise((resolve) => connection.onClose(resolve));
    connection.onMessage(() => server.disconnect('w5'));
    connection.send({ heartbeat: {} });
    expect(await closed).toMatchObject({ code: 'unavailable' });
  });

  it('that writes and never reads is dropped, and costs bounded memory', async () => {
    const identity = await authorityOf('w6', 'swarm-worker');
    const session = http2.connect(`https://127.0.0.1:${port}`, {
      rejectUnauthorized: false,
      cert: identity.certificate,
      key: identity.key,
      // What the server may send before this side reads.
      settings: { initialWindowSize: 1 },
    });
    const request = session.request({
      ':method': 'POST',
      ':path': ECHO,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    request.on('error', () => {});
    const method = methods.get(ECHO);
    const body = method?.requestSerialize({ heartbeat: {} }) ?? Buffer.alloc(0);
    const head = Buffer.alloc(5);
    head.writeUInt32BE(body.length, 1);
    const message = Buffer.concat([head, body]);
    const closed = new Promise((resolve) => request.once('close', resolve));
    for (let i = 0; i < 3 * UNREAD_MESSAGES_MAX && !request.destroyed; i++) {
      if (!request.write(message)) await setImmediate();
    }
    await closed;
    expect(dropped).toMatchObject({ code: 'exhausted' });
  });

  it('that asks for a stream and does not read it is waited for, at bounded cost', async () => {
    Object.assign(asked, { count: 100_000, bytes: 100_000 });
    const identity = await authorityOf('m5');
    const session = http2.connect(`https://127.0.0.1:${port}`, {
      rejectUnauthorized: false,
      cert: identity.certificate,
      key: identity.key,
      settings: { initialWindowSize: 1 },
    });
    const request = session.request({
      ':method': 'POST',
      ':path': LOGS,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    request.on('error', () => {});
    request.end(Buffer.alloc(5));
    await expect.poll(() => given.count).toBeGreaterThan(5);
    await new Promise((resolve) => setTimeout(resolve, 200));
    // Of 10 GB: what a stream of messages holds before its writer has to wait.
    expect(given.count).toBeLessThan(20);
    expect(given.isOver).toBe(false);
    session.destroy();
    await expect.poll(() => given.isOver).toBe(true);
  });

  it('that reads slowly leaves nothing behind of each time it was waited for', async () => {
    Object.assign(asked, { count: 500, bytes: 1000 });
    const warnings: string[] = [];
    const warn = (warning: Error): void => void warnings.push(warning.name);
    process.on('warning', warn);
    const { signal } = new AbortController();
    let read = 0;
    for await (const _ of (await clientOf('m5')).stream(LOGS, { taskId: 'x' }, signal)) read++;
    process.off('warning', warn);
    expect(read).toBe(500);
    expect(warnings).toEqual([]);
  });
});
