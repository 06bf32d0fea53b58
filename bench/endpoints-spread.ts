// The way of bench/endpoints.ts from a manager to five hosts: how long after it was committed a change
// is in the kernel and the resolver of each of them.
import { spawn, execFileSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../src/base/index.ts';
import { Dispatcher, type AgentConnection } from '../src/manager/dispatcher/index.ts';
import type { LeaderApi } from '../src/manager/index.ts';
import { update, type AgentMessage, type DispatcherMessage } from '../src/model/index.ts';
import { systemClock } from '../src/platform/index.ts';
import { benchStore } from './endpoints-manager.ts';

const HOSTS = 5;
const CHANGES = 40;
/** Between two changes: longer than one takes. */
const PAUSE_MS = 150;
const START_LIMIT_MS = 60_000;

const root = join(import.meta.dirname, '..');

const ip = (...args: string[]): void => {
  execFileSync('ip', args);
};

/** A host in a namespace of its own, and the manager's end of its session. */
class Follower {
  readonly nodeId: string;
  readonly #namespace: string;
  readonly #directory: string;
  readonly #child: ChildProcess;
  /** When the host had the set of an index or a newer one. */
  readonly #waiting: { index: number; done: (at: number) => void }[] = [];
  #hear: (message: AgentMessage) => void = () => {};

  constructor(number: number) {
    this.nodeId = `node${number}`;
    this.#namespace = `tsbench-${process.pid}-${number}`;
    this.#directory = mkdtempSync(join(tmpdir(), 'tsbench-'));
    ip('netns', 'add', this.#namespace);
    ip('-n', this.#namespace, 'link', 'set', 'lo', 'up');
    ip('-n', this.#namespace, 'link', 'add', 'eth0', 'type', 'bridge');
    ip('-n', this.#namespace, 'addr', 'add', `10.99.0.${number + 1}/24`, 'dev', 'eth0');
    ip('-n', this.#namespace, 'link', 'set', 'eth0', 'up');
    const program = join(import.meta.dirname, 'endpoints-follower.ts');
    const argv = ['--conditions=source', '--import', 'tsx', program];
    const address = `10.0.${(number + 4_096) >> 8}.${number & 255}`;
    const about = [this.nodeId, String(number), 'net', address, this.#directory];
    const parts = [join(root, 'build', 'tsswarm.node'), join(root, 'dist', 'resolver.js')];
    this.#child = spawn(
      'ip',
      ['netns', 'exec', this.#namespace, process.execPath, ...argv, ...about, ...parts],
      { stdio: ['pipe', 'pipe', 'inherit'], cwd: root },
    );
    if (this.#child.stdout === null) throw new Error('no way back');
    createInterface({ input: this.#child.stdout }).on('line', (line) =>
      this.#applied(Number(line)),
    );
  }

  connection(): AgentConnection {
    return {
      send: (message: DispatcherMessage) => {
        const { assignments } = message;
        if (assignments) this.#child.stdin?.write(`${JSON.stringify(assignments)}\n`);
        return true;
      },
      onMessage: (hear) => {
        this.#hear = hear;
      },
      onDrain: () => {},
      onClose: () => {},
      close: () => {},
    };
  }

  register(): void {
    const register = { description: '{}', address: '', dataPathAddress: '' };
    this.#hear({ register: { ...register, lastEpoch: 0, lastIndex: 0 } });
  }

  /** Milliseconds of the clock when it has the set of `index`. */
  has(index: number): Promise<number> {
    return new Promise((done) => this.#waiting.push({ index, done }));
  }

  async end(): Promise<void> {
    const exit = once(this.#child, 'exit');
    this.#child.stdin?.end();
    if (this.#child.exitCode === null) await exit;
    ip('netns', 'del', this.#namespace);
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #applied(index: number): void {
    const at = performance.now();
    this.#hear({ applied: { index } });
    for (const one of this.#waiting.splice(0)) {
      if (one.index <= index) one.done(at);
      else this.#waiting.push(one);
    }
  }
}

/** Milliseconds from the commit of a change until a host has it: median and worst of all hosts. */
export async function spreadTime(): Promise<{ medianMs: number; worstMs: number }> {
  const store = await benchStore();
  const leader = {
    call: async (method: string, request: { nodeId: string; managerId: string }) => {
      if (method !== 'leader.register') return { refused: [], hosts: [] };
      const { nodeId, managerId } = request;
      await store.propose([{ kind: 'session', nodeId, managerId }]);
      return { epoch: store.view.get('session', nodeId)?.epoch ?? 0 };
    },
  } as unknown as LeaderApi;
  const dispatcher = new Dispatcher({
    store,
    leader,
    clock: systemClock,
    logger: silentLogger,
    managerId: 'node0',
    applyTimeoutMs: 3_000,
  });
  const followers = Array.from({ length: HOSTS }, (_, number) => new Follower(number));
  const times: number[] = [];
  try {
    const ready = followers.map((follower) => {
      dispatcher.serve(follower.nodeId, follower.connection(), '');
      const whole = follower.has(1);
      follower.register();
      return whole;
    });
    const late = new Promise<never>((_resolve, reject) => {
      const fail = (): void => reject(new Error('the hosts did not start'));
      setTimeout(fail, START_LIMIT_MS).unref();
    });
    await Promise.race([Promise.all(ready), late]);
    for (let i = 0; i < CHANGES; i++) {
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      const task = store.view.get('task', `task${i * 7 + 11}`);
      if (task === undefined) throw new Error('a task is missing');
      const start = performance.now();
      await store.propose([update('task', { ...task, desiredState: 'shutdown' })]);
      const { index } = store.view;
      const seen = await Promise.all(followers.map((follower) => follower.has(index)));
      times.push(...seen.map((at) => at - start));
    }
  } finally {
    dispatcher.close();
    for (const follower of followers) await follower.end();
  }
  times.sort((a, b) => a - b);
  return { medianMs: times[times.length >> 1] ?? NaN, worstMs: times.at(-1) ?? NaN };
}
