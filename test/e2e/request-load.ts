// Requests that go on while something happens to the cluster, from the client outside or from within a
// task, and the count of those that failed. Used by bench/requests.ts.
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { run } from '../../src/lab/command.ts';
import type { ApiTask, TestLab } from './harness.ts';

const DEMO_PROGRAM = join(import.meta.dirname, '..', '..', 'build', 'demo');
/** Addresses of the client beside its own: one alone runs out of ports. */
export const CLIENT_ADDRESSES = Array.from({ length: 8 }, (_, i) => `10.66.0.${200 + i}`);

export interface LoadResult {
  readonly requests: number;
  readonly failed: number;
  readonly slowestMs: number;
  readonly milliseconds: number;
  /** What failed, as the program wrote it: when, where to, at which step. */
  readonly failures: readonly string[];
}

/** A running load. */
export class RequestLoad {
  readonly #child: ChildProcess;
  readonly #ended: Promise<LoadResult>;
  #text = '';

  constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.on('data', (chunk: Buffer) => (this.#text += chunk.toString()));
    this.#ended = new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', () => {
        const lines = this.#text.trim().split('\n');
        const failures = lines.filter((line) => line.startsWith('failed '));
        const sum = lines.find((line) => line.startsWith('{'));
        if (sum === undefined) reject(new Error(`the load gave no result: ${this.#text}`));
        else resolve({ ...(JSON.parse(sum) as Omit<LoadResult, 'failures'>), failures });
      });
    });
    this.#ended.catch(() => {});
  }

  /** From the client, through a published port of all `hosts` in turn; `count` 0: until `stop`. */
  static async outside(
    lab: TestLab,
    hosts: readonly string[],
    port: number,
    { count = 0, threads = 8 } = {},
  ): Promise<RequestLoad> {
    const bridge = (await lab.store()).paths.bridge;
    for (const address of CLIENT_ADDRESSES) {
      await run(
        'nsenter',
        `--net=${bridge}`,
        'ip',
        'addr',
        'replace',
        `${address}/24`,
        'dev',
        'br0',
      );
    }
    const targets = await Promise.all(
      hosts.map(async (host) => `${await lab.address(host)}:${port}`),
    );
    const from = CLIENT_ADDRESSES.join();
    const args = ['requests', String(count), String(threads), from, ...targets];
    return new RequestLoad(spawn('nsenter', [`--net=${bridge}`, DEMO_PROGRAM, ...args]));
  }

  /** From within a task's network, by the name of a service, which is resolved for every request. */
  static async inside(
    lab: TestLab,
    host: string,
    task: ApiTask,
    target: string,
    { count = 0, threads = 4 } = {},
  ): Promise<RequestLoad> {
    const pid = String((await lab.store()).host(host).init?.pid ?? 0);
    const net = `--net=/run/tsswarm/netns/t-${task.ID}`;
    const args = [DEMO_PROGRAM, 'requests', String(count), String(threads), '-', target];
    return new RequestLoad(
      spawn('nsenter', ['-t', pid, '--net', '--mount', '--', 'nsenter', net, '--', ...args]),
    );
  }

  /** The result of a load with a count, when it has come to its end. */
  get result(): Promise<LoadResult> {
    return this.#ended;
  }

  /** Lets the requests that are under way end, and gives the result. */
  stop(): Promise<LoadResult> {
    this.#child.kill('SIGTERM');
    return this.#ended;
  }

  /** Ends it whatever is under way. */
  close(): void {
    this.#child.kill('SIGKILL');
  }
}

/** The largest number of tracked connections of a host's namespaces, and how many there may be. */
export async function trackedConnections(
  lab: TestLab,
  host: string,
): Promise<{ readonly count: number; readonly max: number }> {
  const script =
    'for n in /proc/1/ns/net /run/tsswarm/netns/*; do ' +
    'nsenter --net=$n cat /proc/sys/net/netfilter/nf_conntrack_count ' +
    '/proc/sys/net/netfilter/nf_conntrack_max 2>/dev/null | paste -sd" "; done';
  const text = await lab.exec(host, 'bash', '-c', script);
  const pairs = text
    .trim()
    .split('\n')
    .map((line) => line.split(' ').map(Number));
  const [count = 0] = pairs.map(([one = 0]) => one).sort((a, b) => b - a);
  return { count, max: pairs[0]?.[1] ?? 0 };
}

/** When a request that failed began, in milliseconds since 1970. */
export function begunAt(line: string): number {
  const [, when = '0'] = line.split(' ');
  return Number(when) - Number(/after (\d+) ms$/.exec(line)?.[1] ?? 0);
}
