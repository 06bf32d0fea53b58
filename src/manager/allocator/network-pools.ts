// What is given out on networks, derived from the store: subnets, VNIs, and the addresses of each
// network. Made anew at every leader start: networks and services at once, tasks one by one.
import {
  fixedAddresses,
  isTerminal,
  addressText,
  addressValue,
  endedAt,
  parseSubnet,
  subnetContains,
  subnetText,
  subnetsOverlap,
  type Cluster,
  type Network,
  type Service,
  type Subnet,
  type Task,
} from '../../model/index.ts';
import { visitAll, type Faults } from '../loops/index.ts';
import type { StoreView } from '../store/index.ts';
import { AddressPool } from './address-pool.ts';
import { uniqueLocalSubnets } from './unique-local.ts';

/** From here up, since the same VNI as Docker's (from 4096) and port on one host would clash. */
export const FIRST_VNI = 2 ** 20;
const LAST_VNI = 2 ** 24 - 1;

/** A subnet in CIDR notation, and the address of its gateway. */
export interface ChosenSubnet {
  readonly subnet: string;
  readonly gateway: string;
}

/** Subnets, VNIs and addresses of all networks that have been allocated. */
export class NetworkPools {
  /** One pool a family: IPv4, and IPv6 where the network has it. */
  readonly #pools = new Map<string, readonly AddressPool[]>();
  readonly #subnets = new Map<string, readonly Subnet[]>();
  readonly #vnis = new Map<number, string>();
  #nextVni = FIRST_VNI;

  /** All but the addresses of tasks: see `adoptTask`. */
  reset(view: StoreView, faults: Faults): void {
    this.#pools.clear();
    this.#subnets.clear();
    this.#vnis.clear();
    visitAll(view.all('network'), faults, (network) => this.adopt(network));
    visitAll(view.all('service'), faults, (service) => {
      for (const vip of service.endpoint.virtualIps) this.use(vip.networkId, vip.address);
    });
    visitAll(view.all('service'), faults, (service) => this.reserve(service));
  }

  /** Takes over what the network has been given. Raises `invalid` for subnets that can't be. */
  adopt(network: Network): void {
    if (network.vni === undefined) return;
    this.#vnis.set(network.vni, network.id);
    if (network.subnets.length === 0 || this.#pools.has(network.id)) return;
    const pools = network.subnets.map(
      ({ subnet, gateway }) => new AddressPool(parseSubnet(subnet), [gateway]),
    );
    const parsed = network.subnets.map(({ subnet }) => parseSubnet(subnet));
    this.#subnets.set(network.id, parsed);
    this.#pools.set(network.id, pools);
  }

  /** False where that fails: the network's own plan says why, and nobody gets addresses of it. */
  tryAdopt(network: Network): boolean {
    try {
      this.adopt(network);
      return true;
    } catch {
      return false;
    }
  }

  /** The addresses that a service asks for are its own, whether or not its task runs. */
  reserve({ spec }: Service): void {
    for (const config of spec.TaskTemplate.Networks ?? []) {
      for (const address of fixedAddresses(config)) this.use(config.Target, address);
    }
  }

  /**
   * Addresses of a task: used while it may run, resting after its end. In any order: what one that has
   * ended once had may be another one's now.
   */
  adoptTask(task: Task): void {
    const ended = isTerminal(task.status.state);
    for (const { networkId, addresses } of task.networks) {
      for (const address of addresses) {
        if (ended) this.#poolOf(networkId, address)?.ended(address, endedAt(task));
        else this.use(networkId, address);
      }
    }
  }

  forget(network: Network): void {
    this.#pools.delete(network.id);
    this.#subnets.delete(network.id);
    if (network.vni !== undefined) this.#vnis.delete(network.vni);
  }

  use(networkId: string, address: string): void {
    this.#poolOf(networkId, address)?.use(address);
  }

  isUsed(networkId: string, address: string): boolean {
    return this.#poolOf(networkId, address)?.isUsed(address) === true;
  }

  free(networkId: string, address: string, now: number): void {
    this.#poolOf(networkId, address)?.free(address, now);
  }

  /**
   * An address of each family of the network, those of `kept` where they have one already;
   * undefined, and nothing taken, when one family has none left.
   */
  take(networkId: string, now: number, kept: readonly string[] = []): string[] | undefined {
    const taken: string[] = [];
    const addresses: string[] = [];
    for (const pool of this.#pools.get(networkId) ?? []) {
      const own = kept.find((address) => pool.contains(address));
      const address = own ?? pool.take(now);
      if (address === undefined) {
        for (const one of taken) this.free(networkId, one, now);
        return undefined;
      }
      if (own === undefined) taken.push(address);
      addresses.push(address);
    }
    return addresses.length === 0 ? undefined : addresses;
  }

  /** Addresses of the network as `take` gives them; those of no subnet of it are left out. */
  spell(networkId: string, addresses: readonly string[]): string[] {
    return addresses.flatMap((address) => this.#poolOf(networkId, address)?.spell(address) ?? []);
  }

  has(networkId: string): boolean {
    return this.#pools.has(networkId);
  }

  nextFreeAt(networkId: string, now: number): number | undefined {
    const pools = this.#pools.get(networkId) ?? [];
    const times = pools.flatMap((pool) => pool.nextFreeAt(now) ?? []);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  #poolOf(networkId: string, address: string): AddressPool | undefined {
    return this.#pools.get(networkId)?.find((pool) => pool.contains(address));
  }

  /** `requested`: the one that the network is to have; undefined when another has it. */
  takeVni(requested?: number): number | undefined {
    if (requested !== undefined) return this.#vnis.has(requested) ? undefined : requested;
    for (let tried = 0; tried <= LAST_VNI - FIRST_VNI; tried++) {
      if (this.#nextVni > LAST_VNI) this.#nextVni = FIRST_VNI;
      const vni = this.#nextVni++;
      if (!this.#vnis.has(vni)) return vni;
    }
    return undefined;
  }

  /**
   * Subnets and gateways for a network, IPv4 first: its own requests, else what is free and has none of
   * the hosts' addresses.
   */
  chooseSubnets(
    network: Network,
    cluster: Pick<Cluster, 'id' | 'addressPools' | 'subnetSize'>,
    hosts: readonly string[] = [],
  ): readonly ChosenSubnet[] | { error: string } {
    const requests = (network.spec.IPAM?.Config ?? []).filter((requested) => requested.Subnet);
    const families = network.spec.EnableIPv6 === true ? ([4, 6] as const) : ([4] as const);
    const chosen: ChosenSubnet[] = [];
    for (const family of families) {
      const requested = requests.find(({ Subnet = '' }) => parseSubnet(Subnet).family === family);
      const found =
        requested === undefined
          ? this.#freeSubnet(this.#candidates(family, network, cluster), hosts)
          : this.#requested(requested);
      if (found === undefined) {
        const pools = cluster.addressPools.join(', ');
        return { error: `no subnet of size /${cluster.subnetSize} is left in ${pools}` };
      }
      if ('error' in found) return found;
      chosen.push(found);
    }
    return chosen;
  }

  #requested(requested: {
    readonly Subnet?: string;
    readonly Gateway?: string;
  }): ChosenSubnet | { error: string } {
    const subnet = parseSubnet(requested.Subnet ?? '');
    const clash = this.#overlapping(subnet);
    if (clash)
      return { error: `subnet ${requested.Subnet} overlaps with the one of network ${clash}` };
    const given = addressValue(requested.Gateway ?? '') ?? subnet.base + 1n;
    return { subnet: subnetText(subnet), gateway: addressText(subnet.family, given) };
  }

  #candidates(
    family: 4 | 6,
    network: Network,
    cluster: Pick<Cluster, 'id' | 'addressPools' | 'subnetSize'>,
  ): Iterable<Subnet> {
    if (family === 6) return uniqueLocalSubnets(cluster.id, network.id);
    return partsOf(cluster.addressPools, cluster.subnetSize);
  }

  #freeSubnet(candidates: Iterable<Subnet>, hosts: readonly string[]): ChosenSubnet | undefined {
    for (const subnet of candidates) {
      if (this.#overlapping(subnet) !== undefined) continue;
      if (hosts.some((address) => subnetContains(subnet, address))) continue;
      return {
        subnet: subnetText(subnet),
        gateway: addressText(subnet.family, subnet.base + 1n),
      };
    }
    return undefined;
  }

  #overlapping(subnet: Subnet): string | undefined {
    for (const [id, others] of this.#subnets) {
      if (others.some((other) => subnetsOverlap(other, subnet))) return id;
    }
    return undefined;
  }
}

/** The parts of address pools in the size of networks. */
function* partsOf(pools: readonly string[], prefix: number): Generator<Subnet> {
  if (!Number.isInteger(prefix) || prefix < 1 || prefix > 32) return;
  const size = 1n << BigInt(32 - prefix);
  for (const text of pools) {
    const pool = readPool(text);
    if (pool?.family !== 4) continue;
    for (let base = pool.base; base + size <= pool.base + pool.size; base += size) {
      yield { family: 4, base, prefix, size };
    }
  }
}

/** Of several pools the others are used; that none is left says the network's error. */
function readPool(text: string): Subnet | undefined {
  try {
    return parseSubnet(text, { anyHost: true });
  } catch {
    return undefined;
  }
}
