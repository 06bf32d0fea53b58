// The little that the kernel can't tell after a restart: which tasks are attached and which
// endpoints went away lately. Written in the background, the newest state wins; whoever needs it on
// disk waits for `flushed`.
import { Coalescer } from '../base/async/index.ts';
import {
  decoder,
  integerOf,
  list,
  messageOf,
  number,
  optional,
  record,
  type Decoded,
  type Disk,
  type Logger,
} from '../base/index.ts';
import { ADDRESS, ID } from '../model/index.ts';
import { ATTACHED_TASK, type AttachedTask } from './desired/index.ts';
import { MAX_STATE_BYTES } from './contract/index.ts';

const FORMAT = 1;

/** Tasks and addresses of one host, at the very most. */
const TASKS_MAX = 100_000;

const SAVED_STATE = record({
  format: integerOf(FORMAT),
  tasks: list(ATTACHED_TASK, TASKS_MAX),
  bridgeSubnet: optional(ADDRESS),
  removed: list(
    record({
      networkId: ID,
      address: ADDRESS,
      /** Wall-clock milliseconds. */
      until: number(),
    }),
    TASKS_MAX,
  ),
});
type Stored = Decoded<typeof SAVED_STATE>;
export type SavedState = Omit<Stored, 'format'>;
export type SavedRemoval = Stored['removed'][number];

export class StateFile {
  readonly #disk: Disk;
  readonly #logger: Logger;
  readonly #path: string;
  readonly #texts = new WeakMap<AttachedTask, string>();
  readonly #writes = new Coalescer<SavedState>((state) => this.#write(state));

  constructor(disk: Disk, logger: Logger, path: string) {
    this.#disk = disk;
    this.#logger = logger;
    this.#path = path;
  }

  /** Empty when there is none; fails with `dataLoss` when it can't be read. */
  async load(): Promise<SavedState> {
    const content = await this.#disk.readFile(this.#path);
    if (content === undefined) return { tasks: [], removed: [] };
    const limits = { code: 'dataLoss', length: MAX_STATE_BYTES } as const;
    return decoder(SAVED_STATE, this.#path, limits).json(content);
  }

  save(state: SavedState): void {
    this.#writes.add(state);
  }

  /** Resolves when the state handed in last is on disk. */
  async flushed(): Promise<void> {
    await this.#writes.settled();
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

  async #write(state: SavedState): Promise<void> {
    const bytes = new TextEncoder().encode(this.#text(state));
    try {
      await this.#disk.writeFileAtomic(this.#path, bytes);
    } catch (error) {
      this.#logger.error({ path: this.#path, error: messageOf(error) }, 'state was not saved');
    }
  }
}
