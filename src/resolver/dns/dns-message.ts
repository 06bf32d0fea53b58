// The part of the DNS wire format (RFC 1035, EDNS size of RFC 6891) that a resolver of container
// names needs: one question in, addresses or one name out. Anything else is forwarded as it came.
import { ipv6Number, ipv6Text } from '../../model/index.ts';

export const DNS_TYPE = { A: 1, PTR: 12, AAAA: 28, SRV: 33, OPT: 41 } as const;
export const RCODE = { ok: 0, formatError: 1, serverFailure: 2, noName: 3, refused: 5 } as const;

const CLASS_INTERNET = 1;
const HEADER_BYTES = 12;
const MAX_NAME_BYTES = 255;
const MIN_UDP_BYTES = 512;
/** What we send at most over UDP, whatever the asker says it takes. */
const MAX_UDP_BYTES = 1232;

const FLAG_RESPONSE = 0x8000;
const FLAG_TRUNCATED = 0x0200;
const FLAG_RECURSION_DESIRED = 0x0100;
const FLAG_RECURSION_AVAILABLE = 0x0080;
const OPCODE_MASK = 0x7800;
/** A pointer to the question's name, which stands right behind the header. */
const OWNER_OF_QUESTION = Uint8Array.of(0xc0, 0x0c);

/** Root name, type OPT, the size that we take, no flags, no options. */
const OPT_RECORD = Uint8Array.of(
  0,
  0,
  41,
  MAX_UDP_BYTES >> 8,
  MAX_UDP_BYTES & 255,
  0,
  0,
  0,
  0,
  0,
  0,
);

export interface DnsQuestion {
  readonly id: number;
  readonly flags: number;
  /** In small letters, without the closing dot. */
  readonly name: string;
  readonly type: number;
  readonly internet: boolean;
  /** The question section, to be repeated in the answer. */
  readonly section: Uint8Array;
  /** Bytes that the asker takes over UDP. */
  readonly udpBytes: number;
  /** The asker knows EDNS: then the answer says so, too. */
  readonly edns: boolean;
}

export interface DnsService {
  readonly port: number;
  readonly target: string;
  /** Given along, so that nobody has to ask again. */
  readonly addresses: readonly string[];
}

export interface DnsAnswer {
  readonly rcode: number;
  readonly addresses?: readonly string[];
  readonly pointer?: string;
  readonly services?: readonly DnsService[];
  readonly ttlSeconds?: number;
}

/** Undefined for what is not a plain query with one question. */
export function parseQuestion(message: Uint8Array): DnsQuestion | undefined {
  if (message.length < HEADER_BYTES) return undefined;
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  const flags = view.getUint16(2);
  if ((flags & (FLAG_RESPONSE | OPCODE_MASK)) !== 0 || view.getUint16(4) !== 1) return undefined;
  const name = readName(message, HEADER_BYTES);
  if (name === undefined || name.end + 4 > message.length) return undefined;
  const end = name.end + 4;
  return {
    id: view.getUint16(0),
    flags,
    name: name.text.toLowerCase(),
    type: view.getUint16(name.end),
    internet: view.getUint16(name.end + 2) === CLASS_INTERNET,
    section: message.subarray(HEADER_BYTES, end),
    ...extension(view, end),
  };
}

/** The whole message; over UDP it is cut to what the asker takes, who then comes by TCP. */
export function encodeAnswer(question: DnsQuestion, answer: DnsAnswer, udp: boolean): Uint8Array {
  const records = [
    ...(answer.addresses ?? []).map((address) => addressRecord(address, answer)),
    ...(answer.pointer === undefined
      ? []
      : [record(DNS_TYPE.PTR, encodeName(answer.pointer), answer)]),
    ...(answer.services ?? []).map((service) =>
      record(DNS_TYPE.SRV, serviceBytes(service), answer),
    ),
  ];
  const limit = udp ? Math.min(Math.max(question.udpBytes, MIN_UDP_BYTES), MAX_UDP_BYTES) : 0xffff;
  const tail = question.edns ? [OPT_RECORD] : [];
  let size = HEADER_BYTES + question.section.length + tail.length * OPT_RECORD.length;
  const fitting = records.filter((bytes) => (size += bytes.length) <= limit);
  const truncated = fitting.length < records.length ? FLAG_TRUNCATED : 0;
  // What is only given along is left out where there is no room for it: that is no truncation.
  const along = truncated === 0 ? addressesOf(answer) : [];
  const more = along.filter((bytes) => (size += bytes.length) <= limit);
  const header = new Uint8Array(HEADER_BYTES);
  const view = new DataView(header.buffer);
  view.setUint16(0, question.id);
  const kept = question.flags & FLAG_RECURSION_DESIRED;
  view.setUint16(2, FLAG_RESPONSE | FLAG_RECURSION_AVAILABLE | kept | truncated | answer.rcode);
  view.setUint16(4, 1);
  view.setUint16(6, fitting.length);
  view.setUint16(10, more.length + tail.length);
  return concat([header, question.section, ...fitting, ...more, ...tail]);
}

/** The address of either family that a reverse name asks for. */
export function reverseAddress(name: string): string | undefined {
  const four = /^(\d+)\.(\d+)\.(\d+)\.(\d+)\.in-addr\.arpa$/u.exec(name);
  if (four) return `${four[4]}.${four[3]}.${four[2]}.${four[1]}`;
  const six = /^((?:[0-9a-f]\.){32})ip6\.arpa$/u.exec(name)?.[1];
  if (six === undefined) return undefined;
  const digits = six.split('.').reverse().join('');
  return ipv6Text(BigInt(`0x${digits}`));
}

/** True when `reply` answers `query`: same number and question. */
export function answers(reply: Uint8Array, query: Uint8Array): boolean {
  if (reply.length < HEADER_BYTES || query.length < HEADER_BYTES) return false;
  if (reply[0] !== query[0] || reply[1] !== query[1] || ((reply[2] ?? 0) & 0x80) === 0)
    return false;
  const name = readName(query, HEADER_BYTES);
  if (name === undefined || reply.length < name.end + 4) return false;
  return query
    .subarray(HEADER_BYTES, name.end + 4)
    .every((byte, index) => lower(byte) === lower(reply[HEADER_BYTES + index] ?? 0));
}

function lower(byte: number): number {
  return byte >= 65 && byte <= 90 ? byte + 32 : byte;
}

function readName(message: Uint8Array, start: number): { text: string; end: number } | undefined {
  const labels: string[] = [];
  let at = start;
  while (at - start <= MAX_NAME_BYTES) {
    const length = message[at];
    // Questions hold no pointers: there is nothing before them to point to.
    if (length === undefined || length > 63) return undefined;
    at++;
    if (length === 0) return { text: labels.join('.'), end: at };
    if (at + length > message.length) return undefined;
    labels.push(String.fromCharCode(...message.subarray(at, at + length)));
    at += length;
  }
  return undefined;
}

/** What the OPT record says, when it is the first record behind the question. */
function extension(view: DataView, at: number): Pick<DnsQuestion, 'udpBytes' | 'edns'> {
  const none = { udpBytes: MIN_UDP_BYTES, edns: false };
  const additional = view.getUint16(10);
  if (additional === 0 || at + 5 > view.byteLength || view.getUint8(at) !== 0) return none;
  if (view.getUint16(at + 1) !== DNS_TYPE.OPT) return none;
  return { udpBytes: view.getUint16(at + 3), edns: true };
}

function addressRecord(address: string, answer: DnsAnswer, owner?: Uint8Array): Uint8Array {
  const type = address.includes(':') ? DNS_TYPE.AAAA : DNS_TYPE.A;
  return record(type, addressBytes(address), answer, owner);
}

function addressesOf(answer: DnsAnswer): Uint8Array[] {
  return (answer.services ?? []).flatMap(({ target, addresses }) =>
    addresses.map((address) => addressRecord(address, answer, encodeName(target))),
  );
}

/** Priority and weight are the same for all. */
function serviceBytes({ port, target }: DnsService): Uint8Array {
  return Uint8Array.of(0, 0, 0, 0, port >> 8, port & 255, ...encodeName(target));
}

function record(
  type: number,
  data: Uint8Array,
  { ttlSeconds = 0 }: DnsAnswer,
  owner: Uint8Array = OWNER_OF_QUESTION,
): Uint8Array {
  const bytes = new Uint8Array(owner.length + 10 + data.length);
  const view = new DataView(bytes.buffer, owner.length);
  bytes.set(owner);
  view.setUint16(0, type);
  view.setUint16(2, CLASS_INTERNET);
  view.setUint32(4, ttlSeconds);
  view.setUint16(8, data.length);
  bytes.set(data, owner.length + 10);
  return bytes;
}

function addressBytes(address: string): Uint8Array {
  const value = address.includes(':') ? ipv6Number(address) : undefined;
  if (value !== undefined) {
    const bytes = new Uint8Array(16);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(0, value >> 64n);
    view.setBigUint64(8, value & 0xffff_ffff_ffff_ffffn);
    return bytes;
  }
  return Uint8Array.from(address.split('.'), Number);
}

function encodeName(name: string): Uint8Array {
  const parts: number[] = [];
  for (const label of name.split('.')) {
    const bytes = new TextEncoder().encode(label).subarray(0, 63);
    if (bytes.length > 0) parts.push(bytes.length, ...bytes);
  }
  parts.push(0);
  return Uint8Array.from(parts);
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
