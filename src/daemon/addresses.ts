// Which addresses a node listens on and tells others: Docker's rules for --listen-addr,
// --advertise-addr and --data-path-addr.
import { networkInterfaces } from 'node:os';
import { SwarmError } from '../base/index.ts';

export const DEFAULT_PORT = 2377;

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** "1.2.3.4", "1.2.3.4:2377", "eth0" or "eth0:2377"; raises `invalid` naming the text. */
export function parseAddress(text: string, defaultPort = DEFAULT_PORT): HostPort {
  const [, host = '', portText] = /^(.*?)(?::(\d+))?$/.exec(text.trim()) ?? [];
  const port = portText === undefined ? defaultPort : Number(portText);
  if (host === '' || port < 1 || port > 65_534) {
    throw new SwarmError('invalid', `invalid address ${JSON.stringify(text)}: must be HOST[:PORT]`);
  }
  return { host, port };
}

export function formatAddress({ host, port }: HostPort): string {
  return `${host}:${port}`;
}

/** The Raft listener stands on the port above the gRPC port. */
export function raftAddress({ host, port }: HostPort): string {
  return `${host}:${port + 1}`;
}

/** The address that others reach this node at; interface names become their address. */
export function resolveAdvertise(wish: string, listen: HostPort): HostPort {
  if (wish !== '') {
    const { host, port } = parseAddress(wish, listen.port);
    return { host: addressOfInterface(host) ?? host, port };
  }
  if (listen.host !== '0.0.0.0' && listen.host !== '::') {
    return { host: addressOfInterface(listen.host) ?? listen.host, port: listen.port };
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

/** Address for VXLAN: the wish, or the advertised one. */
export function resolveDataPath(wish: string, advertise: HostPort): string {
  return wish === '' ? advertise.host : (addressOfInterface(wish) ?? wish);
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
