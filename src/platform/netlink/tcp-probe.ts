// Makes a client of a dead server show itself: a segment that is outside of its window, which it must
// answer with where it stands (RFC 9293 §3.10.7.4). Its answer finds no connection and gets a reset that
// fits, also where the client would only have waited. Nothing else knows the numbers that a reset needs.
import { bytesOfAddress } from './netlink-attributes.ts';
import type { NativeStep } from '../system/index.ts';

/** One end of a TCP connection. */
export interface TcpEnd {
  readonly address: string;
  readonly port: number;
}

const TCP = 6;
const TCP_HEADER = 20;
const ACK_FLAG = 0x10;
const HOP_LIMIT = 64;
/** One of the two is outside of any window. */
const SEQUENCES = [0, 0x8000_0000] as const;

/** The segments, as if `server` had sent them to `client`. */
export function probeSteps(server: TcpEnd, client: TcpEnd, mark: number): NativeStep[] {
  const family = client.address.includes(':') ? 6 : 4;
  const [source, destination] = [bytesOfAddress(server.address), bytesOfAddress(client.address)];
  if (source.length !== destination.length) return [];
  return SEQUENCES.map((sequence) => {
    const segment = tcpSegment(server.port, client.port, sequence);
    segment.writeUInt16BE(checksum(source, destination, segment), 16);
    const head = family === 4 ? ipv4Header(source, destination) : ipv6Header(source, destination);
    const packet = Buffer.concat([head, segment]);
    return { step: 'send', family, mark, address: destination, packet };
  });
}

function tcpSegment(from: number, to: number, sequence: number): Buffer {
  const segment = Buffer.alloc(TCP_HEADER);
  segment.writeUInt16BE(from, 0);
  segment.writeUInt16BE(to, 2);
  segment.writeUInt32BE(sequence, 4);
  segment.writeUInt8((TCP_HEADER / 4) << 4, 12);
  segment.writeUInt8(ACK_FLAG, 13);
  segment.writeUInt16BE(1024, 14);
  return segment;
}

/** The kernel puts in length, identification and checksum. */
function ipv4Header(source: Uint8Array, destination: Uint8Array): Buffer {
  const head = Buffer.alloc(20);
  head.writeUInt8(0x45, 0);
  head.writeUInt8(HOP_LIMIT, 8);
  head.writeUInt8(TCP, 9);
  head.set(source, 12);
  head.set(destination, 16);
  return head;
}

function ipv6Header(source: Uint8Array, destination: Uint8Array): Buffer {
  const head = Buffer.alloc(40);
  head.writeUInt8(0x60, 0);
  head.writeUInt16BE(TCP_HEADER, 4);
  head.writeUInt8(TCP, 6);
  head.writeUInt8(HOP_LIMIT, 7);
  head.set(source, 8);
  head.set(destination, 24);
  return head;
}

/** Of the segment, whose own field is zero, with the addresses (RFC 9293 §3.1). */
function checksum(source: Uint8Array, destination: Uint8Array, segment: Buffer): number {
  const pseudo = Buffer.from([0, TCP, segment.length >> 8, segment.length & 255]);
  const all = Buffer.concat([source, destination, pseudo, segment]);
  let sum = 0;
  for (let at = 0; at < all.length; at += 2) sum += all.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
