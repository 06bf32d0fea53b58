// What a namespace holds as a few bytes: the number of the last nftables transaction and a digest of
// links, addresses, routes, neighbours and rules. Reading it again is cheap, however much there is.
import type { Fingerprint } from '../../overlay/kernel/index.ts';
import { NETLINK_NETFILTER } from './conntrack.ts';
import type { NativeResult, NativeStep, NetlinkMessage } from '../system/index.ts';
import { AttributeWriter, readAttributes, readMessages } from './netlink-attributes.ts';
import { AF_INET, AF_INET6, NETLINK_ROUTE, RTM, dump, dumpForwarding } from './rtnetlink.ts';

/** include/uapi/linux/netfilter/nf_tables.h: NFT_MSG_GETGEN of the subsystem nftables. */
const GET_GENERATION = 0x0a10;
const REQUEST = 1;
const ACK = 4;
const NFGEN_HEADER = 4;
const NFTA_GEN_ID = 1;

/** The steps that read it; their results go to `fingerprintOf`. */
export function fingerprintSteps(objects: boolean): NativeStep[] {
  const generation = new AttributeWriter(GET_GENERATION, REQUEST | ACK);
  generation.raw(new Uint8Array(NFGEN_HEADER));
  const first: NativeStep = {
    step: 'netlink',
    protocol: NETLINK_NETFILTER,
    message: generation.finish(),
  };
  if (!objects) return [first];
  const kinds = [RTM.GETADDR, RTM.GETROUTE, RTM.GETNEIGH, RTM.GETRULE];
  const dumps: NetlinkMessage[] = [
    dump(RTM.GETLINK, 0),
    dumpForwarding(),
    ...kinds.flatMap((kind) => [dump(kind, AF_INET), dump(kind, AF_INET6)]),
  ];
  return [
    first,
    ...dumps.map((message) => ({ step: 'digest', protocol: NETLINK_ROUTE, message }) as const),
  ];
}

/** A part that could not be read is another one each time: whoever compares looks closer. */
export function fingerprintOf(results: readonly NativeResult[], now: number): Fingerprint {
  const [generation, ...digests] = results;
  const [answer] = generation?.errno === 0 ? readMessages(generation.data) : [];
  const id = answer && readAttributes(answer.body, NFGEN_HEADER).get(NFTA_GEN_ID);
  const parts = digests.map(({ errno, data }) => (errno === 0 ? data.toString('hex') : `${now}`));
  return {
    generation: id === undefined || id.length < 4 ? undefined : id.readUInt32BE(0),
    objects: digests.length === 0 ? undefined : parts.join(' '),
  };
}
