// The Engine API of a manager over a real socket: real control and a real store, without Raft, engine
// and processes. For tests of what clients send and get.
import { ClusterQueries } from '../../src/manager/queries/index.ts';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SwarmError, silentLogger, type Logger } from '../../src/base/index.ts';
import {
  EngineApiServer,
  type EngineBackend,
  type ImageSummary,
  type InitRequest,
  type JoinRequest,
  type ManagerBackend,
} from '../../src/engine-api/index.ts';
import { World } from '../scenario/world.ts';
import { MemoryContainers, backendOf } from './memory-containers.ts';

export interface ApiAnswer {
  readonly status: number;
  readonly text: string;
  /** What the text says, when it is JSON. */
  readonly body: unknown;
}

export interface ApiCall {
  readonly body?: unknown;
  /** Instead of a body: these very bytes. */
  readonly bytes?: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

export class ApiServer {
  readonly world = new World();
  readonly containers = new MemoryContainers();
  /** Errors that the server did not expect: each is a fault of ours. */
  readonly faults: unknown[] = [];
  /** Volumes that are there, and what was asked of the machine. */
  readonly volumes = new Map<string, Readonly<Record<string, string>>>();
  readonly asked: unknown[] = [];
  readonly images: ImageSummary[] = [];
  /** What tests have in place of the work on images. */
  readonly #imageWork: Partial<EngineBackend['images']>;
  /** Of a manager; tests replace parts of it. */
  manager: ManagerBackend;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 32 });
  readonly #server: EngineApiServer;
  #directory = '';

  private constructor(imageWork: Partial<EngineBackend['images']>) {
    this.#imageWork = imageWork;
    const { store, control } = this.world;
    this.manager = {
      queries: new ClusterQueries(store.view),
      submit: (_principal, method, request) => control.handle(method, request),
      leaderId: 'n1',
      reachability: () => 'reachable',
      acknowledged: () => Promise.resolve(new Map()),
      trace: () => Promise.reject(new SwarmError('notFound', 'nothing to trace')),
      taskLogs: async function* () {},
      changes: (listener) => store.watch(listener),
    };
    const fault = (fields: unknown, text: unknown): void => {
      this.faults.push([text, fields]);
    };
    const logger: Logger = { ...silentLogger, error: fault as Logger['error'] };
    this.#server = new EngineApiServer(this.#backend(), logger);
  }

  static async start(
    nodes: readonly string[] = ['n1'],
    imageWork: Partial<EngineBackend['images']> = {},
  ): Promise<ApiServer> {
    const api = new ApiServer(imageWork);
    await api.world.start(nodes);
    api.#directory = await mkdtemp(join(tmpdir(), 'api-server-'));
    await api.#server.listen(api.socketPath);
    return api;
  }

  async stop(): Promise<void> {
    this.#agent.destroy();
    await this.#server.close();
    await rm(this.#directory, { recursive: true });
  }

  get socketPath(): string {
    return join(this.#directory, 'api.sock');
  }

  call(method: string, path: string, { body, bytes, headers }: ApiCall = {}): Promise<ApiAnswer> {
    const payload = bytes ?? (body === undefined ? '' : JSON.stringify(body));
    return new Promise((resolve, reject) => {
      const request = httpRequest(
        {
          socketPath: this.socketPath,
          agent: this.#agent,
          method,
          path,
          headers: {
            ...(payload.length === 0 ? {} : { 'Content-Type': 'application/json' }),
            'Content-Length': Buffer.byteLength(payload),
            ...headers,
          },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.once('error', reject);
          response.once('end', () => {
            const text = Buffer.concat(chunks).toString('utf8');
            resolve({ status: response.statusCode ?? 0, text, body: parsed(text) });
          });
        },
      );
      request.once('error', reject);
      request.end(payload);
    });
  }

  #backend(): EngineBackend {
    const asked = <T>(what: string, answer: T) => {
      return (...request: unknown[]): Promise<T> => {
        this.asked.push([what, ...request]);
        return Promise.resolve(answer);
      };
    };
    const absent = (): never => {
      throw new SwarmError('notFound', 'No such image: it');
    };
    const plain = backendOf(this.containers);
    return {
      ...plain,
      images: {
        ...plain.images,
        list: async () => this.images,
        pull: asked('pull', undefined),
        load: async (archive) => {
          for await (const chunk of archive) this.asked.push(['load', chunk.length]);
        },
        ...this.#imageWork,
        tag: asked('tag', undefined),
        remove: async () => absent(),
        distribution: async () => absent(),
      },
      volumes: {
        list: async () =>
          [...this.volumes].map(([name, labels]) => ({
            name,
            labels,
            mountpoint: `/volumes/${name}`,
            createdAt: 0,
            options: {},
          })),
        create: async (name, labels, options) => {
          this.volumes.set(name, labels);
          return { name, labels, mountpoint: `/volumes/${name}`, createdAt: 0, options };
        },
        remove: async (name) => {
          this.asked.push(['remove volume', name]);
          if (!this.volumes.delete(name)) {
            throw new SwarmError('notFound', `get ${name}: no such volume`);
          }
        },
      },
      cluster: () => ({
        nodeId: 'n1',
        nodeAddress: '10.0.0.1',
        clusterId: 'cluster',
        role: 'manager',
        managers: [],
        tls: { trustRoot: '', subject: '', publicKey: '' },
        manager: this.manager,
        locks: 'active',
      }),
      init: (request: InitRequest) => asked('init', 'n1')(request),
      join: (request: JoinRequest) => asked('join', undefined)(request),
      leave: asked('leave', undefined),
      backup: async () => Promise.reject(new SwarmError('unavailable', 'there is no backup here')),
      restore: async () => Promise.reject(new SwarmError('dataLoss', 'this is no backup')),
    };
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
