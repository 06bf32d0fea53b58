// The form of log and snapshot files: a file header, then records, each with checksums of its own
// header and of its sealed body, so that damage is told from a write that a crash cut short.
//
//   file header (64 bytes): magic 8, format version 2, kind 1, unused 5, number 8, salt 16,
//                           unused 20, CRC32 4
//   record: magic 4, ordinal 4, body length 4, body CRC32 4, header CRC32 4, unused 4, body,
//           1 to 8 bytes 0xA5 up to a multiple of 8
//
// All numbers are little-endian. Unwritten room is zero.
import { crc32 } from 'node:zlib';
import { SwarmError } from '../../../base/index.ts';
import { RECORD_BYTES_MAX } from '../contract/index.ts';
import { SALT_BYTES, SEAL_BYTES, Sealer } from './sealing.ts';

/** Bytes before the first record. */
export const FILE_HEADER_BYTES = 64;
/** The only version of the files so far. */
export const FORMAT_VERSION = 1;

const RECORD_HEADER_BYTES = 24;
const FILE_MAGIC = new TextEncoder().encode('TSSWARM\n');
const RECORD_MAGIC = 0x52_45_43_31;
const PADDING = 0xa5;
const SECTOR_BYTES = 512;

/** What a file is for. */
export type FileKind = 'log' | 'snapshot';

/** The beginning of a file. */
export interface FileHeader {
  readonly kind: FileKind;
  /** The segment's place in the log, or the snapshot's index. */
  readonly number: number;
  readonly salt: Uint8Array;
}

/** The bytes of a file's beginning. */
export function encodeFileHeader(header: FileHeader): Uint8Array {
  const bytes = new Uint8Array(FILE_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(FILE_MAGIC, 0);
  view.setUint16(8, FORMAT_VERSION, true);
  view.setUint8(10, header.kind === 'log' ? 1 : 2);
  view.setBigUint64(16, BigInt(header.number), true);
  bytes.set(header.salt.subarray(0, SALT_BYTES), 24);
  view.setUint32(60, crc32(bytes.subarray(0, 60)), true);
  return bytes;
}

/**
 * Undefined for a file whose beginning was never written (all zero, or cut short). Throws
 * `dataLoss` for a damaged one and `precondition` for another format version.
 */
export function decodeFileHeader(path: string, bytes: Uint8Array): FileHeader | undefined {
  const head = bytes.subarray(0, FILE_HEADER_BYTES);
  if (head.every((byte) => byte === 0)) return undefined;
  if (head.length < FILE_HEADER_BYTES || !FILE_MAGIC.every((byte, i) => head[i] === byte)) {
    throw new SwarmError('dataLoss', `${path} is damaged at offset 0: not a file of tsswarm`);
  }
  const view = new DataView(head.buffer, head.byteOffset, FILE_HEADER_BYTES);
  const version = view.getUint16(8, true);
  const intact = view.getUint32(60, true) === crc32(head.subarray(0, 60));
  if (intact && version !== FORMAT_VERSION) {
    throw new SwarmError(
      'precondition',
      `${path} has format version ${version}, this program knows ${FORMAT_VERSION}: ` +
        'start the version of tsswarm that wrote it, or a later one',
    );
  }
  if (!intact) throw new SwarmError('dataLoss', `${path} is damaged at offset 0: bad checksum`);
  return {
    kind: view.getUint8(10) === 1 ? 'log' : 'snapshot',
    number: Number(view.getBigUint64(16, true)),
    salt: head.slice(24, 24 + SALT_BYTES),
  };
}

/** The sealer of a file. */
export function sealerOf(dataKey: Uint8Array, header: FileHeader): Sealer {
  return new Sealer(dataKey, header.salt, `tsswarm ${header.kind} ${header.number}`);
}

/** Bytes on disk of a record with this much content. */
export function recordSize(plainLength: number): number {
  return padded(RECORD_HEADER_BYTES + plainLength + SEAL_BYTES);
}

function padded(length: number): number {
  // At least one byte of padding: a record that ends with it is there in full length.
  return Math.floor(length / 8) * 8 + 8;
}

/** A record as buffers to be written one after another. */
export function encodeRecord(sealer: Sealer, ordinal: number, plain: Uint8Array): Uint8Array[] {
  const [sealed, tag] = sealer.seal(ordinal, plain);
  const length = sealed.length + tag.length;
  const header = new Uint8Array(RECORD_HEADER_BYTES);
  const view = new DataView(header.buffer);
  view.setUint32(0, RECORD_MAGIC, true);
  view.setUint32(4, ordinal, true);
  view.setUint32(8, length, true);
  view.setUint32(12, crc32(tag, crc32(sealed)), true);
  view.setUint32(16, crc32(header.subarray(0, 16)), true);
  const total = padded(RECORD_HEADER_BYTES + length);
  const padding = new Uint8Array(total - RECORD_HEADER_BYTES - length).fill(PADDING);
  return [header, sealed, tag, padding];
}

/** What is found at a place in a file. */
export type RecordReading =
  | { readonly kind: 'record'; readonly plain: Uint8Array; readonly next: number }
  /** Nothing was written here or behind. */
  | { readonly kind: 'end' }
  /** The last write before a crash, not complete. */
  | { readonly kind: 'torn' };

/**
 * Reads the record at `position`, which must be the one numbered `ordinal`. Throws `dataLoss` for
 * anything that a crash in the middle of the last write cannot explain.
 */
export function readRecord(
  path: string,
  bytes: Uint8Array,
  position: number,
  ordinal: number,
  sealer: Sealer,
  /** Where `bytes` begins in the file. */
  base = 0,
): RecordReading {
  const header = readHeader(bytes, position);
  if (header === undefined || header.ordinal !== ordinal) {
    if (isBlank(bytes, position, bytes.length)) return { kind: 'end' };
    const known = header === undefined ? RECORD_HEADER_BYTES : recordEnd(position, header.length);
    return tornOrDamaged(path, bytes, position, ordinal, {
      end: header === undefined ? position + known : known,
      headerIntact: header !== undefined,
      base,
    });
  }
  const start = position + RECORD_HEADER_BYTES;
  const body = bytes.subarray(start, start + header.length);
  const next = recordEnd(position, header.length);
  if (body.length < header.length || crc32(body) !== header.crc) {
    return tornOrDamaged(path, bytes, position, ordinal, { end: next, headerIntact: true, base });
  }
  const plain = sealer.open(ordinal, body);
  if (plain === undefined) {
    throw new SwarmError(
      'dataLoss',
      `${path} cannot be opened at offset ${base + position}: wrong data key, or changed by somebody`,
    );
  }
  return { kind: 'record', plain, next };
}

interface RecordHeader {
  readonly ordinal: number;
  readonly length: number;
  readonly crc: number;
}

function recordEnd(position: number, bodyLength: number): number {
  return position + padded(RECORD_HEADER_BYTES + bodyLength);
}

function readHeader(bytes: Uint8Array, position: number): RecordHeader | undefined {
  if (position + RECORD_HEADER_BYTES > bytes.length) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + position, RECORD_HEADER_BYTES);
  if (view.getUint32(0, true) !== RECORD_MAGIC) return undefined;
  const length = view.getUint32(8, true);
  if (view.getUint32(16, true) !== crc32(bytes.subarray(position, position + 16))) return undefined;
  if (length < SEAL_BYTES || length > RECORD_BYTES_MAX) return undefined;
  return { ordinal: view.getUint32(4, true), length, crc: view.getUint32(12, true) };
}

/**
 * Each record is synced before the next one is written, so an intact later record proves that this
 * one was whole once. A cut-short write leaves whole sectors, or the end, as they were: zero.
 */
function tornOrDamaged(
  path: string,
  bytes: Uint8Array,
  position: number,
  ordinal: number,
  record: { end: number; headerIntact: boolean; base: number },
): RecordReading {
  const later = findIntact(bytes, position + 8, ordinal);
  if (later === undefined && isTorn(bytes, position, record)) return { kind: 'torn' };
  throw new SwarmError(
    'dataLoss',
    `${path} is damaged at offset ${record.base + position}: restore this manager from a backup, or remove it ` +
      'from the cluster and let it join again',
  );
}

function isTorn(
  bytes: Uint8Array,
  position: number,
  record: { end: number; headerIntact: boolean },
): boolean {
  const end = Math.min(record.end, bytes.length);
  // Files end where preallocation ended: a record beyond it was never whole.
  if (record.end > bytes.length) return true;
  if (record.headerIntact && bytes[end - 1] === 0) return true;
  if (!record.headerIntact && isBlank(bytes, position + 16, position + 20)) return true;
  for (let at = position; at < end;) {
    const sectorEnd = Math.min(end, (Math.floor(at / SECTOR_BYTES) + 1) * SECTOR_BYTES);
    if (isBlank(bytes, at, sectorEnd)) return true;
    at = sectorEnd;
  }
  return false;
}

function findIntact(bytes: Uint8Array, from: number, after: number): number | undefined {
  for (let at = from; at + RECORD_HEADER_BYTES <= bytes.length; at += 8) {
    const header = readHeader(bytes, at);
    if (header === undefined || header.ordinal <= after) continue;
    const start = at + RECORD_HEADER_BYTES;
    if (crc32(bytes.subarray(start, start + header.length)) === header.crc) return at;
  }
  return undefined;
}

function isBlank(bytes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (bytes[i] !== 0) return false;
  return true;
}
