// Puts the overlay together: the engine that works on the kernel, the state file, the resolver, and
// the order of things when a task comes or goes.
import { SwarmError, type Clock, type Disk, type Logger, type Random } from '../base/index.ts';
import type { HostEncryption, TaskAssignment, TraceAnswer, TraceQuestion } from '../model/index.ts';
import { bareAddress, checkInstance, isIpv6, taskNamespace } from './addressing/index.ts';
import {
  DEFAULT_BRIDGE_POOL,
  RESOLVER_ADDRESS,
  checkTask,
  chooseBridgeAddress,
  chooseBridgeSubnet,
  hostTableName,
  networkIds,
  resolverPort,
  taskInterfaces,
  taskSysctls,
  usesBridge,
  usesHostNetwork,
  type AttachedTask,
  type NetworkView,
} from './desired/index.ts';
import { ForeignFirewalls } from './firewalls/index.ts';
import type { HostTools, Kernel, OverlayNetwork, TraceProbes } from './kernel/index.ts';
import {
  KEY_PERIOD_MS,
  type Overlay,
  type OverlayProblem,
  type OverlayState,
  type TaskNamespace,
} from './contract/index.ts';
import { NamesIndex } from './names/index.ts';
import { OverlayEngine } from './overlay-engine.ts';
import { RemovedEndpoints } from './removed-endpoints.ts';
import { RenewedOverlay } from './renewed-overlay.ts';
import {
  ResolverClient,
  type NetworkNames,
  type ResolverLauncher,
  type ServedTask,
} from '../resolver/protocol/index.ts';
import { parseResolvConf } from '../resolver/dns/index.ts';
import { StateFile } from './state-file.ts';
import { Surroundings } from './surroundings.ts';
import { traceTask } from './trace/index.ts';
import { Tunnels } from './tunnels/index.ts';

export interface OverlayOptions {
  readonly kernel: Kernel;
  readonly clock: Clock;
  readonly random: Random;
  readonly disk: Disk;
  readonly logger: Logger;
  readonly resolver: ResolverLauncher;
  /** Without them other programs' firewalls are left alone and no network can be encrypted. */
  readonly tools?: HostTools;
  /** How long a key of encrypted networks is used; a day by default. */
  readonly keyPeriodMs?: number;
  /** Holds `overlay.json`; should not outlive a reboot, since namespaces don't: a run directory. */
  readonly stateDirectory: string;
  /** Tells this daemon's links and tables from others' on the machine: 1–6 of [a-z0-9]. */
  readonly instance: string;
  /** tsswarm's own ports: refused to tasks, never published. */
  readonly ownPorts: readonly number[];
  /** Whether the kernel has IPv6; it does by default. */
  readonly ipv6?: boolean;
  /** Subnets for the network "bridge"; the first that overlaps no route is taken. */
  readonly bridgePool?: readonly string[];
  /** For `trace`; without them it tells only what the kernel has. */
  readonly probes?: TraceProbes;
  /** Whose search domains tasks inherit; /etc/resolv.conf by default. */
  readonly resolvConf?: string;
}

/** Fails with `invalid` for a bad instance tag; nothing is touched before `start`. */
export function createOverlay(options: OverlayOptions): Overlay {
  checkInstance(options.instance);
  return new RenewedOverlay(() => new HostOverlay(options));
}

class HostOverlay implements Overlay {
  readonly #options: OverlayOptions;
  readonly #engine: OverlayEngine;
  readonly #file: StateFile;
  readonly #resolver: ResolverClient;
  readonly #tunnels: Tunnels | undefined;
  #bridgeSubnet: string | undefined;
  #lastBridgeAddress: string | undefined;
  #names = new Map<string, NamesIndex>();
  #search: readonly string[] = [];
  /** What the resolver was told of each task: the same object while it is the same. */
  readonly #servedTasks = new WeakMap<AttachedTask, ServedTask>();

  constructor(options: OverlayOptions) {
    const { kernel, clock, random, disk, instance, ownPorts, resolver } = options;
    const logger = options.logger.child({ part: 'overlay' });
    const { tools, stateDirectory: directory, keyPeriodMs = KEY_PERIOD_MS } = options;
    const common = { kernel, logger, instance };
    this.#tunnels = tools && new Tunnels({ ...common, tools, disk, clock, directory, keyPeriodMs });
    const firewalls = tools && new ForeignFirewalls({ ...common, tools });
    this.#options = options;
    this.#file = new StateFile(disk, logger, `${options.stateDirectory}/overlay.json`);
    this.#resolver = new ResolverClient({ launcher: resolver, clock, random, logger });
    this.#engine = new OverlayEngine({
      kernel,
      clock,
      random,
      logger,
      instance,
      ownPorts,
      ipv6: options.ipv6 ?? true,
      ...(firewalls && this.#tunnels
        ? { surroundings: new Surroundings(firewalls, this.#tunnels) }
        : {}),
      publish: (_state, views) => this.#publish(views),
      changed: () => this.#save(),
    });
  }

  async start(): Promise<void> {
    const { disk, kernel, stateDirectory, resolvConf = '/etc/resolv.conf' } = this.#options;
    await disk.makeDirectory(stateDirectory);
    const saved = await this.#file.load();
    const existing = new Set(await kernel.listNamespaces());
    // Namespaces do not outlive a reboot; what is left of such a task comes with a new attach.
    const tasks = saved.tasks.filter(
      ({ task }) => usesHostNetwork(task) || existing.has(taskNamespace(task.id)),
    );
    if (saved.bridgeSubnet !== undefined) this.#useBridge(saved.bridgeSubnet);
    await this.#tunnels?.start();
    await this.#engine.adopt(tasks, new RemovedEndpoints(saved.removed));
    const content = await disk.readFile(resolvConf);
    this.#search = parseResolvConf(new TextDecoder().decode(content)).search;
  }

  update(state: OverlayState): void {
    this.#engine.update(state);
  }

  async settled(): Promise<void> {
    await this.#engine.settled();
    await this.#resolver.settled();
  }

  async applied(): Promise<void> {
    await this.#engine.applied();
    while (!(await this.#resolver.settled()));
  }

  async attach(task: TaskAssignment): Promise<TaskNamespace> {
    checkTask(task);
    if (usesHostNetwork(task)) {
      return { path: undefined, hosts: [], nameservers: [], search: [], options: [] };
    }
    if (!this.#engine.ready) {
      throw new SwarmError('unavailable', `task ${task.id}: the networks are not known yet`);
    }
    const known = this.#engine.tasks.has(task.id);
    const attached = await this.#attachedTask(task);
    const ipv6 = task.networks.some(({ addresses }) => addresses.some(isIpv6));
    this.#engine.add(attached, { sysctls: taskSysctls(ipv6) });
    this.#save();
    await this.#engine.settled();
    const [refused] = [...this.#engine.refusals(task), ...this.#inTheClear(task)];
    if (refused !== undefined && !known) {
      // Better elsewhere than here in part; a task that runs already is left alone.
      await this.detach(task.id);
      throw new SwarmError('conflict', `task ${task.id}: ${refused}`);
    }
    const unknown = this.#engine.unknownNetworks(task);
    const failure = this.#engine.failureOf(task);
    if (unknown.length > 0 || failure !== undefined) {
      const reason = failure ?? `network ${unknown.join(', ')} is not known on this host`;
      throw new SwarmError('unavailable', `task ${task.id}: ${reason}`);
    }
    await Promise.all([this.#resolver.settled(), this.#file.flushed()]);
    return this.#namespaceOf(attached);
  }

  async detach(taskId: string): Promise<void> {
    this.#engine.remove(taskId);
    this.#save();
    await this.#engine.settled();
    await this.#file.flushed();
  }

  problems(): readonly OverlayProblem[] {
    const names = this.#resolver.problems().map((message): OverlayProblem => ({ message }));
    return [...this.#engine.problems(), ...names];
  }

  encryption(): HostEncryption | undefined {
    return this.#tunnels?.announcement();
  }

  onEncryption(changed: () => void): void {
    this.#tunnels?.onChange(changed);
  }

  async stop(): Promise<void> {
    await this.#engine.stop();
    this.#resolver.stop();
    await this.#file.flushed();
  }

  async removeAll(): Promise<void> {
    this.#resolver.stop();
    await this.#options.resolver.remove();
    await this.#engine.removeAll();
    await this.#file.remove();
  }

  trace(question: TraceQuestion): Promise<TraceAnswer> {
    const { kernel, probes, instance } = this.#options;
    const problems = this.problems().map(({ message }) => message);
    const { insight } = this.#engine;
    const tablePrefix = hostTableName(instance);
    return traceTask({ kernel, probes, tablePrefix, problems, insight }, question);
  }

  async #attachedTask(task: TaskAssignment): Promise<AttachedTask> {
    const known = this.#engine.tasks.get(task.id);
    if (known && JSON.stringify(known.task.networks) === JSON.stringify(task.networks))
      return known;
    if (!usesBridge(task)) return { task };
    if (known?.bridgeAddress !== undefined) return { task, bridgeAddress: known.bridgeAddress };
    const subnet = this.#bridgeSubnet ?? (await this.#chooseSubnet());
    const used = new Set<string>();
    for (const { bridgeAddress } of this.#engine.tasks.values()) {
      if (bridgeAddress !== undefined) used.add(bridgeAddress);
    }
    const bridgeAddress = chooseBridgeAddress(subnet, used, this.#lastBridgeAddress);
    this.#lastBridgeAddress = bridgeAddress;
    return { task, bridgeAddress };
  }

  async #chooseSubnet(): Promise<string> {
    const { kernel, bridgePool = DEFAULT_BRIDGE_POOL } = this.#options;
    const routes = await kernel.hostNetworks();
    const chosen = chooseBridgeSubnet(
      bridgePool,
      routes.map(({ destination }) => destination),
    );
    // Two tasks may have asked at once.
    return this.#bridgeSubnet ?? this.#useBridge(chosen);
  }

  /** Encrypted networks of a task that this host can't encrypt. */
  #inTheClear(task: TaskAssignment): string[] {
    const refusal = this.#tunnels ? this.#tunnels.refusal() : 'this daemon runs without tunnels';
    if (refusal === undefined) return [];
    const networks = networksIn(this.#engine.insight.views);
    return networkIds(task)
      .filter((id) => networks.get(id)?.encrypted === true)
      .map((id) => `network ${networks.get(id)?.name} is encrypted, and here ${refusal}`);
  }

  #useBridge(subnet: string): string {
    this.#bridgeSubnet = subnet;
    this.#engine.bridgeSubnet = subnet;
    return subnet;
  }

  #save(): void {
    const subnet = this.#bridgeSubnet;
    this.#file.save({
      tasks: [...this.#engine.tasks.values()],
      removed: this.#engine.removed.saved(),
      ...(subnet === undefined ? {} : { bridgeSubnet: subnet }),
    });
  }

  #publish(views: ReadonlyMap<string, NetworkView>): void {
    const names = new Map<string, NamesIndex>();
    for (const id of views.keys()) names.set(id, this.#names.get(id) ?? new NamesIndex());
    this.#names = names;
    const networks = Array.from(views, ([id, view]): [string, NetworkNames][] => {
      const index = names.get(id);
      return index === undefined ? [] : [[id, index.update(view)]];
    });
    const tasks: Record<string, ServedTask> = {};
    for (const attached of this.#engine.tasks.values()) {
      const served = this.#served(attached, views);
      if (served !== undefined) tasks[attached.task.id] = served;
    }
    this.#resolver.publish({
      networks: Object.fromEntries(networks.flat()),
      tasks,
    });
  }

  #served(attached: AttachedTask, views: ReadonlyMap<string, NetworkView>): ServedTask | undefined {
    const { task } = attached;
    const known = networkIds(task).filter((id) => views.has(id));
    if (known.length === 0) return undefined;
    // As in Docker nothing has a name on ingress: what is there is not meant for each other.
    const networks = known.filter((id) => views.get(id)?.network.ingress === false);
    const forward = known.some((id) => views.get(id)?.network.internal === false);
    const old = this.#servedTasks.get(attached);
    if (old?.forward === forward && old.networks.join() === networks.join()) return old;
    const served = {
      namespace: this.#options.kernel.namespacePath(taskNamespace(task.id)),
      port: resolverPort(task.id),
      networks,
      forward,
      ...(task.nameservers && { servers: task.nameservers }),
    };
    this.#servedTasks.set(attached, served);
    return served;
  }

  #namespaceOf(attached: AttachedTask): TaskNamespace {
    const { task } = attached;
    const { attachments } = taskInterfaces(attached, networksIn(this.#engine.insight.views));
    const name = task.attachment
      ? task.serviceName
      : `${task.serviceName}.${task.slot === 0 ? task.nodeId : task.slot}.${task.id}`;
    const alone = attachments.length === 0;
    return {
      path: this.#options.kernel.namespacePath(taskNamespace(task.id)),
      hosts: attachments
        .flatMap(({ address, ipv6 }) => (ipv6 ? [address, ipv6.address] : [address]))
        .map((address) => ({ address: bareAddress(address), names: [name] })),
      nameservers: alone ? [] : [RESOLVER_ADDRESS],
      search: alone ? [] : this.#search,
      options: alone ? [] : ['ndots:0'],
    };
  }
}

function networksIn(views: ReadonlyMap<string, NetworkView>): Map<string, OverlayNetwork> {
  return new Map(Array.from(views, ([id, { network }]) => [id, network]));
}
