// The allocator as a control loop: gives networks their subnet and VNI, services their virtual
// addresses and published ports, and new tasks their addresses; a task that has all it needs goes from
// NEW to PENDING. What can't be given is said in the object, and tried again when something is freed.
import {
  desiredAlive,
  fixedAddresses,
  endedAt,
  isPredefinedNetwork,
  isTerminal,
  nodeAddresses,
  requestedVni,
  update,
  type Action,
  type Network,
  type Service,
  type StoreChange,
  type Task,
  type TaskNetwork,
} from '../../model/index.ts';
import {
  Agenda,
  SlicedWalk,
  planAgenda,
  visitAll,
  type Budget,
  type ControlLoop,
  type Plan,
  type Planned,
} from '../loops/index.ts';
import type { StoreView } from '../store/index.ts';
import { explainFault, heldBy } from './explain.ts';
import { NetworkPools } from './network-pools.ts';
import { PortPool } from './port-pool.ts';

/** What could not be given is tried again at least this often. */
const RETRY_MS = 60_000;

/** An address that the last plan gave to somebody, and whether they have it now. */
interface Grant {
  readonly networkId: string;
  readonly address: string;
  readonly isHeld: () => boolean;
}

/** See the head of this file. */
export class Allocator implements ControlLoop {
  readonly name = 'allocator';
  readonly #agenda = new Agenda();
  readonly #pools = new NetworkPools();
  #ports = new PortPool();
  #grants: Grant[] = [];
  #view: StoreView | undefined;
  #ingressId: string | undefined;
  /** The tasks that are to be looked at once, at the start. */
  #walk: SlicedWalk<Task> | undefined;
  /** Ids of tasks that wait for their addresses. */
  readonly #waiting = new Set<string>();

  /** Tasks are looked at by plans, piece by piece, and nothing is granted before all were. */
  reset(view: StoreView): void {
    this.#view = view;
    this.#agenda.clear();
    this.#grants = [];
    const { faults } = this.#agenda;
    this.#pools.reset(view, faults);
    visitAll(view.all('network'), faults, (network) => {
      if (network.spec.Ingress) this.#ingressId = network.id;
      this.#agenda.add(`network/${network.id}`);
    });
    // Nothing of an earlier time as leader: services that are gone since then hold no port.
    this.#ports = new PortPool();
    visitAll(view.all('service'), faults, (service) => {
      this.#agenda.add(`service/${service.id}`);
      this.#ports.claim(service.id, service.endpoint.ports);
    });
    this.#waiting.clear();
    this.#walk = new SlicedWalk(view.all('task'), faults, ({ id }) => {
      const task = view.get('task', id);
      if (task === undefined) return;
      this.#pools.adoptTask(task);
      this.#consider(task);
    });
  }

  observe(change: StoreChange): void {
    switch (change.table) {
      case 'network':
        this.#observeNetwork(change.before, change.after);
        break;
      case 'service':
        this.#observeService(change.before, change.after);
        break;
      case 'task':
        this.#observeTask(change.before, change.after);
        break;
      default:
    }
  }

  plan(now: number, budget: Budget): Plan {
    this.#takeBack(now);
    // What a task has that was not looked at yet looks free.
    if (this.#walk?.go(budget) !== true) return { transactions: [], more: true };
    return planAgenda(this.#agenda, now, budget, {
      planOne: (key) => this.#planOne(key, now),
      explain: (key, error) => explainFault(this.#view, key, error),
    });
  }

  /**
   * What nobody has got: one of their networks was full, or the plan was refused because they had changed
   * meanwhile. All of the last plan has been decided by now (ControlLoopRunner).
   */
  #takeBack(now: number): void {
    for (const { networkId, address, isHeld } of this.#grants) {
      if (!isHeld()) this.#pools.free(networkId, address, now);
    }
    this.#grants = [];
  }

  #observeNetwork(before: Network | undefined, after: Network | undefined): void {
    if (after === undefined) {
      if (before) this.#pools.forget(before);
      return;
    }
    if (after.spec.Ingress) this.#ingressId = after.id;
    this.#agenda.add(`network/${after.id}`);
    if (!this.#pools.tryAdopt(after)) return;
    // Whoever waited for this network.
    for (const service of this.#view?.all('service') ?? [])
      this.#agenda.add(`service/${service.id}`);
    for (const id of this.#waiting) this.#agenda.add(`task/${id}`);
  }

  #observeService(before: Service | undefined, after: Service | undefined): void {
    if (before !== undefined) this.#freeFixed(before, after);
    if (after === undefined) {
      if (before === undefined) return;
      this.#ports.release(before.id);
      for (const vip of before.endpoint.virtualIps) {
        this.#pools.free(vip.networkId, vip.address, before.updatedAt);
      }
      // A port or an address came free.
      for (const service of this.#view?.all('service') ?? []) {
        if (service.endpoint.error !== undefined) this.#agenda.add(`service/${service.id}`);
      }
      return;
    }
    this.#ports.claim(after.id, after.endpoint.ports);
    this.#pools.reserve(after);
    if (after.endpoint.allocatedFor < after.specVersion) this.#agenda.add(`service/${after.id}`);
  }

  #observeTask(before: Task | undefined, after: Task | undefined): void {
    if (after !== undefined) {
      this.#consider(after);
      // By a plan of which nobody could say whether it would be applied, it may be.
      if (!isTerminal(after.status.state)) this.#pools.adoptTask(after);
    } else if (before !== undefined) this.#waiting.delete(before.id);
    const gone = before && !isTerminal(before.status.state);
    if (gone && (after === undefined || isTerminal(after.status.state))) {
      for (const { networkId, addresses } of before.networks) {
        const time = after === undefined ? before.updatedAt : endedAt(after);
        const fixed = this.#fixedOf(before.serviceId, networkId);
        for (const address of addresses) {
          if (!fixed.includes(address)) this.#pools.free(networkId, address, time);
        }
        if (fixed.length > 0) this.#retryTasksOf(before.serviceId);
      }
      if (before.attachment !== undefined) this.#retryAttachments(before.nodeId);
    }
  }

  #consider({ id, status }: Task): void {
    if (status.state === 'new') {
      this.#waiting.add(id);
      this.#agenda.add(`task/${id}`);
    } else this.#waiting.delete(id);
  }

  /** Addresses that the service keeps on a network without a task. */
  #fixedOf(serviceId: string, networkId: string): string[] {
    const service = this.#view?.get('service', serviceId);
    const requests = service?.spec.TaskTemplate.Networks ?? [];
    const own = requests.filter(({ Target }) => Target === networkId).flatMap(fixedAddresses);
    return this.#pools.spell(networkId, own);
  }

  /** What it asks for no more; that of a task is free with the task's end. */
  #freeFixed(before: Service, after: Service | undefined): void {
    const view = this.#view;
    if (view === undefined) return;
    for (const config of before.spec.TaskTemplate.Networks ?? []) {
      const { Target: networkId } = config;
      const kept = this.#fixedOf(before.id, networkId);
      for (const address of this.#pools.spell(networkId, fixedAddresses(config))) {
        const asks = ({ id }: Service): boolean => this.#fixedOf(id, networkId).includes(address);
        if (kept.includes(address) || [...view.all('service')].some(asks)) continue;
        if (heldBy(view, {}, networkId, [address]) !== undefined) continue;
        this.#pools.free(networkId, address, (after ?? before).updatedAt);
      }
    }
  }

  /** The next task may have the address now. */
  #retryTasksOf(serviceId: string): void {
    for (const task of this.#view?.tasksOfService(serviceId) ?? []) {
      if (task.status.state === 'new') this.#agenda.add(`task/${task.id}`);
    }
  }

  /** The container's next run may have its address now. */
  #retryAttachments(nodeId: string | undefined): void {
    for (const task of this.#view?.tasksOfNode(nodeId ?? '') ?? []) {
      if (task.attachment && task.status.state === 'new') this.#agenda.add(`task/${task.id}`);
    }
  }

  #planOne(key: string, now: number): Planned {
    const view = this.#view;
    const [table, id = ''] = key.split('/');
    if (view === undefined) return { transactions: [] };
    if (table === 'network') return this.#planNetwork(view, view.get('network', id), now);
    if (table === 'service') return this.#planService(view.get('service', id), now);
    return this.#planTask(view, view.get('task', id), now);
  }

  #planNetwork(view: StoreView, network: Network | undefined, now: number): Planned {
    const cluster = view.cluster;
    if (network === undefined || !cluster) return { transactions: [] };
    // Raises what is wrong with subnets that it has already.
    this.#pools.adopt(network);
    if (network.vni !== undefined) return { transactions: [] };
    const chosen = this.#pools.chooseSubnets(
      network,
      cluster,
      [...view.all('node')].flatMap(nodeAddresses),
    );
    const vni = this.#pools.takeVni(requestedVni(network.spec));
    if ('error' in chosen || vni === undefined) {
      const error = 'error' in chosen ? chosen.error : 'no VNI is left';
      const transactions =
        network.error === error ? [] : [[update('network', { ...network, error })]];
      return { transactions, wakeAt: now + RETRY_MS };
    }
    const { error: _solved, ...rest } = network;
    const allocated: Network = { ...rest, vni, subnets: chosen };
    // Marked at once: the next network of the same plan must not get the same.
    this.#pools.adopt(allocated);
    return { transactions: [[update('network', allocated)]] };
  }

  #planService(service: Service | undefined, now: number): Planned {
    if (service === undefined || service.endpoint.allocatedFor >= service.specVersion) {
      return { transactions: [] };
    }
    const networkIds = this.#overlaysOf(service);
    if (!networkIds.every((id) => this.#pools.has(id))) return { transactions: [] };
    const wanted = service.spec.EndpointSpec?.Ports ?? [];
    const revision = this.#view?.get('revision', service.revisionId);
    // After a rollback older tasks of the revision still have its ports.
    const earlier = revision?.ports ?? [];
    const granted = this.#ports.grant(service.id, wanted, service.endpoint.ports, earlier);
    const vips = this.#vipsFor(service, networkIds, now);
    const error = 'error' in granted ? granted.error : vips.error;
    if (error !== undefined || 'error' in granted) {
      this.#ports.claim(service.id, service.endpoint.ports);
      const endpoint = { ...service.endpoint, error: error ?? '' };
      const known = service.endpoint.error === error;
      const transactions = known ? [] : [[update('service', { ...service, endpoint })]];
      return { transactions, wakeAt: now + RETRY_MS };
    }
    const endpoint = {
      ports: granted.ports,
      virtualIps: vips.virtualIps,
      allocatedFor: service.specVersion,
    };
    const actions: Action[] = [update('service', { ...service, endpoint })];
    if (revision && JSON.stringify(revision.ports) !== JSON.stringify(granted.ports)) {
      actions.push(update('revision', { ...revision, ports: granted.ports }));
    }
    return { transactions: [actions] };
  }

  /** Virtual addresses, kept where the service had one already. */
  #vipsFor(
    service: Service,
    networkIds: readonly string[],
    now: number,
  ): { virtualIps: Service['endpoint']['virtualIps']; error?: string } {
    const wanted = service.spec.EndpointSpec?.Mode === 'dnsrr' ? [] : networkIds;
    const virtualIps: { networkId: string; address: string }[] = [];
    for (const networkId of wanted) {
      const kept = service.endpoint.virtualIps.filter((vip) => vip.networkId === networkId);
      const addresses = this.#pools.take(
        networkId,
        now,
        kept.map(({ address }) => address),
      );
      if (addresses === undefined) {
        return {
          virtualIps,
          error: `no address is free on network ${this.#nameOf(networkId)} for a virtual IP`,
        };
      }
      for (const address of addresses) virtualIps.push({ networkId, address });
      const own = kept.map(({ address }) => address);
      this.#granted(
        networkId,
        addresses.filter((address) => !own.includes(address)),
        () =>
          (this.#view?.get('service', service.id)?.endpoint.virtualIps ?? []).map((vip) => ({
            networkId: vip.networkId,
            addresses: [vip.address],
          })),
      );
    }
    for (const vip of service.endpoint.virtualIps) {
      if (!wanted.includes(vip.networkId)) this.#pools.free(vip.networkId, vip.address, now);
    }
    return { virtualIps };
  }

  #planTask(view: StoreView, task: Task | undefined, now: number): Planned {
    if (task?.status.state !== 'new' || !desiredAlive(task)) return { transactions: [] };
    const revision = view.get('revision', task.revisionId);
    const known =
      task.attachment !== undefined || view.get('service', task.serviceId) !== undefined;
    if (revision === undefined || !known) return { transactions: [] };
    const networks: TaskNetwork[] = [];
    for (const config of this.#networksOf(revision.spec, revision.ports)) {
      if (isPredefinedNetwork(config.networkId)) {
        networks.push({ ...config, addresses: [] });
        continue;
      }
      if (!this.#pools.has(config.networkId)) return { transactions: [] };
      const requests = revision.spec.TaskTemplate.Networks ?? [];
      const requested = requests.find(({ Target }) => Target === config.networkId);
      const fixed = this.#pools.spell(config.networkId, requested ? fixedAddresses(requested) : []);
      const holder = this.#holderOf(view, task, config.networkId, fixed);
      const addresses =
        holder === undefined ? this.#pools.take(config.networkId, now, fixed) : undefined;
      if (addresses === undefined) return this.#explain(task, config.networkId, now, holder);
      // A service's are reserved while it exists; a container's from here on.
      for (const address of fixed) this.#pools.use(config.networkId, address);
      networks.push({ ...config, addresses });
      const reserved = task.attachment === undefined ? fixed : [];
      this.#granted(
        config.networkId,
        addresses.filter((address) => !reserved.includes(address)),
        () => view.get('task', task.id)?.networks ?? [],
      );
    }
    const status =
      task.attachment === undefined
        ? ({ state: 'pending', timestamp: now, message: 'pending task scheduling' } as const)
        : // Its node asked for it.
          ({ state: 'assigned', timestamp: now, message: 'attached to its networks' } as const);
    return { transactions: [[update('task', { ...task, networks, status })]] };
  }

  #granted(
    networkId: string,
    addresses: readonly string[],
    held: () => readonly Pick<TaskNetwork, 'networkId' | 'addresses'>[],
  ): void {
    for (const address of addresses) {
      const isHeld = (): boolean =>
        held().some((one) => one.networkId === networkId && one.addresses.includes(address));
      this.#grants.push({ networkId, address, isHeld });
    }
  }

  /** Who else has one of a service's or container's own addresses, also by this very plan. */
  #holderOf(
    view: StoreView,
    task: Task,
    networkId: string,
    fixed: readonly string[],
  ): string | undefined {
    if (fixed.length === 0) return undefined;
    const holder = heldBy(view, task, networkId, fixed);
    if (holder !== undefined || task.attachment === undefined) return holder;
    // A service's are reserved while it exists: used, and its task's all the same.
    const used = fixed.find((address) => this.#pools.isUsed(networkId, address));
    return used === undefined ? undefined : `address ${used} is in use`;
  }

  #nameOf(networkId: string): string {
    return this.#view?.get('network', networkId)?.spec.Name ?? networkId;
  }

  #explain(task: Task, networkId: string, now: number, holder?: string): Planned {
    const name = this.#nameOf(networkId);
    const error =
      holder ?? `no address is free on network ${name}: make it larger or remove services`;
    const wakeAt = Math.min(this.#pools.nextFreeAt(networkId, now) ?? Infinity, now + RETRY_MS);
    if (task.status.error === error) return { transactions: [], wakeAt };
    const status = { ...task.status, error, timestamp: now };
    return { transactions: [[update('task', { ...task, status })]], wakeAt };
  }

  #overlaysOf(service: Service): readonly string[] {
    return this.#networksOf(service.spec, [])
      .map((network) => network.networkId)
      .filter((id) => !isPredefinedNetwork(id));
  }

  /** The networks of a spec, and ingress when it publishes through the mesh. */
  #networksOf(
    spec: Service['spec'],
    ports: Service['endpoint']['ports'],
  ): { networkId: string; aliases: readonly string[] }[] {
    const networks = (spec.TaskTemplate.Networks ?? []).map((config) => ({
      networkId: config.Target,
      aliases: config.Aliases ?? [],
    }));
    const publishes = ports.some((port) => port.PublishMode === 'ingress');
    if (publishes && this.#ingressId !== undefined) {
      networks.push({ networkId: this.#ingressId, aliases: [] });
    }
    return networks;
  }
}
