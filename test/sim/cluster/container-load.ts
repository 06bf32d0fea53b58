// A user at the machines themselves: makes containers there with `docker run` and its kin, on networks of
// the cluster and off them. What was asked of each container and answered is kept for the checks at rest.
import type { Prng } from 'sim';
import type { ContainerConfig, ContainerNetworkConfig, Network } from '../../../src/model/index.ts';
import { atDaemon, request, type Outcome } from './client.ts';
import type { SimulatedDaemon } from './daemon.ts';
import type { Machine } from './machine.ts';
import { aNetwork } from './specs.ts';
import type { World } from './world.ts';

/** On one machine, and where networks are small on all of them. */
const OF_A_MACHINE_MAX = 4;
const OF_SMALL_NETWORKS_MAX = 4;

const IMAGES = ['good:1', 'good:2', 'stubborn:1', 'short:1', 'crash:1'];

/** Orders that wait for one another at a container: a start may wait for its address for 20 s. */
const UNDER_WAY_MAX = 2;

/** A container as its user knows it. */
export interface KnownContainer {
  readonly machine: Machine;
  readonly id: string;
  readonly config: ContainerConfig;
  /** It is to run: its start was answered, its policy is one that holds, and nobody asked otherwise. */
  wanted: boolean;
  /** Orders given until now. */
  orders: number;
  underWay: number;
  /** Somebody asked for its removal; with an answer it is gone. */
  removal: 'none' | 'asked' | 'done';
}

/** All of a user's requests to daemons of single machines. */
export class ContainerUser {
  readonly containers: KnownContainer[] = [];
  readonly #world: World;
  readonly #random: Prng;
  #stopped = false;
  #busy = 0;
  #networks = 0;

  constructor(world: World) {
    this.#world = world;
    this.#random = world.random.split('user containers');
    if (world.options.userContainers) this.#later();
  }

  stop(): void {
    this.#stopped = true;
  }

  /** A request is on its way. */
  get busy(): boolean {
    return this.#busy > 0;
  }

  /** `docker rm -f`; false when it could not be asked for, or nobody knows what came of it. */
  async remove(known: KnownContainer): Promise<boolean> {
    const { id } = known;
    this.#unwant(known);
    if (known.removal === 'none') known.removal = 'asked';
    const outcome = await this.#order(known, 'remove', (daemon) =>
      daemon.containers.remove(id, true, true),
    );
    if (outcome.kind === 'done') known.removal = 'done';
    return (
      outcome.kind === 'done' || (outcome.kind === 'refused' && outcome.error.code === 'notFound')
    );
  }

  /** Many at once: a start may wait for its address for long. */
  #later(): void {
    const pause = 1 + this.#random.below(this.#world.options.requestEveryMs);
    this.#world.clock.after(pause, () => {
      if (this.#stopped) return;
      void this.#turn();
      this.#later();
    });
  }

  async #turn(): Promise<void> {
    const act = this.#random.below(10);
    const known = this.#some(
      this.containers.filter(
        ({ removal, underWay }) => removal !== 'done' && underWay < UNDER_WAY_MAX,
      ),
    );
    if (act < 4 || known === undefined) return this.#run();
    if (act < 6) return this.#start(known);
    if (act < 7) return this.#stop(known);
    if (act < 8) return this.#restart(known);
    if (act < 9) return this.#kill(known);
    await this.remove(known);
  }

  async #run(): Promise<void> {
    const machine = this.#some(
      this.#world.machines.filter(({ daemon, retired }) => daemon?.agent !== undefined && !retired),
    );
    if (machine === undefined || !this.#hasRoom(machine)) return;
    const config = await this.#config();
    const created = await this.#ask(machine, 'create', (daemon) =>
      daemon.containers.create(config),
    );
    if (created.kind !== 'done') return;
    const known: KnownContainer = {
      machine,
      id: created.value,
      config,
      wanted: false,
      orders: 0,
      underWay: 0,
      removal: 'none',
    };
    this.containers.push(known);
    if (this.#random.chance(0.9)) await this.#start(known);
  }

  #hasRoom(machine: Machine): boolean {
    const all = this.containers.filter(({ removal }) => removal === 'none');
    const here = all.filter((known) => known.machine === machine);
    const max = this.#world.options.smallNetworks ? OF_SMALL_NETWORKS_MAX : Infinity;
    return all.length < max && here.length < OF_A_MACHINE_MAX;
  }

  async #config(): Promise<ContainerConfig> {
    const autoRemove = this.#random.chance(0.15);
    const name = this.#random.chance(0.3) ? `user-${this.#random.below(4)}` : '';
    const policies = ['no', 'always', 'always', 'unless-stopped', 'on-failure'] as const;
    const policy = this.#random.pick(policies);
    return {
      name,
      spec: { Image: this.#random.pick(IMAGES) },
      restart: {
        name: autoRemove ? 'no' : policy,
        maximumRetries: policy === 'on-failure' ? this.#random.below(4) : 0,
      },
      autoRemove,
      networks: await this.#chooseNetworks(),
      ports: [],
    };
  }

  /** One or two of the cluster, now and then none, or "bridge" besides. */
  async #chooseNetworks(): Promise<ContainerNetworkConfig[]> {
    const known = await this.#clusterNetworks();
    const chosen = new Set<ContainerNetworkConfig>();
    if (this.#random.chance(0.15)) {
      chosen.add({ target: 'bridge', aliases: [], addresses: [] });
      if (this.#random.chance(0.5)) return [...chosen];
    }
    const networks = new Set<Network>();
    for (let i = this.#random.between(1, 2); i > 0; i--) {
      const network = this.#some(known);
      if (network !== undefined) networks.add(network);
    }
    for (const { id, spec, subnets } of networks) {
      const target = this.#random.chance(0.5) ? id : spec.Name;
      const [subnet] = subnets;
      const fixed = subnet !== undefined && this.#random.chance(0.15);
      const addresses = fixed ? [addressIn(subnet.subnet, this.#random.between(8, 12))] : [];
      chosen.add({ target, aliases: ['alias'], addresses });
    }
    return [...chosen];
  }

  /** One is made where there is none. */
  async #clusterNetworks(): Promise<Network[]> {
    const ready = this.#world.managers().filter(({ manager }) => manager.caughtUp);
    const asked = this.#some(ready);
    if (asked === undefined) return [];
    const { machine, manager } = asked;
    const found = (): Network[] =>
      [...manager.view.all('network')].filter(({ spec }) => spec.Ingress !== true);
    if (found().length > 0) return found();
    const name = `users-${++this.#networks}`;
    const spec = aNetwork(this.#random, this.#world.options, name);
    await request(this.#world, machine, 'network.create', { spec });
    return found();
  }

  async #start(known: KnownContainer): Promise<void> {
    const { id, config } = known;
    const { name } = config.restart;
    this.#unwant(known);
    const order = known.orders;
    const outcome = await this.#order(known, 'start', (daemon) => daemon.containers.start(id));
    // Of two orders at once nobody knows which came last.
    if (outcome.kind !== 'done' || known.orders !== order) return;
    known.wanted = name === 'always' || name === 'unless-stopped';
  }

  async #stop(known: KnownContainer): Promise<void> {
    this.#unwant(known);
    const requested = this.#random.chance(0.3) ? { graceMs: this.#random.below(2_000) } : {};
    await this.#order(known, 'stop', (daemon) => daemon.containers.stop(known.id, requested));
  }

  async #restart(known: KnownContainer): Promise<void> {
    this.#unwant(known);
    await this.#order(known, 'restart', (daemon) => daemon.containers.restart(known.id, {}));
  }

  async #kill(known: KnownContainer): Promise<void> {
    this.#unwant(known);
    const signal = this.#random.pick(['KILL', 'TERM']);
    await this.#order(known, 'kill', (daemon) => daemon.containers.kill(known.id, signal));
  }

  async #order<T>(
    known: KnownContainer,
    what: string,
    body: (daemon: SimulatedDaemon) => Promise<T>,
  ): Promise<Outcome<T>> {
    known.underWay++;
    const outcome = await this.#ask(known.machine, `${what} ${known.id}`, body);
    known.underWay--;
    return outcome;
  }

  #unwant(known: KnownContainer): void {
    known.orders++;
    known.wanted = false;
  }

  /** At the machine's own daemon, if one runs. */
  async #ask<T>(
    { host, daemon }: Machine,
    what: string,
    body: (daemon: SimulatedDaemon) => Promise<T>,
  ): Promise<Outcome<T>> {
    if (daemon?.agent === undefined) return { kind: 'unknown' };
    const { trace, clock } = this.#world;
    const at = (): string => clock.monotonicMs().toFixed(3);
    trace.line(`${at()} ${host} is asked to ${what}`);
    this.#busy++;
    const outcome = await atDaemon(this.#world, daemon, () => body(daemon));
    this.#busy--;
    trace.line(`${at()} ${host} was asked to ${what}: ${outcome.kind}`);
    return outcome;
  }

  #some<T>(all: readonly T[]): T | undefined {
    return all.length === 0 ? undefined : this.#random.pick(all);
  }
}

/** The n-th address of an IPv4 subnet of at least /28. */
function addressIn(subnet: string, n: number): string {
  const [base = ''] = subnet.split('/');
  const parts = base.split('.').map(Number);
  return [...parts.slice(0, 3), (parts[3] ?? 0) + n].join('.');
}
