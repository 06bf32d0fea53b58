// Addresses of managers as Node's sockets want them.

/** Of "host:port", the host of IPv6 in brackets; port 0, where nobody listens, for what is none. */
export function endpointOf(address: string): { host: string; port: number } {
  const at = address.lastIndexOf(':');
  const host = address.slice(0, Math.max(at, 0)).replace(/^\[(.*)\]$/u, '$1');
  const port = Number(address.slice(at + 1));
  return { host, port: Number.isInteger(port) && port > 0 && port < 65_536 ? port : 0 };
}
