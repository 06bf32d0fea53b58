// "0.0.0.0:2377" and "[::]:2377" as Node's servers want them.
import { SwarmError } from '../../base/index.ts';

/** Raises `invalid` for what is no host and port. */
export function parseListen(address: string): { host: string; port: number } {
  const at = address.lastIndexOf(':');
  const host = address.slice(0, Math.max(at, 0)).replace(/^\[(.*)\]$/, '$1');
  const port = Number(address.slice(at + 1));
  if (at < 1 || host === '' || !Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new SwarmError('invalid', `cannot listen on "${address}": use host:port`);
  }
  return { host, port };
}
