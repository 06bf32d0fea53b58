// Messages of the connection tracker (include/uapi/linux/netfilter/nfnetlink_conntrack.h): list the
// connections whose replies come from an address, and delete them one by one.
import {
  AttributeWriter,
  addressOfBytes,
  bytesOfAddress,
  readAttributes,
} from './netlink-attributes.ts';
import { readMessages } from './netlink-attributes.ts';
import type { NetlinkMessage } from './native.ts';

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
const TUPLE_IP = 1;
const IP_V4_SOURCE = 1;
const IP_V6_SOURCE = 3;
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

/** One deletion for each listed connection whose replies come from one of `sources`. */
export function deletionsOf(listed: Buffer, sources: ReadonlySet<string>): NetlinkMessage[] {
  const deletions: NetlinkMessage[] = [];
  for (const { body } of readMessages(listed)) {
    const attributes = readAttributes(body, NFGEN_HEADER);
    const orig = attributes.get(TUPLE_ORIG);
    const reply = attributes.get(TUPLE_REPLY);
    if (orig === undefined || reply === undefined) continue;
    const ip = readAttributes(readAttributes(reply, 0).get(TUPLE_IP) ?? Buffer.alloc(0), 0);
    const source = ip.get(IP_V4_SOURCE) ?? ip.get(IP_V6_SOURCE);
    if (source === undefined || !sources.has(addressOfBytes(source))) continue;
    const message = new AttributeWriter(CT_DELETE, REQUEST | ACK);
    message.raw(Uint8Array.of(source.length === 16 ? AF_INET6 : AF_INET, 0, 0, 0));
    // By reply, whose zone is the default one also where the original direction has another.
    message.nest(TUPLE_REPLY, () => message.raw(reply));
    const id = attributes.get(CTA_ID);
    if (id !== undefined) message.bytes(CTA_ID, id);
    const zone = attributes.get(CTA_ZONE);
    if (zone !== undefined) message.bytes(CTA_ZONE, zone);
    deletions.push(message.finish());
  }
  return deletions;
}
