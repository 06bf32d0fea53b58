// The little that the kernel can't tell after a restart: which tasks are attached and which
// endpoints went away lately. Written in the background, the newest state wins; whoever needs it on
// disk waits for `flushed`.
import { SwarmError, messageOf, type Disk, type Logger } from '../base/index.ts';
import type { AttachedTask } from './attachment.ts';
import { MAX_STATE_BYTES } from './limits.ts';

const FORMAT = 1;

export interface SavedState {
  readonly tasks: readonly AttachedTask[];
  readonly bridgeSubnet?: string;
  readonly removed: readonly SavedRemoval[];
}

export interface SavedRemoval {
  readonly networkId: string;
  readonly address: string;
  /** Wall-clock milliseconds. */
  readonly until: number;
}

export class StateFile {
  readonly #disk: Disk;
  readonly #logger: Logger;
  readonly #path: string;
  readonly #texts = new WeakMap<AttachedTask, string>();
  #pending: SavedState | undefined;
  #writing: Promise<void> | undefined;

  constructor(disk: Disk, logger: Logger, path: string) {
    this.#disk = disk;
    this.#logger = logger;
    this.#path = path;
  }

  /** Empty when there is none; fails with `dataLoss` when it can't be read. */
  async load(): Promise<SavedState> {
    const content = await this.#disk.readFile(this.#path);
    if (content === undefined) return { tasks: [], removed: [] };
    if (content.length > MAX_STATE_BYTES) {
      throw new SwarmError('dataLoss', `${this.#path} is larger than ${MAX_STATE_BYTES} bytes`);
    }
    try {
      const state: unknown = JSON.parse(new TextDecoder().decode(content));
      if (isSavedState(state)) return state;
    } catch (error) {
      throw new SwarmError('dataLoss', `${this.#path} is damaged: ${messageOf(error)}`);
    }
    throw new SwarmError(
      'dataLoss',
      `${this.#path} has another format than ${FORMAT}; a newer version wrote it`,
    );
  }

  save(state: SavedState): void {
    this.#pending = state;
    this.#writing ??= this.#write();
  }

  /** Resolves when the state handed in last is on disk. */
  async flushed(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  async remove(): Promise<void> {
    await this.flushed();
    await this.#disk.remove(this.#path);
  }

  #text({ tasks, ...rest }: SavedState): string {
    const others = JSON.stringify({ format: FORMAT, ...rest });
    return `${others.slice(0, -1)},"tasks":[${tasks.map((task) => this.#textOf(task)).join()}]}`;
  }

  /** A task's text is made once. */
  #textOf(task: AttachedTask): string {
    const text = this.#texts.get(task) ?? JSON.stringify(task);
    this.#texts.set(task, text);
    return text;
  }

  async #write(): Promise<void> {
    // Takes the newest state each time; one write is enough for all that came while it ran.
    for (let state = this.#pending; state !== undefined; state = this.#pending) {
      this.#pending = undefined;
      const bytes = new TextEncoder().encode(this.#text(state));
      try {
        await this.#disk.writeFileAtomic(this.#path, bytes);
      } catch (error) {
        this.#logger.error({ path: this.#path, error: messageOf(error) }, 'state was not saved');
      }
    }
    this.#writing = undefined;
  }
}

function isSavedState(value: unknown): value is SavedState {
  if (typeof value !== 'object' || value === null) return false;
  const fields: { format?: unknown; tasks?: unknown; removed?: unknown } = value;
  return fields.format === FORMAT && Array.isArray(fields.tasks) && Array.isArray(fields.removed);
}
