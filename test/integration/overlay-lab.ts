// Hosts, tasks and an outside client for overlay.test.ts, out of network namespaces on one switch
// that is a namespace too. Everything has a name that starts with the lab's, and `close` removes it.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import type { TaskAssignment } from '../../src/model/index.ts';
import type { OverlayProblem, OverlayState, TaskNamespace } from '../../src/overlay/index.ts';

const execute = promisify(execFile);
const ROOT = join(import.meta.dirname, '../..');

interface Reply {
  readonly id?: number;
  readonly value?: unknown;
  readonly error?: string;
  readonly code?: string;
  readonly ms?: number;
}

/** A child that takes JSON commands. */
export class Program {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<
    number,
    { resolve(reply: Reply): void; reject(error: Error): void }
  >();
  readonly ready: Promise<void>;
  readonly ended: Promise<void>;
  #next = 1;
  /** Milliseconds that the last call took inside the program, where it says so. */
  lastMs = 0;

  constructor(namespace: string, argv: readonly string[]) {
    const args = [`--net=${namespace}`, process.execPath, ...argv];
    this.#child = spawn('nsenter', args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.ended = new Promise((resolve) => this.#child.on('exit', () => resolve()));
    this.ready = new Promise((resolve, reject) => {
      this.#child.on('exit', () => {
        const error = new Error(`${argv[0]} ended`);
        reject(error);
        for (const waiting of this.#waiting.values()) waiting.reject(error);
      });
      const { stdout } = this.#child;
      if (stdout === null) return reject(new Error('no output'));
      createInterface({ input: stdout }).on('line', (line) => {
        const reply = JSON.parse(line) as Reply;
        if (reply.id === undefined) return resolve();
        this.lastMs = reply.ms ?? 0;
        this.#waiting.get(reply.id)?.resolve(reply);
        this.#waiting.delete(reply.id);
      });
    });
    this.ready.catch(() => undefined);
  }

  /** The value, or an error with the program's words. */
  async call<T>(call: string, values: Readonly<Record<string, unknown>> = {}): Promise<T> {
    return (await this.numbered<T>(call, values)).value;
  }

  /** Also tells the number of the call. */
  async numbered<T>(
    call: string,
    values: Readonly<Record<string, unknown>> = {},
  ): Promise<{ id: number; value: T }> {
    await this.ready;
    const id = this.#next++;
    const reply = await new Promise<Reply>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#child.stdin?.write(`${JSON.stringify({ id, call, ...values })}\n`);
    });
    if (reply.error !== undefined) throw new Error(reply.error);
    return { id, value: reply.value as T };
  }

  kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    return this.ended;
  }
}

/** A task or client: a namespace and a program in it. */
export interface Peer {
  readonly namespace: string;
  readonly program: Program;
}

/** What sets one host apart from the others. */
export interface OwnConfig {
  readonly instance?: string;
  readonly keyPeriodMs?: number;
  readonly missing?: readonly string[];
}

export class OverlayLab {
  readonly #name: string;
  readonly #directory: string;
  readonly #programs: Program[] = [];
  readonly #hosts = new Map<string, Program>();
  readonly #configs = new Map<string, OwnConfig>();

  private constructor(name: string, directory: string) {
    this.#name = name;
    this.#directory = directory;
  }

  static async open(): Promise<OverlayLab> {
    const name = `tsov${process.pid}`;
    const lab = new OverlayLab(name, await mkdtemp(join(tmpdir(), `${name}-`)));
    await execute('bash', [join(ROOT, 'native/addon/build.sh')]);
    await build({
      entryPoints: {
        host: join(import.meta.dirname, 'overlay-host.ts'),
        peer: join(import.meta.dirname, 'overlay-peer.ts'),
        resolver: join(ROOT, 'src/resolver/resolver-main.ts'),
      },
      outdir: lab.#directory,
      outExtension: { '.js': '.mjs' },
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      conditions: ['source'],
      logLevel: 'silent',
      banner: {
        js: "import { createRequire as made } from 'node:module'; const require = made(import.meta.url);",
      },
    });
    await lab.ip(undefined, 'netns', 'add', `${name}-ul`);
    await lab.ip('ul', 'link', 'add', 'sw', 'type', 'bridge');
    // A switch has no firewall, also on a machine whose bridges have Docker's.
    const off = 'net.bridge.bridge-nf-call-iptables=0';
    await lab.run(lab.path('ul'), 'sysctl', '-qew', off);
    await lab.ip('ul', 'link', 'set', 'sw', 'up');
    return lab;
  }

  /** A machine on the switch: a host to be, or a neighbour. */
  async machine(name: string, address: string, address6?: string): Promise<void> {
    const full = `${this.#name}-${name}`;
    await this.ip(undefined, 'netns', 'add', full);
    const peer = ['peer', 'name', 'eth0', 'netns', full];
    await this.ip('ul', 'link', 'add', `u${name}`, 'type', 'veth', ...peer);
    await this.ip('ul', 'link', 'set', `u${name}`, 'master', 'sw', 'up');
    await this.ip(name, 'addr', 'add', `${address}/24`, 'dev', 'eth0');
    if (address6 !== undefined) {
      await this.ip(name, 'addr', 'add', `${address6}/64`, 'dev', 'eth0', 'nodad');
    }
    await this.ip(name, 'link', 'set', 'eth0', 'up');
    await this.ip(name, 'link', 'set', 'lo', 'up');
  }

  /** Starts (again) the overlay of a host. */
  async startOverlay(host: string, own: OwnConfig = {}): Promise<Program> {
    const directory = join(this.#directory, host);
    const resolvConf = join(this.#directory, 'resolv.conf');
    await writeFile(resolvConf, 'nameserver 10.99.0.9\nsearch example.test\n');
    const config = {
      addon: join(ROOT, 'build/tsswarm.node'),
      resolver: join(this.#directory, 'resolver.mjs'),
      directory,
      instance: 'tl',
      ownPorts: [2377],
      resolvConf,
      bus: `unix:path=${directory}/bus`,
      ...this.#own(host, own),
    };
    const argv = [join(this.#directory, 'host.mjs'), JSON.stringify(config)];
    const program = new Program(this.path(host), argv);
    this.#programs.push(program);
    this.#hosts.set(host, program);
    await program.ready;
    return program;
  }

  /** Also when it is started again. */
  #own(host: string, own: OwnConfig): OwnConfig {
    const all = { ...this.#configs.get(host), ...own };
    this.#configs.set(host, all);
    return all;
  }

  overlay(host: string): Program {
    const program = this.#hosts.get(host);
    if (program === undefined) throw new Error(`no overlay on ${host}`);
    return program;
  }

  async update(host: string, state: OverlayState): Promise<number> {
    const sent = Object.entries(state).map(([key, value]: [string, unknown]) => [
      key,
      value instanceof Map ? [...value] : value,
    ]);
    await this.overlay(host).call('update', { state: Object.fromEntries(sent) });
    return this.overlay(host).lastMs;
  }

  attach(host: string, task: TaskAssignment): Promise<TaskNamespace> {
    return this.overlay(host).call('attach', { task });
  }

  problems(host: string): Promise<OverlayProblem[]> {
    return this.overlay(host).call('problems');
  }

  /** A program in the namespace at `path`. */
  async peer(path: string): Promise<Peer> {
    const program = new Program(path, [join(this.#directory, 'peer.mjs')]);
    this.#programs.push(program);
    await program.ready;
    return { namespace: path, program };
  }

  /** Name of a machine's namespace. */
  netns(machine: string): string {
    return `${this.#name}-${machine}`;
  }

  /** Path of a machine's namespace. */
  path(machine: string): string {
    return `/run/netns/${this.netns(machine)}`;
  }

  /** Directory of a host's overlay. */
  directory(host: string): string {
    return join(this.#directory, host);
  }

  ip(machine: string | undefined, ...args: string[]): Promise<unknown> {
    const where = machine === undefined ? [] : ['-n', `${this.#name}-${machine}`];
    return execute('ip', [...where, ...args]);
  }

  /** Runs a program in a namespace; returns what it printed. */
  async run(path: string, ...argv: string[]): Promise<string> {
    return (await execute('nsenter', [`--net=${path}`, ...argv])).stdout;
  }

  async close(): Promise<void> {
    for (const host of this.#hosts.keys()) {
      try {
        await this.#removeOverlay(host);
      } catch (error) {
        console.error(error);
      }
    }
    await Promise.all(this.#programs.map((program) => program.kill()));
    const list = await execute('ip', ['netns', 'list']);
    for (const line of list.stdout.split('\n')) {
      const [name = ''] = line.split(' ');
      if (name.startsWith(`${this.#name}-`)) await this.ip(undefined, 'netns', 'del', name);
    }
    await rm(this.#directory, { recursive: true, force: true });
  }

  /** Also of a host whose program was killed: a new one finds what it left. */
  async #removeOverlay(host: string): Promise<void> {
    const alive = await this.overlay(host)
      .call('problems')
      .then(() => true)
      .catch(() => false);
    const program = alive ? this.overlay(host) : await this.startOverlay(host);
    await program.call('removeAll');
  }

  /** What is left of this lab on the machine. */
  async leftovers(): Promise<string[]> {
    const mounts = await readFile('/proc/self/mounts', 'utf8');
    const names = await execute('ip', ['netns', 'list']);
    return [...mounts.split('\n'), ...names.stdout.split('\n')].filter((line) =>
      line.includes(this.#name),
    );
  }
}
