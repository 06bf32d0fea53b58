// The wire between the hosts: a bridge in a network namespace of its own, out of reach of the machine's
// firewall. A partition is a second bridge that some ports are moved to.
import { writeFile } from 'node:fs/promises';
import { ipIn, run } from './command.ts';
import type { LabPaths } from './paths.ts';

/** Every lab has the same addresses: nothing of them shows outside. */
export const CLIENT_ADDRESS = '10.66.0.254';
const PREFIX = 24;

export function hostAddress(index: number): string {
  return `10.66.0.${10 + index}`;
}

/** Of a machine with Docker: its firewall looks at what a bridge passes on. A switch has none. */
const BRIDGE_FILTERS = ['iptables', 'ip6tables', 'arptables'];

const port = (host: string): string => `v-${host}`;

export async function createBridge(lab: LabPaths): Promise<void> {
  await writeFile(lab.bridge, '');
  await run('unshare', `--net=${lab.bridge}`, 'true');
  await ipIn(lab.bridge, 'link', 'set', 'lo', 'up');
  await ipIn(lab.bridge, 'link', 'add', 'br0', 'type', 'bridge');
  for (const filter of BRIDGE_FILTERS) {
    const off = `net.bridge.bridge-nf-call-${filter}=0`;
    await run('nsenter', `--net=${lab.bridge}`, 'sysctl', '-qew', off);
  }
  await ipIn(lab.bridge, 'link', 'set', 'br0', 'up');
  await ipIn(lab.bridge, 'addr', 'add', `${CLIENT_ADDRESS}/${PREFIX}`, 'dev', 'br0');
}

/** Plugs a host in; `initPid` holds its network namespace. */
export async function plugIn(
  lab: LabPaths,
  host: string,
  initPid: number,
  address: string,
): Promise<void> {
  const { bridge } = lab;
  await ipIn(bridge, 'link', 'delete', port(host)).catch(() => '');
  await ipIn(
    bridge,
    'link',
    'add',
    port(host),
    'type',
    'veth',
    'peer',
    'name',
    'eth0',
    'netns',
    String(initPid),
  );
  await ipIn(bridge, 'link', 'set', port(host), 'master', 'br0', 'up');
  const inside = `/proc/${initPid}/ns/net`;
  await ipIn(inside, 'link', 'set', 'lo', 'up');
  await ipIn(inside, 'addr', 'add', `${address}/${PREFIX}`, 'dev', 'eth0');
  await ipIn(inside, 'link', 'set', 'eth0', 'up');
  await ipIn(inside, 'route', 'add', 'default', 'via', CLIENT_ADDRESS);
}

/** Cuts the link without a word to anybody, as a pulled cable does. */
export async function cutLink(lab: LabPaths, host: string): Promise<void> {
  await ipIn(lab.bridge, 'link', 'set', port(host), 'down');
}

/** Puts the hosts of each side on a bridge of their own; side 0 is br0. */
export async function placeOnSide(lab: LabPaths, host: string, side: number): Promise<void> {
  const name = `br${side}`;
  if (side > 0) {
    await ipIn(lab.bridge, 'link', 'add', name, 'type', 'bridge').catch(() => '');
    await ipIn(lab.bridge, 'link', 'set', name, 'up');
  }
  await ipIn(lab.bridge, 'link', 'set', port(host), 'master', name);
}

export async function removeBridge(lab: LabPaths): Promise<void> {
  await run('umount', lab.bridge).catch(() => '');
}
