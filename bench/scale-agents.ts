// The agents of bench/scale.ts, all in one process: the worker's own session (registration, patience,
// heartbeats), tasks without containers (preparing, starting, running at once), acknowledgements of each
// set, endpoint drains before a stop. Of a set only what concerns the agent's own tasks is looked into.
import { connect } from 'node:net';
import { join } from 'node:path';
import { silentLogger, type Connection } from '../src/base/index.ts';
import type { AgentMessage, AssignmentsMessage, TaskState } from '../src/model/index.ts';
import {
  RpcClient,
  TlsIdentity,
  loadMethods,
  systemClock,
  systemRandom,
  type TlsPems,
} from '../src/platform/index.ts';
import { Session, type DispatcherConnection } from '../src/worker/index.ts';
import {
  CLOSE,
  CLUSTER_ID,
  DATA,
  Link,
  LinkConnection,
  OPEN,
  SESSION_PATH,
  description,
} from './scale-link.ts';

const methods = loadMethods(join(import.meta.dirname, '..', 'proto'), ['dispatcher.proto']);
const wire = methods.get(SESSION_PATH);
/** Between two agents over gRPC: their side of a handshake costs this process as much as the manager's does. */
const WIRE_START_MS = 20;
/** Between two states of a task. */
const STEP_MS = 5;

export interface AgentsStart {
  readonly port: number;
  readonly ids: readonly string[];
  /** For gRPC with mTLS: each agent's certificate. */
  readonly tls?: readonly TlsPems[];
}

/** What the bench asks of the agents. */
export type AgentsOrder =
  | { readonly kind: 'start'; readonly start: AgentsStart }
  /** Some agent's task of the service ends by itself. */
  | { readonly kind: 'fail'; readonly serviceId: string }
  | { readonly kind: 'figures' };

export interface AgentFigures {
  readonly sessions: number;
  readonly lost: number;
  readonly sets: number;
  /** Tasks that were stopped before all hosts had said that they send them nothing. */
  readonly late: number;
}

const figures = { sessions: 0, lost: 0, sets: 0, late: 0 };

interface OwnTask {
  readonly serviceId: string;
  state: TaskState;
  sequence: number;
}

/** One node's agent. */
class BenchAgent {
  readonly #id: string;
  readonly #number: number;
  readonly #session: Session;
  readonly tasks = new Map<string, OwnTask>();
  #epoch = 0;
  #index = 0;

  constructor(id: string, number: number, dial: () => DispatcherConnection) {
    this.#id = id;
    this.#number = number;
    this.#session = new Session({
      dial,
      managers: () => ['manager'],
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      handler: {
        describe: () => {
          const host = `127.${this.#number >> 8}.${this.#number & 255}.1`;
          return {
            description: JSON.stringify(description(this.#id)),
            address: `${host}:2377`,
            dataPathAddress: host,
            lastEpoch: this.#epoch,
            lastIndex: this.#index,
          };
        },
        registered: (epoch) => {
          this.#epoch = epoch;
          figures.sessions++;
          setImmediate(() => this.#reportAll());
        },
        assignments: (message) => this.#take(message),
        info: () => {},
        drained: (taskId, missing) => {
          if (missing.length > 0) figures.late++;
          this.#move(taskId, 'shutdown');
        },
        readOn: () => {},
        lost: () => {
          figures.sessions--;
          figures.lost++;
        },
      },
    });
  }

  fail(taskId: string): void {
    this.#move(taskId, 'failed');
  }

  #take({ complete, index, updates, removes }: AssignmentsMessage): void {
    const named = new Set<string>();
    for (const { kind, key, body } of updates) {
      if (kind !== 'task') continue;
      named.add(key);
      const { desiredState, serviceId } = JSON.parse(body) as {
        desiredState: TaskState;
        serviceId: string;
      };
      const known = this.tasks.get(key);
      if (desiredState === 'running' && known === undefined) {
        this.tasks.set(key, { serviceId, state: 'assigned', sequence: 0 });
        this.#run(key);
      } else if (desiredState !== 'running' && desiredState !== 'ready') {
        if (known === undefined) this.tasks.set(key, { serviceId, state: 'assigned', sequence: 0 });
        this.#session.drain(key);
      }
    }
    for (const { kind, key } of removes) if (kind === 'task') this.tasks.delete(key);
    if (complete && index > 0) {
      for (const key of this.tasks.keys()) if (!named.has(key)) this.tasks.delete(key);
    }
    if (index === 0) return;
    figures.sets++;
    this.#index = index;
    setImmediate(() => this.#session.applied(index));
  }

  #run(taskId: string): void {
    this.#move(taskId, 'preparing');
    setTimeout(() => this.#move(taskId, 'starting'), STEP_MS);
    setTimeout(() => this.#move(taskId, 'running'), 2 * STEP_MS);
  }

  #move(taskId: string, state: TaskState): void {
    const task = this.tasks.get(taskId);
    if (task === undefined || task.state === 'shutdown' || task.state === 'failed') return;
    task.state = state;
    task.sequence++;
    this.#report(taskId);
  }

  /** A new session begins with all that the last one may not have recorded. */
  #reportAll(): void {
    for (const id of this.tasks.keys()) this.#report(id);
  }

  #report(taskId: string): void {
    const task = this.tasks.get(taskId);
    if (task === undefined || task.state === 'assigned') return;
    const status = JSON.stringify({
      state: task.state,
      timestamp: Date.now(),
      message: task.state,
      container: { id: taskId.padEnd(64, '0'), pid: 1, exitCode: 0 },
    });
    this.#session.send([{ taskId, status, sequence: task.sequence }]);
  }
}

/** Of a set the items of tasks and what belongs to the frame; all else is skipped unread. */
function readMessage(bytes: Buffer): unknown {
  // Field 3 of DispatcherMessage: assignments.
  if (bytes[0] !== 0x1a) return wire?.responseDeserialize(bytes);
  const outer = varint(bytes, 1);
  const kept: Buffer[] = [];
  let at = outer.at;
  while (at < bytes.length) {
    const tag = bytes[at] ?? 0;
    const begin = at;
    if ((tag & 7) === 2) {
      const length = varint(bytes, at + 1);
      at = length.at + length.value;
      // Field 5: an item; its first field is its kind. Removals are few.
      if (tag === 0x2a && !isTaskItem(bytes, length.at)) continue;
    } else if ((tag & 7) === 1) at += 9;
    else at = varint(bytes, at + 1).at;
    kept.push(bytes.subarray(begin, at));
  }
  const body = Buffer.concat(kept);
  const head = [0x1a];
  let { length } = body;
  for (; length > 127; length >>>= 7) head.push((length & 127) | 128);
  head.push(length);
  return wire?.responseDeserialize(Buffer.concat([Buffer.from(head), body]));
}

/** Whether its first field is a text of four letters, "task". */
function isTaskItem(bytes: Buffer, at: number): boolean {
  return bytes[at + 1] === 4 && bytes[at + 2] === 0x74 && bytes[at + 3] === 0x61;
}

function varint(bytes: Buffer, start: number): { value: number; at: number } {
  let [value, shift, at] = [0, 0, start];
  for (;;) {
    const byte = bytes[at++] ?? 0;
    value += (byte & 127) * 2 ** shift;
    if (byte < 128) return { value, at };
    shift += 7;
  }
}

const agents: BenchAgent[] = [];

async function start({ port, ids, tls }: AgentsStart): Promise<void> {
  if (tls !== undefined) {
    for (const [i, id] of ids.entries()) {
      const pems = tls[i];
      if (pems === undefined) throw new Error(`no certificate for ${id}`);
      agents.push(new BenchAgent(id, i + 1, () => dialWire(`127.0.0.1:${port}`, pems)));
      await new Promise((resolve) => setTimeout(resolve, WIRE_START_MS));
    }
    return;
  }
  const socket = connect(port, '127.0.0.1');
  await new Promise((resolve) => socket.once('connect', resolve));
  const connections = new Map<number, LinkConnection<AgentMessage, unknown>>();
  const link = new Link(socket, ({ kind, agent, payload }) => {
    if (kind === CLOSE) connections.get(agent)?.ended();
    else if (kind === DATA) connections.get(agent)?.received(readMessage(payload));
  });
  for (const [i, id] of ids.entries()) {
    const number = i + 1;
    const dial = (): Connection<AgentMessage, unknown> => {
      const connection = new LinkConnection<AgentMessage, unknown>(
        link,
        number,
        (message) => wire?.requestSerialize(message) ?? new Uint8Array(),
      );
      connections.set(number, connection);
      link.send(OPEN, number, Buffer.from(id));
      return connection;
    };
    agents.push(new BenchAgent(id, number, dial));
  }
}

function dialWire(address: string, pems: TlsPems): DispatcherConnection {
  const identity = new TlsIdentity(pems);
  const client = RpcClient.connect({ methods, address, identity, clusterId: CLUSTER_ID });
  const stream = client.duplex<AgentMessage, object>(SESSION_PATH);
  stream.onClose(() => client.close());
  return stream;
}

function fail(serviceId: string): void {
  for (const agent of agents) {
    for (const [id, task] of agent.tasks) {
      if (task.serviceId !== serviceId || task.state !== 'running') continue;
      return agent.fail(id);
    }
  }
}

process.on('message', ({ token, order }: { token: number; order: AgentsOrder }) => {
  const carryOut = async (): Promise<object> => {
    if (order.kind === 'start') await start(order.start);
    if (order.kind === 'fail') fail(order.serviceId);
    return figures;
  };
  carryOut().then(
    (answer) => process.send?.({ token, answer }),
    (error: unknown) => process.send?.({ token, error: String(error) }),
  );
});
