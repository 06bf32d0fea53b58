// Clients that connect and then only wait: they learn of their server's death only if somebody tells
// them. One process for each place that they are at.
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { until } from '../../src/lab/host.ts';
import type { ApiTask, TestLab } from './harness.ts';

const PROGRAM = join(import.meta.dirname, 'silent-clients.mjs');

export class SilentClients {
  readonly #child: ChildProcess;
  readonly #count: number;
  readonly #open = new Set<string>();
  /** Why a connection ended ("ECONNRESET"), and when. */
  readonly ended = new Map<string, { readonly why: string; readonly at: number }>();

  private constructor(enter: readonly string[], targets: readonly string[]) {
    this.#count = targets.length;
    const [program = '', ...args] = [...enter, process.execPath, PROGRAM, ...targets];
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
    return new SilentClients(['nsenter', `--net=${(await lab.store()).paths.bridge}`], targets);
  }

  /** Within a task's network. */
  static async inside(
    lab: TestLab,
    host: string,
    task: ApiTask,
    targets: readonly string[],
  ): Promise<SilentClients> {
    const pid = String((await lab.store()).host(host).init?.pid ?? 0);
    const net = `--net=/run/tsswarm/netns/t-${task.ID}`;
    const enter = ['nsenter', '-t', pid, '--net', '--mount', '--', 'nsenter', net, '--'];
    return new SilentClients(enter, targets);
  }

  connected(): Promise<void> {
    return until('silent clients to be connected', () =>
      Promise.resolve(this.#open.size === this.#count),
    );
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
