// Opens a file below a directory that a stranger filled: step by step from the directory on, no step
// through a symbolic link, and nothing but a regular file at the end. A FIFO would wait for its other end,
// a device would do what devices do, and both would hold one of the few threads that do all file I/O.
import { constants, type Stats } from 'node:fs';
import * as fs from 'node:fs/promises';
import { SwarmError } from '../../base/index.ts';

/** O_PATH of Linux: a handle on what is there, which opens nothing. Not among Node's constants. */
const O_PATH = 0o10000000;
const STEP = O_PATH | constants.O_NOFOLLOW | constants.O_DIRECTORY;
const LAST = O_PATH | constants.O_NOFOLLOW;
const READ = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

/**
 * The content of `path` below `root` (a directory of the host). Raises `invalid`, naming `what`, for
 * anything but a regular file of at most `maxBytes`.
 */
export async function readRegularFile(
  root: string,
  path: string,
  what: string,
  maxBytes: number,
): Promise<Buffer> {
  const handle = await openBeneath(
    root,
    path.split('/').filter((part) => part !== ''),
  );
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) throw new SwarmError('invalid', `${what} is ${kindOf(stat)}, not a file`);
    // The very thing that was looked at, whatever has its name by now.
    const file = await fs.open(`/proc/self/fd/${handle.fd}`, READ);
    try {
      return await readBounded(file, what, maxBytes);
    } finally {
      await file.close();
    }
  } finally {
    await handle.close();
  }
}

async function openBeneath(root: string, parts: readonly string[]): Promise<fs.FileHandle> {
  let handle = await fs.open(root, O_PATH | constants.O_DIRECTORY);
  for (const [index, part] of parts.entries()) {
    const above = handle;
    try {
      const flags = index === parts.length - 1 ? LAST : STEP;
      handle = await fs.open(`/proc/self/fd/${above.fd}/${part}`, flags);
    } finally {
      await above.close();
    }
  }
  return handle;
}

/** A size that the file system tells may be wrong: what comes is counted. */
async function readBounded(file: fs.FileHandle, what: string, maxBytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(maxBytes + 1);
  let length = 0;
  while (length <= maxBytes) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length, length);
    if (bytesRead === 0) return buffer.subarray(0, length);
    length += bytesRead;
  }
  throw new SwarmError('invalid', `${what} is larger than ${maxBytes} bytes`);
}

function kindOf(stat: Stats): string {
  if (stat.isDirectory()) return 'a directory';
  if (stat.isSymbolicLink()) return 'a symbolic link';
  if (stat.isFIFO()) return 'a FIFO';
  if (stat.isSocket()) return 'a socket';
  return 'a device';
}
