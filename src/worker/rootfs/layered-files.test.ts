import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LayeredFiles } from './layered-files.ts';

const isRoot = process.getuid?.() === 0;

describe('the files of an image', () => {
  let root = '';
  let files: LayeredFiles;
  const at = (path: string): string => join(root, path);
  const mount = (upper: string, ...lower: string[]): LayeredFiles =>
    new LayeredFiles([
      {
        type: 'overlay',
        source: 'overlay',
        options: [`upperdir=${at(upper)}`, `lowerdir=${lower.map(at).join(':')}`],
      },
    ]);

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'layers-'));
    for (const layer of ['top', 'middle', 'base'])
      await mkdir(at(`${layer}/etc`), { recursive: true });
    files = mount('top', 'middle', 'base');
  });
  afterEach(() => rm(root, { recursive: true }));

  it('come from the uppermost layer that has them', async () => {
    await writeFile(at('base/etc/passwd'), 'base');
    await writeFile(at('base/etc/group'), 'group');
    await writeFile(at('middle/etc/passwd'), 'middle');
    expect(await files.readText('/etc/passwd')).toBe('middle');
    expect(await files.readText('/etc/group')).toBe('group');
    expect(await files.readText('/etc/shadow')).toBe('');
    expect(await files.resolve('/etc/./../etc')).toMatchObject({ path: '/etc', isDirectory: true });
    expect(await files.resolve('/../..')).toMatchObject({ path: '/', isDirectory: true });
  });

  it('are hidden by what replaces their directory', async () => {
    await mkdir(at('base/srv'));
    await writeFile(at('base/srv/a'), 'a');
    await writeFile(at('middle/srv'), 'a file now');
    expect(await files.resolve('/srv/a')).toBeUndefined();
    await mkdir(at('top/srv'));
    expect(await files.resolve('/srv/a')).toBeUndefined();
    expect(await files.resolve('/srv')).toMatchObject({ isDirectory: true });
  });

  it('are reached by links inside the image only', async () => {
    await writeFile(at('outside'), 'outside');
    await mkdir(at('base/real'));
    await writeFile(at('base/real/passwd'), 'inside');
    await symlink('/real/passwd', at('base/etc/passwd'));
    await symlink(at('outside'), at('base/etc/group'));
    await symlink('../../../../../outside', at('base/etc/shadow'));
    expect(await files.readText('/etc/passwd')).toBe('inside');
    expect(await files.readText('/etc/group')).toBe('');
    expect(await files.readText('/etc/shadow')).toBe('');
  });

  it('that lead in a circle are an error', async () => {
    await symlink('/etc/group', at('base/etc/passwd'));
    await symlink('passwd', at('base/etc/group'));
    await expect(files.readText('/etc/passwd')).rejects.toThrow(
      'too many levels of symbolic links',
    );
    await symlink(`/${'a/../'.repeat(700)}x`, at('base/etc/deep'));
    await mkdir(at('base/a'));
    await expect(files.readText('/etc/deep')).rejects.toThrow('too deep');
  });

  it('of a stranger hold nobody up: a FIFO is refused at once', async () => {
    execFileSync('mkfifo', [at('base/etc/passwd'), at('base/etc/group')]);
    const reads = Array.from({ length: 8 }, () => files.readText('/etc/passwd'));
    const results = await Promise.allSettled([...reads, files.readText('/etc/group')]);
    for (const result of results) {
      expect(result).toMatchObject({
        status: 'rejected',
        reason: { code: 'invalid', message: expect.stringContaining('is a FIFO, not a file') },
      });
    }
  });

  it.runIf(isRoot)('that never end are not begun', async () => {
    execFileSync('mknod', [at('base/etc/passwd'), 'c', '1', '5']);
    await expect(files.readText('/etc/passwd')).rejects.toThrow('is a device, not a file');
  });

  it('have a bound, and are files', async () => {
    await writeFile(at('base/etc/passwd'), '');
    await truncate(at('base/etc/passwd'), 2 ** 40);
    await expect(files.readText('/etc/passwd')).rejects.toThrow('larger than');
    await expect(files.readText('/etc')).rejects.toThrow('is a directory, not a file');
  });
});
