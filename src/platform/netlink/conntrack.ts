// Messages of the connection tracker (include/uapi/linux/netfilter/nfnetlink_conntrack.h): list the
// connections whose replies come from an address, or flows to a port, delete them one by one, and tell
// their clients.
import {
  AttributeWriter,
  addressOfBytes,
  bytesOfAddress,
  readAttributes,
  readMessages,
} from './netlink-attributes.ts';
import type { FlowTarget } from '../../overlay/kernel/index.ts';
import type { NetlinkMessage } from '../system/index.ts';
import type { TcpEnd } from './tcp-probe.ts';

export const NETLINK_NETFILTER = 12;

const AF_INET = 2;
const AF_INET6 = 10;
const CT_GET = 0x0101;
const CT_DELETE = 0x0102;
const REQUEST = 1;
const ACK = 4;
const DUMP = 0x300;
const TUPLE_ORIG = 1;
const TUPLE_REPLY = 2;
const CTA_ID = 12;
const CTA_ZONE = 18;
const CTA_FILTER = 25;
const FILTER_ORIG_FLAGS = 1;
const FILTER_REPLY_FLAGS = 2;
const FILTER_IP_SOURCE = 1;
const FILTER_PROTOCOL = 1 << 3;
const FILTER_DESTINATION_PORT = 1 << 5;
const UDP = 17;
const TUPLE_IP = 1;
const TUPLE_PROTOCOL = 2;
const IP_V4_SOURCE = 1;
const IP_V4_DESTINATION = 2;
const IP_V6_SOURCE = 3;
const IP_V6_DESTINATION = 4;
const PROTOCOL_NUMBER = 1;
const SOURCE_PORT = 2;
const DESTINATION_PORT = 3;
const PROTOCOL_INFO = 4;
const PROTOCOL_INFO_TCP = 1;
const TCP_STATE = 1;
/** Established, or closed on one side. */
const OPEN_STATES: ReadonlySet<number> = new Set([3, 4, 5]);
const NFGEN_HEADER = 4;

/**
 * Lists connections, those of both families without a `source`; with one the kernel (5.8 and later)
 * sends only those of that address.
 */
export function listConnections(source: string | undefined): NetlinkMessage {
  const message = new AttributeWriter(CT_GET, REQUEST | DUMP);
  const ipv6 = source?.includes(':') === true;
  const one = ipv6 ? AF_INET6 : AF_INET;
  message.raw(Uint8Array.of(source === undefined ? 0 : one, 0, 0, 0));
  if (source !== undefined) {
    const type = ipv6 ? IP_V6_SOURCE : IP_V4_SOURCE;
    message.nest(TUPLE_REPLY, () => {
      message.nest(TUPLE_IP, () => message.bytes(type, bytesOfAddress(source)));
    });
    message.nest(CTA_FILTER, () => {
      message.u32(FILTER_ORIG_FLAGS, 0);
      message.u32(FILTER_REPLY_FLAGS, FILTER_IP_SOURCE);
    });
  }
  return message.finish();
}

/** Lists UDP flows of both families to `port`; all connections without one. */
export function listFlows(port: number | undefined): NetlinkMessage[] {
  if (port === undefined) return [listConnections(undefined)];
  return [AF_INET, AF_INET6].map((family) => {
    const message = new AttributeWriter(CT_GET, REQUEST | DUMP);
    message.raw(Uint8Array.of(family, 0, 0, 0));
    message.nest(TUPLE_ORIG, () => {
      message.nest(TUPLE_PROTOCOL, () => {
        message.bytes(PROTOCOL_NUMBER, Uint8Array.of(UDP));
        message.bytes(DESTINATION_PORT, Uint8Array.of(port >> 8, port & 0xff));
      });
    });
    message.nest(CTA_FILTER, () => {
      message.u32(FILTER_ORIG_FLAGS, FILTER_PROTOCOL | FILTER_DESTINATION_PORT);
      message.u32(FILTER_REPLY_FLAGS, 0);
    });
    return message.finish();
  });
}

/**
 * One deletion for each listed UDP flow to one of the ports that is not translated: it is older than
 * the translation, which the tracker asks for with a flow's first packet alone.
 */
export function staleFlowsOf(listed: Buffer, targets: readonly FlowTarget[]): NetlinkMessage[] {
  const deletions: NetlinkMessage[] = [];
  for (const { body } of readMessages(listed)) {
    const attributes = readAttributes(body, NFGEN_HEADER);
    const orig = attributes.get(TUPLE_ORIG);
    if (orig === undefined) continue;
    const protocol = readAttributes(nested(orig, TUPLE_PROTOCOL), 0);
    if (protocol.get(PROTOCOL_NUMBER)?.[0] !== UDP) continue;
    const to = protocol.get(DESTINATION_PORT);
    const port = to?.length === 2 ? to.readUInt16BE(0) : undefined;
    const ip = readAttributes(nested(orig, TUPLE_IP), 0);
    const bytes = ip.get(IP_V4_DESTINATION) ?? ip.get(IP_V6_DESTINATION);
    const address = bytes && addressOfBytes(bytes);
    if (address === undefined || replySource(attributes) !== address) continue;
    const wanted = targets.some(
      (target) => target.port === port && (target.hostIp ?? address) === address,
    );
    const deletion = wanted ? deletionOf(attributes) : undefined;
    if (deletion !== undefined) deletions.push(deletion);
  }
  return deletions;
}

/** Clients of TCP connections that are open, as they see them: with the address that they asked for. */
export function clientsOf(
  listed: Buffer,
  sources: ReadonlySet<string>,
): { readonly client: TcpEnd; readonly server: TcpEnd }[] {
  const clients: { readonly client: TcpEnd; readonly server: TcpEnd }[] = [];
  for (const { body } of readMessages(listed)) {
    const attributes = readAttributes(body, NFGEN_HEADER);
    const orig = attributes.get(TUPLE_ORIG);
    if (orig === undefined || !sources.has(replySource(attributes) ?? '')) continue;
    const tcp = nested(attributes.get(PROTOCOL_INFO) ?? Buffer.alloc(0), PROTOCOL_INFO_TCP);
    if (!OPEN_STATES.has(readAttributes(tcp, 0).get(TCP_STATE)?.[0] ?? 0)) continue;
    const ip = readAttributes(nested(orig, TUPLE_IP), 0);
    const ports = readAttributes(nested(orig, TUPLE_PROTOCOL), 0);
    const source = ip.get(IP_V4_SOURCE) ?? ip.get(IP_V6_SOURCE);
    const destination = ip.get(IP_V4_DESTINATION) ?? ip.get(IP_V6_DESTINATION);
    const [from, to] = [ports.get(SOURCE_PORT), ports.get(DESTINATION_PORT)];
    if (!source || !destination || !from || !to) continue;
    clients.push({
      client: { address: addressOfBytes(source), port: from.readUInt16BE(0) },
      server: { address: addressOfBytes(destination), port: to.readUInt16BE(0) },
    });
  }
  return clients;
}

function nested(value: Buffer, type: number): Buffer {
  return readAttributes(value, 0).get(type) ?? Buffer.alloc(0);
}

function replySource(attributes: ReadonlyMap<number, Buffer>): string | undefined {
  const reply = attributes.get(TUPLE_REPLY);
  if (reply === undefined) return undefined;
  const ip = readAttributes(nested(reply, TUPLE_IP), 0);
  const source = ip.get(IP_V4_SOURCE) ?? ip.get(IP_V6_SOURCE);
  return source && addressOfBytes(source);
}

/** One deletion for each listed connection whose replies come from one of `sources`. */
export function deletionsOf(listed: Buffer, sources: ReadonlySet<string>): NetlinkMessage[] {
  const deletions: NetlinkMessage[] = [];
  for (const { body } of readMessages(listed)) {
    const attributes = readAttributes(body, NFGEN_HEADER);
    if (!sources.has(replySource(attributes) ?? '')) continue;
    const deletion = deletionOf(attributes);
    if (deletion !== undefined) deletions.push(deletion);
  }
  return deletions;
}

/** Undefined for what is no connection. */
function deletionOf(attributes: ReadonlyMap<number, Buffer>): NetlinkMessage | undefined {
  const reply = attributes.get(TUPLE_REPLY);
  const source = replySource(attributes);
  if (reply === undefined || source === undefined) return undefined;
  const message = new AttributeWriter(CT_DELETE, REQUEST | ACK);
  message.raw(Uint8Array.of(source.includes(':') ? AF_INET6 : AF_INET, 0, 0, 0));
  // By reply, whose zone is the default one also where the original direction has another.
  message.nest(TUPLE_REPLY, () => message.raw(reply));
  const id = attributes.get(CTA_ID);
  if (id !== undefined) message.bytes(CTA_ID, id);
  const zone = attributes.get(CTA_ZONE);
  if (zone !== undefined) message.bytes(CTA_ZONE, zone);
  return message.finish();
}
