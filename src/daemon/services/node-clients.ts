// Connections to other nodes, kept for the next question: by address, and by the node that must answer.
import { SwarmError } from '../../base/index.ts';
import {
  RpcClient,
  type RpcClientOptions,
  type TlsIdentity,
  type WireMethod,
} from '../../platform/index.ts';

const CLIENTS_MAX = 64;

/** How long an answer may take. */
export const CALL_TIMEOUT_MS = 15_000;

/** Which node is asked, and where it is (host:port). */
export interface NodeTarget {
  readonly nodeId: string;
  readonly address: string;
}

export interface NodeClientsOptions {
  readonly identity: TlsIdentity;
  readonly methods: ReadonlyMap<string, WireMethod>;
  readonly clusterId: string;
}

export class NodeClients {
  readonly #options: NodeClientsOptions;
  readonly #clients = new Map<string, RpcClient>();

  constructor(options: NodeClientsOptions) {
    this.#options = options;
  }

  /** Asks the managers (host:port) in order until one answers. Raises the last one's error. */
  async anyManager<T>(
    managers: readonly string[],
    ask: (client: RpcClient) => Promise<T>,
  ): Promise<T> {
    let last: unknown = new SwarmError('unavailable', 'no manager is known');
    for (const address of managers) {
      try {
        return await ask(this.of({ address }));
      } catch (error) {
        last = error;
        if (!(error instanceof SwarmError) || !error.temporary) throw error;
      }
    }
    throw last;
  }

  /** Asks one node; a second time over a new connection where the first one turns out to be dead. */
  async ask<T>(node: NodeTarget, ask: (client: RpcClient) => Promise<T>): Promise<T> {
    const client = this.of(node);
    return ask(client).catch((error: unknown) => ask(this.#replaced(node, client, error)));
  }

  /**
   * What a node streams. A connection that died while nothing was said is found out by the next
   * question, which is then put once more over a new one.
   */
  async *stream<T>(
    node: NodeTarget,
    ask: (client: RpcClient) => AsyncIterable<T>,
  ): AsyncIterable<T> {
    const client = this.of(node);
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

  /** The kept client of an address; without `nodeId` any manager may answer there. */
  of({ address, nodeId }: { readonly address: string; readonly nodeId?: string }): RpcClient {
    const key = keyOf(address, nodeId);
    const known = this.#clients.get(key);
    if (known !== undefined) return known;
    if (this.#clients.size >= CLIENTS_MAX) {
      const [oldestKey, oldest] = this.#clients.entries().next().value ?? [];
      if (oldestKey !== undefined) this.#clients.delete(oldestKey);
      oldest?.close();
    }
    const client = this.connect({ address, ...(nodeId === undefined ? {} : { nodeId }) });
    this.#clients.set(key, client);
    return client;
  }

  /** A client that is its caller's alone. */
  connect(target: Pick<RpcClientOptions, 'address' | 'nodeId' | 'hasHeartbeats'>): RpcClient {
    const { methods, identity, clusterId } = this.#options;
    return RpcClient.connect({ methods, identity, clusterId, ...target });
  }

  /** Lets go of all connections; new ones are made when they are needed. */
  reconnect(): void {
    const old = [...this.#clients.values()];
    this.#clients.clear();
    for (const client of old) client.close();
  }

  /** A new connection in the place of one that broke; raises `error` when that was no such thing. */
  #replaced({ address, nodeId }: NodeTarget, client: RpcClient, error: unknown): RpcClient {
    if (!(error instanceof SwarmError) || error.code !== 'unavailable') throw error;
    const key = keyOf(address, nodeId);
    if (this.#clients.get(key) === client) {
      this.#clients.delete(key);
      client.close();
    }
    return this.of({ address, nodeId });
  }
}

const keyOf = (address: string, nodeId = ''): string => `${address}/${nodeId}`;
