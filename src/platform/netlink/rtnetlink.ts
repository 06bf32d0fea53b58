// Encodes and decodes the messages of rtnetlink for the kinds of objects that the overlay has
// (include/uapi/linux/rtnetlink.h, if_link.h, neighbour.h, fib_rules.h), in both families. Interfaces are
// named; the thread that sends a message fills in their numbers (`Patch`).
import type {
  Address,
  ForwardingEntry,
  Link,
  Neighbour,
  Route,
  Rule,
} from '../../overlay/kernel/index.ts';
import { AttributeWriter, bytesOfAddress, bytesOfMac } from './netlink-attributes.ts';
import type { NetlinkMessage } from '../system/index.ts';

export const NETLINK_ROUTE = 0;

/** Written into our routes, rules and neighbours, so that they can be told from others'. */
export const OUR_PROTOCOL = 99;

export const AF_INET = 2;
export const AF_INET6 = 10;
const AF_BRIDGE = 7;

export const RTM = {
  NEWLINK: 16,
  DELLINK: 17,
  GETLINK: 18,
  NEWADDR: 20,
  DELADDR: 21,
  GETADDR: 22,
  NEWROUTE: 24,
  DELROUTE: 25,
  GETROUTE: 26,
  NEWNEIGH: 28,
  DELNEIGH: 29,
  GETNEIGH: 30,
  NEWRULE: 32,
  DELRULE: 33,
  GETRULE: 34,
} as const;

const FLAG = {
  request: 1,
  ack: 4,
  dump: 0x300,
  replace: 0x100,
  exclusive: 0x200,
  create: 0x400,
} as const;

const IFF_UP = 1;
const IFA_F_NODAD = 0x02;
const IFA_F_NOPREFIXROUTE = 0x200;
const FOREVER = 0xffff_ffff;
const RT_SCOPE_LINK = 253;
const RTN_UNICAST = 1;
const RTN_UNREACHABLE = 7;
const RTNH_F_ONLINK = 4;
const NUD_PERMANENT = 0x80;
const NUD_NOARP = 0x40;
const NTF_SELF = 2;
const FR_ACT_TO_TBL = 1;

/** A message that asks for all objects of a kind. */
export function dump(type: number, family: number = AF_INET): NetlinkMessage {
  // The kernel checks strictly that the header has its kind's full length, with zeros.
  const lengths: Readonly<Record<number, number>> = {
    [RTM.GETLINK]: 16,
    [RTM.GETADDR]: 8,
    [RTM.GETROUTE]: 12,
    [RTM.GETNEIGH]: 12,
    [RTM.GETRULE]: 12,
  };
  const message = new AttributeWriter(type, FLAG.request | FLAG.dump);
  const body = new Uint8Array(lengths[type] ?? 16);
  body[0] = family;
  message.raw(body);
  return message.finish();
}

/** Asks for all forwarding entries of VXLAN devices. */
export function dumpForwarding(): NetlinkMessage {
  return dump(RTM.GETNEIGH, AF_BRIDGE);
}

/** Brings an existing link up or sets its MTU and MAC; `undefined` leaves a value. */
export function setLink(name: string, values: { mtu?: number; mac?: string }): NetlinkMessage {
  const message = new AttributeWriter(RTM.NEWLINK, FLAG.request | FLAG.ack);
  linkHeader(message, name);
  if (values.mac !== undefined) message.bytes(1, bytesOfMac(values.mac));
  if (values.mtu !== undefined) message.u32(4, values.mtu);
  return message.finish();
}

/** Makes a link; `paths` gives the namespaces that it or its other end goes to. */
export function createLink(link: Link, paths: { own?: string; peer?: string }): NetlinkMessage {
  const flags = FLAG.request | FLAG.ack | FLAG.create | FLAG.exclusive;
  const message = new AttributeWriter(RTM.NEWLINK, flags);
  linkHeader(message, undefined);
  linkAttributes(message, link.name, link.mac, link.mtu);
  if (paths.own !== undefined) namespaceAttribute(message, paths.own);
  message.nest(18, () => {
    message.text(1, link.kind);
    message.nest(2, () => {
      if (link.vxlan !== undefined) vxlanAttributes(message, link.vxlan);
      const peer = link.peer;
      if (peer !== undefined) {
        message.nest(1, () => {
          // The far end can't be brought up before this one is there.
          linkHeader(message, undefined, false);
          linkAttributes(message, peer.name, peer.mac, link.mtu);
          if (paths.peer !== undefined) namespaceAttribute(message, paths.peer);
        });
      }
    });
  });
  return message.finish();
}

export function deleteLink(name: string): NetlinkMessage {
  const message = new AttributeWriter(RTM.DELLINK, FLAG.request | FLAG.ack);
  linkHeader(message, name);
  return message.finish();
}

function linkHeader(message: AttributeWriter, name: string | undefined, up = true): void {
  const start = message.raw(new Uint8Array(16));
  if (!up) return;
  message.setU32(start + 8, IFF_UP);
  message.setU32(start + 12, IFF_UP);
  if (name !== undefined) message.patch(start + 4, 'interface', name);
}

function linkAttributes(message: AttributeWriter, name: string, mac: string, mtu: number): void {
  message.text(3, name);
  message.bytes(1, bytesOfMac(mac));
  message.u32(4, mtu);
}

function namespaceAttribute(message: AttributeWriter, path: string): void {
  const at = message.u32(28, 0);
  message.patch(at, 'namespace', path);
}

function vxlanAttributes(message: AttributeWriter, vxlan: NonNullable<Link['vxlan']>): void {
  message.u32(1, vxlan.vni);
  if (vxlan.local !== '') {
    message.bytes(isIpv6(vxlan.local) ? 17 : 4, bytesOfAddress(vxlan.local));
  }
  message.bytes(7, Uint8Array.of(0)); // learning
  message.bytes(15, Uint8Array.of(vxlan.port >> 8, vxlan.port & 255));
}

function change(set: boolean, newType: number, mode: number = FLAG.replace): AttributeWriter {
  const flags = FLAG.request | FLAG.ack;
  return new AttributeWriter(set ? newType : newType + 1, set ? flags | FLAG.create | mode : flags);
}

export function addressMessage(set: boolean, address: Address): NetlinkMessage {
  const message = change(set, RTM.NEWADDR);
  const [host = '', prefix = '32'] = address.address.split('/');
  const family = familyOf(host);
  const start = message.raw(Uint8Array.of(family, Number(prefix), 0, 0, 0, 0, 0, 0));
  message.patch(start + 4, 'interface', address.device);
  message.bytes(1, bytesOfAddress(host));
  message.bytes(2, bytesOfAddress(host));
  // Nobody else can have it: nothing is asked on the link before it is used.
  if (set) message.u32(8, IFA_F_NOPREFIXROUTE | (family === AF_INET6 ? IFA_F_NODAD : 0));
  if (set && address.deprecated === true) {
    const times = Buffer.alloc(16);
    times.writeUInt32LE(FOREVER, 4);
    message.bytes(6, times);
  }
  return message.finish();
}

/** `exclusive` refuses to replace a route with the same destination, whoever made it. */
export function routeMessage(set: boolean, route: Route, exclusive: boolean): NetlinkMessage {
  const message = change(set, RTM.NEWROUTE, exclusive ? FLAG.exclusive : FLAG.replace);
  const [host = '', prefix = '32'] = route.destination.split('/');
  const unicast = route.device !== undefined;
  const type = unicast ? RTN_UNICAST : RTN_UNREACHABLE;
  const scope = unicast && route.via === undefined ? RT_SCOPE_LINK : 0;
  const family = familyOf(host);
  const header = Uint8Array.of(family, Number(prefix), 0, 0, 0, OUR_PROTOCOL, scope, type);
  const start = message.raw(Uint8Array.of(...header, 0, 0, 0, 0));
  // Next hops in IPv6 are link-local, which are on the link by themselves.
  if (route.via !== undefined && family === AF_INET) message.setU32(start + 8, RTNH_F_ONLINK);
  if (prefix !== '0') message.bytes(1, bytesOfAddress(host));
  message.u32(15, route.table);
  if (route.via !== undefined) message.bytes(5, bytesOfAddress(route.via));
  if (route.device !== undefined) {
    message.patch(message.u32(4, 0), 'interface', route.device);
  }
  return message.finish();
}

export function neighbourMessage(set: boolean, neighbour: Neighbour): NetlinkMessage {
  const message = change(set, RTM.NEWNEIGH);
  neighbourHeader(message, familyOf(neighbour.address), NUD_PERMANENT, 0, neighbour.device);
  message.bytes(1, bytesOfAddress(neighbour.address));
  if (set) message.bytes(2, bytesOfMac(neighbour.mac));
  return message.finish();
}

export function forwardingMessage(set: boolean, entry: ForwardingEntry): NetlinkMessage {
  const message = change(set, RTM.NEWNEIGH);
  neighbourHeader(message, AF_BRIDGE, NUD_PERMANENT | NUD_NOARP, NTF_SELF, entry.device);
  message.bytes(2, bytesOfMac(entry.mac));
  if (set) message.bytes(1, bytesOfAddress(entry.destination));
  return message.finish();
}

function neighbourHeader(
  message: AttributeWriter,
  family: number,
  state: number,
  flags: number,
  device: string,
): void {
  const start = message.raw(
    Uint8Array.of(family, 0, 0, 0, 0, 0, 0, 0, state & 255, state >> 8, flags, 0),
  );
  message.patch(start + 4, 'interface', device);
}

export function ruleMessage(set: boolean, rule: Rule): NetlinkMessage {
  const flags = FLAG.request | FLAG.ack;
  const message = new AttributeWriter(
    set ? RTM.NEWRULE : RTM.DELRULE,
    set ? flags | FLAG.create | FLAG.exclusive : flags,
  );
  const ipv6 = rule.ipv6 === true || (rule.from !== undefined && isIpv6(rule.from));
  const family = ipv6 ? AF_INET6 : AF_INET;
  const sourceLength = rule.from === undefined ? 0 : ipv6 ? 128 : 32;
  message.raw(Uint8Array.of(family, 0, sourceLength, 0, 0, 0, 0, FR_ACT_TO_TBL, 0, 0, 0, 0));
  if (rule.from !== undefined) message.bytes(2, bytesOfAddress(rule.from));
  message.u32(6, rule.priority);
  if (rule.mark !== undefined) {
    message.u32(10, rule.mark.value);
    message.u32(16, rule.mark.mask);
  }
  message.u32(15, rule.table);
  message.bytes(21, Uint8Array.of(OUR_PROTOCOL));
  return message.finish();
}

function isIpv6(address: string): boolean {
  return address.includes(':');
}

function familyOf(address: string): number {
  return isIpv6(address) ? AF_INET6 : AF_INET;
}
