// The resolver's sockets in the namespaces of tasks, UDP and TCP, and what comes in through them.
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import type { ServedTask } from '../../overlay/resolver-protocol.ts';
import type { Native } from '../native.ts';
import { framed } from './forwarder.ts';

const ADDRESS = Uint8Array.of(127, 0, 0, 11);
/** TCP connections of one task at once. */
const MAX_CONNECTIONS = 64;
/** An idle TCP connection is closed after this. */
const IDLE_MS = 10_000;

/** Answers one message; undefined: say nothing. */
export type Responder = (
  taskId: string,
  message: Buffer,
  udp: boolean,
) => Promise<Uint8Array | undefined>;

interface TaskSockets {
  readonly task: ServedTask;
  readonly udp: UdpSocket;
  readonly tcp: Server;
}

/** The open sockets of all tasks. */
export class SocketTable {
  readonly #native: Native;
  readonly #respond: Responder;
  readonly #open = new Map<string, TaskSockets>();

  constructor(native: Native, respond: Responder) {
    this.#native = native;
    this.#respond = respond;
  }

  /** Opens and closes what is needed; returns why a task can't be served, by its id. */
  async bring(tasks: Readonly<Record<string, ServedTask>>): Promise<Record<string, string>> {
    for (const [taskId, sockets] of this.#open) {
      const task = tasks[taskId];
      if (task?.namespace === sockets.task.namespace && task.port === sockets.task.port) continue;
      this.#open.delete(taskId);
      sockets.udp.close();
      sockets.tcp.close();
    }
    const failures: Record<string, string> = {};
    const missing = Object.entries(tasks).filter(([taskId]) => !this.#open.has(taskId));
    await Promise.all(
      missing.map(async ([taskId, task]) => {
        try {
          this.#open.set(taskId, await this.#openTask(taskId, task));
        } catch (error) {
          failures[taskId] = error instanceof Error ? error.message : String(error);
        }
      }),
    );
    return failures;
  }

  async #openTask(taskId: string, task: ServedTask): Promise<TaskSockets> {
    const common = { step: 'socket', family: 4, address: ADDRESS, port: task.port } as const;
    const [udp, tcp] = await this.#native.run(task.namespace, [
      { ...common, type: 'udp' },
      { ...common, type: 'tcp-listen', reuse: true },
    ]);
    if (udp?.errno !== 0 || tcp?.errno !== 0) {
      throw new Error(`port ${task.port} can't be bound (errno ${udp?.errno}, ${tcp?.errno})`);
    }
    return {
      task,
      udp: this.#serveUdp(taskId, udp.data.readInt32LE(0)),
      tcp: this.#serveTcp(taskId, tcp.data.readInt32LE(0)),
    };
  }

  #serveUdp(taskId: string, fd: number): UdpSocket {
    const socket = createSocket({ type: 'udp4', lookup: asGiven });
    socket.on('error', () => undefined);
    socket.on('message', (message, from) => {
      void this.#respond(taskId, message, true).then((answer) => {
        // The task may have gone while its question was under way.
        if (answer && this.#open.get(taskId)?.udp === socket) {
          socket.send(answer, from.port, from.address);
        }
      });
    });
    socket.bind({ fd });
    return socket;
  }

  #serveTcp(taskId: string, fd: number): Server {
    const server = createServer((connection) => this.#serveConnection(taskId, connection));
    server.maxConnections = MAX_CONNECTIONS;
    server.on('error', () => undefined);
    server.listen({ fd });
    return server;
  }

  #serveConnection(taskId: string, connection: Socket): void {
    let received = Buffer.alloc(0);
    let last = Promise.resolve();
    connection.setTimeout(IDLE_MS, () => connection.destroy());
    connection.on('error', () => connection.destroy());
    connection.on('data', (data) => {
      received = Buffer.concat([received, data]);
      while (received.length >= 2 && received.length >= received.readUInt16BE(0) + 2) {
        const end = received.readUInt16BE(0) + 2;
        const message = Buffer.from(received.subarray(2, end));
        received = received.subarray(end);
        // One after another: a connection can't have us work on many questions at once.
        last = last.then(async () => {
          const answer = await this.#respond(taskId, message, false);
          if (answer && connection.writable) connection.write(framed(answer));
        });
      }
    });
  }
}

/** Answers go to addresses: Node's own look-up would cost as much as the answer. */
function asGiven(
  address: string,
  _options: unknown,
  callback: (error: NodeJS.ErrnoException | null, address: string, family: number) => void,
): void {
  callback(null, address, 4);
}
