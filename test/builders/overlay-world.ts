// An overlay without a kernel: namespaces are maps, time and disk are ours. For unit tests of the
// overlay and for whole-cluster scenarios.
import { SwarmError, silentLogger, type Clock, type Disk } from '../../src/base/index.ts';
import type { TaskAssignment } from '../../src/model/index.ts';
import {
  HOST,
  createOverlay,
  keyOf,
  textOf,
  type Fingerprint,
  type Kernel,
  type KernelObject,
  type KernelOp,
  type OpFailure,
  type Overlay,
  type OverlayState,
  type ResolverRequest,
} from '../../src/overlay/index.ts';

/** Namespaces as maps; nftables as the text of the transactions since the table was last replaced. */
export class FakeKernel implements Kernel {
  readonly namespaces = new Map<string, Map<string, KernelObject>>([[HOST, new Map()]]);
  readonly tables = new Map<string, string>();
  readonly log: string[] = [];
  readonly taken = new Set<number>();
  readonly #generations = new Map<string, number>();
  /** Ops whose key contains this fail. */
  broken: string | undefined;

  namespacePath(namespace: string): string {
    return `/run/netns/${namespace}`;
  }

  listNamespaces(): Promise<readonly string[]> {
    return Promise.resolve([...this.namespaces.keys()].filter((name) => name !== HOST).sort());
  }

  createNamespace(namespace: string): Promise<void> {
    this.namespaces.set(namespace, new Map());
    return Promise.resolve();
  }

  deleteNamespace(namespace: string): Promise<void> {
    this.log.push(`delete namespace ${namespace}`);
    this.namespaces.delete(namespace);
    this.#generations.delete(namespace);
    for (const id of this.tables.keys()) {
      if (id.startsWith(`${namespace} `)) this.tables.delete(id);
    }
    return Promise.resolve();
  }

  writeSysctls(): Promise<void> {
    return Promise.resolve();
  }

  read(namespace: string): Promise<readonly KernelObject[]> {
    return Promise.resolve([...this.#objects(namespace).values()]);
  }

  fingerprint(namespace: string): Promise<Fingerprint> {
    const objects = namespace === HOST ? undefined : this.texts(namespace).sort().join('\n');
    return Promise.resolve({ generation: this.#generations.get(namespace) ?? 1, objects });
  }

  /** What another program does with nft: all tables are gone. */
  flushTables(namespace: string): void {
    for (const id of this.tables.keys()) {
      if (id.startsWith(`${namespace} `)) this.tables.delete(id);
    }
    this.#countTransaction(namespace);
  }

  async change(
    namespace: string,
    ops: readonly KernelOp[],
    commands = '',
  ): Promise<readonly OpFailure[]> {
    const failures: OpFailure[] = [];
    for (const op of ops) {
      const key = keyOf(op.object);
      if (this.broken !== undefined && key.includes(this.broken)) {
        failures.push({ op, message: `${key}: broken` });
        continue;
      }
      if (namespace !== 'scratch') this.log.push(`${namespace}: ${op.op} ${key}`);
      if (op.op === 'delete') this.#objects(namespace).delete(key);
      else this.#set(namespace, op.object);
    }
    if (commands !== '') await this.nft(namespace, commands);
    return failures;
  }

  nft(namespace: string, commands: string): Promise<string> {
    if (commands.startsWith('list table ')) {
      const found = this.tables.get(`${namespace} ${commands.slice('list table '.length)}`);
      return found === undefined
        ? Promise.reject(new SwarmError('notFound', 'no such table'))
        : Promise.resolve(found);
    }
    this.#countTransaction(namespace);
    if (namespace !== 'scratch') this.log.push(`${namespace}: nft ${commands.split('\n')[0]}`);
    for (const command of commands.split('\n')) {
      const [verb, , family, table] = command.split(' ');
      const id = `${namespace} ${family} ${table}`;
      if (command.startsWith('delete table')) this.tables.delete(id);
      else if (command.startsWith('add table')) this.tables.set(id, this.tables.get(id) ?? '');
      else if (verb !== '') this.tables.set(id, `${this.tables.get(id) ?? ''}${command}\n`);
    }
    return Promise.resolve('');
  }

  forgetConnections(namespace: string, sources: readonly string[]): Promise<void> {
    this.log.push(`${namespace}: forget ${sources.join(' ')}`);
    return Promise.resolve();
  }

  forgetFlows(targets: readonly { readonly port: number }[]): Promise<void> {
    if (targets.length > 0)
      this.log.push(`host: forget flows to ${targets.map(({ port }) => port).join(' ')}`);
    return Promise.resolve();
  }

  underlay(): Promise<{ device: string; mtu: number }> {
    return Promise.resolve({ device: 'eth0', mtu: 1500 });
  }

  hostNetworks(): Promise<readonly { destination: string; device: string }[]> {
    return Promise.resolve([{ destination: '172.18.0.0/16', device: 'docker0' }]);
  }

  claimPort(protocol: string, port: number): ReturnType<Kernel['claimPort']> {
    if (this.taken.has(port)) {
      return Promise.reject(new SwarmError('conflict', `port ${port}/${protocol} is held`));
    }
    return Promise.resolve({ release: () => Promise.resolve() });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  texts(namespace: string): string[] {
    return Array.from(this.#objects(namespace).values(), textOf);
  }

  #objects(namespace: string): Map<string, KernelObject> {
    const found = this.namespaces.get(namespace);
    if (found === undefined) throw new SwarmError('internal', `no namespace ${namespace}`);
    return found;
  }

  #countTransaction(namespace: string): void {
    this.#generations.set(namespace, (this.#generations.get(namespace) ?? 1) + 1);
  }

  #set(namespace: string, object: KernelObject): void {
    const peer = object.kind === 'veth' ? object.peer : undefined;
    if (object.kind === 'veth' && peer !== undefined) {
      const { kind, mtu } = object;
      const { name, mac } = peer;
      this.#objects(peer.namespace).set(`link ${name}`, { kind, name, mac, mtu });
    }
    this.#objects(namespace).set(keyOf(object), object);
  }
}

/** Time that moves when told. */
export class FakeClock implements Clock {
  time = 1_000_000;
  readonly timers = new Set<{ at: number; fire: () => void }>();

  now(): number {
    return this.time;
  }

  monotonicMs(): number {
    return this.time;
  }

  after(delayMs: number, fire: () => void): { cancel(): void } {
    const timer = { at: this.time + delayMs, fire };
    this.timers.add(timer);
    return { cancel: () => this.timers.delete(timer) };
  }

  advance(ms: number): void {
    this.time += ms;
    for (const timer of Array.from(this.timers)) {
      if (timer.at > this.time) continue;
      this.timers.delete(timer);
      timer.fire();
    }
  }
}

/** Small files in memory. */
export class FakeDisk implements Disk {
  readonly files = new Map<string, Uint8Array>();

  readFile(path: string): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.files.get(path));
  }

  writeFileAtomic(path: string, content: Uint8Array): Promise<void> {
    this.files.set(path, content);
    return Promise.resolve();
  }

  remove(path: string): Promise<void> {
    this.files.delete(path);
    return Promise.resolve();
  }

  list = (): Promise<string[]> => Promise.resolve([]);
  makeDirectory = (): Promise<void> => Promise.resolve();
  rename = (): Promise<void> => Promise.resolve();
  syncDirectory = (): Promise<void> => Promise.resolve();
  open = (): Promise<never> => Promise.reject(new Error('not used'));
}

/** One host whose daemon can be started again and again. */
export class OverlayWorld {
  readonly kernel = new FakeKernel();
  readonly clock = new FakeClock();
  readonly disk = new FakeDisk();
  readonly asked: ResolverRequest[] = [];

  /** A daemon; several one after another are restarts. */
  async daemon(): Promise<Overlay> {
    const overlay = createOverlay({
      kernel: this.kernel,
      clock: this.clock,
      disk: this.disk,
      random: { bytes: (length) => new Uint8Array(length), below: () => 0 },
      logger: silentLogger,
      stateDirectory: '/state',
      instance: 'ts',
      ownPorts: [2377],
      resolver: {
        connect: () => {
          let answer: (reply: { seq: number; failures: Record<string, string> }) => void;
          return Promise.resolve({
            send: (request: ResolverRequest) => {
              this.asked.push(request);
              queueMicrotask(() => answer({ seq: request.seq, failures: {} }));
              return true;
            },
            onMessage: (handler) => (answer = handler),
            onDrain: () => undefined,
            onClose: () => undefined,
            close: () => undefined,
          });
        },
        remove: () => Promise.resolve(),
      },
    });
    await overlay.start();
    return overlay;
  }
}

const SELF = { nodeId: 'h1', hostname: 'h1', number: 1, address: '10.99.0.1' };
const FRONT = {
  id: 'front',
  name: 'front',
  vni: 1048577,
  subnets: [{ subnet: '10.0.1.0/24', gateway: '10.0.1.1' }],
  internal: false,
  ingress: false,
  encrypted: false,
};

/** Tasks with these addresses on h2, on the network "front", as h1 is told. */
export function overlayState(addresses: readonly string[] = []): OverlayState {
  const endpoints = addresses.map((address) => {
    const endpoint = {
      networkId: 'front',
      serviceId: 'web',
      taskId: `t${address}`,
      name: `web.1.${address}`,
      nodeId: 'h2',
      addresses: [address],
      aliases: [],
      active: true,
    };
    return [`front/t${address}`, endpoint] as const;
  });
  return {
    self: SELF,
    dataPathPort: 4789,
    networks: new Map([['front', FRONT]]),
    hosts: new Map([
      ['h1', SELF],
      ['h2', { nodeId: 'h2', hostname: 'h2', number: 2, address: '10.99.0.2' }],
    ]),
    services: new Map(),
    endpoints: new Map(endpoints),
  };
}

/** A task of h1: on "front" with an address, else without networks. */
export function localTask(id: string, address?: string): TaskAssignment {
  return {
    id,
    serviceId: 'web',
    serviceName: 'web',
    slot: 1,
    nodeId: 'h1',
    revisionId: 'r',
    desiredState: 'running',
    networks:
      address === undefined ? [] : [{ networkId: 'front', addresses: [address], aliases: [] }],
    hostPorts: [],
    publishesIngress: false,
  };
}
