// The file that `cluster backup` writes: a line that says what it is, then the managers' state in
// sealed pieces, then a closing piece with the checksum of all. AES-256-GCM under a key that is made
// from the backup's key and the file's salt; a piece's place is its nonce, the first line is bound to
// every piece. Whoever has the file and not the key learns when it was made and of which cluster.
import { createCipheriv, createDecipheriv, createHash, hkdfSync } from 'node:crypto';
import {
  SwarmError,
  count,
  decoder,
  messageOf,
  number,
  record,
  text,
  unknown,
  type Decoded,
  type Decoder,
} from '../../base/index.ts';

const FORMAT_VERSION = 1;
const MAGIC = 'tsswarm cluster backup';
const CIPHER = 'aes-256-gcm';
const TAG_BYTES = 16;
const SALT_BYTES = 32;
const KEY_BYTES = 32;
const KEY_PREFIX = 'TSBKEY-1-';
/** Bytes of the first line. */
const HEADER_BYTES_MAX = 4096;
/** Bytes of one sealed piece; state comes in pieces of about 64 KiB, one object may be larger. */
const PIECE_BYTES_MAX = 16 * 1024 * 1024;
const PIECE_START = 1;
const PIECE_STATE = 2;
const PIECE_END = 3;

const HEADER_FIELDS = {
  clusterId: text(128),
  /** Milliseconds since 1970. */
  createdAt: number(),
  /** Where in the log of its managers the state was. */
  index: count(),
  term: count(),
};
const BACKUP_HEADER = record(HEADER_FIELDS);
/** What anybody may read of a backup. */
export type BackupHeader = Decoded<typeof BACKUP_HEADER>;

const decodeFormat = decoder(record({ format: unknown() }), 'its first line');
const decodeHeader = decoder(record({ ...HEADER_FIELDS, salt: text(256) }), 'its first line');

/** The key as the CLI made and showed it. Raises `invalid`. */
export function parseBackupKey(text: string): Uint8Array {
  const key = Buffer.from(text.trim().slice(KEY_PREFIX.length), 'base64url');
  if (!text.trim().startsWith(KEY_PREFIX) || key.length !== KEY_BYTES) {
    throw new SwarmError(
      'invalid',
      `the backup key is not valid: it begins with ${KEY_PREFIX} and was shown when the backup was made`,
    );
  }
  return key;
}

/** Bytes of the file. `salt` is random and never used twice with the same key. */
export async function* sealBackup(
  key: Uint8Array,
  salt: Uint8Array,
  header: BackupHeader,
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const fields = { format: FORMAT_VERSION, salt: Buffer.from(salt).toString('base64'), ...header };
  const line = Buffer.from(`${MAGIC} ${JSON.stringify(fields)}\n`);
  const fileKey = fileKeyOf(key, salt);
  const checksum = createHash('sha256');
  let ordinal = 0;
  const seal = (kind: number, content: Uint8Array): Uint8Array => {
    const cipher = createCipheriv(CIPHER, fileKey, nonceOf(ordinal++));
    cipher.setAAD(line);
    const sealed = [cipher.update(Buffer.concat([Buffer.from([kind]), content])), cipher.final()];
    const body = Buffer.concat([...sealed, cipher.getAuthTag()]);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(body.length);
    return Buffer.concat([length, body]);
  };
  yield line;
  // Tells another key from damage.
  yield seal(PIECE_START, new Uint8Array(0));
  for await (const chunk of chunks) {
    checksum.update(chunk);
    yield seal(PIECE_STATE, chunk);
  }
  yield seal(PIECE_END, checksum.digest());
}

/**
 * Reads the file from the beginning; gives its header, and its state, which must be read to the end:
 * only then is it known to be whole. Raises `invalid` for another kind of file or another key, `dataLoss`
 * for damage.
 */
export async function openBackup(
  key: Uint8Array,
  file: AsyncIterable<Uint8Array>,
): Promise<{ header: BackupHeader; chunks: AsyncGenerator<Uint8Array> }> {
  const reader = new ByteReader(file);
  const line = await reader.line(HEADER_BYTES_MAX);
  const { salt, header } = parseHeader(line);
  const fileKey = fileKeyOf(key, salt);
  await readPiece(reader, fileKey, line, 0);
  return { header, chunks: readState(reader, fileKey, line) };
}

async function* readState(
  reader: ByteReader,
  fileKey: Uint8Array,
  line: Uint8Array,
): AsyncGenerator<Uint8Array> {
  const checksum = createHash('sha256');
  let ordinal = 1;
  let piece = await readPiece(reader, fileKey, line, ordinal);
  while (piece[0] === PIECE_STATE) {
    const content = piece.subarray(1);
    checksum.update(content);
    yield content;
    piece = await readPiece(reader, fileKey, line, ++ordinal);
  }
  if (piece[0] !== PIECE_END || !checksum.digest().equals(piece.subarray(1))) {
    throw new SwarmError('dataLoss', 'the checksum of the backup is wrong');
  }
  if (!(await reader.atEnd())) throw damaged(reader.position, 'something follows its end');
}

async function readPiece(
  reader: ByteReader,
  fileKey: Uint8Array,
  line: Uint8Array,
  ordinal: number,
): Promise<Uint8Array> {
  const at = reader.position;
  const length = Buffer.from(await reader.bytes(4)).readUInt32BE();
  if (length <= TAG_BYTES || length > PIECE_BYTES_MAX) {
    throw damaged(at, `a piece of ${length} bytes`);
  }
  const body = await reader.bytes(length);
  const decipher = createDecipheriv(CIPHER, fileKey, nonceOf(ordinal));
  decipher.setAAD(line);
  decipher.setAuthTag(body.subarray(length - TAG_BYTES));
  const plain = decipher.update(body.subarray(0, length - TAG_BYTES));
  try {
    decipher.final();
  } catch {
    if (ordinal === 0) {
      throw new SwarmError(
        'invalid',
        'the key does not open this backup (or its beginning is damaged)',
      );
    }
    throw damaged(at, 'its content was changed');
  }
  return plain;
}

function parseHeader(line: Uint8Array): { salt: Uint8Array; header: BackupHeader } {
  const text = Buffer.from(line).toString('utf8');
  if (!text.startsWith(`${MAGIC} {`))
    throw new SwarmError('invalid', 'this is not a cluster backup');
  const json = text.slice(MAGIC.length + 1);
  const { format } = fieldsOf(decodeFormat, json);
  if (format !== FORMAT_VERSION) {
    throw new SwarmError(
      'invalid',
      `the backup has format ${String(format)}, this release reads ${FORMAT_VERSION}: use the release that wrote it`,
    );
  }
  const { salt, ...header } = fieldsOf(decodeHeader, json);
  return { salt: Buffer.from(salt, 'base64'), header };
}

function fieldsOf<T>(decode: Decoder<T>, json: string): T {
  try {
    return decode.json(json);
  } catch (error) {
    throw damaged(0, messageOf(error));
  }
}

function fileKeyOf(key: Uint8Array, salt: Uint8Array): Uint8Array {
  if (salt.length !== SALT_BYTES) throw damaged(0, `a salt of ${salt.length} bytes`);
  return new Uint8Array(hkdfSync('sha256', key, salt, MAGIC, KEY_BYTES));
}

function nonceOf(ordinal: number): Uint8Array {
  const nonce = Buffer.alloc(12);
  nonce.writeUIntBE(ordinal, 6, 6);
  return nonce;
}

function damaged(position: number, what: string): SwarmError {
  return new SwarmError('dataLoss', `the backup is damaged at offset ${position}: ${what}`);
}

/** Pulls exact numbers of bytes out of a stream of chunks. */
class ByteReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #buffer: Buffer = Buffer.alloc(0);
  position = 0;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  async bytes(count: number): Promise<Buffer> {
    while (this.#buffer.length < count) {
      if (!(await this.#more())) throw damaged(this.position, 'it ends too early');
    }
    return this.#take(count);
  }

  /** Up to and with the next line feed. */
  async line(bytesMax: number): Promise<Buffer> {
    for (;;) {
      const end = this.#buffer.indexOf(0x0a);
      if (end >= 0) return this.#take(end + 1);
      if (this.#buffer.length > bytesMax || !(await this.#more())) {
        throw new SwarmError('invalid', 'this is not a cluster backup');
      }
    }
  }

  async atEnd(): Promise<boolean> {
    return this.#buffer.length === 0 && !(await this.#more());
  }

  async #more(): Promise<boolean> {
    const next = await this.#chunks.next();
    if (next.done === true) return false;
    this.#buffer = Buffer.concat([this.#buffer, next.value]);
    return true;
  }

  #take(count: number): Buffer {
    const taken = this.#buffer.subarray(0, count);
    this.#buffer = this.#buffer.subarray(count);
    this.position += count;
    return taken;
  }
}
