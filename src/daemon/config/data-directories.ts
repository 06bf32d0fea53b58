// The daemon's directories and who may enter them: root alone, as with Docker's. Volumes and file
// systems of containers hold set-uid programs and other people's data; a user of the machine must not
// reach them from outside. What an earlier release or an administrator left wider is narrowed.
import { chmod, mkdir, stat } from 'node:fs/promises';
import { SwarmError, messageOf } from '../../base/index.ts';

interface Directory {
  readonly path: string;
  readonly mode: number;
}

/** Makes what is missing and takes away what is too much. Raises `unavailable`, naming the path. */
export async function secureDirectories(dataRoot: string, runRoot: string): Promise<void> {
  for (const { path, mode } of directories(dataRoot, runRoot)) await secure(path, mode);
}

/** Outer ones first. */
function directories(dataRoot: string, runRoot: string): readonly Directory[] {
  return [
    { path: dataRoot, mode: 0o710 },
    { path: `${dataRoot}/containers`, mode: 0o710 },
    { path: `${dataRoot}/tasks`, mode: 0o710 },
    { path: `${dataRoot}/volumes`, mode: 0o701 },
    { path: `${dataRoot}/containerd`, mode: 0o711 },
    // Sockets and namespaces: those who may use them have rights at the socket itself.
    { path: runRoot, mode: 0o711 },
    { path: `${runRoot}/containerd-state`, mode: 0o711 },
    { path: `${runRoot}/overlay`, mode: 0o700 },
  ];
}

async function secure(path: string, mode: number): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode });
    const present = (await stat(path)).mode & 0o7777;
    if ((present & ~mode) !== 0) await chmod(path, present & mode);
  } catch (error) {
    throw new SwarmError('unavailable', `cannot make ${path} private: ${messageOf(error)}`);
  }
}
