// Where a container is attached and which of its ports are open on this machine. Pure.
import { SwarmError } from '../../base/index.ts';
import {
  addressFamily,
  isPredefinedNetwork,
  type ContainerNetworkConfig,
  type PortConfig,
} from '../../model/index.ts';
import type { EndpointBody, PortBindingBody } from './container-schemas.ts';
import { unsupported } from './normalise.ts';
import { EVERY_ADDRESS } from './parse.ts';

const PORT_MAX = 65_535;

type Endpoints = Readonly<Record<string, EndpointBody>>;

/**
 * The network of `NetworkMode` first, then the other endpoints. Endpoints alone replace the default
 * network, as in Docker.
 */
export function containerNetworks(mode: string, endpoints: Endpoints): ContainerNetworkConfig[] {
  if (mode.startsWith('container:')) {
    throw unsupported('HostConfig.NetworkMode', mode, 'put both on one attachable network');
  }
  const byDefault = mode === '' || mode === 'default';
  // What newer clients call "default" is the bridge.
  const named = Object.entries(endpoints).map(
    ([name, endpoint]) => [name === 'default' ? 'bridge' : name, endpoint] as const,
  );
  const all = new Map<string, EndpointBody>();
  if (!byDefault) all.set(mode, {});
  for (const [name, endpoint] of named) all.set(name, endpoint);
  const networks = [...all].map(([target, endpoint]) => parseEndpoint(target, endpoint));
  const alone = networks.find(({ target }) => target === 'host' || target === 'none');
  if (alone !== undefined && networks.length > 1) {
    throw invalid(
      `conflicting options: cannot attach both user-defined and non-user-defined network-modes: ${alone.target} is alone`,
    );
  }
  const onlyBridge = networks.length === 1 && networks[0]?.target === 'bridge';
  return byDefault && onlyBridge ? [] : networks;
}

function parseEndpoint(target: string, endpoint: EndpointBody): ContainerNetworkConfig {
  const { IPv4Address = '', IPv6Address = '' } = endpoint.IPAMConfig ?? {};
  if (IPv4Address !== '' && (addressFamily(IPv4Address) !== 4 || IPv4Address.includes('/'))) {
    throw invalid(`invalid endpoint settings: invalid IPv4 address: ${IPv4Address}`);
  }
  if (IPv6Address !== '' && (addressFamily(IPv6Address) !== 6 || IPv6Address.includes('/'))) {
    throw invalid(`invalid endpoint settings: invalid IPv6 address: ${IPv6Address}`);
  }
  const aliases = endpoint.Aliases ?? [];
  const addresses = [IPv4Address, IPv6Address].filter((address) => address !== '');
  if (isPredefinedNetwork(target)) {
    if (aliases.length > 0) {
      throw invalid(
        'network-scoped alias is supported only for containers in user defined networks',
      );
    }
    if (addresses.length > 0) {
      throw invalid('user specified IP address is supported on user defined networks only');
    }
  }
  return { target, aliases, addresses };
}

/** `PortBindings`; exposed ports without a binding are nowhere open and need no mention. */
export function containerPorts(
  bindings: Readonly<Record<string, readonly PortBindingBody[]>>,
): PortConfig[] {
  const ports = new Map<string, PortConfig>();
  for (const [key, hosts] of Object.entries(bindings)) {
    const { number, protocol } = parsePortKey(key);
    for (const host of hosts) {
      const port: PortConfig = {
        TargetPort: number,
        Protocol: protocol,
        PublishMode: 'host',
        ...hostPort(host.HostPort ?? ''),
        ...hostAddress(host.HostIp ?? '', key),
      };
      // Clients that ask for 0.0.0.0 and :: mean one port.
      ports.set(JSON.stringify(port), port);
    }
  }
  return [...ports.values()];
}

/** Raises `invalid` for a port that is none. */
export function checkExposedPorts(keys: readonly string[]): void {
  keys.forEach(parsePortKey);
}

/** "80/tcp", "80". */
function parsePortKey(key: string): { number: number; protocol: 'tcp' | 'udp' } {
  const [digits = '', protocol = 'tcp'] = key.toLowerCase().split('/');
  const number = portNumber(digits);
  if (number === undefined || number === 0) {
    throw invalid(`invalid port specification: "${key}"`);
  }
  if (protocol === 'tcp' || protocol === 'udp') return { number, protocol };
  if (protocol !== 'sctp') throw invalid(`invalid port specification: "${key}"`);
  throw new SwarmError('unimplemented', `port ${key}: only tcp and udp can be published`);
}

function hostPort(text: string): Pick<PortConfig, 'PublishedPort'> {
  if (text === '' || text === '0') return {};
  if (/^\d+-\d+$/.test(text)) {
    throw invalid(`port ${text} is a range: name one port, or none for a free one`);
  }
  const number = portNumber(text);
  if (number === undefined) throw invalid(`invalid port specification: "${text}"`);
  return { PublishedPort: number };
}

function hostAddress(address: string, key: string): Pick<PortConfig, 'HostIP'> {
  if (EVERY_ADDRESS.includes(address)) return {};
  if (addressFamily(address) === undefined || address.includes('/') || address === '::1') {
    throw invalid(
      `port ${key}: ${address} is no address to publish at; use 127.0.0.1 or one of this machine's`,
    );
  }
  return { HostIP: address };
}

function portNumber(digits: string): number | undefined {
  return /^\d{1,5}$/.test(digits) && Number(digits) <= PORT_MAX ? Number(digits) : undefined;
}

function invalid(message: string): SwarmError {
  return new SwarmError('invalid', message);
}
