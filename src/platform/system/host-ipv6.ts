// The host's IPv6: whether the kernel has it, and what forwarding would take away from it.
import { existsSync } from 'node:fs';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { ifPresent } from '../../base/index.ts';

export const FORWARDING_IPV6 = 'ipv6/conf/all/forwarding';

/** Whether the kernel has IPv6 at all. */
export function hasIpv6(): boolean {
  return existsSync('/proc/net/if_inet6');
}

/**
 * A host that forwards no longer listens to routers, and loses its default route, unless it is told
 * to go on (2). Only what listens now (1) is told so, and nothing once forwarding is on.
 */
export async function keepRouterAdvertisements(): Promise<void> {
  const root = '/proc/sys/net/ipv6/conf';
  const value = async (path: string): Promise<string> =>
    ((await ifPresent(readFile(path, 'utf8'))) ?? '').trim();
  if ((await value(`/proc/sys/net/${FORWARDING_IPV6}`)) !== '0') return;
  for (const device of await readdir(root)) {
    const path = `${root}/${device}/accept_ra`;
    // A device may be gone by now.
    if ((await value(path)) === '1') await ifPresent(writeFile(path, '2'));
  }
}
