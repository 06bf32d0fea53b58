// Reads the entries of a tar archive as it comes in, one after another. Everything that an archive can
// say of itself is bounded before it is believed: it may come from anybody. Links, folders and devices
// have no content whatever their size says, as in Go's reader, which Docker uses.
import { SwarmError } from '../../base/index.ts';

const BLOCK_BYTES = 512;
/** Of what stands before an entry (pax records, long names): as Go's reader has it. */
export const TAR_META_BYTES_MAX = 1024 * 1024;
/** Of a name or the target of a link: the kernel takes no longer ones. */
export const TAR_NAME_BYTES_MAX = 4096;
/** Headers of one archive, those that only describe the next entry among them. */
export const TAR_HEADERS_MAX = 40_000;
/** Digits before the space of a pax record: none is longer than what holds it. */
const PAX_LENGTH_DIGITS_MAX = 8;

export interface TarEntry {
  readonly name: string;
  readonly type: 'file' | 'symlink' | 'link' | 'other';
  readonly size: number;
  readonly linkname: string;
  /** What is not read of it is skipped when the next entry is asked for. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** What pax records and GNU's long names say of an entry in place of its header. */
interface Said {
  readonly name?: string | undefined;
  readonly linkname?: string | undefined;
  readonly size?: number | undefined;
}

/** Raises `invalid` where the archive breaks a limit, is damaged, or ends too early. */
export async function* tarEntries(stream: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry> {
  const source = new Source(stream);
  try {
    yield* entriesOf(source);
    await source.drain();
  } finally {
    await source.close();
  }
}

async function* entriesOf(source: Source): AsyncGenerator<TarEntry> {
  let always: Said = {};
  let once: Said = {};
  for (let count = 1; ; count++) {
    const block = await source.block();
    // Zeroes are the end, and so is nothing at all; what comes after them is padding.
    if (block === undefined || block.every((byte) => byte === 0)) return;
    if (count > TAR_HEADERS_MAX) {
      throw invalid(`it has more than ${TAR_HEADERS_MAX} headers`);
    }
    const header = headerOf(block);
    switch (header.flag) {
      case 'g':
        always = { ...always, ...paxOf(await metaOf(source, header)) };
        break;
      case 'x':
        once = { ...once, ...paxOf(await metaOf(source, header)) };
        break;
      case 'L':
        once = { ...once, name: text(await metaOf(source, header)) };
        break;
      case 'K':
        once = { ...once, linkname: text(await metaOf(source, header)) };
        break;
      case 'S':
        throw sparse();
      default: {
        const entry = entryOf(header, { ...always, ...once });
        once = {};
        const rest = { left: entry.size };
        yield { ...entry, body: bodyOf(source, rest, entry.name) };
        while (rest.left > 0) await bodyPart(source, rest, entry.name);
        await source.skip(padding(entry.size), entry.name);
      }
    }
  }
}

interface Header {
  readonly flag: string;
  readonly name: string;
  readonly linkname: string;
  readonly size: number;
}

function headerOf(block: Buffer): Header {
  let sum = 0;
  for (const [at, byte] of block.entries()) sum += at >= 148 && at < 156 ? 0x20 : byte;
  if (sum !== numberAt(block, 148, 8, 'checksum')) {
    throw invalid('a header of it has a wrong checksum: it is damaged, or no tar archive');
  }
  const isPosix = block.subarray(257, 263).equals(Buffer.from('ustar\0'));
  const prefix = isPosix ? text(block.subarray(345, 500)) : '';
  const name = text(block.subarray(0, 100));
  return {
    flag: String.fromCharCode(block[156] ?? 0),
    name: prefix === '' ? name : `${prefix}/${name}`,
    linkname: text(block.subarray(157, 257)),
    size: numberAt(block, 124, 12, 'size'),
  };
}

/** Octal digits, or the bytes of a number when the first one has its highest bit set. */
function numberAt(block: Buffer, at: number, length: number, what: string): number {
  const field = block.subarray(at, at + length);
  const [first = 0] = field;
  if (first < 0x80) {
    const digits = text(field).trim();
    if (/^[0-7]*$/.test(digits)) return Number.parseInt(`0${digits}`, 8);
    throw invalid(`${JSON.stringify(digits)} is no ${what}`);
  }
  if (first >= 0xc0) throw invalid(`a ${what} in it is negative`);
  let value = first & 0x3f;
  for (const byte of field.subarray(1)) value = value * 256 + byte;
  return checkedSize(value, what);
}

function checkedSize(value: number, what: string): number {
  if (Number.isSafeInteger(value)) return value;
  throw invalid(`a ${what} in it is ${value}, the limit is ${Number.MAX_SAFE_INTEGER}`);
}

async function metaOf(source: Source, { size, flag }: Header): Promise<Buffer> {
  if (size > TAR_META_BYTES_MAX) {
    throw invalid(
      `a header of type ${flag} says that ${size} bytes follow, the limit is ${TAR_META_BYTES_MAX}`,
    );
  }
  const bytes = await source.exactly(size);
  await source.skip(padding(size), `header of type ${flag}`);
  return bytes;
}

/** Records "LENGTH KEY=VALUE\n"; an empty value takes back what was said before. */
function paxOf(bytes: Buffer): Said {
  let said: Said = {};
  for (let at = 0; at < bytes.length;) {
    const space = bytes.subarray(at, at + PAX_LENGTH_DIGITS_MAX).indexOf(' ');
    const digits = bytes.toString('latin1', at, at + Math.max(space, 0));
    const end = at + Number(digits);
    const equals = bytes.subarray(at + space, end).indexOf('=');
    if (!/^\d+$/.test(digits) || end > bytes.length || equals < 0 || bytes[end - 1] !== 0x0a) {
      throw invalid('a pax record of it is malformed');
    }
    const key = bytes.subarray(at + space + 1, at + space + equals);
    const value = bytes.subarray(at + space + equals + 1, end - 1);
    said = { ...said, ...recordOf(key.toString(), value) };
    at = end;
  }
  return said;
}

function recordOf(key: string, value: Buffer): Said {
  if (key.startsWith('GNU.sparse.')) throw sparse();
  if (key === 'path') return { name: value.length === 0 ? undefined : text(value) };
  if (key === 'linkpath') return { linkname: value.length === 0 ? undefined : text(value) };
  if (key !== 'size') return {};
  const digits = value.toString('latin1', 0, 20);
  if (!/^\d*$/.test(digits)) throw invalid(`${JSON.stringify(digits)} is no size`);
  return { size: digits === '' ? undefined : checkedSize(Number(digits), 'size') };
}

function entryOf(header: Header, said: Said): Omit<TarEntry, 'body'> {
  const { name = header.name, linkname = header.linkname, size = header.size } = said;
  for (const one of [name, linkname]) {
    const length = Buffer.byteLength(one);
    if (length > TAR_NAME_BYTES_MAX) {
      throw invalid(`a name in it has ${length} bytes, the limit is ${TAR_NAME_BYTES_MAX}`);
    }
  }
  const type = typeOf(header.flag, name);
  const isHeaderOnly = /^[1-6]$/.test(header.flag);
  return { name, linkname, type, size: isHeaderOnly ? 0 : size };
}

function typeOf(flag: string, name: string): TarEntry['type'] {
  if (flag === '1') return 'link';
  if (flag === '2') return 'symlink';
  // The oldest archives have folders as files with a slash.
  if (flag === '\0') return name.endsWith('/') ? 'other' : 'file';
  return flag === '0' || flag === '7' ? 'file' : 'other';
}

interface Rest {
  left: number;
}

async function* bodyOf(source: Source, rest: Rest, name: string): AsyncGenerator<Uint8Array> {
  while (rest.left > 0) yield await bodyPart(source, rest, name);
}

async function bodyPart(source: Source, rest: Rest, name: string): Promise<Uint8Array> {
  const part = await source.part(rest.left);
  if (part === undefined) throw tooShort(name);
  rest.left -= part.length;
  return part;
}

/** The bytes that come in, one chunk of them at a time. */
class Source {
  readonly #iterator: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array(0);
  #isOver = false;

  constructor(stream: AsyncIterable<Uint8Array>) {
    this.#iterator = stream[Symbol.asyncIterator]();
  }

  /** At least one byte and at most `most`; undefined at the end. */
  async part(most: number): Promise<Uint8Array | undefined> {
    while (this.#chunk.length === 0) {
      if (this.#isOver) return undefined;
      const next = await this.#iterator.next();
      if (next.done === true) this.#isOver = true;
      else this.#chunk = next.value;
    }
    const part = this.#chunk.subarray(0, most);
    this.#chunk = this.#chunk.subarray(part.length);
    return part;
  }

  /** Undefined at the end. */
  async block(): Promise<Buffer | undefined> {
    const first = await this.part(BLOCK_BYTES);
    return first === undefined ? undefined : this.exactly(BLOCK_BYTES, first);
  }

  /** Copied into one piece at once: the chunks may be of one byte each. */
  async exactly(size: number, first: Uint8Array = new Uint8Array(0)): Promise<Buffer> {
    const bytes = Buffer.alloc(size);
    bytes.set(first);
    for (let at = first.length; at < size;) {
      const part = await this.part(size - at);
      if (part === undefined) throw tooShort('header');
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }

  async skip(size: number, what: string): Promise<void> {
    const rest = { left: size };
    while (rest.left > 0) await bodyPart(this, rest, what);
  }

  async drain(): Promise<void> {
    while ((await this.part(Number.MAX_SAFE_INTEGER)) !== undefined);
  }

  async close(): Promise<void> {
    if (!this.#isOver) await this.#iterator.return?.();
  }
}

/** Up to the first zero byte. */
function text(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end < 0 ? bytes.length : end);
}

function padding(size: number): number {
  return (BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES;
}

function sparse(): SwarmError {
  return invalid('it has a sparse file: write it without --sparse');
}

function tooShort(what: string): SwarmError {
  return invalid(`it ends in the middle of ${JSON.stringify(what)}`);
}

function invalid(why: string): SwarmError {
  return new SwarmError('invalid', `image archive can't be read: ${why}`);
}
