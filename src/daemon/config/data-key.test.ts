import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SwarmError } from '../../base/index.ts';
import { fileDisk } from '../../platform/index.ts';
import { loadDataKey } from './data-key.ts';

describe('the key of the log', () => {
  let root = '';
  beforeEach(async () => {
    root = join(await mkdtemp(join(tmpdir(), 'key-')), 'raft');
  });
  afterEach(() => rm(join(root, '..'), { recursive: true }));

  it('is made once, for its owner alone', async () => {
    const key = await loadDataKey(root);
    expect(key).toHaveLength(32);
    expect(await loadDataKey(root)).toEqual(key);
    expect((await stat(join(root, 'key'))).mode & 0o777).toBe(0o600);
  });

  it('is never replaced because it could not be read', async () => {
    const key = await loadDataKey(root);
    const failing = {
      ...fileDisk,
      readFile: () => Promise.reject(new SwarmError('unavailable', 'cannot read: EIO')),
    };
    await expect(loadDataKey(root, failing)).rejects.toThrow('EIO');
    expect(await loadDataKey(root)).toEqual(key);
  });

  it('is not made beside a log of another key, nor over a damaged one', async () => {
    await mkdir(root, { recursive: true });
    await writeFile(join(root, 'wal-0000000000000001.log'), 'x');
    await expect(loadDataKey(root)).rejects.toMatchObject({ code: 'dataLoss' });
    await writeFile(join(root, 'key'), 'short');
    await expect(loadDataKey(root)).rejects.toThrow('has 5 bytes');
    expect(await readFile(join(root, 'key'), 'utf8')).toBe('short');
  });
});
