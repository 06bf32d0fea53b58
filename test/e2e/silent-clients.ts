// Clients that connect and then only wait: they learn of their server's death only if somebody tells
// them. One process for each place that they are at.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { until } from '../../src/lab/host.ts';
import type { ApiTask, TestLab } from './harness.ts';

const PROGRAM = join(import.meta.dirname, 'silent-clients.mjs');
/** Ports of the first client of each place; the next ones follow. None that the kernel gives out. */
const FIRST_PORTS = { outside: 20_000, inside: 21_000 } as const;

export class SilentClients {
  readonly #child: ChildProcess;
  readonly #count: number;
  readonly #firstPort: number;
  readonly #open = new Set<string>();
  /** Why a connection ended ("ECONNRESET"), and when. */
  readonly ended = new Map<string, { readonly why: string; readonly at: number }>();

  private constructor(enter: readonly string[], firstPort: number, targets: readonly string[]) {
    this.#count = targets.length;
    this.#firstPort = firstPort;
    const [program = '', ...args] = [
      ...enter,
      process.execPath,
      PROGRAM,
      String(firstPort),
      ...targets,
    ];
    this.#child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    this.#child.stdout?.on('data', (chunk: Buffer) => {
      const lines = (text + chunk.toString()).split('\n');
      text = lines.pop() ?? '';
      for (const line of lines) this.#heard(line);
    });
  }

  /** At the client outside. */
  static async outside(lab: TestLab, targets: readonly string[]): Promise<SilentClients> {
    const enter = ['nsenter', `--net=${(await lab.store()).paths.bridge}`];
    return new SilentClients(enter, FIRST_PORTS.outside, targets);
  }

  /** Within a task's network. */
  static async inside(
    lab: TestLab,
    host: string,
    task: ApiTask,
    targets: readonly string[],
  ): Promise<SilentClients> {
    return new SilentClients(await within(lab, host, task), FIRST_PORTS.inside, targets);
  }

  connected(): Promise<void> {
    return until('silent clients to be connected', () =>
      Promise.resolve(this.#open.size === this.#count),
    );
  }

  /** Those that this task serves, by the connections in its network. */
  async servedBy(lab: TestLab, host: string, task: ApiTask): Promise<string[]> {
    const table = await run([
      ...(await within(lab, host, task, ['--pid'])),
      'cat',
      '/proc/net/tcp',
    ]);
    const peers = new Set(
      [...table.matchAll(/: [0-9A-F]{8}:[0-9A-F]{4} [0-9A-F]{8}:([0-9A-F]{4}) 01 /g)].map(
        ([, port = '']) => parseInt(port, 16) - this.#firstPort,
      ),
    );
    return [...this.#open].filter((number) => peers.has(Number(number)));
  }

  close(): void {
    this.#child.kill('SIGKILL');
  }

  #heard(line: string): void {
    const [what, number = '', why = ''] = line.split(' ');
    if (what === 'open') this.#open.add(number);
    else if (!this.ended.has(number)) this.ended.set(number, { why, at: Date.now() });
  }
}

/** The command that begins one in the network of a task. */
async function within(
  lab: TestLab,
  host: string,
  task: ApiTask,
  more: readonly string[] = [],
): Promise<string[]> {
  const pid = String((await lab.store()).host(host).init?.pid ?? 0);
  const net = `--net=/run/tsswarm/netns/t-${task.ID}`;
  return ['nsenter', '-t', pid, '--net', '--mount', ...more, '--', 'nsenter', net, '--'];
}

/** What a command prints. */
async function run([program = '', ...args]: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(program, args);
  return stdout;
}
