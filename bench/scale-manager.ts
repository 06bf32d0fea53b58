// One manager in a process of its own, for bench/scale.ts: Raft's thread, files and fsync as the daemon
// has them, agents over the link or over gRPC with mTLS. Told everything over IPC, and counts what it uses.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { silentLogger } from '../src/base/index.ts';
import { DEFAULT_CLUSTER_SPEC, Manager, startConsensus, OPERATOR } from '../src/manager/index.ts';
import type { AgentConnection } from '../src/manager/dispatcher/index.ts';
import { specIndexOf, type DispatcherMessage, type StoreChange } from '../src/model/index.ts';
import {
  RpcServer,
  TlsIdentity,
  loadMethods,
  systemClock,
  systemRandom,
  type TlsPems,
} from '../src/platform/index.ts';
import { CLOSE, CLUSTER_ID, Link, LinkConnection, OPEN, SESSION_PATH } from './scale-link.ts';

const MANAGER_ID = 'manager0';
const TURN_LOOK_MS = 5;
const NODES_PER_BATCH = 500;

export interface ManagerStart {
  readonly directory: string;
  readonly threadScript: string;
  readonly raftAddress: string;
  readonly tls: TlsPems;
  /** Agents come over gRPC with mTLS instead of the link. */
  readonly overWire: boolean;
}

/** What the bench asks of the manager. */
export type ManagerOrder =
  | { readonly kind: 'start'; readonly start: ManagerStart }
  | { readonly kind: 'addNodes'; readonly ids: readonly string[] }
  | { readonly kind: 'call'; readonly method: string; readonly request: object }
  /** `progress`: the same without beginning a new longest turn. */
  | { readonly kind: 'figures' | 'progress' };

/** Since the start, but for `turnMs`: since the last time that it was asked. */
export interface Figures {
  /** CPU time of the main thread, and of the whole process. */
  readonly mainMs: number;
  readonly processMs: number;
  /** CPU time of the longest stretch in which no timer could fire. */
  readonly turnMs: number;
  readonly sentBytes: number;
  readonly rssMb: number;
  readonly ready: number;
  /** Sessions that were registered, and nodes that were declared down. */
  readonly registrations: number;
  readonly downs: number;
  /** Tasks that run and are wanted, by service. */
  readonly running: Readonly<Record<string, number>>;
  /** The same of those with the service's newest revision. */
  readonly newest: Readonly<Record<string, number>>;
  /** Tasks of each service that are in the store. */
  readonly present: Readonly<Record<string, number>>;
  /** Tasks that have failed. */
  readonly failed: number;
  /** What an update of each service has to name. */
  readonly versions: Readonly<Record<string, number>>;
}

const methods = loadMethods(join(import.meta.dirname, '..', 'proto'), ['dispatcher.proto']);
const wire = methods.get(SESSION_PATH);
let manager: Manager | undefined;
let link: Link | undefined;

/** CPU time of the main thread. */
function mainMs(): number {
  const [ran = '0'] = readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ');
  return Number(ran) / 1e6;
}

/** How long timers had to wait, in CPU time: what somebody else's load adds does not count. */
let turnMs = 0;
let lookedAt = 0;
let lookedCpu = 0;
function watchTurns(): void {
  const [now, cpu] = [performance.now(), mainMs()];
  if (lookedAt > 0 && now - lookedAt > 2 * TURN_LOOK_MS) turnMs = Math.max(turnMs, cpu - lookedCpu);
  [lookedAt, lookedCpu] = [now, cpu];
  setTimeout(watchTurns, TURN_LOOK_MS);
}

const counts = { ready: 0, registrations: 0, downs: 0, failed: 0 };
const running = new Map<string, Map<string, string>>();
const present = new Map<string, number>();
function count(change: StoreChange): void {
  if (change.table === 'session') counts.registrations++;
  if (change.table === 'node') {
    const [before, after] = [change.before?.status.state, change.after?.status.state];
    counts.ready += Number(after === 'ready') - Number(before === 'ready');
    if (after === 'down' && before === 'ready') counts.downs++;
  }
  if (change.table !== 'task') return;
  const task = change.after ?? change.before;
  if (task === undefined) return;
  const tasks = running.get(task.serviceId) ?? new Map<string, string>();
  running.set(task.serviceId, tasks);
  if (change.after?.status.state === 'failed' && change.before?.status.state !== 'failed')
    counts.failed++;
  const came = Number(change.before === undefined) - Number(change.after === undefined);
  if (came !== 0) present.set(task.serviceId, (present.get(task.serviceId) ?? 0) + came);
  const runs = task.status.state === 'running' && task.desiredState === 'running';
  if (change.after !== undefined && runs) tasks.set(task.id, task.revisionId);
  else tasks.delete(task.id);
}

function figures(): Figures {
  const cpu = process.cpuUsage();
  const newest: Record<string, number> = {};
  const versions: Record<string, number> = {};
  for (const [id, tasks] of running) {
    const service = manager?.view.get('service', id);
    if (service === undefined) continue;
    versions[id] = specIndexOf(service);
    newest[id] = [...tasks.values()].filter((one) => one === service.revisionId).length;
  }
  return {
    ...counts,
    mainMs: mainMs(),
    processMs: (cpu.user + cpu.system) / 1000,
    turnMs,
    sentBytes: link?.sentBytes ?? 0,
    rssMb: process.memoryUsage.rss() / 1e6,
    running: Object.fromEntries([...running].map(([id, tasks]) => [id, tasks.size])),
    newest,
    present: Object.fromEntries(present),
    versions,
  };
}

async function start(options: ManagerStart): Promise<{ port: number }> {
  const raftId = 1;
  const self = { raftId, nodeId: MANAGER_ID, address: options.raftAddress };
  const started = await Manager.start({
    nodeId: MANAGER_ID,
    version: 'bench',
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    signer: {
      equal: (a, b) => a === b,
      sign: () => Promise.reject(new Error('the bench signs nothing')),
    },
    newJoinToken: () => 'token',
    caller: { send: () => Promise.reject(new Error('there is one manager')) },
    probe: () => Promise.resolve(false),
    startConsensus: (handler) =>
      startConsensus(
        {
          directory: options.directory,
          self,
          listenAddress: options.raftAddress,
          start: { kind: 'bootstrap' },
          tls: options.tls,
          // As the daemon.
          tickMs: 50,
          electionTicks: 10,
          heartbeatTicks: 1,
          snapshotInterval: 10_000,
          dataKey: new Uint8Array(32),
        },
        handler,
        { threadScript: options.threadScript, logger: silentLogger },
      ),
    onEnd: ({ error }) => {
      throw error ?? new Error('the manager was removed');
    },
  });
  manager = started;
  started.store.watch((changes) => changes.forEach(count));
  while (!started.consensus.status.isLeader) await new Promise((done) => setTimeout(done, 20));
  await started.bootstrap({
    clusterId: CLUSTER_ID,
    spec: DEFAULT_CLUSTER_SPEC,
    rootCertificate: options.tls.rootCertificates,
    rootKey: '',
    joinTokens: { worker: 'w', manager: 'm' },
    addressPools: ['10.0.0.0/8'],
    subnetSize: 16,
    dataPathPort: 4789,
    node: {
      id: MANAGER_ID,
      availability: 'drain',
      raftId,
      address: '127.0.0.1:1',
      raftAddress: options.raftAddress,
      certificateExpiresAt: 0,
    },
  });
  watchTurns();
  return { port: await (options.overWire ? serveWire(started, options.tls) : serveLink(started)) };
}

function serveWire(serving: Manager, tls: TlsPems): Promise<number> {
  const server = new RpcServer({
    identity: new TlsIdentity(tls),
    methods,
    clusterId: CLUSTER_ID,
    access: new Map([[SESSION_PATH, 'node']]),
    roleOf: ({ role }) => role,
    logger: silentLogger,
  });
  server.duplex<object, DispatcherMessage>(SESSION_PATH, (connection, { peer, address }) => {
    serving.serveAgent(peer?.nodeId ?? '', connection as AgentConnection, address);
  });
  return server.listen('127.0.0.1:0');
}

function serveLink(serving: Manager): Promise<number> {
  const connections = new Map<number, LinkConnection<DispatcherMessage, unknown>>();
  const server = createServer((socket) => {
    const near = new Link(socket, ({ kind, agent, payload }) => {
      if (kind === OPEN) {
        const connection = new LinkConnection<DispatcherMessage, unknown>(
          near,
          agent,
          (message) => wire?.responseSerialize(message) ?? new Uint8Array(),
        );
        connections.get(agent)?.ended();
        connections.set(agent, connection);
        // Each at an address of its own.
        serving.serveAgent(payload.toString(), connection, `127.${agent >> 8}.${agent & 255}.1:1`);
      } else if (kind === CLOSE) connections.get(agent)?.ended();
      else connections.get(agent)?.received(wire?.requestDeserialize(payload));
    });
    link = near;
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' ? (address?.port ?? 0) : 0);
    });
  });
}

/** As they stand after they were let in, before their first registration. */
async function addNodes(serving: Manager, ids: readonly string[]): Promise<void> {
  for (let at = 0; at < ids.length; at += NODES_PER_BATCH) {
    const batch = ids.slice(at, at + NODES_PER_BATCH).map((id) =>
      serving.store.propose([
        {
          kind: 'addNode',
          object: {
            id,
            spec: { Role: 'worker', Availability: 'active', Labels: {} },
            role: 'worker',
            status: { state: 'unknown', message: '', address: '', dataPathAddress: '', since: 0 },
          },
        },
      ]),
    );
    await Promise.all(batch);
  }
}

async function carryOut(order: ManagerOrder): Promise<object> {
  if (order.kind === 'start') return start(order.start);
  if (manager === undefined) throw new Error('the manager has not started');
  if (order.kind === 'addNodes') await addNodes(manager, order.ids);
  if (order.kind === 'progress') return figures();
  if (order.kind === 'figures') {
    const result = figures();
    turnMs = 0;
    return result;
  }
  if (order.kind !== 'call') return {};
  const { method, request } = order;
  return manager.submit(OPERATOR, method as 'service.create', request as never);
}

process.on('message', ({ token, order }: { token: number; order: ManagerOrder }) => {
  carryOut(order).then(
    (answer) => process.send?.({ token, answer }),
    (error: unknown) => process.send?.({ token, error: String(error) }),
  );
});
