// The disk as one simulated process has it: the machine's SimDisk behind delays and faults. A killed
// process leaves what it had written; only a machine without power loses what was not synced.
import type { SimDisk, SimFile } from 'sim';
import { SwarmError, sleep, type Disk, type DiskFile } from '../../../src/base/index.ts';
import type { SimulatedProcess } from './process.ts';

/** What is wrong with a machine's disk now. */
export interface DiskFaults {
  /** A sync takes up to this long. */
  syncMs: number;
  /** A sync fails with this probability. */
  syncFails: number;
  /** Nothing can be written. */
  full: boolean;
}

/** A good disk. */
export function goodDisk(): DiskFaults {
  return { syncMs: 2, syncFails: 0, full: false };
}

/** The port for one process. */
export function processDisk(disk: SimDisk, process: SimulatedProcess, faults: DiskFaults): Disk {
  return new ProcessDisk(disk, process, faults);
}

class ProcessDisk implements Disk {
  readonly #disk: SimDisk;
  readonly #process: SimulatedProcess;
  readonly #faults: DiskFaults;

  constructor(disk: SimDisk, process: SimulatedProcess, faults: DiskFaults) {
    this.#disk = disk;
    this.#process = process;
    this.#faults = faults;
  }

  async open(path: string, options?: { create?: boolean }): Promise<DiskFile> {
    return this.#file(await this.#run(() => this.#disk.open(path, options)));
  }

  readFile(path: string): Promise<Uint8Array | undefined> {
    return this.#run(() => this.#disk.readFile(path));
  }

  async writeFileAtomic(path: string, content: Uint8Array): Promise<void> {
    const file = await this.open(`${path}.tmp`, { create: true });
    await file.truncate(0);
    await file.write(0, [content]);
    await file.sync();
    await this.rename(`${path}.tmp`, path);
    await this.syncDirectory(path.slice(0, Math.max(0, path.lastIndexOf('/'))));
  }

  list(directory: string): Promise<string[]> {
    return this.#run(() => this.#disk.list(directory));
  }

  makeDirectory(path: string): Promise<void> {
    return this.#run(() => this.#disk.makeDirectory(path));
  }

  rename(from: string, to: string): Promise<void> {
    return this.#run(() => this.#disk.rename(from, to));
  }

  remove(path: string): Promise<void> {
    return this.#run(() => this.#disk.remove(path));
  }

  async syncDirectory(directory: string): Promise<void> {
    await this.#sync();
    await this.#run(() => this.#disk.syncDirectory(directory));
  }

  #file(file: SimFile): DiskFile {
    return {
      size: () => this.#run(() => file.size()),
      read: (position, length) => this.#run(() => file.read(position, length)),
      write: (position, buffers) => this.#write(() => file.write(position, buffers)),
      sync: async () => {
        await this.#sync();
        await this.#run(() => file.sync());
      },
      truncate: (size) => this.#write(() => file.truncate(size)),
      close: () => this.#run(() => file.close()),
    };
  }

  async #sync(): Promise<void> {
    const { syncMs, syncFails } = this.#faults;
    const { clock, random } = this.#process;
    if (syncMs > 0) await sleep(clock, 1 + random.below(syncMs));
    if (syncFails > 0 && random.chance(syncFails)) {
      throw new SwarmError('internal', 'input/output error (EIO)');
    }
  }

  #write(operation: () => Promise<void>): Promise<void> {
    if (!this.#faults.full) return this.#run(operation);
    return Promise.reject(new SwarmError('exhausted', 'no space left on the device (ENOSPC)'));
  }

  #run<T>(operation: () => Promise<T>): Promise<T> {
    if (!this.#process.alive) return new Promise(() => {});
    return this.#process.result(operation());
  }
}
