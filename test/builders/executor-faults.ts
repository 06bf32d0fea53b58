// Faults of containerd for tests of the executor: it dies before or after a call of the executor, or
// while its runtime is at work; and a look at everything that tasks might leave behind.
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { expect } from 'vitest';
import { SwarmError } from '../../src/base/index.ts';
import { createContainerdClient } from '../../src/worker/containerd/index.ts';
import type { ContainerdExecutorOptions } from '../../src/worker/tasks/index.ts';
import { executorBed, type ExecutorBed } from './executor.ts';

/** What a machine with other work to do may need for anything that is waited for here. */
export const PATIENCE = { timeout: 20_000, interval: 5 };

const SNAPSHOTTER = 'overlayfs';

/** A moment of a call: just before it is sent, or when it was answered and nobody has read that yet. */
export type Moment = 'before' | 'after';

export interface Gate {
  /** Resolves when the runtime stands there. */
  readonly reached: Promise<void>;
  open(): void;
}

export interface FaultBed {
  readonly bed: ExecutorBed;
  /** The containerd that runs now. */
  containerd(): number;
  signal(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void;
  /** Ends containerd and returns when it is gone. */
  kill(): void;
  /** Kills containerd at the next call of this method; tells afterwards whether that has happened. */
  killAt(method: string, moment: Moment): () => boolean;
  /** Tells whether this method was called since. */
  watch(method: string): () => boolean;
  /** Stops the runtime (runc) at its next command of this name, before it does anything. */
  gate(command: string): Gate;
  /** Takes a step again until it succeeds; only a temporary error is a reason to. */
  repeated<T>(step: () => Promise<T>): Promise<T>;
  /** All that tasks are made of, sorted: "container ID", "snapshot KEY", "shim ID", "mount PATH"… */
  remains(): Promise<string[]>;
  close(): Promise<void>;
}

/** An executor with a containerd of its own that can be hurt; call `close` at the end. */
export async function faultBed(
  options: Partial<ContainerdExecutorOptions> = {},
): Promise<FaultBed> {
  const gates = mkdtempSync('/tmp/tsswarm-gates-');
  const cgroupParent = `/tsswarm-faults-${randomBytes(4).toString('hex')}`;
  const runtime = { binary: gatedRuntime(gates) };
  const bed = await executorBed({ runtime, cgroupParent, ...options });
  const pidFile = join(bed.directory, 'run/containerd.pid');
  const containerd = (): number => Number(readFileSync(pidFile, 'utf8').split(' ')[0]);
  const kill = (): void => {
    const pid = containerd();
    process.kill(pid, 'SIGKILL');
    while (isRunning(pid));
  };
  const hook = hookCalls(kill);
  return {
    bed,
    containerd,
    signal: (signal: NodeJS.Signals) => void process.kill(containerd(), signal),
    kill,
    killAt: hook.arm,
    watch: (method: string) => hook.arm(method),
    gate: (command: string) => makeGate(join(gates, command)),
    async repeated<T>(step: () => Promise<T>): Promise<T> {
      for (;;) {
        try {
          return await step();
        } catch (error) {
          if (!(error instanceof SwarmError) || !error.temporary) throw error;
          await expect
            .poll(() => bed.executor.listTasks().catch(() => null), PATIENCE)
            .not.toBe(null);
        }
      }
    },
    remains: () => remains(bed.directory, cgroupParent),
    async close() {
      hook.restore();
      try {
        await bed.close();
      } finally {
        rmSync(gates, { recursive: true });
      }
    },
  };
}

/** True while the process runs; one that ended and was not asked for yet does not. */
export function isRunning(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat[stat.lastIndexOf(')') + 2] !== 'Z';
  } catch {
    return false;
  }
}

/** runc behind gates: at the command of a closed gate it says that it is there and waits. */
function gatedRuntime(directory: string): string {
  const path = join(directory, 'runtime');
  const script = [
    '#!/bin/sh',
    'for word in "$@"; do',
    `  gate="${directory}/$word.gate"`,
    '  case "$word" in',
    '    create|start|kill|delete)',
    '      if mv "$gate" "$gate.reached" 2>/dev/null; then',
    '        while [ -e "$gate.reached" ]; do sleep 0.01; done',
    '      fi',
    '      break;;',
    '  esac',
    'done',
    'exec runc "$@"',
    '',
  ];
  writeFileSync(path, script.join('\n'), { mode: 0o755 });
  return path;
}

function makeGate(path: string): Gate {
  const file = `${path}.gate`;
  writeFileSync(file, '');
  const there = (): boolean => existsSync(`${file}.reached`);
  return {
    reached: expect.poll(there, PATIENCE).toBe(true),
    open: () => rmSync(`${file}.reached`),
  };
}

interface CallHook {
  /** Without a moment nothing is done at the call. */
  readonly arm: (method: string, moment?: Moment) => () => boolean;
  restore(): void;
}

/** Stands in the way of all calls to containerd; only to be used by one bed at a time. */
function hookCalls(kill: () => void): CallHook {
  const { prototype } = grpc.Client;
  const original: unknown = Reflect.get(prototype, 'makeUnaryRequest');
  if (typeof original !== 'function') throw new Error('the gRPC client has no such method');
  let armed: { readonly path: string; readonly moment: Moment | undefined } | undefined;
  const hooked = function (this: grpc.Client, ...values: unknown[]): unknown {
    const [path] = values;
    const hit = armed !== undefined && typeof path === 'string' && path.endsWith(armed.path);
    if (!hit) return Reflect.apply(original, this, values);
    const moment = armed?.moment;
    armed = undefined;
    if (moment === 'before') kill();
    if (moment !== 'after') return Reflect.apply(original, this, values);
    const answer = values.pop();
    const lost = (error: unknown): void => {
      kill();
      if (typeof answer === 'function') Reflect.apply(answer, undefined, [error ?? answerLost()]);
    };
    return Reflect.apply(original, this, [...values, lost]);
  };
  Reflect.set(prototype, 'makeUnaryRequest', hooked);
  return {
    arm(method, moment) {
      const mine = { path: `.${method}`, moment };
      armed = mine;
      return () => armed !== mine;
    },
    restore() {
      Reflect.set(prototype, 'makeUnaryRequest', original);
    },
  };
}

function answerLost(): Error {
  const details = 'the connection broke before the answer came';
  return Object.assign(new Error(details), { code: grpc.status.UNAVAILABLE, details });
}

async function remains(directory: string, cgroupParent: string): Promise<string[]> {
  const client = createContainerdClient({
    socketPath: join(directory, 'run/containerd.sock'),
    namespace: 'tsswarm',
  });
  try {
    // The end of a lease that is waited for is a run of the garbage collector; it looks for files of
    // snapshots only when there is one to be removed.
    const lease = randomBytes(8).toString('hex');
    await client.leases.create({ id: lease });
    await client.snapshots.prepare({ snapshotter: SNAPSHOTTER, key: lease, parent: '' }, { lease });
    await client.leases.delete({ id: lease, sync: true });
    const found: string[] = [];
    const add = (kind: string, names: readonly string[]): void => {
      found.push(...names.map((name) => `${kind} ${name}`));
    };
    add(
      'container',
      (await client.containers.list({})).containers.map(({ id }) => id),
    );
    add(
      'process',
      (await client.tasks.list({})).tasks.map(({ id }) => id),
    );
    const snapshots = client.snapshots.list({ snapshotter: SNAPSHOTTER });
    for await (const { info } of snapshots as AsyncIterable<{ info: { name: string }[] }>) {
      add(
        'snapshot',
        info.map(({ name }) => name),
      );
    }
    const overlay = 'data/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots';
    add(
      'files',
      Array.from(names(join(directory, overlay)), () => 'of a snapshot'),
    );
    add('directory', names(join(directory, 'data/tasks')));
    for (const bundles of ['data/containerd', 'run/containerd-state']) {
      const path = join(directory, bundles, 'io.containerd.runtime.v2.task/tsswarm');
      add(`bundle in ${bundles}`, names(path));
    }
    add('payloads', names(join(directory, 'run/payloads')));
    add(
      'cgroup',
      names(join('/sys/fs/cgroup', cgroupParent)).filter((name) => !name.includes('.')),
    );
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
    const points = mounts.map((line) => line.split(' ')[4] ?? '');
    add(
      'mount',
      points.filter((path) => path.startsWith(`${directory}/`)),
    );
    add('shim', shims(directory));
    return found.sort();
  } finally {
    client.close();
  }
}

function names(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}

/** Ids of the containers that have a shim of this containerd. */
function shims(directory: string): string[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    const command = commandOf(name);
    const id = command[command.indexOf('-id') + 1];
    return command.includes(join(directory, 'run/containerd.sock')) && id !== undefined ? [id] : [];
  });
}

function commandOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    // It ended meanwhile.
    return [];
  }
}
