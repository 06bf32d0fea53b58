// Reads what Linux says about a namespace's TCP sockets (/proc/PID/net/tcp and tcp6): the ports that
// are listened on, and the clients that are being served. Pure.

interface Socket {
  readonly address: string;
  readonly port: number;
  readonly state: number;
}

/** Numbers of include/net/tcp_states.h. */
const LISTEN = 0x0a;
/**
 * Something may still have to be read or answered, or to be acknowledged: established, in the
 * handshake, closed by the client (which may wait for its answer), closed by us with data on the way.
 */
const IN_USE: ReadonlySet<number> = new Set([0x01, 0x03, 0x04, 0x08, 0x09]);

/** Ports that something listens on, at other addresses than the loopback ones. */
export function listeningPorts(...tables: readonly string[]): Set<number> {
  const sockets = tables.flatMap(parseTable);
  const open = sockets.filter(({ address, state }) => state === LISTEN && !isLoopback(address));
  return new Set(open.map(({ port }) => port));
}

/** Connections to ports that something listens on, except those within the namespace. */
export function countInbound(...tables: readonly string[]): number {
  const sockets = tables.flatMap(parseTable);
  const listening = new Set<number>();
  for (const { port, state } of sockets) if (state === LISTEN) listening.add(port);
  return sockets.filter(
    ({ address, port, state }) => IN_USE.has(state) && listening.has(port) && !isLoopback(address),
  ).length;
}

function parseTable(text: string): Socket[] {
  return text.split('\n').flatMap((line) => {
    const [, local = '', , state = ''] = line.trim().split(/\s+/);
    const [address = '', port = ''] = local.split(':');
    if (!/^[0-9A-F]+$/.test(address) || !/^[0-9A-F]{4}$/.test(port)) return [];
    return [{ address, port: parseInt(port, 16), state: parseInt(state, 16) }];
  });
}

/** Addresses are shown as words in the machine's byte order; tsswarm runs on little-endian machines. */
function isLoopback(address: string): boolean {
  if (address.length === 8) return address.endsWith('7F');
  const mapped = '0000000000000000FFFF0000';
  if (address.startsWith(mapped)) return address.endsWith('7F');
  return address === `${'0'.repeat(24)}01000000`;
}
