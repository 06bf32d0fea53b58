// The backup file: what is written comes back, anything else is refused with a word about why.
import { describe, expect, it } from 'vitest';
import { openBackup, parseBackupKey, sealBackup } from './backup-file.ts';

const key = new Uint8Array(32).fill(7);
const salt = new Uint8Array(32).fill(1);
const header = { clusterId: 'c1', createdAt: 1000, index: 12, term: 3 };
const pieces = ['first', 'x'.repeat(70_000), 'last'].map((text) => Buffer.from(text));

async function* streamOf(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

async function gather(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

const written = (): Promise<Buffer> => gather(sealBackup(key, salt, header, streamOf(pieces)));

async function read(file: Uint8Array, withKey = key): Promise<Buffer> {
  // In odd pieces, as they come from a network.
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < file.length; at += 777) chunks.push(file.subarray(at, at + 777));
  const opened = await openBackup(withKey, streamOf(chunks));
  expect(opened.header).toEqual(header);
  return gather(opened.chunks);
}

describe('a backup file', () => {
  it('gives back what was put in', async () => {
    expect((await read(await written())).equals(Buffer.concat(pieces))).toBe(true);
  });

  it('shows nothing of the state without the key', async () => {
    expect((await written()).includes('first')).toBe(false);
    const other = new Uint8Array(32).fill(8);
    await expect(read(await written(), other)).rejects.toThrow('the key does not open this backup');
  });

  it('is refused with any bit flipped, and when it is cut short or continued', async () => {
    const file = await written();
    const body = file.indexOf(0x0a) + 1;
    for (let at = body; at < file.length; at += 1009) {
      const flipped = Buffer.from(file);
      flipped[at] = (flipped[at] ?? 0) ^ 4;
      await expect(read(flipped)).rejects.toThrow(/backup/);
    }
    for (const length of [body, body + 2, body + 40, file.length - 1]) {
      await expect(read(file.subarray(0, length))).rejects.toThrow(/damaged|ends too early/);
    }
    await expect(read(Buffer.concat([file, Buffer.from('x')]))).rejects.toThrow('follows its end');
  });

  it('is bound to its first line', async () => {
    const file = await written();
    const text = file.toString('latin1').replace('"index":12', '"index":13');
    const opened = openBackup(key, streamOf([Buffer.from(text, 'latin1')]));
    await expect(opened).rejects.toThrow('the key does not open this backup');
  });

  it('names another kind of file', async () => {
    await expect(openBackup(key, streamOf([Buffer.from('hello\n')]))).rejects.toThrow(
      'this is not a cluster backup',
    );
    await expect(openBackup(key, streamOf([Buffer.alloc(10_000)]))).rejects.toThrow(
      'this is not a cluster backup',
    );
  });
});

describe('a backup key', () => {
  it('is read as it was written down', () => {
    const text = `TSBKEY-1-${Buffer.from(key).toString('base64url')}\n`;
    expect(parseBackupKey(text)).toEqual(Buffer.from(key));
  });

  it.each(['', 'SWMTKN-1-abc', 'TSBKEY-1-', 'TSBKEY-1-AAAA'])('refuses %j', (text) => {
    expect(() => parseBackupKey(text)).toThrow('the backup key is not valid');
  });
});
