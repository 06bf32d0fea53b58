// What a lab remembers of itself: its hosts and their processes. Written after each step, so that a
// crash leaves nothing that `down` would not know.
import { mkdir, readFile, readdir, rename, writeFile } from 'node:fs/promises';
import { count, decoder, list, oneOf, optional, record, text, type Asked } from '../base/index.ts';
import { RUN_ROOT, labPaths, type LabPaths } from './paths.ts';

const identity = record({ pid: count(), startTime: text(64) });

const HOST_STATE = record({
  name: text(256),
  role: oneOf('manager', 'worker'),
  address: text(256),
  /** PID 1 of the host's namespace, as seen from outside. */
  init: optional(identity),
  daemon: optional(identity),
  /** 0, or the side of a partition that the host is on. */
  side: count(),
});
export type HostState = Asked<typeof HOST_STATE>;

const decodeHost = decoder(HOST_STATE, 'state of a host');
/** Extra options for every daemon. */
const decodeLab = decoder(record({ daemonArgs: list(text()) }), 'state of the lab');

export interface LabState {
  readonly name: string;
  readonly hosts: readonly HostState[];
  /** Extra options for every daemon. */
  readonly daemonArgs: readonly string[];
}

export class LabStore {
  readonly paths: LabPaths;
  readonly #daemonArgs: readonly string[];
  readonly #hosts = new Map<string, HostState>();

  private constructor(paths: LabPaths, daemonArgs: readonly string[]) {
    this.paths = paths;
    this.#daemonArgs = daemonArgs;
  }

  static async create(name: string, daemonArgs: readonly string[]): Promise<LabStore> {
    const paths = labPaths(name);
    await mkdir(paths.hosts, { recursive: true });
    await write(paths.state, { daemonArgs });
    return new LabStore(paths, daemonArgs);
  }

  /** Raises an error that names the lab when there is none. */
  static async open(name: string): Promise<LabStore> {
    const paths = labPaths(name);
    const state = await readFile(paths.state, 'utf8').catch(() => undefined);
    if (state === undefined)
      throw new Error(`there is no lab ${name}: start it with 'tsswarm lab up'`);
    const { daemonArgs } = decodeLab.json(state);
    const store = new LabStore(paths, daemonArgs);
    for (const file of await readdir(paths.hosts)) {
      if (!file.endsWith('.json')) continue;
      const host = decodeHost.json(await readFile(`${paths.hosts}/${file}`, 'utf8'));
      store.#hosts.set(host.name, host);
    }
    return store;
  }

  static async names(): Promise<string[]> {
    return (await readdir(RUN_ROOT).catch(() => [])).sort((a, b) => (a < b ? -1 : 1));
  }

  get state(): LabState {
    const hosts = [...this.#hosts.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    return { name: this.paths.name, hosts, daemonArgs: this.#daemonArgs };
  }

  host(name: string): HostState {
    const host = this.#hosts.get(name);
    if (host !== undefined) return host;
    const known = [...this.#hosts.keys()].join(', ');
    throw new Error(`lab ${this.paths.name} has no host ${name}: it has ${known}`);
  }

  /** A file per host, so that commands on different hosts don't get in each other's way. */
  async setHost(host: HostState): Promise<void> {
    this.#hosts.set(host.name, host);
    await write(`${this.paths.hosts}/${host.name}.json`, host);
  }
}

async function write(path: string, content: object): Promise<void> {
  const temporary = `${path}.${process.pid}.new`;
  await writeFile(temporary, JSON.stringify(content));
  await rename(temporary, path);
}
