// What a lab remembers of itself: its hosts and their processes. Written after each step, so that a
// crash leaves nothing that `down` would not know.
import { mkdir, readFile, readdir, rename, writeFile } from 'node:fs/promises';
import { RUN_ROOT, labPaths, type LabPaths } from './paths.ts';
import type { ProcessIdentity } from './process.ts';

export interface HostState {
  readonly name: string;
  readonly role: 'manager' | 'worker';
  readonly address: string;
  /** PID 1 of the host's namespace, as seen from outside. */
  readonly init: ProcessIdentity | undefined;
  readonly daemon: ProcessIdentity | undefined;
  /** 0, or the side of a partition that the host is on. */
  readonly side: number;
}

export interface LabState {
  readonly name: string;
  readonly hosts: readonly HostState[];
  /** Extra options for every daemon. */
  readonly daemonArgs: readonly string[];
}

export class LabStore {
  readonly paths: LabPaths;
  #state: LabState;

  private constructor(paths: LabPaths, state: LabState) {
    this.paths = paths;
    this.#state = state;
  }

  static async create(name: string, daemonArgs: readonly string[]): Promise<LabStore> {
    const paths = labPaths(name);
    await mkdir(paths.run, { recursive: true });
    const store = new LabStore(paths, { name, hosts: [], daemonArgs });
    await store.#write();
    return store;
  }

  /** Raises an error that names the lab when there is none. */
  static async open(name: string): Promise<LabStore> {
    const paths = labPaths(name);
    const text = await readFile(paths.state, 'utf8').catch(() => undefined);
    if (text === undefined)
      throw new Error(`there is no lab ${name}: start it with 'tsswarm lab up'`);
    return new LabStore(paths, JSON.parse(text) as LabState);
  }

  static async names(): Promise<string[]> {
    return (await readdir(RUN_ROOT).catch(() => [])).sort((a, b) => (a < b ? -1 : 1));
  }

  get state(): LabState {
    return this.#state;
  }

  host(name: string): HostState {
    const host = this.#state.hosts.find((one) => one.name === name);
    if (host !== undefined) return host;
    const known = this.#state.hosts.map((one) => one.name).join(', ');
    throw new Error(`lab ${this.#state.name} has no host ${name}: it has ${known}`);
  }

  async setHost(host: HostState): Promise<void> {
    const others = this.#state.hosts.filter((one) => one.name !== host.name);
    const hosts = [...others, host].sort((a, b) => (a.name < b.name ? -1 : 1));
    this.#state = { ...this.#state, hosts };
    await this.#write();
  }

  async #write(): Promise<void> {
    const temporary = `${this.paths.state}.${process.pid}.new`;
    await writeFile(temporary, JSON.stringify(this.#state));
    await rename(temporary, this.paths.state);
  }
}
