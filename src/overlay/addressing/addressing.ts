// Arithmetic on addresses and the numbers and names that hosts derive without asking anyone: tunnel
// addresses, MACs, marks, names of links and namespaces.
import { SwarmError } from '../../base/index.ts';
import { parseSubnet, subnetContains } from '../../model/index.ts';

/** The gateway's MAC on every task's link: the task's permanent neighbour. */
export const GATEWAY_MAC = '02:42:0a:00:00:01';
/** The host's and the sandbox's end of an uplink; both ends are alone on it. */
export const UPLINK_HOST_MAC = '02:42:0a:00:00:02';
export const UPLINK_SANDBOX_MAC = '02:42:0a:00:00:03';
/** Unnumbered uplinks share these two addresses. */
export const UPLINK_HOST_ADDRESS = '198.18.255.254';
export const UPLINK_SANDBOX_ADDRESS = '198.18.255.253';
/** The next hop of replies to other hosts' clients; the egress hook puts in the real MAC. */
export const WAY_BACK_ADDRESS = '198.18.255.250';
export const WAY_BACK_MAC = '02:42:0a:63:ff:fe';
/** Greatest host number: the tunnel addresses above are taken, zone 65535 is the uplink's. */
export const MAX_HOST_NUMBER = 0xff_00;
/** Set in marks of connections that came in through another host, beside that host's number. */
export const WAY_BACK_FLAG = 0x1_0000;
export const UPLINK_ZONE = 0xffff;

/** Tunnel address of a host on every network. */
export function tunnelAddress(hostNumber: number): string {
  return `198.18.${hostNumber >> 8}.${hostNumber & 255}`;
}

/** MAC of a host's VXLAN link. */
export function tunnelMac(hostNumber: number): string {
  return `02:42:0a:63:${hexByte(hostNumber >> 8)}:${hexByte(hostNumber & 255)}`;
}

/** MAC of a task's interface, from its address. */
export function taskMac(address: string): string {
  return `02:42:${address
    .split('.')
    .map((part) => hexByte(Number(part)))
    .join(':')}`;
}

/** The address as an unsigned number; NaN for anything that is not IPv4. */
export function addressNumber(address: string): number {
  const parts = address.split('.').map(Number);
  if (parts.length !== 4 || parts.some((part) => !(part >= 0 && part <= 255))) return Number.NaN;
  return parts.reduce((sum, part) => sum * 256 + part, 0);
}

export function numberAddress(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
}

export interface Subnet {
  readonly first: number;
  readonly last: number;
}

/** First and last address of "10.0.1.0/24"; undefined for anything that is not IPv4. */
export function subnetRange(subnet: string): Subnet | undefined {
  const [address = '', prefix = '32'] = subnet.split('/');
  const value = addressNumber(address);
  const length = Number(prefix);
  if (Number.isNaN(value) || !(length >= 0 && length <= 32)) return undefined;
  const size = 2 ** (32 - length);
  const first = Math.floor(value / size) * size;
  return { first, last: first + size - 1 };
}

export function contains(subnet: string, address: string): boolean {
  if (isIpv6(subnet)) return subnetContains(parseSubnet(subnet, { anyHost: true }), address);
  const range = subnetRange(subnet);
  const value = addressNumber(address);
  return range !== undefined && value >= range.first && value <= range.last;
}

export function overlaps(left: string, right: string): boolean {
  const a = subnetRange(left);
  const b = subnetRange(right);
  return a !== undefined && b !== undefined && a.first <= b.last && b.first <= a.last;
}

/** Without the prefix length. */
export function bareAddress(address: string): string {
  return address.split('/')[0] ?? address;
}

export function isIpv6(address: string): boolean {
  return address.includes(':');
}

const IPV4_TEXT = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$|\/)|(?=$|\/))){4}(?:\/|$)/u;

/** Asked for every address of every endpoint: without taking it apart. */
export function isIpv4(address: string): boolean {
  return IPV4_TEXT.test(address);
}

/** Asked for again with every pass over the tasks here. */
const shortNames = new Map<string, string>();
const SHORT_NAMES_MAX = 10_000;

/** Ten letters and digits that stand for an id where names are short; the same on every host. */
export function shortName(id: string): string {
  const known = shortNames.get(id);
  if (known !== undefined) return known;
  if (shortNames.size >= SHORT_NAMES_MAX) shortNames.clear();
  const made = hashName(id);
  shortNames.set(id, made);
  return made;
}

function hashName(id: string): string {
  // FNV-1a, 64 bits: names need spreading, not secrecy.
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(id)) {
    hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffff_ffff_ffff_ffffn;
  }
  return hash.toString(36).padStart(13, '0').slice(-10);
}

/** The link in a sandbox that leads to a task. */
export function taskLink(taskId: string): string {
  return `t${shortName(taskId)}`;
}

export function taskNamespace(taskId: string): string {
  return `t-${taskId}`;
}

/** Undefined for what is no task's. */
export function taskOfNamespace(namespace: string): string | undefined {
  return namespace.startsWith('t-') ? namespace.slice(2) : undefined;
}

export function networkNamespace(networkId: string): string {
  return `n-${networkId}`;
}

/** The link in the host's namespace that leads to a sandbox; interface names end at 15 characters. */
export function uplinkName(instance: string, networkId: string): string {
  return `${instance}-${shortName(networkId).slice(-8)}`;
}

function hexByte(value: number): string {
  return value.toString(16).padStart(2, '0');
}

/** Fails unless the instance's tag fits into interface names: 1 to 6 small letters and digits. */
export function checkInstance(instance: string): void {
  if (/^[a-z][a-z0-9]{0,5}$/u.test(instance)) return;
  throw new SwarmError(
    'invalid',
    `instance "${instance}": 1 to 6 small letters and digits, the first a letter`,
  );
}
