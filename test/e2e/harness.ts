// A lab for end-to-end tests: hosts, the CLI and the API as a user has them, and helpers that wait for
// conditions. Every file has a lab of its own, which is taken down whatever happens.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { callApi } from '../../src/lab/api.ts';
import { run } from '../../src/lab/command.ts';
import { down, socketOf } from '../../src/lab/lab.ts';
import { LabStore } from '../../src/lab/state.ts';

const root = join(import.meta.dirname, '..', '..');

export interface CommandResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ApiTask {
  readonly ID: string;
  readonly Slot?: number;
  readonly NodeID?: string;
  readonly ServiceID: string;
  readonly DesiredState: string;
  readonly NetworksAttachments?: readonly { readonly Addresses: readonly string[] }[];
  readonly Status: {
    readonly State: string;
    readonly Err?: string;
    readonly ContainerStatus?: { readonly PID: number; readonly ContainerID: string };
  };
}

export interface ApiNode {
  readonly ID: string;
  readonly Version: { readonly Index: number };
  readonly Spec: { readonly Role: string };
  readonly Status: { readonly State: string };
  readonly Description: { readonly Hostname: string };
  readonly ManagerStatus?: { readonly Leader?: boolean; readonly Reachability: string };
}

export class TestLab {
  readonly name: string;

  private constructor(name: string) {
    this.name = name;
  }

  /** Brings up a lab with the demo image on every host. */
  static async up(
    name: string,
    managers: number,
    workers: number,
    ...options: string[]
  ): Promise<TestLab> {
    await down(name);
    const lab = new TestLab(name);
    const result = await lab.lab(
      'up',
      '--managers',
      String(managers),
      '--workers',
      String(workers),
      ...options,
    );
    if (result.status !== 0) throw new Error(`lab up: ${result.stderr}${result.stdout}`);
    if (!options.includes('--bare')) await lab.loadImages();
    return lab;
  }

  async loadImages(): Promise<void> {
    const store = await this.store();
    for (const host of store.state.hosts) {
      await this.ok(host.name, 'image', 'load', '-i', join(root, 'build', 'demo.tar'));
    }
  }

  async down(): Promise<void> {
    await down(this.name);
  }

  store(): Promise<LabStore> {
    return LabStore.open(this.name);
  }

  /** `tsswarm lab …` of this lab. */
  lab(command: string, ...args: string[]): Promise<CommandResult> {
    return execute(
      process.execPath,
      [join(root, 'dist', 'lab.js'), command, '--name', this.name, ...args],
      {},
    );
  }

  /** The CLI against one host. */
  async cli(host: string, ...args: string[]): Promise<CommandResult> {
    const env = { DOCKER_HOST: `unix://${socketOf(await this.store(), host)}` };
    return execute(process.execPath, [join(root, 'dist', 'tsswarm.cjs'), ...args], env);
  }

  /** As `cli`, but a failure is an error; returns stdout. */
  async ok(host: string, ...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await this.cli(host, ...args);
    if (status !== 0) throw new Error(`tsswarm ${args.join(' ')}: ${stderr}${stdout}`);
    return stdout;
  }

  /** The stock docker CLI against one host. */
  async docker(host: string, ...args: string[]): Promise<CommandResult> {
    const program = existsSync('/usr/bin/docker') ? '/usr/bin/docker' : 'docker';
    const env = {
      DOCKER_HOST: `unix://${socketOf(await this.store(), host)}`,
      DOCKER_CONFIG: '/nonexistent',
    };
    return execute(program, args, env);
  }

  async api<T>(host: string, method: string, path: string, body?: object): Promise<T> {
    return (await callApi(socketOf(await this.store(), host), method, path, body)) as T;
  }

  nodes(host: string): Promise<ApiNode[]> {
    return this.api<ApiNode[]>(host, 'GET', '/nodes');
  }

  async nodeId(via: string, hostname: string): Promise<string> {
    const node = (await this.nodes(via)).find((one) => one.Description.Hostname === hostname);
    if (node === undefined) throw new Error(`no node ${hostname}`);
    return node.ID;
  }

  /** Host name of the leader as one manager sees it, once it sees one. */
  async leader(via: string): Promise<string> {
    await waitFor(`a leader as ${via} sees it`, async () => {
      const nodes = await this.nodes(via).catch(() => []);
      return nodes.some((node) => node.ManagerStatus?.Leader === true);
    });
    const leader = (await this.nodes(via)).find((node) => node.ManagerStatus?.Leader === true);
    return leader?.Description.Hostname ?? '';
  }

  tasks(host: string, service: string, desired?: string): Promise<ApiTask[]> {
    const filters: Record<string, string[]> = { service: [service] };
    if (desired !== undefined) filters['desired-state'] = [desired];
    return this.api<ApiTask[]>(
      host,
      'GET',
      `/tasks?filters=${encodeURIComponent(JSON.stringify(filters))}`,
    );
  }

  /** Tasks that run and are wanted. */
  async running(host: string, service: string): Promise<ApiTask[]> {
    const tasks = await this.tasks(host, service, 'running');
    return tasks.filter((task) => task.Status.State === 'running');
  }

  async waitRunning(
    host: string,
    service: string,
    count: number,
    limitMs = 30_000,
  ): Promise<ApiTask[]> {
    let tasks: ApiTask[] = [];
    await waitFor(
      `${count} running tasks of ${service}`,
      async () => {
        tasks = await this.running(host, service).catch(() => []);
        return tasks.length === count;
      },
      limitMs,
    );
    return tasks;
  }

  /** A command on a host; "client" is the machine outside of the cluster. */
  async exec(host: string, ...command: string[]): Promise<string> {
    const store = await this.store();
    if (host === 'client') return run('nsenter', `--net=${store.paths.bridge}`, ...command);
    const pid = String(store.host(host).init?.pid ?? 0);
    return run('nsenter', '-t', pid, '--net', '--mount', '--uts', '--pid', '--', ...command);
  }

  /** The body of a web page, as a host (or the client outside) sees it. */
  http(host: string, address: string, port: number, path = '/'): Promise<string> {
    const script = `exec 3<>"/dev/tcp/$0/$1" && printf 'GET %s HTTP/1.0\\r\\n\\r\\n' "$2" >&3 && timeout 5 cat <&3 | sed '1,/^\\r*$/d'`;
    return this.exec(host, 'bash', '-c', script, address, String(port), path);
  }

  async address(host: string): Promise<string> {
    return (await this.store()).host(host).address;
  }

  /** A process in a network namespace of a host's task; for long-lived checks. */
  async spawn(host: string, command: readonly string[]): Promise<ChildProcess> {
    const pid = String((await this.store()).host(host).init?.pid ?? 0);
    return spawn('nsenter', ['-t', pid, '--net', '--mount', '--uts', '--pid', '--', ...command]);
  }
}

function execute(
  program: string,
  args: readonly string[],
  env: Record<string, string>,
): Promise<CommandResult> {
  return new Promise((resolve) => {
    execFile(
      program,
      args,
      { env: { ...process.env, ...env }, timeout: 120_000 },
      (error, stdout, stderr) => {
        const status = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
        resolve({ status, stdout, stderr });
      },
    );
  });
}

/** Polls until the condition holds; raises an error naming what was waited for. */
export async function waitFor(
  what: string,
  condition: () => Promise<boolean>,
  limitMs = 30_000,
): Promise<void> {
  const limit = Date.now() + limitMs;
  while (!(await condition())) {
    if (Date.now() > limit) throw new Error(`waited ${limitMs / 1000} s in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

export const DEMO = 'tsswarm-demo:1';
