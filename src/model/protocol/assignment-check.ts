// What the shape of an assignment can't say: that its addresses are addresses and its numbers are in
// range. They end up in rules and routes of a host, where one that is none would spoil those of all
// others. An item that fails is left out, the others of its set count.
import { SwarmError } from '../../base/index.ts';
import { addressFamily, addressText, addressValue, parseSubnet } from '../addresses/index.ts';
import type { AssignmentKind, AssignmentKinds } from './assignment.ts';
import type { PortConfig } from '../spec/index.ts';

/** Of hosts: tunnel addresses and marks are made of it. */
const HOST_NUMBER_MAX = 0xff_00;
const VNI_MAX = 0xff_ff_ff;
const MTU_MIN = 576;
const MTU_MAX = 65_535;
const PORT_MAX = 65_535;
/** What names files, namespaces and links. */
const SAFE_ID = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;
/** Base64 of 32 bytes. */
const WIREGUARD_KEY = /^[A-Za-z0-9+/]{43}=$/;

type Check<K extends AssignmentKind> = (item: AssignmentKinds[K]) => AssignmentKinds[K];

const CHECKS: { readonly [K in AssignmentKind]: Check<K> } = {
  task: (task) => {
    ids(task.id, task.nodeId, ...task.networks.map(({ networkId }) => networkId));
    task.networks.forEach(({ addresses }) => addresses.forEach(interfaceAddress));
    task.hostPorts.forEach(port);
    // A server that is none is not asked; the task can do without it.
    const { nameservers } = task;
    return nameservers === undefined || nameservers.every(isAddress)
      ? task
      : { ...task, nameservers: nameservers.filter(isAddress) };
  },
  revision: (revision) => {
    revision.spec.EndpointSpec?.Ports?.forEach(port);
    return revision;
  },
  network: (network) => {
    ids(network.id);
    inRange('vni', network.vni, 1, VNI_MAX);
    if (network.mtu !== undefined) inRange('mtu', network.mtu, MTU_MIN, MTU_MAX);
    for (const { subnet, gateway } of network.subnets) {
      parseSubnet(subnet);
      address(gateway);
    }
    return network;
  },
  host: (host) => {
    ids(host.nodeId);
    inRange('number', host.number, 1, HOST_NUMBER_MAX);
    for (const key of host.encryption?.keys ?? []) {
      if (!WIREGUARD_KEY.test(key)) throw wrong('key', key, 'no public key of a tunnel');
    }
    // As the kernel shows it: rules are compared as text.
    return { ...host, address: address(host.address) };
  },
  serviceEndpoint: (endpoint) => {
    ids(endpoint.networkId, endpoint.serviceId);
    if (endpoint.vip !== undefined) address(endpoint.vip, 4);
    if (endpoint.vip6 !== undefined) address(endpoint.vip6, 6);
    endpoint.ports.forEach(port);
    endpoint.exposed?.forEach(port);
    return endpoint;
  },
  taskEndpoint: (endpoint) => {
    ids(endpoint.networkId, endpoint.taskId, endpoint.nodeId);
    for (const each of endpoint.addresses) address(each);
    return endpoint;
  },
  payload: (payload) => payload,
};

/** The item; raises `invalid` with the field and the value. */
export function checkedAssignment<K extends AssignmentKind>(
  kind: K,
  item: AssignmentKinds[K],
): AssignmentKinds[K] {
  return CHECKS[kind](item);
}

function ids(...values: readonly string[]): void {
  for (const value of values) {
    if (!SAFE_ID.test(value)) throw wrong('id', value, 'no id');
  }
}

/** As everybody writes it, without prefix length. */
function address(text: string, family?: 4 | 6): string {
  const found = addressFamily(text);
  const value = text.includes('/') ? undefined : addressValue(text);
  if (found === undefined || value === undefined || (family ?? found) !== found) {
    throw wrong('address', text, `no ${family === undefined ? '' : `IPv${family} `}address`);
  }
  return addressText(found, value);
}

function isAddress(text: string): boolean {
  return !text.includes('/') && addressFamily(text) !== undefined;
}

function interfaceAddress(text: string): void {
  parseSubnet(text, { anyHost: true });
}

function port({ TargetPort, PublishedPort = 0, HostIP }: PortConfig): void {
  inRange('port', TargetPort, 0, PORT_MAX);
  inRange('port', PublishedPort, 0, PORT_MAX);
  if (HostIP !== undefined) address(HostIP);
}

function inRange(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new SwarmError('invalid', `${name} ${value} must lie between ${least} and ${most}`);
}

const SHOWN_MAX = 80;

function wrong(name: string, value: string, what: string): SwarmError {
  return new SwarmError(
    'invalid',
    `${name} ${JSON.stringify(value.slice(0, SHOWN_MAX))} is ${what}`,
  );
}
