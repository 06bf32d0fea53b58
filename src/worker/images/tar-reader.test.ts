import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { pack } from 'tar-stream';
import { describe, expect, it } from 'vitest';
import {
  TAR_HEADERS_MAX,
  TAR_META_BYTES_MAX,
  TAR_NAME_BYTES_MAX,
  tarEntries,
} from './tar-reader.ts';

interface Seen {
  readonly name: string;
  readonly type: string;
  readonly linkname: string;
  readonly content: Buffer;
}

/** Everything in it; `read` says which bodies are read at all. */
async function listed(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  read: (at: number) => boolean = () => true,
): Promise<Seen[]> {
  const seen: Seen[] = [];
  for await (const { name, type, size, linkname, body } of tarEntries(streamOf(chunks))) {
    const parts: Uint8Array[] = [];
    if (read(seen.length)) {
      for await (const part of body) parts.push(part);
      expect(Buffer.concat(parts)).toHaveLength(size);
    }
    seen.push({ name, type, linkname, content: Buffer.concat(parts) });
  }
  return seen;
}

async function* streamOf(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) yield chunk;
}

function* cut(archive: Buffer, sizes: readonly number[]): Generator<Uint8Array> {
  for (let at = 0, i = 0; at < archive.length; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    yield archive.subarray(at, at + size);
    at += size;
  }
}

interface Wanted {
  readonly name: string;
  readonly content: Buffer;
  readonly link: string | undefined;
}

async function packed(entries: readonly Wanted[]): Promise<Buffer> {
  const stream = pack();
  for (const { name, content, link } of entries) {
    if (link === undefined) stream.entry({ name }, content);
    else stream.entry({ name, type: 'symlink', linkname: link });
  }
  stream.finalize();
  const parts: Uint8Array[] = [];
  for await (const part of stream as AsyncIterable<Uint8Array>) parts.push(part);
  return Buffer.concat(parts);
}

interface Fields {
  readonly flag: string;
  readonly name?: string;
  /** As digits, or as it stands. */
  readonly size?: number | Buffer;
}

function header({ flag, name = 'x', size = 0 }: Fields): Buffer {
  const block = Buffer.alloc(512);
  block.write(name, 0, 100);
  if (typeof size === 'number') block.write(size.toString(8).padStart(11, '0'), 124);
  else size.copy(block, 124);
  block.write(flag, 156);
  block.write('ustar\0' + '00', 257);
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

function record(text: string): Buffer {
  let length = text.length + 3;
  while (`${length} ${text}\n`.length !== length) length = `${length} ${text}\n`.length;
  return Buffer.from(`${length} ${text}\n`);
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}

function withPax(...records: readonly Buffer[]): Buffer {
  const body = Buffer.concat(records);
  return Buffer.concat([header({ flag: 'x', size: body.length }), padded(body)]);
}

const name = fc
  .array(fc.stringMatching(/^[a-zé]{1,60}$/), { minLength: 1, maxLength: 8 })
  .map((parts) => parts.join('/'));

describe('a tar archive', () => {
  it('gives what was put in, byte for byte, wherever it is cut and whatever is read of it', async () => {
    const entry = fc.record({
      name,
      content: fc.uint8Array({ maxLength: 1500 }).map((bytes) => Buffer.from(bytes)),
      link: fc.option(name, { nil: undefined, freq: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(entry, { maxLength: 6 }),
        fc.array(fc.integer({ min: 1, max: 1500 }), { minLength: 1 }),
        fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
        async (entries, sizes, reads) => {
          const chunks = cut(await packed(entries), sizes);
          const seen = await listed(chunks, (at) => reads[at] === true);
          expect(seen).toEqual(
            entries.map(({ name, content, link }, at) => ({
              name,
              type: link === undefined ? 'file' : 'symlink',
              linkname: link ?? '',
              content: link === undefined && reads[at] === true ? content : Buffer.alloc(0),
            })),
          );
        },
      ),
    );
  });

  it.each(['v7', 'oldgnu', 'gnu', 'ustar', 'posix'])(
    'is read in format %s of tar',
    async (format) => {
      const directory = mkdtempSync(join(tmpdir(), 'tar-'));
      try {
        const long = format === 'v7' ? 'short' : 'l'.repeat(99);
        writeFileSync(join(directory, long), 'content');
        symlinkSync(long, join(directory, 'link'));
        if (format !== 'v7' && format !== 'ustar') {
          writeFileSync(join(directory, 'm'.repeat(180)), 'more');
        }
        const archive = execFileSync('tar', ['-c', `--format=${format}`, '-C', directory, '.']);
        const seen = await listed([archive]);
        const files = new Map(seen.map((one) => [one.name.slice(2), one]));
        expect(files.get(long)).toMatchObject({ type: 'file', content: Buffer.from('content') });
        expect(files.get('link')).toMatchObject({ type: 'symlink', linkname: long });
        expect(files.size).toBe(format === 'v7' || format === 'ustar' ? 3 : 4);
      } finally {
        rmSync(directory, { recursive: true });
      }
    },
  );

  it('takes the size of a file from its pax record, and back where that is empty', async () => {
    const file = padded(Buffer.from('12345'));
    const archive = Buffer.concat([
      withPax(record('size=9'), record('size=5')),
      header({ flag: '0' }),
      file,
      withPax(record('size=9'), record('size=')),
      header({ flag: '0', size: 5 }),
      file,
    ]);
    const contents = (await listed([archive])).map(({ content }) => content.toString());
    expect(contents).toEqual(['12345', '12345']);
  });
});

describe('a hostile archive', () => {
  const GIB = 1024 ** 3;
  const base256 = (...bytes: number[]): Buffer =>
    Buffer.from([...bytes, ...Buffer.alloc(12)]).subarray(0, 12);

  it.each(['x', 'g', 'L', 'K'])(
    'with 4 GiB of header %s is refused before they come',
    async (flag) => {
      const head = header({ flag, size: 4 * GIB });
      let given = 0;
      async function* endless(): AsyncGenerator<Uint8Array> {
        yield head;
        for (;;) {
          given++;
          yield Buffer.alloc(64 * 1024);
        }
      }
      const before = process.memoryUsage().arrayBuffers;
      await expect(listed(endless())).rejects.toMatchObject({
        code: 'invalid',
        message: expect.stringMatching(
          new RegExp(
            `type ${flag} says that ${4 * GIB} bytes follow, the limit is ${TAR_META_BYTES_MAX}`,
          ),
        ) as string,
      });
      expect(given).toBe(0);
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(TAR_META_BYTES_MAX);
    },
  );

  it.each([
    ['a negative size', header({ flag: '0', size: base256(0xff, 0xff) }), 'negative'],
    [
      'a size beyond 2^53',
      header({ flag: '0', size: base256(0x80, 0, 0, 0, 1) }),
      'the limit is 9007199254740991',
    ],
    [
      'a size that is no number',
      header({ flag: '0', size: Buffer.from('12x') }),
      '"12x" is no size',
    ],
    ['a negative size of pax', withPax(record('size=-512')), '"-512" is no size'],
    [
      'a size of pax beyond 2^53',
      withPax(record(`size=${2 ** 60}`)),
      'the limit is 9007199254740991',
    ],
    ['a record without end', withPax(Buffer.from('99999 path=x\n')), 'malformed'],
    ['a record that stands still', withPax(Buffer.from('0 a=b\n')), 'malformed'],
    ['a record that goes back', withPax(Buffer.from('-6 a=b\n')), 'malformed'],
    ['a sparse file', header({ flag: 'S' }), 'sparse'],
    ['a sparse file of pax', withPax(record('GNU.sparse.map=0,1')), 'sparse'],
    ['a wrong checksum', header({ flag: '0' }).fill('y', 0, 1), 'checksum'],
    ['half a header', header({ flag: '0' }).subarray(0, 100), 'ends in the middle'],
    ['half a file', header({ flag: '0', size: 5, name: 'half' }), 'ends in the middle of "half"'],
  ])('with %s is refused', async (_, archive, message) => {
    await expect(listed([archive])).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringContaining(message) as string,
    });
  });

  it('with headers or names without end is refused', async () => {
    const one = header({ flag: 'g' });
    const headers = Array.from({ length: TAR_HEADERS_MAX + 1 }, () => one);
    await expect(listed(headers)).rejects.toThrow(`more than ${TAR_HEADERS_MAX} headers`);
    const long = padded(Buffer.alloc(TAR_NAME_BYTES_MAX + 1, 'a'));
    const archive = [
      header({ flag: 'L', size: TAR_NAME_BYTES_MAX + 1 }),
      long,
      header({ flag: '0' }),
    ];
    await expect(listed(archive)).rejects.toThrow(
      `a name in it has ${TAR_NAME_BYTES_MAX + 1} bytes, the limit is ${TAR_NAME_BYTES_MAX}`,
    );
  });

  it('does not hide an entry in what has no content', async () => {
    const hidden = header({ flag: '0', name: 'hidden' });
    const archive = Buffer.concat([header({ flag: '5', name: 'd/', size: 512 }), hidden]);
    expect((await listed([archive])).map(({ name }) => name)).toEqual(['d/', 'hidden']);
  });
});
