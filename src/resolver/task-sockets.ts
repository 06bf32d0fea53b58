// The resolver's sockets in the namespaces of tasks, UDP and TCP, and what comes in through them. UDP
// is served by the addon, which has the answers ready that were given before.
import { createServer, type Server } from 'node:net';
import type { ServedTask } from './protocol/index.ts';
import type { Native } from '../platform/system/index.ts';
import { serveQuestions } from './dns/index.ts';

const ADDRESS = Uint8Array.of(127, 0, 0, 11);
/** TCP connections of one task at once. */
const MAX_CONNECTIONS = 64;

/** What to say to one message; undefined: nothing. */
export interface Responder {
  /** At once: answers that are as good as each other, and hold until names change; or ask elsewhere. */
  answer(taskId: string, message: Buffer, udp: boolean): readonly Buffer[] | 'forward' | undefined;
  forward(taskId: string, message: Buffer, udp: boolean): Promise<Buffer>;
}

interface TaskSockets {
  readonly task: ServedTask;
  /** Of the UDP socket, which the addon serves. */
  readonly slot: number;
  readonly tcp: Server;
}

/** The open sockets of all tasks. */
export class SocketTable {
  readonly #native: Native;
  readonly #respond: Responder;
  readonly #open = new Map<string, TaskSockets>();
  readonly #taskOf = new Map<number, string>();

  constructor(native: Native, respond: Responder) {
    this.#native = native;
    this.#respond = respond;
    native.answers.start((slot, address, port, message) => {
      this.#answerUdp(slot, address, port, message);
    });
  }

  /** Names have changed: what was answered before may be wrong now. */
  namesChanged(): void {
    this.#native.answers.clear();
  }

  /** Opens and closes what is needed; returns why a task can't be served, by its id. */
  async bring(tasks: Readonly<Record<string, ServedTask>>): Promise<Record<string, string>> {
    for (const [taskId, sockets] of this.#open) {
      const task = tasks[taskId];
      if (task?.namespace === sockets.task.namespace && task.port === sockets.task.port) continue;
      this.#open.delete(taskId);
      this.#taskOf.delete(sockets.slot);
      this.#native.answers.close(sockets.slot);
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
    const slot = this.#native.answers.open(udp.data.readInt32LE(0));
    this.#taskOf.set(slot, taskId);
    return { task, slot, tcp: this.#serveTcp(taskId, tcp.data.readInt32LE(0)) };
  }

  #answerUdp(slot: number, address: number, port: number, message: Buffer): void {
    const { answers } = this.#native;
    const taskId = this.#taskOf.get(slot);
    if (taskId === undefined) return;
    const found = this.#respond.answer(taskId, message, true);
    if (found === 'forward') {
      void this.#respond.forward(taskId, message, true).then((answer) => {
        // The task may have gone while its question was under way.
        if (this.#taskOf.get(slot) === taskId) answers.send(slot, address, port, answer);
      });
    } else if (found?.[0] !== undefined) {
      answers.put(slot, message, found);
      answers.send(slot, address, port, found[0]);
    }
  }

  #serveTcp(taskId: string, fd: number): Server {
    const server = createServer((connection) => {
      serveQuestions(connection, async (message) => {
        const found = this.#respond.answer(taskId, message, false);
        return found === 'forward' ? this.#respond.forward(taskId, message, false) : found?.[0];
      });
    });
    server.maxConnections = MAX_CONNECTIONS;
    server.on('error', () => undefined);
    server.listen({ fd });
    return server;
  }
}
