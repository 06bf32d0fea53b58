// The files of a container's users, which the OCI runtime opens while it starts the container, whoever the
// user is: without a look at what they are. A FIFO among them would hold up the start for minutes, and with
// a few of them all starts of the host. What the image has there is looked at where it is read
// (layered-files.ts); here it is what a mount puts in its place.
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { SwarmError, ifPresent } from '../../base/index.ts';
import type { OciMount } from '../oci/index.ts';

export const USER_FILES: readonly string[] = ['/etc/passwd', '/etc/group'];
const BYTES_MAX = 4 * 1024 * 1024;

/** Raises `invalid` for a mount that shows anything but a regular file there. */
export async function checkMountedFiles(mounts: readonly OciMount[]): Promise<void> {
  for (const path of USER_FILES) {
    const source = mountedAt(path, mounts);
    const stat =
      source === undefined ? undefined : await ifPresent(fs.stat(source), 'ENOTDIR', 'ELOOP');
    if (stat === undefined || (stat.isFile() && stat.size <= BYTES_MAX)) continue;
    throw new SwarmError(
      'invalid',
      `a mount shows ${source ?? ''} as ${path}, and that is no file of at most ${BYTES_MAX} bytes`,
    );
  }
}

/** Where on the host the path comes from; undefined when no bind covers it. */
function mountedAt(path: string, mounts: readonly OciMount[]): string | undefined {
  const covering = mounts
    .map((mount) => ({ mount, at: `/${mount.destination.split('/').filter(Boolean).join('/')}` }))
    .filter(({ at }) => path === at || path.startsWith(`${at}/`))
    .toSorted((a, b) => a.at.length - b.at.length)
    .at(-1);
  if (covering === undefined || covering.mount.type !== 'bind') return undefined;
  return join(covering.mount.source, path.slice(covering.at.length));
}
