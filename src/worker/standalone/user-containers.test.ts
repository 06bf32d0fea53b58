// Users' containers at their borders: a runtime in memory that outlives the daemon, managers who answer,
// and an agent that runs the attachments that they assign.
import { Prng, SimDisk, VirtualClock, settle } from 'sim';
import { beforeEach, describe, expect, it } from 'vitest';
import { SwarmError, silentLogger } from '../../base/index.ts';
import type { ContainerConfig, TaskAssignment } from '../../model/index.ts';
import type {
  ContainerRun,
  ContainerRuntime,
  RunEnd,
  TaskContext,
  TaskController,
} from '../runtime/index.ts';
import type { NetworkAttachmentRequest } from './network-attachments.ts';
import { UserContainers } from './user-containers.ts';

const NODE = { id: '', hostname: 'h', platform: { os: 'linux', architecture: 'x86_64' } };
const never = new AbortController().signal;

class FakeRuntime implements ContainerRuntime {
  readonly runs = new Map<string, ContainerRun>();
  readonly prepared: TaskContext[] = [];
  readonly stops: object[] = [];
  readonly removed: { key: string; volumes: boolean }[] = [];
  /** Held by other programs. */
  readonly portsTaken = new Set<number>();
  startFails: string | undefined;
  readonly #clock: VirtualClock;
  readonly #waiters = new Map<string, ((end: RunEnd) => void)[]>();

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  containerId = (key: string): string => `id-${key}`;
  imageId = async (image: string) => (image === 'missing' ? undefined : `sha256:${image}`);
  health = async () => undefined;
  volumes = async () => [];

  checkSignal(signal: string): void {
    if (signal === 'SIGNONE') throw new SwarmError('invalid', `invalid signal: ${signal}`);
  }

  async prepare(context: TaskContext): Promise<void> {
    const [taken] = context.task.hostPorts.filter((p) => this.portsTaken.has(p.PublishedPort ?? 0));
    if (taken) throw new SwarmError('conflict', `port ${taken.PublishedPort} is held`);
    this.prepared.push(context);
  }

  async start(key: string): Promise<void> {
    if (this.startFails !== undefined) throw new SwarmError('precondition', this.startFails);
    const startedAt = this.#clock.now();
    this.runs.set(key, { state: 'running', pid: 42, startedAt, end: undefined });
  }

  async observe(key: string): Promise<ContainerRun> {
    const none = { state: 'absent', pid: 0, startedAt: undefined, end: undefined } as const;
    return this.runs.get(key) ?? none;
  }

  wait(key: string, signal: AbortSignal): Promise<RunEnd> {
    const end = this.runs.get(key)?.end;
    if (end !== undefined) return Promise.resolve(end);
    return new Promise((resolve, reject) => {
      this.#waiters.set(key, [...(this.#waiters.get(key) ?? []), resolve]);
      signal.addEventListener('abort', () => reject(new SwarmError('unavailable', 'given up')));
    });
  }

  async stop(key: string, how: object): Promise<void> {
    this.stops.push(how);
    await this.exit(key, 143);
  }

  async kill(key: string): Promise<void> {
    await this.exit(key, 137);
  }

  async renew(key: string): Promise<void> {
    this.runs.delete(key);
  }

  async remove(key: string, volumes: boolean): Promise<void> {
    this.removed.push({ key, volumes });
    this.runs.delete(key);
  }

  async *logs() {
    yield { stream: 'stdout', time: '', line: 'hello', partial: false } as const;
  }

  /** The process ends. */
  async exit(key: string, exitCode: number): Promise<void> {
    const run = this.runs.get(key);
    if (run?.state !== 'running') return;
    const end = { exitCode, oomKilled: false, finishedAt: this.#clock.now() };
    this.runs.set(key, { ...run, state: 'exited', pid: 0, end });
    for (const waiter of this.#waiters.get(key) ?? []) waiter(end);
    this.#waiters.delete(key);
    await settle();
  }
}

let clock: VirtualClock;
let runtime: FakeRuntime;
let disk: SimDisk;
let containers: UserContainers;
let asked: NetworkAttachmentRequest[];
let refusal: SwarmError | undefined;
/** Whether managers assign what they were asked for. */
let assign: boolean;
let attachments: Map<string, { task: TaskAssignment; controller: TaskController }>;
let bound: Map<string, string | undefined>;
let detached: string[];

function daemon(): UserContainers {
  return new UserContainers({
    directory: '/data/containers',
    runtime,
    networking: {
      bind: (key, attachmentId) => bound.set(key, attachmentId),
      addresses: () => ['172.18.0.5'],
      detach: async (key) => void detached.push(key),
    },
    askManagers: async (request) => {
      asked.push(request);
      if (refusal !== undefined) throw refusal;
      if (assign) give(request);
    },
    describeNetworks: (networks) =>
      networks.map(({ networkId, addresses, aliases }) => ({
        networkId,
        name: networkId,
        addresses,
        gateway: undefined,
        aliases,
      })),
    node: () => NODE,
    clock,
    random: new Prng('containers'),
    disk,
    logger: silentLogger,
  });
}

/** What the agent does with an assignment, here and again after a restart. */
function give({ id, containerId, networks }: NetworkAttachmentRequest): void {
  const task = {
    id,
    attachment: { containerId },
    networks: networks.map(({ target, aliases }, i) => ({
      networkId: target,
      addresses: [`10.0.${i}.7/24`],
      aliases,
    })),
  } as unknown as TaskAssignment;
  attachments.set(id, { task, controller: controllerOf(task) });
}

function controllerOf(task: TaskAssignment): TaskController {
  return containers.controller({ task } as TaskContext);
}

const aConfig = (more: Partial<ContainerConfig> = {}): ContainerConfig => ({
  name: 'db',
  spec: { Image: 'postgres' },
  restart: { name: 'no', maximumRetries: 0 },
  autoRemove: false,
  networks: [],
  ports: [],
  ...more,
});

const onNetwork = (target = 'back', more: Partial<ContainerConfig> = {}): ContainerConfig =>
  aConfig({ networks: [{ target, aliases: ['pg'], addresses: [] }], ...more });

const keyOf = (id: string): string => id.slice('id-'.length);
const states = async (): Promise<string[]> =>
  (await containers.list()).map(({ name, state, exitCode }) => `${name} ${state} ${exitCode}`);

beforeEach(() => {
  clock = new VirtualClock();
  runtime = new FakeRuntime(clock);
  disk = new SimDisk();
  asked = [];
  refusal = undefined;
  assign = true;
  attachments = new Map();
  bound = new Map();
  detached = [];
  containers = daemon();
});

describe('a container', () => {
  it('is made, started, stopped, started again and removed', async () => {
    const id = await containers.create(aConfig());
    expect(await states()).toEqual(['db created 0']);
    expect(await containers.start('db')).toBe(true);
    expect(await containers.start('/db')).toBe(false);
    expect(await containers.inspect(id.slice(0, 16))).toMatchObject({
      state: 'running',
      pid: 42,
      networks: [{ name: 'bridge', addresses: ['172.18.0.5/16'] }],
    });
    expect(await containers.stop('db', { signal: 'SIGINT', graceMs: 1_000 })).toBe(true);
    expect(await containers.stop('db', {})).toBe(false);
    expect(runtime.stops).toEqual([{ signal: 'SIGINT', graceMs: 1_000 }]);
    expect(await states()).toEqual(['db exited 143']);
    await containers.start('db');
    await expect(containers.remove('db', false, false)).rejects.toMatchObject({ code: 'conflict' });
    await containers.remove('db', true, true);
    expect(runtime.removed).toEqual([{ key: keyOf(id), volumes: true }]);
    expect(await states()).toEqual([]);
    expect(await disk.list('/data/containers')).toEqual([]);
  });

  it('is told what is wrong with it', async () => {
    await containers.create(aConfig());
    await expect(containers.create(aConfig())).rejects.toThrow('"/db" is already in use');
    await expect(
      containers.create(aConfig({ name: 'x', spec: { Image: 'missing' } })),
    ).rejects.toThrow('No such image: missing');
    await expect(containers.inspect('nobody')).rejects.toThrow('No such container: nobody');
    await expect(containers.kill('db', 'KILL')).rejects.toMatchObject({ code: 'conflict' });
    await containers.create(aConfig({ name: 'other' }));
    await expect(containers.rename('other', 'db')).rejects.toMatchObject({ code: 'conflict' });
    await expect(containers.inspect('id-container.')).rejects.toMatchObject({ code: 'invalid' });
    await containers.rename('other', 'third');
    expect((await containers.inspect('third')).name).toBe('third');
  });

  it('has its name alone, also when two are renamed at once', async () => {
    await containers.create(aConfig({ name: 'one' }));
    await containers.create(aConfig({ name: 'two' }));
    const renamed = ['one', 'two'].map((name) => containers.rename(name, 'same'));
    const results = await Promise.allSettled(renamed);
    expect(results.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect((await containers.list()).map(({ name }) => name).toSorted()).toEqual(['same', 'two']);
  });

  it('that can’t be started says why, and leaves nothing', async () => {
    runtime.startFails = 'exec: "nope": not found';
    const id = await containers.create(aConfig());
    await expect(containers.start('db')).rejects.toThrow('nope');
    expect(await containers.inspect('db')).toMatchObject({
      state: 'exited',
      exitCode: 128,
      error: 'exec: "nope": not found',
    });
    expect(detached).toEqual([keyOf(id)]);
    runtime.startFails = undefined;
    await containers.start('db');
    expect(await states()).toEqual(['db running 0']);
  });

  it('gets free ports, and those it asks for or none', async () => {
    const port = { Protocol: 'tcp', TargetPort: 80, PublishMode: 'host' } as const;
    await containers.create(aConfig({ ports: [port] }));
    for (let taken = 32_768; taken <= 60_999; taken += 2) runtime.portsTaken.add(taken);
    await containers.start('db');
    const [chosen] = (await containers.inspect('db')).ports;
    expect((chosen?.PublishedPort ?? 0) % 2).toBe(1);
    runtime.portsTaken.add(8080);
    await containers.create(aConfig({ name: 'web', ports: [{ ...port, PublishedPort: 8080 }] }));
    await expect(containers.start('web')).rejects.toThrow('port 8080 is held');
  });
});

describe('on networks of the cluster', () => {
  it('a container has its attachment while it runs', async () => {
    const id = await containers.create(onNetwork());
    await containers.start('db');
    const [attachment] = attachments.values();
    expect(asked).toMatchObject([{ containerId: id, name: 'db' }]);
    expect(runtime.prepared[0]?.task).toMatchObject({
      id: keyOf(id),
      networks: [{ networkId: 'back', addresses: ['10.0.0.7/24'] }],
    });
    expect(bound.get(keyOf(id))).toBe(attachment?.task.id);
    expect(await attachment?.controller.observe()).toMatchObject({ state: 'running', pid: 42 });
    const ended = attachment?.controller.wait(never);
    await runtime.exit(keyOf(id), 3);
    expect(await ended).toMatchObject({ exitCode: 3 });
    expect(detached).toEqual([keyOf(id)]);
    await containers.start('db');
    expect(new Set(asked.map((one) => one.id)).size).toBe(2);
  });

  it('a refusal is its user’s to read', async () => {
    refusal = new SwarmError('denied', 'network back is not manually attachable');
    await containers.create(onNetwork());
    await expect(containers.start('db')).rejects.toThrow('not manually attachable');
    expect(runtime.prepared).toEqual([]);
    expect(await states()).toEqual(['db exited 128']);
  });

  it('an address that comes too late is given back', async () => {
    assign = false;
    await containers.create(onNetwork());
    const starting = containers.start('db');
    const failed = expect(starting).rejects.toThrow('no address on network back came within 20 s');
    await clock.advance(21_000);
    await failed;
    const [request] = asked;
    if (request === undefined) throw new Error('nobody was asked');
    give(request);
    expect(await attachments.get(request.id)?.controller.observe()).toMatchObject({
      state: 'exited',
    });
  });

  it('an attachment that the managers want back ends the run', async () => {
    await containers.create(onNetwork());
    await containers.start('db');
    const [attachment] = attachments.values();
    await attachment?.controller.shutdown();
    expect(await states()).toEqual(['db exited 143']);
    expect(await attachment?.controller.observe()).toMatchObject({ state: 'exited' });
  });
});

describe('a policy', () => {
  it('brings a container back until its user stops it', async () => {
    const restart = { name: 'always', maximumRetries: 0 } as const;
    const id = await containers.create(onNetwork('back', { restart }));
    await containers.start('db');
    await runtime.exit(keyOf(id), 1);
    expect(await states()).toEqual(['db restarting 1']);
    await clock.advance(100);
    expect(await containers.inspect('db')).toMatchObject({ state: 'running', restartCount: 1 });
    expect(asked).toHaveLength(2);
    await runtime.exit(keyOf(id), 1);
    await clock.advance(150);
    expect(await states()).toEqual(['db restarting 1']);
    expect(await containers.stop('db', {})).toBe(true);
    await clock.advance(60_000);
    expect(await states()).toEqual(['db exited 1']);
  });

  it('holds again for one that survived a signal and is wanted (seed 776)', async () => {
    const restart = { name: 'always', maximumRetries: 0 } as const;
    const id = await containers.create(aConfig({ restart }));
    await containers.start('db');
    runtime.kill = async () => {};
    await containers.kill('db', 'SIGTERM');
    expect(await containers.start('db')).toBe(false);
    await runtime.exit(keyOf(id), 1);
    await clock.advance(100);
    expect(await states()).toEqual(['db running 0']);
  });

  it('does not count tries that there were no managers for', async () => {
    const restart = { name: 'on-failure', maximumRetries: 2 } as const;
    const id = await containers.create(onNetwork('back', { restart }));
    await containers.start('db');
    refusal = new SwarmError('unavailable', 'no manager is known');
    await runtime.exit(keyOf(id), 1);
    await clock.advance(60_000);
    expect(await states()).toEqual(['db restarting 128']);
    refusal = undefined;
    await clock.advance(61_000);
    expect(await containers.inspect('db')).toMatchObject({ state: 'running', restartCount: 1 });
  });
});

describe('those who wait', () => {
  it('hear of the next end, and of the removal', async () => {
    const id = await containers.create(aConfig({ autoRemove: true }));
    const next = containers.wait('db', 'next-exit', never);
    const removed = containers.wait('db', 'removed', never);
    await containers.start('db');
    const output = containers.output('db', false, never);
    await runtime.exit(keyOf(id), 7);
    expect(await next).toMatchObject({ exitCode: 7 });
    // Not before its output was read.
    expect(await states()).toEqual(['db exited 7']);
    for await (const { line } of output) expect(line).toBe('hello');
    expect(await removed).toMatchObject({ exitCode: 7 });
    expect(await states()).toEqual([]);
    expect(runtime.removed).toEqual([{ key: keyOf(id), volumes: true }]);
  });

  it('are told when it does not even start, and goes', async () => {
    await containers.create(aConfig({ autoRemove: true }));
    const removed = containers.wait('db', 'removed', never);
    runtime.startFails = 'exec: "nope": not found';
    await expect(containers.start('db')).rejects.toThrow('nope');
    expect(await removed).toMatchObject({ exitCode: 128, error: 'exec: "nope": not found' });
    await settle();
    expect(await states()).toEqual([]);
  });

  it('get the last exit code when nothing runs', async () => {
    const id = await containers.create(aConfig());
    expect(await containers.wait('db', 'not-running', never)).toMatchObject({ exitCode: 0 });
    await containers.start('db');
    const ended = containers.wait('db', 'not-running', never);
    await runtime.exit(keyOf(id), 9);
    expect(await ended).toMatchObject({ exitCode: 9 });
  });
});

describe('a daemon that starts', () => {
  async function again(): Promise<void> {
    await containers.close();
    containers = daemon();
    await containers.open();
    await settle();
  }

  it('goes on with what runs, and its attachment', async () => {
    const id = await containers.create(onNetwork());
    await containers.start('db');
    await again();
    expect(await containers.inspect('db')).toMatchObject({
      state: 'running',
      networks: [{ addresses: ['10.0.0.7/24'] }],
    });
    const task = [...attachments.values()][0]?.task;
    if (task === undefined) throw new Error('no attachment');
    const controller = controllerOf(task);
    expect(await controller.observe()).toMatchObject({ state: 'running' });
    expect(bound.get(keyOf(id))).toBe(task.id);
    await runtime.exit(keyOf(id), 0);
    expect(await controller.observe()).toMatchObject({ state: 'exited' });
  });

  it('waits for what it can’t see yet, and takes it for nothing else', async () => {
    await containers.create(aConfig());
    await containers.start('db');
    const observe = runtime.observe.bind(runtime);
    runtime.observe = () => Promise.reject(new SwarmError('unavailable', 'containerd is away'));
    await again();
    const stopped = containers.stop('db', {});
    await settle();
    expect(runtime.stops).toEqual([]);
    runtime.observe = observe;
    await clock.advance(1_000);
    expect(await stopped).toBe(true);
    expect(runtime.stops).toHaveLength(1);
  });

  it('sees what has ended meanwhile, and what is to run again', async () => {
    const policies = ['no', 'always', 'unless-stopped', 'on-failure'] as const;
    for (const name of policies) {
      const id = await containers.create(
        aConfig({ name, restart: { name, maximumRetries: 0 }, networks: [] }),
      );
      await containers.start(name);
      if (name === 'unless-stopped') await containers.stop(name, {});
      runtime.runs.set(keyOf(id), {
        state: 'exited',
        pid: 0,
        startedAt: clock.now(),
        end: { exitCode: 1, oomKilled: false, finishedAt: clock.now() },
      });
    }
    await containers.create(
      aConfig({ name: 'never-started', restart: { name: 'always', maximumRetries: 0 } }),
    );
    await again();
    await clock.advance(10);
    expect((await states()).sort()).toEqual([
      'always running 0',
      'never-started created 0',
      'no exited 1',
      'on-failure running 0',
      'unless-stopped exited 1',
    ]);
  });

  // The runtime had forgotten its runs for one that could not begin.
  it('starts again what ran once, also when the last try failed', async () => {
    const restart = { name: 'always', maximumRetries: 0 } as const;
    const id = await containers.create(aConfig({ restart }));
    await containers.start('db');
    runtime.startFails = 'the networks are not known yet';
    await runtime.exit(keyOf(id), 1);
    await clock.advance(150);
    expect(await runtime.observe(keyOf(id))).toMatchObject({ state: 'absent' });
    await again();
    runtime.startFails = undefined;
    await clock.advance(1_000);
    expect(await states()).toEqual(['db running 0']);
  });

  it('knows nothing of what was removed, also after a loss of power', async () => {
    await containers.create(aConfig({ restart: { name: 'always', maximumRetries: 0 } }));
    await containers.start('db');
    await containers.remove('db', true, false);
    disk.crash(new Prng('power'));
    await again();
    expect(await containers.list()).toEqual([]);
  });

  it('undoes a start that the one before it did not finish', async () => {
    assign = false;
    const id = await containers.create(onNetwork());
    const starting = containers.start('db');
    starting.catch(() => undefined);
    await settle();
    containers = daemon();
    await containers.open();
    expect(detached).toEqual([keyOf(id)]);
    const [request] = asked;
    if (request === undefined) throw new Error('nobody was asked');
    give(request);
    expect(await attachments.get(request.id)?.controller.observe()).toMatchObject({
      state: 'exited',
    });
  });

  it('leaves a file that it can’t read alone, and says so', async () => {
    await containers.create(aConfig());
    const path = '/data/containers/broken.json';
    await disk.writeFileAtomic(path, new TextEncoder().encode('{"v":7}'));
    await again();
    expect((await containers.list()).map(({ name }) => name)).toEqual(['db']);
    expect(await disk.list('/data/containers')).toContain('broken.json');
  });
});
