// The real disk behind the port of src/base: Node's promise file calls with every error turned into
// a SwarmError that names the path.
import { randomBytes } from 'node:crypto';
import { constants, fdatasync, writev } from 'node:fs';
import * as fs from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { SwarmError, messageOf, type Disk, type DiskFile } from '../../base/index.ts';

// On the path of every commit: the callback forms, promisified, take a quarter less time than those
// of a FileHandle.
const writeVector = promisify(writev);
const syncData = promisify(fdatasync);

const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

/** Files of this machine; rejects with `unavailable` (a full or failing disk) or `notFound`. */
export const fileDisk: Disk = {
  async open(path, options): Promise<DiskFile> {
    const durable = options?.durable === true;
    const flags =
      constants.O_RDWR |
      (options?.create === true ? constants.O_CREAT : 0) |
      (durable ? constants.O_DSYNC : 0);
    const handle = await failing('open', path, fs.open(path, flags, FILE_MODE));
    return openFile(path, handle, durable);
  },
  async readFile(path): Promise<Uint8Array | undefined> {
    try {
      return await fs.readFile(path);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw diskError('read', path, error);
    }
  },
  async writeFileAtomic(path, content, mode = FILE_MODE): Promise<void> {
    // The random part keeps two writers of one path (an agent and its child) from sharing a draft.
    const draft = `${path}.${randomBytes(6).toString('hex')}.tmp`;
    try {
      const handle = await fs.open(draft, 'wx', mode);
      try {
        await handle.writeFile(content);
        await handle.chmod(mode);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await fs.rename(draft, path);
    } catch (error) {
      await fs.rm(draft, { force: true });
      throw diskError('write', path, error);
    }
    await this.syncDirectory(dirname(path));
  },
  async list(directory): Promise<string[]> {
    try {
      return (await fs.readdir(directory)).toSorted();
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return [];
      throw diskError('list', directory, error);
    }
  },
  async makeDirectory(path): Promise<void> {
    await failing('create', path, fs.mkdir(path, { recursive: true, mode: DIRECTORY_MODE }));
  },
  async rename(from, to): Promise<void> {
    await failing('rename', from, fs.rename(from, to));
  },
  async remove(path): Promise<void> {
    await failing('remove', path, fs.rm(path, { recursive: true, force: true }));
  },
  async syncDirectory(directory): Promise<void> {
    const handle = await failing('open', directory, fs.open(directory, constants.O_RDONLY));
    try {
      await failing('sync', directory, handle.sync());
    } finally {
      await handle.close();
    }
  },
};

function openFile(path: string, handle: fs.FileHandle, durable: boolean): DiskFile {
  return {
    size: async () => (await failing('stat', path, handle.stat())).size,
    async read(position, length): Promise<Uint8Array> {
      const buffer = new Uint8Array(length);
      let filled = 0;
      while (filled < length) {
        const { bytesRead } = await failing(
          'read',
          path,
          handle.read(buffer, filled, length - filled, position + filled),
        );
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return filled === length ? buffer : buffer.subarray(0, filled);
    },
    async write(position, buffers): Promise<void> {
      const total = buffers.reduce((sum, buffer) => sum + buffer.length, 0);
      const { bytesWritten } = await failing(
        'write',
        path,
        writeVector(handle.fd, buffers, position),
      );
      if (bytesWritten < total) {
        await writeRest(path, handle, position + bytesWritten, skip(buffers, bytesWritten));
      }
    },
    sync: async () => {
      if (!durable) await failing('sync', path, syncData(handle.fd));
    },
    async truncate(size): Promise<void> {
      await failing('truncate', path, handle.truncate(size));
      // Not a write: no flag makes it durable.
      if (durable) await failing('sync', path, syncData(handle.fd));
    },
    close: async () => failing('close', path, handle.close()),
  };
}

/** `writev` may stop early (a signal, a nearly full disk): the rest is written piece by piece. */
async function writeRest(
  path: string,
  handle: fs.FileHandle,
  start: number,
  rest: readonly Uint8Array[],
): Promise<void> {
  let position = start;
  for (const buffer of rest) {
    let offset = 0;
    while (offset < buffer.length) {
      const { bytesWritten } = await failing(
        'write',
        path,
        handle.write(buffer, offset, buffer.length - offset, position),
      );
      if (bytesWritten === 0)
        throw new SwarmError('unavailable', `cannot write ${path}: disk full`);
      offset += bytesWritten;
      position += bytesWritten;
    }
  }
}

function skip(buffers: readonly Uint8Array[], count: number): Uint8Array[] {
  const rest: Uint8Array[] = [];
  let left = count;
  for (const buffer of buffers) {
    if (left < buffer.length) rest.push(buffer.subarray(left));
    left = Math.max(0, left - buffer.length);
  }
  return rest;
}

async function failing<T>(verb: string, path: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw diskError(verb, path, error);
  }
}

function diskError(verb: string, path: string, error: unknown): SwarmError {
  const code = codeOf(error) === 'ENOENT' ? 'notFound' : 'unavailable';
  return new SwarmError(code, `cannot ${verb} ${path}: ${messageOf(error)}`, { cause: error });
}

function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
