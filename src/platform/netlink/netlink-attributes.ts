// The common ground of all netlink messages: header, attributes in nests, and the way back.
import { SwarmError } from '../../base/index.ts';
import { ipv6Number, ipv6Text } from '../../model/index.ts';
import type { NetlinkMessage, Patch } from '../system/index.ts';

const HEADER = 16;
const NESTED = 0x8000;
const TYPE_MASK = 0x3fff;

/** Builds one message; offsets are those in the finished message. */
export class AttributeWriter {
  #buffer: Buffer = Buffer.alloc(512);
  #length = HEADER;
  readonly #patches: Patch[] = [];

  constructor(type: number, flags: number) {
    this.#buffer.writeUInt16LE(type, 4);
    this.#buffer.writeUInt16LE(flags, 6);
  }

  /** Appends bytes as they are, padded to four; returns their offset. */
  raw(bytes: Uint8Array): number {
    const start = this.#length;
    const padded = (bytes.length + 3) & ~3;
    this.#grow(padded);
    this.#buffer.set(bytes, start);
    this.#length = start + padded;
    return start;
  }

  /** Appends an attribute; returns the offset of its value. */
  bytes(type: number, value: Uint8Array): number {
    const header = Buffer.alloc(4);
    header.writeUInt16LE(value.length + 4, 0);
    header.writeUInt16LE(type, 2);
    this.raw(header);
    return this.raw(value);
  }

  u32(type: number, value: number): number {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value >>> 0);
    return this.bytes(type, bytes);
  }

  text(type: number, value: string): number {
    return this.bytes(type, Buffer.from(`${value}\0`));
  }

  nest(type: number, fill: () => void): void {
    const start = this.raw(new Uint8Array(4));
    fill();
    this.#buffer.writeUInt16LE(this.#length - start, start);
    this.#buffer.writeUInt16LE(type | NESTED, start + 2);
  }

  setU32(offset: number, value: number): void {
    this.#buffer.writeUInt32LE(value, offset);
  }

  patch(offset: number, kind: Patch['kind'], name: string): void {
    this.#patches.push({ offset, kind, name });
  }

  finish(): NetlinkMessage {
    this.#buffer.writeUInt32LE(this.#length, 0);
    return { bytes: this.#buffer.subarray(0, this.#length), patches: this.#patches };
  }

  #grow(more: number): void {
    if (this.#length + more <= this.#buffer.length) return;
    this.#buffer = Buffer.concat([this.#buffer, Buffer.alloc(this.#buffer.length + more)]);
  }
}

export interface ReadMessage {
  readonly type: number;
  /** Without the netlink header. */
  readonly body: Buffer;
}

/** Takes the messages of an answer apart. Raises `internal` for half a one: it must not pass for all. */
export function* readMessages(data: Buffer): Generator<ReadMessage> {
  for (let at = 0; at < data.length;) {
    const length = at + HEADER <= data.length ? data.readUInt32LE(at) : 0;
    if (length < HEADER || at + length > data.length) throw damaged(at);
    yield { type: data.readUInt16LE(at + 4), body: data.subarray(at + HEADER, at + length) };
    at += (length + 3) & ~3;
  }
}

function damaged(at: number): SwarmError {
  return new SwarmError('internal', `an answer of the kernel can’t be read from byte ${at} on`);
}

/**
 * The attributes behind a header of `offset` bytes; of several of one type the last counts. Raises
 * `internal` for half a one.
 */
export function readAttributes(body: Buffer, offset: number): Map<number, Buffer> {
  const attributes = new Map<number, Buffer>();
  for (let at = offset; at < body.length;) {
    const length = at + 4 <= body.length ? body.readUInt16LE(at) : 0;
    if (length < 4 || at + length > body.length) throw damaged(at);
    attributes.set(body.readUInt16LE(at + 2) & TYPE_MASK, body.subarray(at + 4, at + length));
    at += (length + 3) & ~3;
  }
  return attributes;
}

/** Four or sixteen bytes. */
export function bytesOfAddress(address: string): Uint8Array {
  const value = address.includes(':') ? ipv6Number(address) : undefined;
  if (value === undefined) return Uint8Array.from(address.split('.'), Number);
  return Buffer.from(value.toString(16).padStart(32, '0'), 'hex');
}

export function bytesOfMac(mac: string): Uint8Array {
  return Uint8Array.from(mac.split(':'), (part) => Number.parseInt(part, 16));
}

/** The text that everybody uses for the address. */
export function addressOfBytes(bytes: Uint8Array): string {
  if (bytes.length !== 16) return bytes.join('.');
  return ipv6Text(BigInt(`0x${Buffer.from(bytes).toString('hex')}`));
}

export function macOfBytes(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** Text of an attribute, up to its closing zero. */
export function textOfBytes(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString().split('\0', 1)[0] ?? '';
}
