// The node's gRPC port and its clients of other nodes: which method leads where. Handlers are there
// from the start; those of a manager answer "not a manager" until the node is one.
import { timingSafeEqual } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import {
  SwarmError,
  boolean,
  count,
  decoder,
  integer,
  list,
  number,
  record,
  text,
  unknown,
  type Decoded,
  type Logger,
  type Peer,
} from '../../base/index.ts';
import {
  ID,
  TRACE_ANSWER,
  TRACE_QUESTION,
  type AgentMessage,
  type DispatcherMessage,
  type TraceAnswer,
  type TraceQuestion,
} from '../../model/index.ts';
import {
  ISSUED,
  decodeRequest,
  decodeResponse,
  nodePrincipal,
  type AttachmentRequest,
  type Issued,
  type LeaderMethod,
  type LeaderMethods,
  type Manager,
  type ForwardedCall,
  type ManagerCaller,
} from '../../manager/index.ts';
import { RpcClient, RpcServer, type TlsIdentity, type WireMethod } from '../../platform/index.ts';
import type { DispatcherConnection } from '../../worker/index.ts';
import { parseAttachment } from './attachment-request.ts';

const CALL_TIMEOUT_MS = 15_000;
const CLIENTS_MAX = 64;

const LOG_QUERY = record({
  taskId: ID,
  follow: boolean(),
  tail: integer(),
  since: number(),
  until: number(),
  stdout: boolean(),
  stderr: boolean(),
});
export type LogQuery = Decoded<typeof LOG_QUERY>;
const decodeLogQuery = decoder(LOG_QUERY, 'log query');

export interface LogBatch {
  readonly lines: readonly {
    readonly stream: number;
    readonly time: string;
    readonly text: Uint8Array;
  }[];
}

/** Lines of one message of another node. */
const LOG_LINES_MAX = 10_000;
const decodeLogBatch = decoder(
  record({
    lines: list(record({ stream: count(2), time: text(64), text: unknown() }), LOG_LINES_MAX),
  }),
  'log lines',
);
const decodeQuestion = decoder(TRACE_QUESTION, 'question');
const decodeAnswer = decoder(TRACE_ANSWER, 'answer');
const decodeIssued = decoder(ISSUED, 'certificate');

export type LogReader = (query: LogQuery, signal: AbortSignal) => AsyncIterable<LogBatch>;

export interface ClusterRpcOptions {
  readonly identity: TlsIdentity;
  readonly methods: ReadonlyMap<string, WireMethod>;
  readonly clusterId: string;
  readonly logger: Logger;
  readonly manager: () => Manager | undefined;
  /** What a node may be now; undefined: it was removed. */
  readonly roleOf: (peer: Peer) => Peer['role'] | undefined;
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
        const decoded = decodeLogQuery({ ...query });
        for await (const batch of options.readLogs(decoded, signal)) await emit(batch);
      },
    );
    this.server.unary<{ question: string }, { answer: string }>(
      '/tsswarm.v1.Diagnosis/Trace',
      async ({ question }) => ({
        answer: JSON.stringify(await options.trace(decodeQuestion.json(question))),
      }),
    );
  }

  /**
   * A stream to a manager's dispatcher, on a connection of its own: every role may have one, so it
   * outlives `reconnect`. A promoted node must not fall silent while the managers take it in.
   */
  dialDispatcher(address: string): DispatcherConnection {
    const client = this.#connect(address, undefined);
    const stream = client.duplex<AgentMessage, object>('/tsswarm.v1.Dispatcher/Session');
    stream.onClose(() => client.close());
    return stream;
  }

  /** A method for another manager. */
  async send(
    manager: { nodeId: string; address: string },
    call: ForwardedCall,
    signal: AbortSignal,
  ): Promise<{ body: string; index: number }> {
    const client = this.#client(manager.address, manager.nodeId);
    const reply = client.unary<{ body: string; index: number }>(
      '/tsswarm.v1.Control/Call',
      call,
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
  async callAny<M extends LeaderMethod>(
    managers: readonly string[],
    method: M,
    request: LeaderMethods[M]['request'],
  ): Promise<LeaderMethods[M]['response']> {
    const { body } = await this.#onAny(managers, (client) =>
      client.unary<{ body: string }>(
        '/tsswarm.v1.Control/Call',
        { method, body: JSON.stringify(request) },
        CALL_TIMEOUT_MS,
      ),
    );
    return decodeResponse(method, body);
  }

  /** A new certificate for this node, with the role that the managers want it to have. */
  async renew(managers: readonly string[], csr: string): Promise<Issued> {
    const issued = await this.#onAny(managers, (client) =>
      client.unary<object>(
        '/tsswarm.v1.Ca/IssueCertificate',
        { csr, token: '', availability: '' },
        CALL_TIMEOUT_MS,
      ),
    );
    return decodeIssued(issued);
  }

  /** Asks for the attachment of a container of this node to networks of the cluster. */
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
  async *logs(
    node: { nodeId: string; address: string },
    query: LogQuery,
    signal: AbortSignal,
  ): AsyncIterable<LogBatch> {
    const ask = (client: RpcClient): AsyncIterable<object> =>
      client.stream<object>('/tsswarm.v1.Logs/Read', query, signal);
    for await (const batch of this.#streamOfNode(node, ask)) {
      const { lines } = decodeLogBatch(batch);
      yield {
        lines: lines.map(({ text: bytes, ...line }) => ({
          ...line,
          text: bytes instanceof Uint8Array ? bytes : new Uint8Array(),
        })),
      };
    }
  }

  /** What a host has to say about the way to or from one of its tasks. */
  async trace(
    node: { nodeId: string; address: string },
    question: TraceQuestion,
  ): Promise<TraceAnswer> {
    const ask = (client: RpcClient): Promise<{ answer: string }> =>
      client.unary(
        '/tsswarm.v1.Diagnosis/Trace',
        { question: JSON.stringify(question) },
        CALL_TIMEOUT_MS,
      );
    const client = this.#client(node.address, node.nodeId);
    const { answer } = await ask(client).catch((error: unknown) =>
      ask(this.#replaced(node, client, error)),
    );
    return decodeAnswer.json(answer);
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

  /**
   * What a node streams. A connection that died while nothing was said is found out by the next
   * question, which is then put once more over a new one.
   */
  async *#streamOfNode<T>(
    node: { nodeId: string; address: string },
    ask: (client: RpcClient) => AsyncIterable<T>,
  ): AsyncIterable<T> {
    const client = this.#client(node.address, node.nodeId);
    let isAnswered = false;
    try {
      for await (const part of ask(client)) {
        isAnswered = true;
        yield part;
      }
      return;
    } catch (error) {
      if (isAnswered) throw error;
      yield* ask(this.#replaced(node, client, error));
    }
  }

  /** A new connection in the place of one that broke; raises `error` when that was no such thing. */
  #replaced(
    { address, nodeId }: { nodeId: string; address: string },
    client: RpcClient,
    error: unknown,
  ): RpcClient {
    if (!(error instanceof SwarmError) || error.code !== 'unavailable') throw error;
    if (this.#clients.get(clientKey(address, nodeId)) === client) {
      this.#clients.delete(clientKey(address, nodeId));
      client.close();
    }
    return this.#client(address, nodeId);
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
    const key = clientKey(address, nodeId);
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
    this.server.unary<
      { csr: string; token: string; availability: string; featureLevel: number; version: string },
      Issued
    >('/tsswarm.v1.Ca/IssueCertificate', async (request, { peer, address }) => {
      const manager = this.#manager();
      const { csr, token, availability: asked, featureLevel, version } = request;
      if (token === '') return manager.renew(csr, certified(peer, this.#options.clusterId));
      const availability = asked === 'pause' || asked === 'drain' ? asked : 'active';
      const build = version === '' ? {} : { version: version.slice(0, 128) };
      const level = { featureLevel: Number.isSafeInteger(featureLevel) ? featureLevel : 0 };
      const from = address.replace(/:\d+$/, '');
      return manager.join({ csr, token, availability, from, ...level, ...build });
    });
  }

  #serveManagers(): void {
    this.server.duplex<object, DispatcherMessage>(
      '/tsswarm.v1.Dispatcher/Session',
      (connection, { peer, address }) => {
        this.#manager().serveAgent(peer?.nodeId ?? '', connection, address);
      },
    );
    this.server.unary<{ request: string }, object>(
      '/tsswarm.v1.Attachments/Attach',
      ({ request }, { peer }) =>
        this.#manager().submit(
          nodePrincipal(peer?.nodeId ?? ''),
          'attachment.create',
          parseAttachment(request, peer?.nodeId ?? ''),
        ),
    );
    this.server.unary<ForwardedCall, { body: string; index: number }>(
      '/tsswarm.v1.Control/Call',
      async ({ method, body, principal }, { peer }) => {
        const manager = this.#manager();
        // A new manager knows no leader yet: whoever it asks hands its call on.
        if (method !== 'leader.addMember') return manager.receive({ method, body, principal });
        const request = decodeRequest(method, body);
        checkSender(manager, request.nodeId, peer);
        const reply = await manager.forward('leader.addMember', request);
        return { body: JSON.stringify(reply), index: manager.view.index };
      },
    );
  }
}

const clientKey = (address: string, nodeId = ''): string => `${address}/${nodeId}`;

/** A node may ask for its own membership only; managers hand on what others asked of them. */
function checkSender(manager: Manager, nodeId: string, peer: Peer | undefined): void {
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
