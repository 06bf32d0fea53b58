import { chmod, mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { secureDirectories } from './data-directories.ts';

describe('the directories of the daemon', () => {
  let root = '';
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'root-'));
  });
  afterEach(() => rm(root, { recursive: true }));

  const modeOf = async (path: string): Promise<number> =>
    (await stat(join(root, path))).mode & 0o777;

  it('are nobody else’s', async () => {
    await secureDirectories(join(root, 'data'), join(root, 'run'));
    expect(await modeOf('data')).toBe(0o710);
    expect(await modeOf('data/volumes')).toBe(0o701);
    expect(await modeOf('data/tasks')).toBe(0o710);
    expect(await modeOf('run/overlay')).toBe(0o700);
  });

  it('are narrowed where they were wider, and stay as narrow as they are', async () => {
    await mkdir(join(root, 'data/volumes'), { recursive: true });
    await mkdir(join(root, 'data/tasks'), { recursive: true });
    await chmod(join(root, 'data'), 0o755);
    await chmod(join(root, 'data/volumes'), 0o777);
    await chmod(join(root, 'data/tasks'), 0o700);
    await secureDirectories(join(root, 'data'), join(root, 'run'));
    expect(await modeOf('data')).toBe(0o710);
    expect(await modeOf('data/volumes')).toBe(0o701);
    expect(await modeOf('data/tasks')).toBe(0o700);
  });
});
