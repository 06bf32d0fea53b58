// Control on a store in memory, with short words for what users ask of it; nothing plans behind it, so
// what an allocator would give is given by hand.
import { Prng, VirtualClock } from 'sim';
import { SwarmError } from '../../src/base/index.ts';
import {
  LeaderControl,
  type AttachmentRequest,
  type ControlMethods,
} from '../../src/manager/control/index.ts';
import type { Store, StoreView } from '../../src/manager/store/index.ts';
import {
  FEATURE_LEVEL,
  create,
  specIndexOf,
  update,
  type Action,
  type Network,
  type NetworkSpec,
  type Service,
  type ServiceSpec,
  type Tables,
  type Task,
} from '../../src/model/index.ts';
import { aNode, taskIn, type NodeTraits } from './cluster-objects.ts';
import { memoryStore, newCluster } from './memory-store.ts';
import { aServiceSpec } from './specs.ts';

type UpdateRequest = ControlMethods['service.update']['request'];

/** As the store takes a new object: what it numbers and dates itself is left out. */
function draft<T extends object>(object: T): T {
  const { version: _v, createdAt: _c, updatedAt: _u, ...rest } = object as Record<string, unknown>;
  return rest as T;
}

export class ControlDesk {
  readonly clock = new VirtualClock();
  readonly store: Store;
  readonly control: LeaderControl;
  #tokens = 0;

  /** `store` stands in for the one that control proposes to. */
  constructor(stored: (store: Store) => Store = (store) => store) {
    this.store = memoryStore(this.clock).store;
    this.control = new LeaderControl({
      store: stored(this.store),
      clock: this.clock,
      random: new Prng('desk'),
      newJoinToken: () => `token-${++this.#tokens}`,
    });
  }

  /** A desk in a cluster at the newest level. */
  static async open(stored?: (store: Store) => Store): Promise<ControlDesk> {
    const desk = new ControlDesk(stored);
    await desk.put(newCluster({ featureLevel: FEATURE_LEVEL, addressPools: ['10.0.0.0/8'] }));
    return desk;
  }

  get view(): StoreView {
    return this.store.view;
  }

  async put(...actions: readonly Action[]): Promise<void> {
    await this.store.propose(actions);
  }

  get<K extends keyof Tables>(table: K, id: string): Tables[K] {
    const found = this.view.get(table, id);
    if (found === undefined) throw new Error(`no ${table} ${id}`);
    return found;
  }

  /** The object with these fields instead, as managers write them. */
  async change<K extends keyof Tables>(
    table: K,
    id: string,
    change: Partial<Tables[K]>,
  ): Promise<void> {
    await this.put(update(table, { ...this.get(table, id), ...change }));
  }

  async addNode(id: string, traits: NodeTraits = {}): Promise<void> {
    const { number: _number, ...node } = aNode(id, traits);
    await this.put({ kind: 'addNode', object: draft(node) });
  }

  /** A task that runs, unless told otherwise; of service `s` and revision `r`. */
  async addTask(id: string, more: Partial<Task> = {}): Promise<void> {
    await this.put(create('task', draft(taskIn(id, 'running', 'n1', more))));
  }

  /** Gives its id. With `subnet` it has what an allocator gives. */
  async network(Name: string, spec: Partial<NetworkSpec> = {}, subnet?: string): Promise<string> {
    const full = { Name, Driver: 'overlay', Labels: {}, ...spec };
    const { id } = await this.control.handle('network.create', { spec: full });
    if (subnet !== undefined) await this.allocate(id, subnet);
    return id;
  }

  /** The gateway is the subnet's first address. */
  async allocate(id: string, ...subnets: readonly string[]): Promise<void> {
    const given: Network['subnets'] = subnets.map((subnet) => ({
      subnet,
      gateway: subnet.replace(/(?:0|(?<=:))\/\d+$/u, '1'),
    }));
    const vni = 1_000 + [...this.view.all('network')].length;
    await this.change('network', id, { vni, subnets: given });
  }

  /** Gives its id. */
  async service(
    overrides: Partial<ServiceSpec> & { replicas?: number } = {},
    registryAuth?: string,
  ): Promise<string> {
    const spec = aServiceSpec(overrides);
    const { id } = await this.control.handle('service.create', {
      spec,
      ...(registryAuth === undefined ? {} : { registryAuth }),
    });
    return id;
  }

  /** The service with another spec, at the version that it has now unless `more` says otherwise. */
  async updateService(
    id: string,
    change: (spec: ServiceSpec) => ServiceSpec,
    more: Partial<UpdateRequest> = {},
  ): Promise<Service> {
    const service = this.get('service', id);
    const version = specIndexOf(service);
    const request = { id, version, spec: change(service.spec), ...more };
    await this.control.handle('service.update', request);
    return this.get('service', id);
  }

  rollBack(id: string): Promise<Service> {
    return this.updateService(id, (spec) => spec, { rollback: true });
  }

  /** Gives its id. */
  async payload(kind: 'secret' | 'config', Name: string, content = 'content'): Promise<string> {
    const Data = Buffer.from(content).toString('base64');
    const { id } = await this.control.handle(`${kind}.create`, { spec: { Name, Data } });
    return id;
  }

  /** A container of node `n1` on network `target`. */
  async attach(more: Partial<AttachmentRequest> & { target?: string } = {}): Promise<void> {
    const { target = 'back', ...request } = more;
    await this.control.handle('attachment.create', {
      id: 'c1',
      nodeId: 'n1',
      containerId: 'c'.repeat(64),
      name: 'mine',
      networks: [{ target, aliases: [], addresses: [] }],
      ...request,
    });
  }
}

/** What a request is refused with: "code: message". Raises when it is not refused, or by a fault. */
export async function refusal(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof SwarmError) return `${error.code}: ${error.message}`;
    throw error;
  }
  throw new Error('it was not refused');
}

/** On these networks. */
export function onNetworks(
  ...networks: NonNullable<ServiceSpec['TaskTemplate']['Networks']>
): Pick<ServiceSpec, 'TaskTemplate'> {
  return { TaskTemplate: { ContainerSpec: { Image: 'hello:1' }, Networks: networks } };
}
