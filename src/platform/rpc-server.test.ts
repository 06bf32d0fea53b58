// Refusals over real connections on loopback: the caller hears of them at once, with code and reason.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { join } from 'node:path';
import { SwarmError, silentLogger } from '../base/index.ts';
import { TestAuthority } from '../../test/builders/certificates.ts';
import { TlsIdentity } from './identity.ts';
import { RpcClient } from './rpc-client.ts';
import { loadMethods } from './rpc-definitions.ts';
import { RpcServer } from './rpc-server.ts';

const SESSION = '/tsswarm.v1.Dispatcher/Session';
const LOGS = '/tsswarm.v1.Logs/Read';
const methods = loadMethods(join(import.meta.dirname, '..', '..', 'proto'));
const removed = new Set<string>();
let server: RpcServer;
let clientOf: (nodeId: string, unit?: string) => Promise<RpcClient>;
const clients: RpcClient[] = [];

beforeAll(async () => {
  const authority = new TestAuthority('cluster');
  await authority.start();
  server = new RpcServer({
    identity: new TlsIdentity(await authority.issue('m1')),
    methods,
    clusterId: 'cluster',
    isBlacklisted: (nodeId) => removed.has(nodeId),
    logger: silentLogger,
  });
  const absent = (): never => {
    throw new SwarmError('unavailable', 'this node is not a manager');
  };
  server.duplex(SESSION, absent);
  server.stream(LOGS, () => Promise.reject(new SwarmError('notFound', 'task x not found')));
  const port = await server.listen('127.0.0.1:0');
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
