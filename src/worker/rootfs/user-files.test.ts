import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { OciMount } from '../oci/index.ts';
import { checkMountedFiles } from './user-files.ts';

describe('what mounts show as the files of users', () => {
  let root = '';
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'users-'));
    await mkdir(join(root, 'etc'));
  });
  afterEach(() => rm(root, { recursive: true }));

  const bind = (source: string, destination: string): OciMount => ({
    destination,
    type: 'bind',
    source: join(root, source),
    options: [],
  });

  it('is files, or nothing', async () => {
    await writeFile(join(root, 'etc/passwd'), '');
    await symlink('passwd', join(root, 'etc/group'));
    const tmpfs: OciMount = { destination: '/etc', type: 'tmpfs', source: 'tmpfs', options: [] };
    await checkMountedFiles([bind('etc', '/etc'), bind('etc/passwd', '/etc/passwd'), tmpfs]);
    await checkMountedFiles([bind('etc/passwd', '/etcetera'), bind('none', '/etc')]);
  });

  it('is no FIFO, device or directory, wherever the mount begins', async () => {
    execFileSync('mkfifo', [join(root, 'etc/passwd')]);
    for (const mount of [
      bind('etc', '/etc'),
      bind('etc', '//etc/'),
      bind('etc/passwd', '/etc/group'),
      bind('etc', '/etc/passwd'),
    ]) {
      await expect(checkMountedFiles([mount])).rejects.toThrow('a mount shows');
    }
    const zero: OciMount = {
      destination: '/etc/group',
      type: 'bind',
      source: '/dev/zero',
      options: [],
    };
    await expect(checkMountedFiles([zero])).rejects.toMatchObject({ code: 'invalid' });
  });
});
