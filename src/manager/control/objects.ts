// Networks, secrets and configs: create, update labels, remove. Each gives one transaction.
import { SwarmError, newId, type Random } from '../../base/index.ts';
import {
  RESERVED_SUBNETS,
  addressValue,
  checkNetworkOptions,
  create,
  desiredAlive,
  isTerminal,
  nodeAddresses,
  parseSubnet,
  subnetContains,
  subnetText,
  remove,
  specIndexOf,
  update,
  isPredefinedNetwork,
  requestedVni,
  subnetsOverlap,
  type Network,
  type Subnet,
  type NetworkSpec,
  type SecretSpec,
} from '../../model/index.ts';
import type { StoreView } from '../store/index.ts';
import type { ControlMethods } from './control.ts';
import { find } from '../queries/index.ts';
import { portsHeld, type Change } from './services.ts';
import { specsInForce } from './specs-in-force.ts';

const OBJECT_NAME = /^[a-zA-Z0-9](?:[a-zA-Z0-9._-]*[a-zA-Z0-9])?$/;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
const SECRET_NAME_MAX = 64;
const NETWORK_NAME_MAX = 128;
/** Docker's ceilings for payloads. */
const PAYLOAD_MAX = { secret: 500 * 1024, config: 1000 * 1024 } as const;
/** Makes a network. Raises `invalid`, `conflict` for a name that another has. */
export function createNetwork(
  view: StoreView,
  { spec }: { spec: NetworkSpec },
  random: Random,
): Change<{ id: string }> {
  checkName('network', spec.Name, NETWORK_NAME_MAX);
  if (isPredefinedNetwork(spec.Name)) {
    throw new SwarmError('denied', `operation is not permitted on predefined ${spec.Name} network`);
  }
  if (spec.Driver !== 'overlay') {
    throw new SwarmError(
      'invalid',
      `network driver ${JSON.stringify(spec.Driver)} is unknown in a cluster: use overlay`,
    );
  }
  if (view.byName('network', spec.Name)) {
    throw new SwarmError('conflict', `network with name ${spec.Name} already exists`);
  }
  checkLabels('network', spec.Labels);
  checkNetworkOptions(spec);
  checkVni(view, spec);
  if (spec.Ingress && [...view.all('network')].some((network) => network.spec.Ingress)) {
    throw new SwarmError('conflict', 'ingress network already exists');
  }
  checkSubnets(view, spec);
  const id = newId(random);
  return { actions: [create('network', { id, spec, subnets: [] })], response: { id } };
}

function checkVni(view: StoreView, spec: NetworkSpec): void {
  const vni = requestedVni(spec);
  if (vni === undefined) return;
  const other = [...view.all('network')].find(
    (network) => (network.vni ?? requestedVni(network.spec)) === vni,
  );
  if (other === undefined) return;
  throw new SwarmError('conflict', `VNI ${vni} is that of network ${other.spec.Name}`);
}

function checkSubnets(view: StoreView, spec: NetworkSpec): void {
  const families = new Set<number>();
  for (const { Subnet, Gateway } of spec.IPAM?.Config ?? []) {
    if (!Subnet) continue;
    const subnet = parseSubnet(Subnet);
    checkFamily(spec, subnet, families);
    for (const network of view.all('network')) {
      const other = subnetsOf(network).find((one) => subnetsOverlap(subnet, one));
      if (other === undefined) continue;
      throw new SwarmError(
        'denied',
        `subnet ${Subnet} overlaps with ${subnetText(other)} of network ${network.spec.Name}`,
      );
    }
    for (const node of view.all('node')) {
      const inside = nodeAddresses(node).find((address) => subnetContains(subnet, address));
      if (inside === undefined) continue;
      const name = node.description?.hostname ?? node.id;
      throw new SwarmError('denied', `subnet ${Subnet} has the address ${inside} of node ${name}`);
    }
    if (Gateway) checkGateway(subnet, Gateway);
  }
}

/** What it has been given, or waits for; earlier releases took what is no subnet. */
function subnetsOf({ spec, subnets, vni }: Network): Subnet[] {
  if (vni !== undefined) return subnets.map((one) => parseSubnet(one.subnet));
  return (spec.IPAM?.Config ?? []).flatMap(({ Subnet = '' }) => {
    try {
      return parseSubnet(Subnet);
    } catch {
      return [];
    }
  });
}

function checkGateway(subnet: Subnet, gateway: string): void {
  const value = addressValue(gateway);
  const text = subnetText(subnet);
  if (value === undefined || !subnetContains(subnet, gateway)) {
    throw new SwarmError('invalid', `gateway ${gateway} is not in subnet ${text}`);
  }
  const last = subnet.family === 4 && value === subnet.base + subnet.size - 1n;
  if (value === subnet.base || last) {
    throw new SwarmError('invalid', `gateway ${gateway} is no host's address in subnet ${text}`);
  }
}

/** One subnet of each family, IPv6 only where it is asked for, none too small. */
function checkFamily(spec: NetworkSpec, subnet: Subnet, families: Set<number>): void {
  const { family, prefix } = subnet;
  const text = subnetText(subnet);
  if (family === 6 && spec.EnableIPv6 !== true) {
    throw new SwarmError('invalid', `subnet ${text} is of IPv6: add --ipv6 (EnableIPv6)`);
  }
  const longest = family === 6 ? 125 : 29;
  if (prefix > longest) {
    throw new SwarmError('invalid', `subnet ${text} is too small: /${longest} at least`);
  }
  const clash = RESERVED_SUBNETS.find((other) => subnetsOverlap(subnet, parseSubnet(other)));
  if (clash !== undefined) {
    throw new SwarmError('invalid', `subnet ${text} overlaps ${clash}, which is not for networks`);
  }
  if (families.has(family)) {
    throw new SwarmError(
      'invalid',
      `subnet ${text}: a network has one subnet of IPv4 and one of IPv6 at most`,
    );
  }
  families.add(family);
}

/** Removes a network. Raises `notFound`, `precondition` while something uses it. */
export function removeNetwork(view: StoreView, { id }: { id: string }): Change<{ id: string }> {
  if (isPredefinedNetwork(id))
    throw new SwarmError('denied', `${id} is a pre-defined network and cannot be removed`);
  const network = find(view, 'network', id);
  for (const service of view.all('service')) {
    const uses = specsInForce(service).some(({ TaskTemplate }) =>
      TaskTemplate.Networks?.some((n) => n.Target === network.id),
    );
    const publishes =
      network.spec.Ingress && portsHeld(service).some((p) => p.PublishMode === 'ingress');
    if (uses || publishes === true) {
      throw new SwarmError(
        'precondition',
        `network ${network.id} is in use by service ${service.id}`,
      );
    }
  }
  for (const task of view.tasksOfNetwork(network.id)) {
    if (task.attachment !== undefined && !isTerminal(task.status.state)) {
      const node = view.get('node', task.nodeId ?? '');
      throw new SwarmError(
        'precondition',
        `network ${network.id} is in use by container ${task.attachment.containerId.slice(0, 12)} on node ${node?.description?.hostname ?? task.nodeId}`,
      );
    }
    // Tasks of a removed service are on their way out and don't hold it back.
    if (!view.get('service', task.serviceId) || !desiredAlive(task)) continue;
    throw new SwarmError('precondition', `network ${network.id} is in use by task ${task.id}`);
  }
  return {
    actions: [remove('network', network.id, network.version)],
    response: { id: network.id },
  };
}

/** Makes a secret or config. Raises `invalid`, `conflict` for a name that another has. */
export function createPayloadObject(
  view: StoreView,
  table: 'secret' | 'config',
  spec: SecretSpec,
  random: Random,
): Change<{ id: string }> {
  checkName(table, spec.Name, SECRET_NAME_MAX);
  if (view.byName(table, spec.Name)) {
    throw new SwarmError('conflict', `${table} ${spec.Name} already exists`);
  }
  checkLabels(table, spec.Labels);
  const data = withoutLines(spec.Data);
  if (data.length % 4 !== 0 || !BASE64.test(data)) {
    throw new SwarmError('invalid', `${table} data is not base64`);
  }
  const length = (data.length / 4) * 3 - (/={0,2}$/.exec(data)?.[0].length ?? 0);
  if (length === 0 || length > PAYLOAD_MAX[table]) {
    throw new SwarmError(
      'invalid',
      `${table} data must be larger than 0 and at most ${PAYLOAD_MAX[table]} bytes, not ${length}`,
    );
  }
  const id = newId(random);
  const { Data: _payload, ...stored } = spec;
  return {
    actions: [
      create(table, { id, spec: { ...stored, Labels: stored.Labels ?? {} } }),
      create('payload', { id, kind: table, data }),
    ],
    response: { id },
  };
}

/** Changes the labels of a secret or config. Raises `notFound`, `outOfSequence`, `invalid` for anything else. */
export function updatePayloadObject(
  view: StoreView,
  table: 'secret' | 'config',
  request: ControlMethods['secret.update']['request'],
): Change<object> {
  const object = find(view, table, request.id);
  if (specIndexOf(object) !== request.version)
    throw new SwarmError('outOfSequence', 'update out of sequence');
  const { Data, ...spec } = request.spec;
  checkLabels(table, spec.Labels);
  const data = withoutLines(Data);
  const same = data === '' || data === view.get('payload', object.id)?.data;
  if (spec.Name !== object.spec.Name || !same) {
    throw new SwarmError('invalid', 'only updates to Labels are allowed: Name and Data stay');
  }
  return { actions: [update(table, { ...object, spec })], response: {} };
}

/** As it is stored: some encoders write base64 in lines. */
function withoutLines(data = ''): string {
  return data.replaceAll(/[\r\n]/g, '');
}

/** Removes a secret or config. Raises `notFound`, `invalid` while a service uses it. */
export function removePayloadObject(
  view: StoreView,
  table: 'secret' | 'config',
  id: string,
): Change<object> {
  const object = find(view, table, id);
  const users: string[] = [];
  for (const service of view.all('service')) {
    const uses = specsInForce(service).some(({ TaskTemplate: { ContainerSpec } }) =>
      table === 'secret'
        ? ContainerSpec.Secrets?.some((s) => s.SecretID === object.id)
        : ContainerSpec.Configs?.some((c) => c.ConfigID === object.id),
    );
    if (uses) users.push(service.spec.Name);
  }
  if (users.length > 0) {
    throw new SwarmError(
      'invalid',
      `${table} '${object.spec.Name}' is in use by the following service${users.length > 1 ? 's' : ''}: ${users.join(', ')}`,
    );
  }
  return { actions: [remove(table, object.id), remove('payload', object.id)], response: {} };
}

/** All labels of an object together are no longer. */
const LABELS_LENGTH_MAX = 1024 * 1024;

/** Raises `invalid` for labels that are too many or too long; `what` names their owner. */
export function checkLabels(what: string, labels: Readonly<Record<string, string>> = {}): void {
  const length = JSON.stringify(labels).length;
  if (length <= LABELS_LENGTH_MAX) return;
  throw new SwarmError(
    'invalid',
    `labels of the ${what} have ${length} characters, at most ${LABELS_LENGTH_MAX} are kept`,
  );
}

function checkName(table: string, name: string, lengthMax: number): void {
  if (!name || name.length > lengthMax || !OBJECT_NAME.test(name)) {
    throw new SwarmError(
      'invalid',
      `invalid ${table} name ${JSON.stringify(name)}: use 1 to ${lengthMax} characters of [a-zA-Z0-9-_.], beginning and ending with a letter or digit`,
    );
  }
}
