// Which addresses a node listens on and tells others: Docker's rules for --listen-addr,
// --advertise-addr and --data-path-addr.
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { SwarmError } from '../../base/index.ts';

export const DEFAULT_PORT = 2377;

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

const PORT_MAX = 65_534;
const HOST_PORT = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(\d{1,5}))?$/;

/**
 * "1.2.3.4", "1.2.3.4:2377", "eth0", "eth0:2377", "fd00::1" or "[fd00::1]:2377"; raises `invalid` naming
 * the text.
 */
export function parseAddress(text: string, defaultPort = DEFAULT_PORT): HostPort {
  const trimmed = text.trim();
  if (isIP(trimmed) === 6) return { host: trimmed, port: defaultPort };
  const [, bracketed, plain = '', portText] = HOST_PORT.exec(trimmed) ?? [];
  const host = bracketed ?? plain;
  const port = portText === undefined ? defaultPort : Number(portText);
  const misplaced = bracketed !== undefined && isIP(bracketed) !== 6;
  if (host === '' || /\s/.test(host) || misplaced || port < 1 || port > PORT_MAX) {
    throw new SwarmError('invalid', `invalid address ${JSON.stringify(text)}: must be HOST[:PORT]`);
  }
  return { host, port };
}

export function formatAddress({ host, port }: HostPort): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** The Raft listener stands on the port above the gRPC port. */
export function raftAddress({ host, port }: HostPort): string {
  return formatAddress({ host, port: port + 1 });
}

/**
 * Where this node listens: an address or one of its interfaces. Raises `invalid` with Docker's words.
 */
export function resolveListen(requested: string): HostPort {
  const { host, port } = parseAddress(requested || `0.0.0.0:${DEFAULT_PORT}`);
  const address = addressOf(host);
  if (address !== undefined) return { host: address, port };
  throw new SwarmError(
    'invalid',
    `listen address must be an IP address or network interface (with optional port number): ${unknownHost(host)}`,
  );
}

/** The address that others reach this node at; interface names become their address. */
export function resolveAdvertise(requested: string, listen: HostPort): HostPort {
  if (requested !== '') {
    const { host, port } = parseAddress(requested, listen.port);
    const address = addressOf(host);
    if (address !== undefined && !isUnspecified(address)) return { host: address, port };
    throw new SwarmError(
      'invalid',
      `advertise address must be a non-zero IP address or network interface (with optional port number): ${unknownHost(host)}`,
    );
  }
  if (!isUnspecified(listen.host)) {
    return { host: addressOf(listen.host) ?? listen.host, port: listen.port };
  }
  const own = ownAddresses();
  const [only, second] = own;
  if (only === undefined) {
    throw new SwarmError(
      'invalid',
      'could not find an IP address to advertise: specify one with --advertise-addr',
    );
  }
  if (second !== undefined) {
    const list = own.map(({ address, name }) => `${address} on ${name}`).join(', ');
    throw new SwarmError(
      'invalid',
      `could not choose an IP address to advertise since this system has multiple addresses (${list}) - specify one with --advertise-addr`,
    );
  }
  return { host: only.address, port: listen.port };
}

/** Address for VXLAN: the one asked for, or the advertised one. Raises `invalid` with Docker's words. */
export function resolveDataPath(requested: string, advertise: HostPort): string {
  if (requested === '') return advertise.host;
  const address = addressOf(requested);
  if (address !== undefined && !isUnspecified(address)) return address;
  throw new SwarmError(
    'invalid',
    `data path address must be a non-zero IP address or network interface (without a port number): ${unknownHost(requested)}`,
  );
}

/** Raises `invalid` for addresses that `init` or `join` could do nothing with. */
export function checkAddresses(requested: {
  readonly listenAddr: string;
  readonly advertiseAddr: string;
  readonly dataPathAddr: string;
}): void {
  const advertise = resolveAdvertise(requested.advertiseAddr, resolveListen(requested.listenAddr));
  resolveDataPath(requested.dataPathAddr, advertise);
}

function isUnspecified(host: string): boolean {
  return host === '0.0.0.0' || /^[0:]+$/.test(host);
}

/** An address itself, or the one of an interface of this machine. */
function addressOf(host: string): string | undefined {
  return isIP(host) === 0 ? addressOfInterface(host) : host;
}

function unknownHost(host: string): string {
  const names = [...new Set(ownAddresses().map(({ name }) => name))].join(', ');
  return `${JSON.stringify(host)} is neither; this machine has ${names || 'no interface with an address'}`;
}

function addressOfInterface(name: string): string | undefined {
  const addresses = networkInterfaces()[name] ?? [];
  return addresses.find((one) => one.family === 'IPv4')?.address;
}

function ownAddresses(): { name: string; address: string }[] {
  return Object.entries(networkInterfaces()).flatMap(([name, addresses]) =>
    (addresses ?? [])
      .filter(
        (one) =>
          one.family === 'IPv4' &&
          !one.internal &&
          !one.address.startsWith('169.254.') &&
          !one.address.startsWith('198.18.'),
      )
      .map(({ address }) => ({ name, address })),
  );
}
