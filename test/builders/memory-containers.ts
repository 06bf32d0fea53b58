// The Engine API's backend with containers that are only remembered, for tests of its routes.
import { SwarmError } from '../../src/base/index.ts';
import type {
  ContainerBackend,
  EngineBackend,
  LogLine,
  LogQuery,
  StopRequest,
} from '../../src/engine-api/index.ts';
import type {
  ContainerConfig,
  ContainerDescription,
  WaitCondition,
} from '../../src/model/index.ts';

const FACTS: EngineBackend['facts'] = {
  version: '0.1.0',
  id: 'x',
  hostname: 'h',
  operatingSystem: 'Linux',
  kernelVersion: '6',
  architecture: 'amd64',
  cpus: 1,
  memoryBytes: 1,
  dataRoot: '/x',
  cgroupDriver: 'cgroupfs',
  cgroupVersion: '2',
  runtime: 'runc',
  containerdVersion: '',
  labels: [],
  insecureRegistries: [],
};

interface Entry {
  description: ContainerDescription;
  readonly lines: LogLine[];
  /** Whoever reads or waits. */
  readonly changed: Set<() => void>;
  runs: number;
  removed: boolean;
}

/** Containers without processes: what they write and when they end is said by the test. */
export class MemoryContainers implements ContainerBackend {
  readonly calls: unknown[] = [];
  readonly #entries = new Map<string, Entry>();

  async create(config: ContainerConfig): Promise<string> {
    if (config.spec.Image === 'missing') {
      throw new SwarmError('notFound', 'No such image: missing:latest');
    }
    const number = this.#entries.size + 1;
    const id = number.toString(16).padStart(2, '0').repeat(32);
    const description: ContainerDescription = {
      id,
      name: config.name || `c${number}`,
      createdAt: Date.now() + number,
      config,
      imageId: 'sha256:1234',
      state: 'created',
      pid: 0,
      exitCode: 0,
      oomKilled: false,
      error: '',
      startedAt: undefined,
      finishedAt: undefined,
      restartCount: 0,
      health: undefined,
      networks: [],
      ports: [],
      volumes: [],
    };
    this.#entries.set(id, { description, lines: [], changed: new Set(), runs: 0, removed: false });
    return id;
  }

  async list(): Promise<readonly ContainerDescription[]> {
    return [...this.#entries.values()].map(({ description }) => description);
  }

  async inspect(reference: string): Promise<ContainerDescription> {
    return this.#find(reference).description;
  }

  async start(reference: string): Promise<boolean> {
    const entry = this.#find(reference);
    if (entry.description.state === 'running') return false;
    entry.runs++;
    this.change(reference, { state: 'running', startedAt: Date.now() });
    return true;
  }

  async stop(reference: string, how: StopRequest): Promise<boolean> {
    this.calls.push(['stop', how]);
    if (this.#find(reference).description.state !== 'running') return false;
    this.end(reference, 143);
    return true;
  }

  async restart(reference: string, how: StopRequest): Promise<void> {
    this.calls.push(['restart', how]);
    this.#find(reference);
  }

  async kill(reference: string, signal: string): Promise<void> {
    this.calls.push(['kill', signal]);
    if (this.#find(reference).description.state !== 'running') {
      throw new SwarmError('conflict', `Container ${reference} is not running`);
    }
  }

  async rename(reference: string, name: string): Promise<void> {
    this.change(reference, { name });
  }

  async remove(
    reference: string,
    how: { readonly force: boolean; readonly volumes: boolean },
  ): Promise<void> {
    this.calls.push(['remove', how]);
    const entry = this.#find(reference);
    if (entry.description.state === 'running' && !how.force) {
      throw new SwarmError('conflict', 'container is running: stop the container first');
    }
    entry.removed = true;
    this.#entries.delete(entry.description.id);
    for (const listener of entry.changed) listener();
  }

  async wait(
    reference: string,
    condition: WaitCondition,
    signal: AbortSignal,
  ): Promise<{ readonly exitCode: number; readonly error: string }> {
    const entry = this.#find(reference);
    const runs = entry.description.state === 'running' ? entry.runs - 1 : entry.runs;
    const ended = (): boolean => entry.description.state !== 'running';
    const holds = {
      'not-running': ended,
      'next-exit': () => ended() && entry.runs > runs,
      removed: () => entry.removed,
    }[condition];
    while (!holds()) await this.#change(entry, signal);
    const { exitCode, error } = entry.description;
    return { exitCode, error };
  }

  async *logs(reference: string, query: LogQuery, signal: AbortSignal): AsyncIterable<LogLine> {
    const entry = this.#find(reference);
    this.calls.push(['logs', query]);
    for (const line of entry.lines) {
      if (line.stream === 1 ? query.stdout : query.stderr) yield line;
    }
    while (query.follow && entry.description.state === 'running') {
      await this.#change(entry, signal);
    }
  }

  output(reference: string, history: boolean, signal: AbortSignal): AsyncIterable<LogLine> {
    const entry = this.#find(reference);
    return this.#output(entry, history ? 0 : entry.lines.length, signal);
  }

  async *#output(entry: Entry, from: number, signal: AbortSignal): AsyncIterable<LogLine> {
    const { state } = entry.description;
    const runs = state === 'running' ? entry.runs - 1 : entry.runs;
    for (let at = from; ;) {
      for (; at < entry.lines.length; at++) yield* entry.lines.slice(at, at + 1);
      if (entry.runs > runs && entry.description.state !== 'running') return;
      await this.#change(entry, signal);
    }
  }

  /** What a test makes happen. */
  write(reference: string, text: string, stream: 1 | 2 = 1): void {
    const entry = this.#find(reference);
    entry.lines.push({ stream, time: '2025-01-01T00:00:00Z', text: Buffer.from(text) });
    for (const listener of entry.changed) listener();
  }

  end(reference: string, exitCode: number): void {
    this.change(reference, { state: 'exited', exitCode, finishedAt: Date.now() });
  }

  change(reference: string, change: Partial<ContainerDescription>): void {
    const entry = this.#find(reference);
    entry.description = { ...entry.description, ...change };
    for (const listener of entry.changed) listener();
  }

  /** How many read or wait now. */
  listeners(reference: string): number {
    return this.#find(reference).changed.size;
  }

  #change(entry: Entry, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (): void => {
        entry.changed.delete(done);
        if (signal.aborted) reject(new Error('aborted'));
        else resolve();
      };
      entry.changed.add(done);
      signal.addEventListener('abort', done, { once: true });
    });
  }

  #find(reference: string): Entry {
    const name = reference.replace(/^\//, '');
    const all = [...this.#entries.values()];
    const found =
      all.find(({ description }) => description.name === name) ??
      all.find(({ description }) => description.id.startsWith(name));
    if (found === undefined) throw new SwarmError('notFound', `No such container: ${reference}`);
    return found;
  }
}

const not = (): never => {
  throw new Error('is not for these tests');
};

export function backendOf(containers: ContainerBackend): EngineBackend {
  return {
    facts: FACTS,
    images: {
      list: async () => [
        {
          id: 'sha256:1234',
          tags: ['img:latest'],
          digests: [],
          createdAt: 0,
          size: 1,
          labels: {},
        },
      ],
      inspect: async () => ({ Config: { Cmd: ['serve'], Labels: { of: 'image' } } }),
      pull: not,
      load: not,
      tag: not,
      remove: not,
      distribution: not,
    },
    volumes: { list: async () => [], create: not, remove: not },
    containers,
    cluster: () => undefined,
    clusterError: () => undefined,
    init: not,
    join: not,
    leave: not,
    backup: not,
    restore: not,
    containerCounts: () => ({ running: 0, stopped: 0 }),
    problems: () => [],
  };
}
