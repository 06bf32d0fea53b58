// What is given out on networks, derived from the store: subnets, VNIs, and the addresses of each
// network. Rebuilt at every leader start.
import {
  isTerminal,
  parseSubnet,
  subnetText,
  subnetsOverlap,
  ipv4Text,
  type Network,
  type Subnet,
  type Task,
} from '../../model/index.ts';
import type { StoreView } from '../store/index.ts';
import { AddressPool } from './address-pool.ts';

/** From here up, since the same VNI as Docker's (from 4096) and port on one host would clash. */
export const FIRST_VNI = 2 ** 20;
const LAST_VNI = 2 ** 24 - 1;

export class NetworkPools {
  readonly #pools = new Map<string, AddressPool>();
  readonly #subnets = new Map<string, readonly Subnet[]>();
  readonly #vnis = new Map<number, string>();
  #nextVni = FIRST_VNI;

  reset(view: StoreView): void {
    this.#pools.clear();
    this.#subnets.clear();
    this.#vnis.clear();
    for (const network of view.all('network')) this.adopt(network);
    for (const service of view.all('service')) {
      for (const vip of service.endpoint.virtualIps) this.use(vip.networkId, vip.address);
    }
    for (const task of view.all('task')) this.adoptTask(task);
  }

  adopt(network: Network): void {
    if (network.vni === undefined) return;
    this.#vnis.set(network.vni, network.id);
    const first = network.subnets[0];
    if (first === undefined || this.#pools.has(network.id)) return;
    this.#subnets.set(
      network.id,
      network.subnets.map(({ subnet }) => parseSubnet(subnet)),
    );
    this.#pools.set(network.id, new AddressPool(parseSubnet(first.subnet), [first.gateway]));
  }

  /** Addresses of a task: used while it may run, resting after its end. */
  adoptTask(task: Task): void {
    for (const { networkId, addresses } of task.networks) {
      for (const address of addresses) {
        this.use(networkId, address);
        if (isTerminal(task.status.state)) this.free(networkId, address, task.status.timestamp);
      }
    }
  }

  forget(network: Network): void {
    this.#pools.delete(network.id);
    this.#subnets.delete(network.id);
    if (network.vni !== undefined) this.#vnis.delete(network.vni);
  }

  use(networkId: string, address: string): void {
    this.#pools.get(networkId)?.use(address);
  }

  free(networkId: string, address: string, now: number): void {
    this.#pools.get(networkId)?.free(address, now);
  }

  take(networkId: string, now: number): string | undefined {
    return this.#pools.get(networkId)?.take(now);
  }

  has(networkId: string): boolean {
    return this.#pools.has(networkId);
  }

  nextFreeAt(networkId: string): number | undefined {
    return this.#pools.get(networkId)?.nextFreeAt;
  }

  takeVni(): number | undefined {
    for (let tried = 0; tried <= LAST_VNI - FIRST_VNI; tried++) {
      if (this.#nextVni > LAST_VNI) this.#nextVni = FIRST_VNI;
      const vni = this.#nextVni++;
      if (!this.#vnis.has(vni)) return vni;
    }
    return undefined;
  }

  /** Subnet and gateway for a network: its own wish, or the next free part of the address pools. */
  chooseSubnet(
    network: Network,
    poolTexts: readonly string[],
    subnetSize: number,
  ): { subnet: string; gateway: string } | { error: string } {
    const wish = network.spec.IPAM?.Config?.[0];
    if (wish?.Subnet) {
      const subnet = parseSubnet(wish.Subnet);
      const clash = this.#overlapping(subnet);
      if (clash)
        return { error: `subnet ${wish.Subnet} overlaps with the one of network ${clash}` };
      return { subnet: wish.Subnet, gateway: wish.Gateway ?? ipv4Text(subnet.base + 1) };
    }
    for (const text of poolTexts) {
      const pool = parseSubnet(text, { anyHost: true });
      const step = 2 ** (32 - subnetSize);
      for (let base = pool.base; base + step <= pool.base + pool.size; base += step) {
        const subnet: Subnet = { base, prefix: subnetSize, size: step };
        if (this.#overlapping(subnet) === undefined) {
          return { subnet: subnetText(subnet), gateway: ipv4Text(base + 1) };
        }
      }
    }
    return { error: `no subnet of size /${subnetSize} is left in ${poolTexts.join(', ')}` };
  }

  #overlapping(subnet: Subnet): string | undefined {
    for (const [id, others] of this.#subnets) {
      if (others.some((other) => subnetsOverlap(other, subnet))) return id;
    }
    return undefined;
  }
}
