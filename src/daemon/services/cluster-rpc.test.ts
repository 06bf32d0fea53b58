// Questions to another node over a real connection that dies while nobody says anything: a link that is
// cut sends no FIN.
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { TestAuthority } from '../../../test/builders/certificates.ts';
import { silentLogger } from '../../base/index.ts';
import { TlsIdentity, loadMethods } from '../../platform/index.ts';
import { ClusterRpc, NODE_PROTOS } from './cluster-rpc.ts';
import type { LogQuery } from './log-query.ts';
import { readRemoteLogs } from './logs-service.ts';

const methods = loadMethods(join(import.meta.dirname, '..', '..', '..', 'proto'), NODE_PROTOS);
const query: LogQuery = {
  taskId: 'x',
  follow: false,
  tail: -1,
  since: 0,
  until: 0,
  stdout: true,
  stderr: true,
};

/** The way to a node, whose links can be cut: what is sent then arrives nowhere. */
class Link {
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  connections = 0;

  constructor(port: number) {
    this.#server = createServer((near) => {
      this.connections++;
      const far = connect(port, '127.0.0.1');
      for (const socket of [near, far]) {
        this.#sockets.add(socket);
        socket.on('error', () => {});
      }
      near.pipe(far);
      far.pipe(near);
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', () => resolve()));
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Those that are there; new ones are as good as ever. */
  cut(): void {
    for (const socket of this.#sockets) {
      socket.unpipe();
      socket.pause();
    }
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

let here: ClusterRpc;
let there: ClusterRpc;
let link: Link;
let address = '';

beforeEach(async () => {
  const authority = new TestAuthority('cluster');
  await authority.start();
  const node = async (nodeId: string, role: 'manager' | 'worker'): Promise<ClusterRpc> =>
    new ClusterRpc({
      identity: new TlsIdentity(await authority.issue(nodeId, `swarm-${role}`)),
      methods,
      clusterId: 'cluster',
      logger: silentLogger,
      manager: () => undefined,
      roleOf: (peer) => peer.role,
      readLogs: async function* ({ taskId }) {
        yield { lines: [{ stream: 1, time: 't', text: Buffer.from(taskId) }] };
      },
      trace: () => Promise.reject(new Error('not here')),
      tunnels: {},
    });
  here = await node('m1', 'manager');
  there = await node('w1', 'worker');
  link = new Link(await there.server.listen('127.0.0.1:0'));
  address = await link.listen();
});

afterEach(() => {
  here.close();
  there.close();
  link.close();
});

async function linesOf(): Promise<string[]> {
  const lines: string[] = [];
  const { signal } = new AbortController();
  for await (const batch of readRemoteLogs(
    here.clients,
    { nodeId: 'w1', address },
    query,
    signal,
  )) {
    lines.push(...batch.lines.map(({ text }) => Buffer.from(text).toString()));
  }
  return lines;
}

it('a connection that died idle is replaced, and the reader does not notice', async () => {
  expect(await linesOf()).toEqual(['x']);
  link.cut();
  expect(await linesOf()).toEqual(['x']);
  expect(link.connections).toBe(2);
});

it('a node that is not there is tried twice and no more', async () => {
  link.close();
  await expect(linesOf()).rejects.toMatchObject({ code: 'unavailable' });
});
