// The disk port of one process over its machine's SimDisk: with delays, and with the errors that the
// real port raises. What a dead process asked for never comes back to it.
import type { SimDisk, SimFile } from 'sim';
import { messageOf, sleep, SwarmError, type Disk, type DiskFile } from '../../../src/base/index.ts';
import type { SimulatedProcess } from '../cluster/process.ts';

/** What is wrong with the disk now. */
export interface DiskCondition {
  /** A sync takes 1 to this many milliseconds. */
  syncMsMax: number;
  /** The next sync fails. */
  failNextSync: boolean;
}

/** The port; `failed` is told of every error that the process is given. */
export function machineDisk(
  disk: SimDisk,
  process: SimulatedProcess,
  failed: (what: string) => void,
): Disk {
  const run = async <T>(verb: string, path: string, work: () => Promise<T>): Promise<T> => {
    if (!process.alive) return new Promise(() => {});
    const wrapped = work().catch((error: unknown) => {
      if (error instanceof Error && error.message.startsWith('no file')) {
        throw new SwarmError('notFound', `cannot ${verb} ${path}: ${error.message}`);
      }
      failed(`${verb} ${path}`);
      throw new SwarmError('unavailable', `cannot ${verb} ${path}: ${messageOf(error)}`);
    });
    return process.result(wrapped);
  };
  const fileOf = (path: string, file: SimFile): DiskFile => ({
    size: () => run('stat', path, () => file.size()),
    read: (position, length) => run('read', path, () => file.read(position, length)),
    write: (position, buffers) => run('write', path, () => file.write(position, buffers)),
    sync: () => run('sync', path, () => file.sync()),
    truncate: (size) => run('truncate', path, () => file.truncate(size)),
    close: () => run('close', path, () => file.close()),
  });
  return {
    open: async (path, options) =>
      fileOf(path, await run('open', path, () => disk.open(path, options))),
    readFile: (path) => run('read', path, () => disk.readFile(path)),
    writeFileAtomic: (path, content) =>
      run('write', path, () => disk.writeFileAtomic(path, content)),
    list: (directory) => run('list', directory, () => disk.list(directory)),
    makeDirectory: (path) => run('create', path, () => disk.makeDirectory(path)),
    rename: (from, to) => run('rename', from, () => disk.rename(from, to)),
    remove: (path) => run('remove', path, () => disk.remove(path)),
    syncDirectory: (directory) => run('sync', directory, () => disk.syncDirectory(directory)),
  };
}

/** Makes every operation on the disk take its time, and fail when it is to. */
export function putBefore(
  disk: SimDisk,
  condition: DiskCondition,
  clock: Parameters<typeof sleep>[0],
  below: (bound: number) => number,
): void {
  disk.before = async (operation, path) => {
    if (operation !== 'sync' && operation !== 'syncDirectory') return;
    await sleep(clock, 1 + below(condition.syncMsMax));
    if (!condition.failNextSync) return;
    condition.failNextSync = false;
    throw new Error(`EIO: input/output error, fdatasync ${path}`);
  };
}
