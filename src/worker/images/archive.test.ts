import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { loadArchive } from './archive.ts';
import type { ImageBackend } from './ports.ts';

/** A pax header that claims `size` bytes. */
function claim(size: number): Buffer {
  const block = Buffer.alloc(512);
  block.write('x', 0);
  block.write(size.toString(8).padStart(11, '0'), 124);
  block.write('x', 156);
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

describe('an archive whose pax header claims 4 GiB', () => {
  const start = Buffer.concat([claim(4 * 1024 ** 3), Buffer.alloc(1024 * 1024)]);

  it.each([
    ['plain', start],
    ['gzipped', gzipSync(start)],
  ])('is refused at once, and its sender let go (%s)', async (_, bytes) => {
    let isLetGo = false;
    async function* upload(): AsyncGenerator<Uint8Array> {
      try {
        for (let at = 0; ; at = (at + 100) % bytes.length) yield bytes.subarray(at, at + 100);
      } finally {
        isLetGo = true;
      }
    }
    // Nothing of it gets as far as the store.
    const backend = {} as ImageBackend;
    await expect(loadArchive(upload(), backend, 'lease')).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringContaining('4294967296 bytes follow, the limit is 1048576') as string,
    });
    await expect.poll(() => isLetGo).toBe(true);
  });
});
