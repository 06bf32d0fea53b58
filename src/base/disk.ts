// The port of the disk: only what a log, snapshots and small state files need. Failures reject with
// a SwarmError; a failed `sync` is fatal to its caller (the kernel may have dropped the pages, so a
// second try would lie).

export interface DiskFile {
  /** Size in bytes, preallocated room included. */
  size(): Promise<number>;
  /** Reads up to `length` bytes at `position`; shorter only at the end of the file. */
  read(position: number, length: number): Promise<Uint8Array>;
  /** Writes all `buffers` one after another from `position` on. */
  write(position: number, buffers: readonly Uint8Array[]): Promise<void>;
  /** Returns once what was written is on stable storage (`fdatasync`). */
  sync(): Promise<void>;
  truncate(size: number): Promise<void>;
  close(): Promise<void>;
}

export interface Disk {
  /**
   * Opens for reading and writing; creates the file with mode 0600 when `create` is set. With `durable`
   * a write may already be on stable storage when it returns (O_DSYNC): one call of the kernel instead
   * of two where each write is followed by a sync. `sync` is to be called all the same.
   */
  open(path: string, options?: { create?: boolean; durable?: boolean }): Promise<DiskFile>;
  /** The whole file, or undefined when it does not exist. */
  readFile(path: string): Promise<Uint8Array | undefined>;
  /** Replaces the file so that a crash leaves either the old or the new content, durable on return. */
  writeFileAtomic(path: string, content: Uint8Array, mode?: number): Promise<void>;
  /** Names in a directory, sorted; empty when it does not exist. */
  list(directory: string): Promise<string[]>;
  makeDirectory(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Removes a file or a whole directory; nothing happens when it does not exist. */
  remove(path: string): Promise<void>;
  /** Makes creations, renames and removals in `directory` durable. */
  syncDirectory(directory: string): Promise<void>;
}
