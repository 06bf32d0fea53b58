// Takes rtnetlink dumps apart: the objects that the overlay may have made, and what of the host's
// network it has to look at.
import { LINK_DOWN, type HostNetwork, type KernelObject } from '../../overlay/kernel/index.ts';
import {
  addressOfBytes,
  macOfBytes,
  readAttributes,
  readMessages,
  textOfBytes,
} from './netlink-attributes.ts';
import { AF_INET, AF_INET6, OUR_PROTOCOL } from './rtnetlink.ts';

const LINK_HEADER = 16;
const ADDRESS_HEADER = 8;
const ROUTE_HEADER = 12;
const NEIGHBOUR_HEADER = 12;
const RULE_HEADER = 12;
const RTN_UNICAST = 1;
const RTN_UNREACHABLE = 7;
const NUD_PERMANENT = 0x80;
const LOOPBACK_INDEX = 1;
const IFF_UP = 1;
const NO_MAC = '00:00:00:00:00:00';
const NO_ADDRESS = '0.0.0.0';

export interface ReadLink {
  readonly index: number;
  readonly name: string;
  readonly mtu: number;
  /** Present for kinds of links that the overlay makes. */
  readonly object: KernelObject | undefined;
}

export function readLinks(data: Buffer): ReadLink[] {
  const links: ReadLink[] = [];
  for (const { body } of readMessages(data)) {
    const attributes = readAttributes(body, LINK_HEADER);
    const name = textOfBytes(attributes.get(3) ?? Buffer.alloc(0));
    const mtu = number(attributes.get(4));
    const info = readAttributes(attributes.get(18) ?? Buffer.alloc(0), 0);
    const mac = macOfBytes(attributes.get(1) ?? Buffer.alloc(0));
    const kind = textOfBytes(info.get(1) ?? Buffer.alloc(0));
    // One that is down needs a change in any case, which brings it up.
    const up = (body.readUInt32LE(8) & IFF_UP) !== 0;
    const object = linkObject(kind, { name, mtu: up ? mtu : LINK_DOWN, mac }, info.get(2));
    links.push({ index: body.readInt32LE(4), name, mtu, object });
  }
  return links;
}

function linkObject(
  kind: string,
  common: { name: string; mtu: number; mac: string },
  data: Buffer | undefined,
): KernelObject | undefined {
  if (kind === 'veth') return { kind, ...common };
  if (kind !== 'vxlan' || data === undefined) return undefined;
  const values = readAttributes(data, 0);
  const port = values.get(15);
  const vxlan = {
    vni: number(values.get(1)),
    port: port === undefined ? 0 : port.readUInt16BE(0),
    local: addressOfBytes(values.get(4) ?? values.get(17) ?? Buffer.alloc(0)),
  };
  return { kind, ...common, vxlan };
}

export interface ReadAddress {
  readonly index: number;
  /** With prefix length. */
  readonly address: string;
}

export function readAddresses(data: Buffer): ReadAddress[] {
  const addresses: ReadAddress[] = [];
  for (const { body } of readMessages(data)) {
    if (!isInternet(body)) continue;
    const attributes = readAttributes(body, ADDRESS_HEADER);
    const local = attributes.get(2) ?? attributes.get(1);
    if (local === undefined) continue;
    addresses.push({ index: body.readInt32LE(4), address: `${addressOfBytes(local)}/${body[1]}` });
  }
  return addresses;
}

export function readOurRoutes(data: Buffer, nameOf: (index: number) => string): KernelObject[] {
  const routes: KernelObject[] = [];
  for (const { body } of readMessages(data)) {
    if (!isInternet(body) || body[5] !== OUR_PROTOCOL) continue;
    const attributes = readAttributes(body, ROUTE_HEADER);
    const type = body[7];
    if (type !== RTN_UNICAST && type !== RTN_UNREACHABLE) continue;
    const gateway = attributes.get(5);
    const device = attributes.get(4);
    routes.push({
      kind: 'route',
      destination: destinationOf(body, attributes),
      table: number(attributes.get(15)) || (body[4] ?? 0),
      ...(type === RTN_UNICAST && device ? { device: nameOf(number(device)) } : {}),
      ...(gateway ? { via: addressOfBytes(gateway) } : {}),
    });
  }
  return routes;
}

/** Unicast routes of anybody else, without the default route. */
export function readForeignRoutes(data: Buffer, nameOf: (index: number) => string): HostNetwork[] {
  const routes: HostNetwork[] = [];
  for (const { body } of readMessages(data)) {
    if (!isInternet(body) || body[5] === OUR_PROTOCOL || body[7] !== RTN_UNICAST) continue;
    if (body[1] === 0) continue;
    const attributes = readAttributes(body, ROUTE_HEADER);
    const device = nameOf(number(attributes.get(4)));
    const routed = attributes.has(5) || attributes.has(18);
    const destination = destinationOf(body, attributes);
    routes.push(routed ? { destination, device, routed } : { destination, device });
  }
  return routes;
}

function destinationOf(body: Buffer, attributes: Map<number, Buffer>): string {
  const bytes = attributes.get(1);
  const none = body[0] === AF_INET6 ? '::' : NO_ADDRESS;
  return `${bytes === undefined ? none : addressOfBytes(bytes)}/${body[1]}`;
}

export function readNeighbours(data: Buffer, nameOf: (index: number) => string): KernelObject[] {
  const neighbours: KernelObject[] = [];
  for (const { body } of readMessages(data)) {
    const index = body.readInt32LE(4);
    if (!isInternet(body) || index === LOOPBACK_INDEX) continue;
    if ((body.readUInt16LE(8) & NUD_PERMANENT) === 0) continue;
    const attributes = readAttributes(body, NEIGHBOUR_HEADER);
    const address = attributes.get(1);
    const mac = attributes.get(2);
    if (address === undefined || mac === undefined) continue;
    neighbours.push({
      kind: 'neighbour',
      device: nameOf(index),
      address: addressOfBytes(address),
      mac: macOfBytes(mac),
    });
  }
  return neighbours;
}

export function readForwarding(data: Buffer, nameOf: (index: number) => string): KernelObject[] {
  const entries: KernelObject[] = [];
  for (const { body } of readMessages(data)) {
    const attributes = readAttributes(body, NEIGHBOUR_HEADER);
    const destination = attributes.get(1);
    const mac = attributes.get(2);
    if (destination === undefined || ![4, 16].includes(destination.length)) continue;
    if (mac === undefined || macOfBytes(mac) === NO_MAC) continue;
    entries.push({
      kind: 'fdb',
      device: nameOf(body.readInt32LE(4)),
      mac: macOfBytes(mac),
      destination: addressOfBytes(destination),
    });
  }
  return entries;
}

export function readOurRules(data: Buffer): KernelObject[] {
  const rules: KernelObject[] = [];
  for (const { body } of readMessages(data)) {
    const attributes = readAttributes(body, RULE_HEADER);
    if (attributes.get(21)?.[0] !== OUR_PROTOCOL) continue;
    const from = attributes.get(2);
    const mark = attributes.get(10);
    rules.push({
      kind: 'rule',
      priority: number(attributes.get(6)),
      table: number(attributes.get(15)),
      ...(from ? { from: addressOfBytes(from) } : {}),
      ...(!from && body[0] === AF_INET6 ? { ipv6: true } : {}),
      ...(mark ? { mark: { value: number(mark), mask: number(attributes.get(16)) } } : {}),
    });
  }
  return rules;
}

function number(bytes: Buffer | undefined): number {
  return bytes !== undefined && bytes.length >= 4 ? bytes.readUInt32LE(0) : 0;
}

function isInternet(body: Buffer): boolean {
  return body[0] === AF_INET || body[0] === AF_INET6;
}
