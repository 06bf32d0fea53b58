// Hears from the kernel that something has changed in a namespace. Of what becomes of the files that hold
// namespaces the directory tells.
import { watch, type FSWatcher } from 'node:fs';
import { SwarmError } from '../../base/index.ts';
import type { KernelWatch } from '../../overlay/kernel/index.ts';
import type { NativeWatches } from '../system/index.ts';

const READY = -1;
const CHANGED = 0;

interface Watch {
  readonly changed: () => void;
  readonly ready: () => void;
  readonly failed: (error: Error) => void;
}

/** The watches of one instance. */
export class NamespaceWatches {
  readonly #native: NativeWatches;
  readonly #open = new Map<number, Watch>();
  /** By namespace. */
  readonly #numbers = new Map<string, number>();
  #started = false;
  #directory: FSWatcher | undefined;

  constructor(native: NativeWatches) {
    this.#native = native;
  }

  /** `path` undefined: this process's own namespace. Rejects where it can't be watched. */
  open(namespace: string, path: string | undefined, changed: () => void): Promise<KernelWatch> {
    return new Promise((resolve, reject) => {
      this.#start();
      this.close(namespace);
      const number = this.#native.open(path ?? null);
      this.#numbers.set(namespace, number);
      const handle: KernelWatch = {
        rearm: () => this.#native.rearm(number),
        close: () => {
          if (this.#numbers.get(namespace) === number) this.close(namespace);
        },
      };
      this.#open.set(number, { changed, ready: () => resolve(handle), failed: reject });
    });
  }

  /** Lets go of the namespace; nothing happens when it is not watched. */
  close(namespace: string): void {
    const number = this.#numbers.get(namespace);
    if (number === undefined) return;
    this.#numbers.delete(namespace);
    this.#native.close(number);
    this.#open.get(number)?.failed(new SwarmError('unavailable', `${namespace} is not watched`));
    this.#open.delete(number);
  }

  /** `changed` is called when a file in the directory comes or goes. Throws where there is none. */
  watchDirectory(directory: string, changed: () => void): void {
    this.closeDirectory();
    this.#directory = watch(directory, { persistent: false }, changed);
    // The directory itself is gone: so is all that is in it.
    this.#directory.on('error', changed);
  }

  closeDirectory(): void {
    this.#directory?.close();
    this.#directory = undefined;
  }

  closeAll(): void {
    for (const namespace of this.#numbers.keys()) this.close(namespace);
    this.closeDirectory();
  }

  #start(): void {
    if (this.#started) return;
    this.#started = true;
    this.#native.start((number, event) => {
      const known = this.#open.get(number);
      if (event === READY) known?.ready();
      else if (event === CHANGED) known?.changed();
      else if (known !== undefined) {
        this.#open.delete(number);
        known.failed(new SwarmError('unavailable', `cannot be watched: errno ${event}`));
      }
    });
  }
}
