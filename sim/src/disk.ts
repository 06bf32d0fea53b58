// A disk in memory that behaves at a crash as the worst real one may: of what was written and not
// synced, any subset of sectors survives; of what was created, renamed or removed without a sync of
// the directory, any first part. What a failed sync did not write is forgotten as being unwritten, so
// that a later sync says yes and does nothing, as Linux does.
import type { Prng } from './prng.ts';

const SECTOR = 512;

interface Inode {
  current: Uint8Array;
  durable: Uint8Array;
  /** Sectors that differ from stable storage. */
  readonly dirty: Set<number>;
}

interface DirectoryChange {
  readonly directory: string;
  readonly apply: (files: Map<string, Inode>) => void;
}

/** One open file. */
export interface SimFile {
  size(): Promise<number>;
  read(position: number, length: number): Promise<Uint8Array>;
  write(position: number, buffers: readonly Uint8Array[]): Promise<void>;
  sync(): Promise<void>;
  truncate(size: number): Promise<void>;
  close(): Promise<void>;
}

/** Structurally the disk port of the program. */
export class SimDisk {
  #files = new Map<string, Inode>();
  #durable = new Map<string, Inode>();
  #changes: DirectoryChange[] = [];
  #epoch = 0;
  /** Called before every operation; may take virtual time, or throw to make the operation fail. */
  before: (operation: string, path: string) => Promise<void> = async () => {};
  /** How many times something was synced. */
  syncs = 0;
  /** Room for files in bytes; what does not fit is refused, a write after its first part. */
  capacityBytes = Infinity;

  /** Bytes of all files together. */
  get usedBytes(): number {
    let bytes = 0;
    for (const inode of this.#files.values()) bytes += inode.current.length;
    return bytes;
  }

  async open(path: string, options?: { create?: boolean }): Promise<SimFile> {
    await this.#start('open', path);
    let inode = this.#files.get(path);
    if (inode === undefined) {
      if (options?.create !== true) throw new Error(`no file ${path}`);
      inode = { current: new Uint8Array(0), durable: new Uint8Array(0), dirty: new Set() };
      const created = inode;
      this.#change(path, (files) => files.set(path, created));
    }
    return this.#handle(path, inode);
  }

  async readFile(path: string): Promise<Uint8Array | undefined> {
    await this.#start('readFile', path);
    return this.#files.get(path)?.current.slice();
  }

  async writeFileAtomic(path: string, content: Uint8Array): Promise<void> {
    const draft = `${path}.tmp`;
    const file = await this.open(draft, { create: true });
    await file.truncate(0);
    await file.write(0, [content]);
    await file.sync();
    await this.rename(draft, path);
    await this.syncDirectory(directoryOf(path));
  }

  async list(directory: string): Promise<string[]> {
    await this.#start('list', directory);
    const prefix = `${directory}/`;
    const names = new Set<string>();
    for (const path of this.#files.keys()) {
      const [name] = path.startsWith(prefix) ? path.slice(prefix.length).split('/') : [];
      if (name !== undefined) names.add(name);
    }
    return [...names].sort();
  }

  async makeDirectory(path: string): Promise<void> {
    await this.#start('makeDirectory', path);
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#start('rename', from);
    const inode = this.#files.get(from);
    if (inode === undefined) throw new Error(`no file ${from}`);
    this.#change(to, (files) => {
      files.delete(from);
      files.set(to, inode);
    });
  }

  async remove(path: string): Promise<void> {
    await this.#start('remove', path);
    this.#change(path, (files) => {
      for (const name of files.keys()) {
        if (name === path || name.startsWith(`${path}/`)) files.delete(name);
      }
    });
  }

  async syncDirectory(directory: string): Promise<void> {
    await this.#start('syncDirectory', directory);
    const rest: DirectoryChange[] = [];
    for (const change of this.#changes) {
      if (change.directory === directory) change.apply(this.#durable);
      else rest.push(change);
    }
    this.#changes = rest;
    this.syncs++;
  }

  /** The process has died: its operations never end, but what it wrote will still be written. */
  kill(): void {
    this.#epoch++;
  }

  /** The machine lost its power; operations under way never end well. */
  crash(prng: Prng): void {
    this.#epoch++;
    const surviving = prng.below(this.#changes.length + 1);
    for (const change of this.#changes.slice(0, surviving)) change.apply(this.#durable);
    this.#changes = [];
    this.#files = new Map(this.#durable);
    for (const inode of this.#files.values()) {
      const kept = [...inode.dirty].filter(() => prng.chance(0.5));
      for (const sector of kept) writeBack(inode, sector);
      inode.current = inode.durable.slice();
      inode.dirty.clear();
    }
  }

  /** Flips one bit on stable storage, as an old disk does. */
  flipBit(path: string, position: number, bit = 0): void {
    const inode = this.#files.get(path);
    if (inode === undefined) throw new Error(`no file ${path}`);
    for (const content of [inode.current, inode.durable]) {
      content[position] = (content[position] ?? 0) ^ (1 << bit);
    }
  }

  /** Bytes of a file; 0 when there is none. */
  sizeOf(path: string): number {
    return this.#files.get(path)?.current.length ?? 0;
  }

  /** Every path that exists now. */
  paths(): string[] {
    return [...this.#files.keys()].sort();
  }

  #room(): number {
    return this.capacityBytes === Infinity ? Infinity : this.capacityBytes - this.usedBytes;
  }

  async #start(operation: string, path: string): Promise<void> {
    const epoch = this.#epoch;
    await this.before(operation, path);
    if (epoch !== this.#epoch) await new Promise(() => {});
  }

  #change(path: string, apply: (files: Map<string, Inode>) => void): void {
    apply(this.#files);
    this.#changes.push({ directory: directoryOf(path), apply });
  }

  #handle(path: string, inode: Inode): SimFile {
    const epoch = this.#epoch;
    const start = async (operation: string): Promise<void> => {
      if (epoch !== this.#epoch) await new Promise(() => {});
      await this.#start(operation, path);
    };
    return {
      size: async () => inode.current.length,
      read: async (position, length) => {
        await start('read');
        return inode.current.slice(position, position + length);
      },
      write: async (position, buffers) => {
        await start('write');
        let at = position;
        for (const buffer of buffers) {
          const fitting = Math.max(0, inode.current.length + this.#room() - at);
          write(inode, at, buffer.subarray(0, fitting));
          if (fitting < buffer.length) throw noRoom(path);
          at += buffer.length;
        }
      },
      sync: async () => {
        try {
          await start('sync');
        } catch (error) {
          inode.dirty.clear();
          throw error;
        }
        this.syncs++;
        if (inode.durable.length !== inode.current.length) {
          const resized = new Uint8Array(inode.current.length);
          resized.set(inode.durable.subarray(0, resized.length));
          inode.durable = resized;
        }
        // Some may lie behind the end since the file was cut.
        const end = inode.current.length;
        for (const sector of inode.dirty) if (sector * SECTOR < end) writeBack(inode, sector);
        inode.dirty.clear();
      },
      truncate: async (size) => {
        await start('truncate');
        if (size - inode.current.length > this.#room()) throw noRoom(path);
        const next = new Uint8Array(size);
        next.set(inode.current.subarray(0, size));
        inode.current = next;
        for (const sector of sectorsOf(0, Math.max(size, inode.durable.length))) {
          inode.dirty.add(sector);
        }
      },
      close: async () => {},
    };
  }
}

function write(inode: Inode, position: number, bytes: Uint8Array): void {
  const end = position + bytes.length;
  if (end > inode.current.length) {
    const grown = new Uint8Array(end);
    grown.set(inode.current);
    inode.current = grown;
  }
  inode.current.set(bytes, position);
  for (const sector of sectorsOf(position, end)) inode.dirty.add(sector);
}

function noRoom(path: string): Error {
  return Object.assign(new Error(`ENOSPC: no space left on device, ${path}`), { code: 'ENOSPC' });
}

function writeBack(inode: Inode, sector: number): void {
  const from = sector * SECTOR;
  const bytes = inode.current.subarray(from, from + SECTOR);
  if (from + bytes.length <= inode.durable.length && bytes.length > 0) {
    inode.durable.set(bytes, from);
    return;
  }
  const size = Math.max(inode.durable.length, from + bytes.length);
  const next = new Uint8Array(Math.min(size, Math.max(inode.current.length, from)));
  next.set(inode.durable.subarray(0, next.length));
  next.set(bytes, Math.min(from, next.length));
  inode.durable = next;
}

function sectorsOf(from: number, to: number): number[] {
  const first = Math.floor(from / SECTOR);
  const last = Math.floor(Math.max(from, to - 1) / SECTOR);
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

function directoryOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}
