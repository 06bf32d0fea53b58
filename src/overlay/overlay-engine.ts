// The overlay at work: takes the newest state, works out what every namespace must have, and has it
// brought there, pass after pass. What a pass finds broken is tried again later; a pass never waits
// for a caller, callers wait for the pass that includes what they handed in.
import {
  backoffMs,
  messageOf,
  type Clock,
  type Logger,
  type Random,
  type Timer,
} from '../base/index.ts';
import type { TaskAssignment } from '../model/index.ts';
import { networkNamespace, taskNamespace, taskOfNamespace } from './addressing/index.ts';
import {
  BRIDGE_NETWORK,
  WantedStates,
  bridgeNetwork,
  isPredefined,
  networkIds,
  networkViews,
  type AttachedTask,
  type NetworkView,
  type WantedInput,
} from './desired/index.ts';
import { ExpectedListing, HOST, type Kernel, type NamespaceState } from './kernel/index.ts';
import {
  DEFAULT_MTU,
  NamespaceReconciler,
  Underlay,
  foreignChanges,
  removeFromKernel,
  type ReconcilerContext,
} from './reconcile/index.ts';
import { ServedFlows, forgetConnections } from './forget-connections.ts';
import {
  MAX_PARALLEL_NAMESPACES,
  RETRY_BACKOFF,
  type OverlayProblem,
  type OverlayState,
} from './contract/index.ts';
import { KernelWatches } from './kernel-watches.ts';
import { Passes } from './passes.ts';
import { PortClaims } from './port-claims.ts';
import { RemovedEndpoints } from './removed-endpoints.ts';
import { RouteClashes } from './route-clashes.ts';
import type { Surroundings } from './surroundings.ts';
import type { TraceInsight } from './trace/index.ts';

export interface EngineOptions {
  readonly kernel: Kernel;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly instance: string;
  readonly ownPorts: readonly number[];
  /** False where the kernel has no IPv6: networks have IPv4 alone there. */
  readonly ipv6: boolean;
  /** Absent: other programs' firewalls are left alone, and no network can be encrypted. */
  readonly surroundings?: Surroundings;
  /** Told at the end of each pass what the names are made of. */
  publish(state: OverlayState, views: ReadonlyMap<string, NetworkView>): void;
  /** Told when what belongs on disk has changed. */
  changed(): void;
}

export class OverlayEngine {
  readonly #options: EngineOptions;
  readonly #wanted = new WantedStates();
  readonly #claims: PortClaims;
  readonly #flows = new ServedFlows();
  readonly #listings: ExpectedListing;
  readonly #underlay: Underlay;
  readonly #clashes: RouteClashes;
  readonly #reconcilers = new Map<string, NamespaceReconciler>();
  readonly #tasks = new Map<string, AttachedTask>();
  readonly #failures = new Map<string, string>();
  readonly #detaching = new Set<string>();
  #removed = new RemovedEndpoints([]);
  #views: ReadonlyMap<string, NetworkView> = new Map();
  #state: OverlayState | undefined;
  /** What the views were made of. */
  #seen: OverlayState | undefined;
  #bridgeSubnet: string | undefined;
  readonly #passes = new Passes();
  readonly #watches: KernelWatches;
  #running: Promise<void> | undefined;
  #stopped = false;
  #attempt = 0;
  #retry: Timer | undefined;
  #checksDue = 0;
  #passDue = false;
  /** When the first removed endpoint is over. */
  #nextExpiry: number | undefined;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#claims = new PortClaims(options.kernel, options.ownPorts);
    this.#listings = new ExpectedListing(options.kernel);
    this.#underlay = new Underlay(options.kernel);
    this.#clashes = new RouteClashes(options.kernel);
    this.#watches = new KernelWatches({
      ...options,
      look: () => {
        this.#checksDue++;
        this.#ask(false);
      },
      mustLookOften: () => options.surroundings?.mustLookOften === true,
    });
  }

  get removed(): RemovedEndpoints {
    return this.#removed;
  }

  get tasks(): ReadonlyMap<string, AttachedTask> {
    return this.#tasks;
  }
  /** What `trace` looks at. */
  get insight(): TraceInsight {
    return { views: this.#views, state: this.#state, reconcilers: this.#reconcilers };
  }

  get ready(): boolean {
    return this.#state !== undefined;
  }

  set bridgeSubnet(subnet: string) {
    this.#bridgeSubnet = subnet;
  }

  /** Takes over what an earlier process left; nothing is changed before the first `update`. */
  async adopt(tasks: readonly AttachedTask[], removed: RemovedEndpoints): Promise<void> {
    this.#removed = removed;
    const existing = new Set(await this.#options.kernel.listNamespaces());
    for (const namespace of existing) {
      this.#reconciler(namespace, true);
      // Left where that process ended before what it had detached was gone.
      const taskId = taskOfNamespace(namespace);
      if (taskId !== undefined) this.#detaching.add(taskId);
    }
    for (const attached of tasks) this.#tasks.set(attached.task.id, attached);
    this.#watches.start();
    this.#watch();
  }

  update(state: OverlayState): void {
    this.#state = state;
    this.#ask();
  }

  /** The task's namespace is made while the pass that fills it is being prepared. */
  add(attached: AttachedTask, state: Pick<NamespaceState, 'sysctls'>): void {
    const { id } = attached.task;
    this.#detaching.delete(id);
    this.#tasks.set(id, attached);
    // A failure is met again by the pass, and told by it.
    this.#reconciler(taskNamespace(id), false)
      .create(state)
      .catch(() => undefined);
    this.#ask();
  }

  remove(taskId: string): void {
    this.#tasks.delete(taskId);
    this.#detaching.add(taskId);
    this.#ask();
  }

  /** What keeps a task from its networks, after a pass. */
  failureOf(task: TaskAssignment): string | undefined {
    const namespaces = [taskNamespace(task.id), ...networkIds(task).map(networkNamespace)];
    for (const namespace of namespaces) {
      const failure = this.#failures.get(namespace);
      if (failure !== undefined) return failure;
    }
    return undefined;
  }

  /** Networks that a task needs and this host has not heard of. */
  unknownNetworks(task: TaskAssignment): string[] {
    return networkIds(task).filter((id) => !this.#views.has(id) && !isPredefined(id));
  }

  /** Why a task can't be here, after a pass: a network's subnet, a port of its own. */
  refusals(task: TaskAssignment): string[] {
    const clashes = networkIds(task).flatMap((id) => this.#clashes.found.get(id) ?? []);
    if (clashes.length > 0) return clashes;
    return task.hostPorts.flatMap((config) => this.#claims.refusal(config) ?? []);
  }

  problems(): OverlayProblem[] {
    const failures = [...this.#failures].map(([namespace, message]): OverlayProblem => {
      const networkId = namespace.startsWith('n-') ? namespace.slice(2) : undefined;
      return networkId === undefined ? { message } : { networkId, message };
    });
    const foreign = (this.#options.surroundings?.problems() ?? []).map((message) => ({ message }));
    return [...this.#claims.problems(), ...failures, ...foreign];
  }

  /** Resolves when a pass over everything handed in so far has ended. */
  async settled(): Promise<void> {
    if (this.#running !== undefined) await this.#passes.settled();
  }

  /** As `settled`, and no namespace that others send through has failed; they are tried again. */
  async applied(): Promise<void> {
    for (await this.settled(); !this.#stopped; await this.#passes.next()) {
      if (![...this.#failures.keys()].some((namespace) => !namespace.startsWith('t-'))) return;
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#retry?.cancel();
    this.#watches.stop();
    await this.#running;
    await this.#claims.release([]);
    await this.#listings.close();
  }

  /** Stops, and takes everything out of the kernel. */
  async removeAll(): Promise<void> {
    await this.stop();
    const { kernel, instance, surroundings } = this.#options;
    await surroundings?.removeAll();
    await removeFromKernel(kernel, instance);
    this.#tasks.clear();
    this.#reconcilers.clear();
  }

  /** `pass` false: only a look at the kernel is due. */
  #ask(pass = true): void {
    this.#passes.ask();
    this.#passDue ||= pass;
    if (this.#state === undefined || this.#stopped) return;
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    while (this.#passes.due && !this.#stopped) {
      const target = this.#passes.begin();
      // Lets everything that is handed in at the same moment share the pass.
      await Promise.resolve();
      try {
        if (this.#passDue) await this.#pass();
        // What was handed in amid the pass is half done now: a look waits for it, but only once.
        if (this.#checksDue > (this.#passDue ? 1 : 0)) await this.#lookAtKernel();
        if (this.#passDue) await this.#pass();
      } catch (error) {
        this.#failures.set(HOST, messageOf(error));
        this.#options.logger.warn({ error: messageOf(error) }, 'a pass over the networks failed');
      }
      this.#passes.ended(target);
    }
    this.#running = undefined;
    this.#watch();
    this.#passes.rest();
    this.#scheduleRetry();
  }

  async #pass(): Promise<void> {
    const state = this.#state;
    if (state === undefined) return;
    this.#passDue = false;
    const { clock, instance, ownPorts } = this.#options;
    this.#failures.clear();
    const { gone, changed } = this.#removed.observe(
      (this.#seen ?? state).endpoints,
      state.endpoints,
      clock.now(),
    );
    this.#nextExpiry = this.#removed.expire(clock.now());
    this.#views = await this.#viewsOf(state);
    this.#seen = state;
    const tasks = this.#tasks;
    const input: WantedInput = {
      instance,
      ownPorts,
      state,
      views: this.#views,
      tasks,
      removed: (networkId) => this.#removed.addresses(networkId),
    };
    if (this.#views.size > 0 || this.#reconcilers.has(HOST)) await this.#bringSurroundings(state);
    const published = await this.#claims.claim(this.#wanted.publishedPorts(input));
    const sandboxes = this.#wanted.sandboxes(input);
    const others = [...this.#wanted.tasks(input)];
    if (sandboxes.length > 0 || this.#reconcilers.has(HOST)) {
      others.unshift(this.#wanted.host(input, published));
    }
    // Links of sandboxes have their other ends there.
    const made = others.map((one) => this.#reconciler(one.namespace, false).create(one));
    await Promise.allSettled(made);
    await this.#bringAll(sandboxes);
    await this.#bringAll(others);
    await this.#claims.release(published);
    await forgetConnections(this.#options.kernel, this.#views, gone);
    if (!this.#failures.has(HOST)) await this.#flows.begin(this.#options.kernel, published);
    await this.#removeNamespaces(sandboxes);
    this.#options.publish(state, this.#views);
    if (changed) this.#options.changed();
  }

  async #viewsOf(state: OverlayState): Promise<ReadonlyMap<string, NetworkView>> {
    const mtu = await this.#underlay.mtu(state.self?.address);
    const views = networkViews(state, { mtu, ipv6: this.#options.ipv6 }, this.#views, this.#seen);
    if (this.#bridgeSubnet !== undefined) {
      const old = this.#views.get(BRIDGE_NETWORK);
      const network = bridgeNetwork(this.#bridgeSubnet, DEFAULT_MTU);
      views.set(BRIDGE_NETWORK, old ?? { network, endpoints: [], services: [] });
    }
    await this.#clashes.look(views, (id) => this.#reconcilers.has(networkNamespace(id)));
    for (const [id, clash] of this.#clashes.found) {
      views.delete(id);
      this.#failures.set(networkNamespace(id), clash);
    }
    // A network that the managers dropped stays as it was while a task here is still on it.
    for (const { task } of this.#tasks.values()) {
      for (const id of networkIds(task)) {
        const old = this.#views.get(id);
        if (old !== undefined && !views.has(id)) views.set(id, old);
      }
    }
    return views;
  }

  async #bringAll(states: readonly NamespaceState[]): Promise<void> {
    const queue = [...states];
    const work = async (): Promise<void> => {
      for (let state = queue.shift(); state !== undefined; state = queue.shift()) {
        await this.#bring(state);
      }
    };
    await Promise.all(Array.from({ length: MAX_PARALLEL_NAMESPACES }, work));
  }

  async #bring(state: NamespaceState): Promise<void> {
    const { namespace } = state;
    try {
      await this.#reconciler(namespace, false).bring(state);
    } catch (error) {
      this.#failures.set(namespace, messageOf(error));
      this.#options.logger.warn({ namespace, error: messageOf(error) }, 'network is not as wanted');
    }
  }

  async #bringSurroundings({ self, hosts, dataPathPort }: OverlayState): Promise<void> {
    const needed = [...this.#views.values()].some(({ network }) => network.encrypted === true);
    const mtu = await this.#underlay.mtu(self?.address);
    await this.#options.surroundings?.bring({ self, hosts, dataPathPort, mtu, needed });
  }

  async #removeNamespaces(sandboxes: readonly NamespaceState[]): Promise<void> {
    const kept = new Set(sandboxes.map(({ namespace }) => namespace));
    // Also those of networks that nobody knows any more, as long as a task here is on them.
    for (const { task } of this.#tasks.values()) {
      for (const id of networkIds(task)) kept.add(networkNamespace(id));
    }
    for (const namespace of this.#reconcilers.keys()) {
      if (!namespace.startsWith('n-') || kept.has(namespace)) continue;
      await this.#removeNamespace(namespace);
    }
    for (const taskId of this.#detaching) {
      // What could not be removed is tried again with the next pass, which its failure brings.
      const gone = this.#tasks.has(taskId) || (await this.#removeNamespace(taskNamespace(taskId)));
      if (gone) this.#detaching.delete(taskId);
    }
  }

  async #removeNamespace(namespace: string): Promise<boolean> {
    try {
      await this.#reconciler(namespace, true).remove();
      this.#reconcilers.delete(namespace);
      return true;
    } catch (error) {
      this.#failures.set(namespace, messageOf(error));
      return false;
    }
  }

  #reconciler(namespace: string, exists: boolean): NamespaceReconciler {
    const known = this.#reconcilers.get(namespace);
    if (known) return known;
    const context: ReconcilerContext = {
      kernel: this.#options.kernel,
      listings: this.#listings,
      hostPrefix: `${this.#options.instance}-`,
      linkAppeared: (owner, link) => this.#reconcilers.get(owner)?.noteLink(link),
    };
    const made = new NamespaceReconciler(context, namespace, exists);
    this.#reconcilers.set(namespace, made);
    return made;
  }

  #scheduleRetry(): void {
    this.#retry?.cancel();
    this.#retry = undefined;
    const calm = this.problems().length === 0;
    if (calm) this.#attempt = 0;
    if (calm || this.#stopped) return;
    const { clock, random } = this.#options;
    const delay = backoffMs(this.#attempt++, RETRY_BACKOFF, random);
    this.#retry = clock.after(delay, () => this.#ask());
  }

  /** Tasks' own namespaces are theirs. */
  #watch(): void {
    const namespaces = [...this.#reconcilers.keys()].filter((name) => !name.startsWith('t-'));
    this.#watches.keep(namespaces, this.#nextExpiry);
  }

  async #lookAtKernel(): Promise<void> {
    this.#checksDue = 0;
    this.#watches.lookBegins();
    const { kernel, clock, logger, surroundings } = this.#options;
    await surroundings?.look();
    const changed = await foreignChanges(kernel, this.#reconcilers);
    for (const change of changed) {
      logger.warn({ ...change }, 'repairing what others changed');
      if (!this.#reconcilers.has(change.namespace)) this.#watches.forget(change.namespace);
    }
    const other = await this.#underlay.changed();
    const over = (this.#nextExpiry ?? Infinity) <= clock.now();
    this.#passDue ||= other || over || changed.length > 0;
  }
}
