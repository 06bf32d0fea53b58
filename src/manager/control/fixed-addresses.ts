// Checks the addresses that a service asks for: they must be the network's, nobody else's, and one
// task alone can have them.
import { SwarmError } from '../../base/index.ts';
import {
  addressFamily,
  addressValue,
  fixedAddresses,
  isTerminal,
  parseSubnet,
  subnetContains,
  type Network,
  type Service,
  type ServiceSpec,
  type Task,
  modeOf,
} from '../../model/index.ts';
import type { StoreView } from '../store/index.ts';
import { specsInForce } from './specs-in-force.ts';

/** Fails with `invalid` or `conflict`; networks are given by id. */
export function checkFixedAddresses(
  view: StoreView,
  self: Service | undefined,
  spec: ServiceSpec,
): void {
  for (const config of spec.TaskTemplate.Networks ?? []) {
    const addresses = fixedAddresses(config);
    const network = view.get('network', config.Target);
    if (addresses.length === 0 || network === undefined) continue;
    checkShape(spec, addresses);
    for (const address of addresses) checkAddress(view, { service: self }, network, address);
  }
}

function checkShape(spec: ServiceSpec, [address = '']: readonly string[]): void {
  const mode = modeOf(spec);
  if (mode.kind !== 'replicated' || mode.replicas > 1) {
    throw new SwarmError(
      'invalid',
      `address ${address} is for one task: use one replica, or leave the address out`,
    );
  }
  if (spec.UpdateConfig?.Order === 'start-first' || spec.RollbackConfig?.Order === 'start-first') {
    throw new SwarmError(
      'invalid',
      `address ${address} can't be with two tasks at once: use the order stop-first`,
    );
  }
}

/** Who may have the address already. */
interface Asker {
  /** A service, with its tasks. */
  readonly service?: Service | undefined;
  /** A container: its place ends with its run, and it may run again at once. */
  readonly containerId?: string;
}

/** Fails with `invalid` for what is no address of the network, with `conflict` for somebody else's. */
export function checkAddress(
  view: StoreView,
  self: Asker,
  network: Network,
  address: string,
): void {
  const { Name: name } = network.spec;
  const subnet = network.subnets
    .map((one) => ({ ...one, parsed: parseSubnet(one.subnet) }))
    .find(({ parsed }) => subnetContains(parsed, address));
  const value = addressValue(address);
  if (subnet === undefined || value === undefined) {
    const subnets = network.subnets.map((one) => one.subnet).join(' and ') || 'no subnet yet';
    throw new SwarmError('invalid', `address ${address} is not on network ${name} (${subnets})`);
  }
  const { base, size } = subnet.parsed;
  const last = addressFamily(address) === 4 && value === base + size - 1n;
  if (value === base || last || value === addressValue(subnet.gateway)) {
    throw new SwarmError('invalid', `address ${address} is none for a task on network ${name}`);
  }
  const holder = holderOf(view, self, network.id, value);
  if (holder !== undefined) {
    throw new SwarmError('conflict', `address ${address} on network ${name} is ${holder}`);
  }
}

/** Who else has an address, in words; undefined when nobody has. */
function holderOf(
  view: StoreView,
  self: Asker,
  networkId: string,
  value: bigint,
): string | undefined {
  const is = (text: string): boolean => addressValue(text.split('/')[0] ?? '') === value;
  for (const service of view.all('service')) {
    const { virtualIps } = service.endpoint;
    if (virtualIps.some((vip) => vip.networkId === networkId && is(vip.address))) {
      return `the virtual address of service ${service.spec.Name}`;
    }
    const requests = specsInForce(service).flatMap(
      ({ TaskTemplate }) => TaskTemplate.Networks ?? [],
    );
    const fixed = requests.filter(({ Target }) => Target === networkId).flatMap(fixedAddresses);
    if (service.id !== self.service?.id && fixed.some(is))
      return `fixed for service ${service.spec.Name}`;
  }
  for (const task of view.tasksOfNetwork(networkId)) {
    if (isTerminal(task.status.state) || belongsTo(self, task)) continue;
    const own = task.networks.find((network) => network.networkId === networkId);
    if (own?.addresses.some(is) === true) return `that of task ${task.id}`;
  }
  return undefined;
}

function belongsTo({ service, containerId }: Asker, { serviceId, attachment }: Task): boolean {
  if (service !== undefined && serviceId === service.id) return true;
  return containerId !== undefined && attachment?.containerId === containerId;
}
