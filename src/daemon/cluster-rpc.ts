// The node's gRPC port and its clients of other nodes: which method leads where. Handlers are there
// from the start; those of a manager answer "not a manager" until the node is one.
import { timingSafeEqual } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { SwarmError, type Logger, type Peer } from '../base/index.ts';
import type {
  AgentMessage,
  DispatcherMessage,
  TraceAnswer,
  TraceQuestion,
} from '../model/index.ts';
import type { AttachmentRequest, Issued, Manager, ManagerCaller } from '../manager/index.ts';
import { RpcClient, RpcServer, type TlsIdentity, type WireMethod } from '../platform/index.ts';
import type { DispatcherConnection } from '../worker/index.ts';
import { parseAttachment } from './attachment-request.ts';

const CALL_TIMEOUT_MS = 15_000;
const CLIENTS_MAX = 64;

export interface LogQuery {
  readonly taskId: string;
  readonly follow: boolean;
  readonly tail: number;
  readonly since: number;
  readonly until: number;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

export interface LogBatch {
  readonly lines: readonly {
    readonly stream: number;
    readonly time: string;
    readonly text: Uint8Array;
  }[];
}

export type LogReader = (query: LogQuery, signal: AbortSignal) => AsyncIterable<LogBatch>;

export interface ClusterRpcOptions {
  readonly identity: TlsIdentity;
  readonly methods: ReadonlyMap<string, WireMethod>;
  readonly clusterId: string;
  readonly logger: Logger;
  readonly manager: () => Manager | undefined;
  readonly isBlacklisted: (nodeId: string) => boolean;
  readonly readLogs: LogReader;
  readonly trace: (question: TraceQuestion) => Promise<TraceAnswer>;
}

export class ClusterRpc implements ManagerCaller {
  readonly server: RpcServer;
  readonly #options: ClusterRpcOptions;
  readonly #clients = new Map<string, RpcClient>();

  constructor(options: ClusterRpcOptions) {
    this.#options = options;
    this.server = new RpcServer(options);
    this.#serveCa();
    this.#serveManagers();
    this.server.stream<LogQuery, LogBatch>(
      '/tsswarm.v1.Logs/Read',
      async (query, _caller, emit, signal) => {
        for await (const batch of options.readLogs(query, signal)) await emit(batch);
      },
    );
    this.server.unary<{ question: string }, { answer: string }>(
      '/tsswarm.v1.Diagnosis/Trace',
      async ({ question }) => ({
        answer: JSON.stringify(await options.trace(JSON.parse(question) as TraceQuestion)),
      }),
    );
  }

  /**
   * A stream to a manager's dispatcher, on a connection of its own: every role may have one, so it
   * outlives `reconnect`. A promoted node must not fall silent while the managers take it in.
   */
  dialDispatcher(address: string): DispatcherConnection {
    const client = this.#connect(address, undefined);
    const stream = client.duplex<AgentMessage, DispatcherMessage>('/tsswarm.v1.Dispatcher/Session');
    stream.onClose(() => client.close());
    return stream;
  }

  async call(
    manager: { nodeId: string; address: string },
    method: string,
    body: string,
    signal: AbortSignal,
  ): Promise<{ body: string; index: number }> {
    const client = this.#client(manager.address, manager.nodeId);
    const reply = client.unary<{ body: string; index: number }>(
      '/tsswarm.v1.Control/Call',
      { method, body },
      CALL_TIMEOUT_MS,
    );
    if (signal.aborted) throw new SwarmError('unavailable', 'the leader has changed');
    // All calls to one leader share its signal, and many may be under way.
    setMaxListeners(0, signal);
    let abort = (): void => {};
    const aborted = new Promise<never>((_resolve, reject) => {
      abort = () => reject(new SwarmError('unavailable', 'the leader has changed'));
      signal.addEventListener('abort', abort);
    });
    try {
      return await Promise.race([reply, aborted]);
    } finally {
      signal.removeEventListener('abort', abort);
      reply.catch(() => {});
    }
  }

  /** Asks any of the managers to carry out a method of the leader's. */
  async callAny(managers: readonly string[], method: string, request: object): Promise<object> {
    const { body } = await this.#onAny(managers, (client) =>
      client.unary<{ body: string }>(
        '/tsswarm.v1.Control/Call',
        { method, body: JSON.stringify(request) },
        CALL_TIMEOUT_MS,
      ),
    );
    return JSON.parse(body) as object;
  }

  /** A new certificate for this node, with the role that the managers want it to have. */
  renew(managers: readonly string[], csr: string): Promise<Issued> {
    return this.#onAny(managers, (client) =>
      client.unary<Issued>(
        '/tsswarm.v1.Ca/IssueCertificate',
        { csr, token: '', availability: '' },
        CALL_TIMEOUT_MS,
      ),
    );
  }

  /** Asks for the place of a container of this node on networks of the cluster. */
  async attach(
    managers: readonly string[],
    request: Omit<AttachmentRequest, 'nodeId'>,
  ): Promise<void> {
    await this.#onAny(managers, (client) =>
      client.unary<object>(
        '/tsswarm.v1.Attachments/Attach',
        { request: JSON.stringify(request) },
        CALL_TIMEOUT_MS,
      ),
    );
  }

  /** Logs of a task, from the node that has them. */
  logs(
    node: { nodeId: string; address: string },
    query: LogQuery,
    signal: AbortSignal,
  ): AsyncIterable<LogBatch> {
    return this.#client(node.address, node.nodeId).stream('/tsswarm.v1.Logs/Read', query, signal);
  }

  /** What a host has to say about the way to or from one of its tasks. */
  async trace(
    node: { nodeId: string; address: string },
    question: TraceQuestion,
  ): Promise<TraceAnswer> {
    const { answer } = await this.#client(node.address, node.nodeId).unary<{ answer: string }>(
      '/tsswarm.v1.Diagnosis/Trace',
      { question: JSON.stringify(question) },
      CALL_TIMEOUT_MS,
    );
    return JSON.parse(answer) as TraceAnswer;
  }

  /** Lets go of the connections that calls go over; new ones are made when they are needed. */
  reconnect(): void {
    const old = [...this.#clients.values()];
    this.#clients.clear();
    for (const client of old) client.close();
  }

  close(): void {
    this.server.close();
    this.reconnect();
  }

  async #onAny<T>(managers: readonly string[], ask: (client: RpcClient) => Promise<T>): Promise<T> {
    let last: unknown = new SwarmError('unavailable', 'no manager is known');
    for (const address of managers) {
      try {
        return await ask(this.#client(address, undefined));
      } catch (error) {
        last = error;
        if (!(error instanceof SwarmError) || !error.temporary) throw error;
      }
    }
    throw last;
  }

  #client(address: string, nodeId: string | undefined): RpcClient {
    const key = `${address}/${nodeId ?? ''}`;
    const known = this.#clients.get(key);
    if (known !== undefined) return known;
    if (this.#clients.size >= CLIENTS_MAX) {
      const [oldestKey, oldest] = this.#clients.entries().next().value ?? [];
      if (oldestKey !== undefined) this.#clients.delete(oldestKey);
      oldest?.close();
    }
    const client = this.#connect(address, nodeId);
    this.#clients.set(key, client);
    return client;
  }

  #connect(address: string, nodeId: string | undefined): RpcClient {
    const { methods, identity, clusterId } = this.#options;
    return RpcClient.connect({
      methods,
      address,
      identity,
      clusterId,
      ...(nodeId === undefined ? {} : { nodeId }),
    });
  }

  #manager(): Manager {
    const manager = this.#options.manager();
    if (manager === undefined) throw new SwarmError('unavailable', 'this node is not a manager');
    return manager;
  }

  #serveCa(): void {
    this.server.unary<object, { pem: string }>('/tsswarm.v1.Ca/GetRootCertificate', () =>
      Promise.resolve({ pem: this.#options.identity.pems.rootCertificates }),
    );
    this.server.unary<{ csr: string; token: string; availability: string }, Issued>(
      '/tsswarm.v1.Ca/IssueCertificate',
      async ({ csr, token, availability }, { peer, address }) => {
        const manager = this.#manager();
        if (token === '') return manager.renew(csr, certified(peer, this.#options.clusterId));
        const wish = availability === 'pause' || availability === 'drain' ? availability : 'active';
        const from = address.replace(/:\d+$/, '');
        return manager.join({ csr, token, availability: wish, from });
      },
    );
  }

  #serveManagers(): void {
    this.server.duplex<AgentMessage, DispatcherMessage>(
      '/tsswarm.v1.Dispatcher/Session',
      (connection, { peer }) => {
        this.#manager().serveAgent(peer?.nodeId ?? '', connection);
      },
    );
    this.server.unary<{ request: string }, object>(
      '/tsswarm.v1.Attachments/Attach',
      ({ request }, { peer }) =>
        this.#manager().call('attachment.create', parseAttachment(request, peer?.nodeId ?? '')),
    );
    this.server.unary<{ method: string; body: string }, { body: string; index: number }>(
      '/tsswarm.v1.Control/Call',
      async ({ method, body }, { peer }) => {
        const manager = this.#manager();
        // A new manager knows no leader yet: whoever it asks hands its call on.
        if (method !== 'leader.addMember') return manager.callFromPeer(method, body);
        checkSender(manager, body, peer);
        const request = JSON.parse(body) as Parameters<typeof manager.call<'leader.addMember'>>[1];
        const reply = await manager.call('leader.addMember', request);
        return { body: JSON.stringify(reply), index: manager.view.index };
      },
    );
  }
}

/** A node may ask for its own membership only; managers hand on what others asked of them. */
function checkSender(manager: Manager, body: string, peer: Peer | undefined): void {
  const { nodeId } = JSON.parse(body) as { nodeId: string };
  const sender = peer?.nodeId ?? '?';
  if (nodeId === sender || manager.view.get('node', sender)?.manager !== undefined) return;
  throw new SwarmError('denied', `node ${sender} can't speak for node ${nodeId}`);
}

function certified(peer: Peer | undefined, clusterId: string): Peer {
  if (peer?.clusterId !== clusterId) {
    throw new SwarmError(
      'unauthenticated',
      'a join token or a certificate of this cluster is required',
    );
  }
  return peer;
}

/** Comparison that takes the same time wherever the first difference is. */
export function equalInConstantTime(a: string, b: string): boolean {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length === y.length && timingSafeEqual(x, y);
}
