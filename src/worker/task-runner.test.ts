import { Prng, VirtualClock } from 'sim';
import { describe, expect, it } from 'vitest';
import { SwarmError, silentLogger } from '../base/index.ts';
import type { TaskState, TaskStatus } from '../model/index.ts';
import type { ContainerObservation, TaskController, TaskExit } from './runtime/index.ts';
import { TaskRunner, type TaskRunnerOptions } from './task-runner.ts';

/** A container that does what it is told, and dies or fails when the test says so. */
class FakeContainer implements TaskController {
  container: ContainerObservation = { state: 'absent' };
  readonly calls: string[] = [];
  fail: Partial<Record<'prepare' | 'start' | 'observe', Error>> = {};
  exit: (exit: TaskExit) => void = () => {};

  observe(): Promise<ContainerObservation> {
    const error = this.fail.observe;
    return error ? Promise.reject(error) : Promise.resolve(this.container);
  }

  prepare(): Promise<void> {
    this.calls.push('prepare');
    if (this.fail.prepare) return Promise.reject(this.fail.prepare);
    this.container = { state: 'created', containerId: 'c1' };
    return Promise.resolve();
  }

  /** It does not get healthy: a start lasts until it is given up. */
  startLasts = false;

  start(signal: AbortSignal): Promise<void> {
    this.calls.push('start');
    if (this.startLasts) {
      return new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(new SwarmError('unavailable', 'given up')));
      });
    }
    if (this.fail.start) return Promise.reject(this.fail.start);
    this.container = { state: 'running', containerId: 'c1', pid: 7 };
    return Promise.resolve();
  }

  wait(signal: AbortSignal): Promise<TaskExit> {
    return new Promise((resolve) => {
      this.exit = (exit) => {
        this.container = { state: 'exited', containerId: 'c1', exit };
        resolve(exit);
      };
      signal.addEventListener('abort', () => resolve({ exitCode: -1, oomKilled: false }));
    });
  }

  connections(): Promise<number> {
    return Promise.resolve(0);
  }

  shutdown(): Promise<TaskExit> {
    this.calls.push('shutdown');
    const exit = { exitCode: 143, oomKilled: false };
    this.container = { state: 'exited', containerId: 'c1', exit };
    return Promise.resolve(exit);
  }

  remove(): Promise<void> {
    this.calls.push('remove');
    this.container = { state: 'absent' };
    return Promise.resolve();
  }
}

function run(
  desired: TaskState,
  container = new FakeContainer(),
  status?: TaskStatus,
  gracefulStop?: TaskRunnerOptions['gracefulStop'],
) {
  const clock = new VirtualClock();
  const states: string[] = [];
  let last: TaskStatus | undefined;
  const runner = new TaskRunner({
    taskId: 't1',
    controller: container,
    desired,
    status,
    report: (next) => {
      last = next;
      states.push(next.state);
    },
    clock,
    random: new Prng(1),
    ...(gracefulStop === undefined ? {} : { gracefulStop }),
    logger: silentLogger,
  });
  return { runner, container, clock, states, status: () => last };
}

describe('TaskRunner', () => {
  it('takes a task all the way to running and reports each state once', async () => {
    const { states, clock, container } = run('running');
    await clock.advance(0);
    expect(states).toEqual(['preparing', 'starting', 'running']);
    expect(container.calls).toEqual(['prepare', 'start']);
  });

  it('holds a prepared task back until it may run', async () => {
    const { runner, states, clock } = run('ready');
    await clock.advance(1_000);
    expect(states.at(-1)).toBe('ready');
    runner.desire('running');
    await clock.advance(0);
    expect(states.at(-1)).toBe('running');
  });

  it('reports exit codes: zero completes, others fail', async () => {
    const good = run('running');
    await good.clock.advance(0);
    good.container.exit({ exitCode: 0, oomKilled: false });
    await good.clock.advance(0);
    expect(good.states.at(-1)).toBe('complete');
    const bad = run('running');
    await bad.clock.advance(0);
    bad.container.exit({ exitCode: 3, oomKilled: false });
    await bad.clock.advance(0);
    expect(bad.status()).toMatchObject({ state: 'failed', error: 'task: non-zero exit (3)' });
  });

  it('rejects a task that cannot be prepared, and fails one that cannot be started', async () => {
    const container = new FakeContainer();
    container.fail.prepare = new SwarmError('notFound', 'No such image: x');
    const rejected = run('running', container);
    await rejected.clock.advance(0);
    expect(rejected.status()).toMatchObject({ state: 'rejected', error: 'No such image: x' });
    const other = new FakeContainer();
    other.fail.start = new SwarmError('invalid', 'no such command');
    const failed = run('running', other);
    await failed.clock.advance(0);
    expect(failed.status()).toMatchObject({ state: 'failed', error: 'no such command' });
  });

  it('tries again while the error is temporary', async () => {
    const container = new FakeContainer();
    container.fail.prepare = new SwarmError('unavailable', 'registry does not answer');
    const { clock, states } = run('running', container);
    await clock.advance(100);
    container.fail = {};
    await clock.advance(2_000);
    expect(states.at(-1)).toBe('running');
  });

  it('adopts a running container after a restart without touching it', async () => {
    const container = new FakeContainer();
    container.container = { state: 'running', containerId: 'c1', pid: 7, healthy: true };
    const stored: TaskStatus = { state: 'running', timestamp: 1, message: 'started' };
    const { clock, states } = run('running', container, stored);
    await clock.advance(10_000);
    expect(container.calls).toEqual([]);
    expect(states).toEqual([]);
  });

  it('says that a container is gone instead of starting it a second time', async () => {
    const stored: TaskStatus = { state: 'running', timestamp: 1, message: 'started' };
    const { clock, status, container } = run('running', new FakeContainer(), stored);
    await clock.advance(0);
    expect(status()).toMatchObject({ state: 'failed', error: 'the container is gone' });
    expect(container.calls).toEqual([]);
  });

  it('never takes an error in looking for the end of the container', async () => {
    const container = new FakeContainer();
    const { clock, states } = run('running', container);
    await clock.advance(0);
    container.fail.observe = new SwarmError('unavailable', 'containerd restarts');
    await clock.advance(5_000);
    expect(states.at(-1)).toBe('running');
  });

  it('stops on request, then removes when the assignment goes', async () => {
    const { runner, clock, states, container } = run('running');
    await clock.advance(0);
    runner.desire('shutdown');
    await clock.advance(0);
    expect(states.at(-1)).toBe('shutdown');
    const removed = runner.remove();
    await clock.advance(0);
    await removed;
    expect(container.calls).toEqual(['prepare', 'start', 'shutdown', 'remove']);
  });

  describe('between the requested to stop and the stop signal', () => {
    const untilAborted: NonNullable<TaskRunnerOptions['gracefulStop']> = (say, signal) => {
      say('draining 2 connections');
      if (signal.aborted) return Promise.resolve();
      return new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
    };

    it('lets a running task stop gracefully, and says so', async () => {
      let done: () => void = () => {};
      const { runner, clock, container, status } = run('running', undefined, undefined, (say) => {
        say('draining 2 connections');
        return new Promise((resolve) => {
          done = resolve;
        });
      });
      await clock.advance(0);
      runner.desire('shutdown');
      await clock.advance(10_000);
      expect(container.calls).not.toContain('shutdown');
      expect(status()).toMatchObject({ state: 'running', message: 'draining 2 connections' });
      done();
      await clock.advance(0);
      expect(container.calls).toContain('shutdown');
      expect(status()?.state).toBe('shutdown');
    });

    it('lets a task stop gracefully that runs although the daemon no longer knows', async () => {
      const container = new FakeContainer();
      container.container = { state: 'running', containerId: 'c1', pid: 7, healthy: true };
      const { clock, states } = run('shutdown', container, undefined, untilAborted);
      await clock.advance(10_000);
      expect(container.calls).not.toContain('shutdown');
      expect(states.at(-1)).toBe('running');
    });

    it('lets a task stop gracefully whose status was older than its container', async () => {
      const container = new FakeContainer();
      container.container = { state: 'running', containerId: 'c1', pid: 7, healthy: false };
      const stored: TaskStatus = { state: 'starting', timestamp: 1, message: 'starting' };
      container.startLasts = true;
      const { runner, clock } = run('running', container, stored, untilAborted);
      await clock.advance(0);
      runner.desire('shutdown');
      await clock.advance(10_000);
      expect(container.calls).not.toContain('shutdown');
    });

    it('lets a task stop gracefully whose order came while the daemon looked at it', async () => {
      const container = new FakeContainer();
      container.container = { state: 'running', containerId: 'c1', pid: 7, healthy: true };
      const { runner, clock } = run('running', container, undefined, untilAborted);
      runner.desire('shutdown');
      await clock.advance(10_000);
      expect(container.calls).not.toContain('shutdown');
    });

    it('ends the wait at a second requested', async () => {
      const { runner, clock, container } = run('running', undefined, undefined, untilAborted);
      await clock.advance(0);
      runner.desire('shutdown');
      await clock.advance(1_000);
      runner.desire('remove');
      await clock.advance(0);
      expect(container.calls).toContain('shutdown');
    });

    it('ends the wait when the process ends by itself', async () => {
      const { runner, clock, container, states } = run(
        'running',
        undefined,
        undefined,
        untilAborted,
      );
      await clock.advance(0);
      runner.desire('shutdown');
      await clock.advance(1_000);
      container.exit({ exitCode: 0, oomKilled: false });
      await clock.advance(0);
      expect(states.at(-1)).toBe('shutdown');
    });

    it('stops a task whose graceful stop fails, and one that never ran at once', async () => {
      const failing = run('running', undefined, undefined, () => Promise.reject(new Error('no')));
      await failing.clock.advance(0);
      failing.runner.desire('shutdown');
      await failing.clock.advance(0);
      expect(failing.states.at(-1)).toBe('shutdown');
      const held = run('ready', undefined, undefined, untilAborted);
      await held.clock.advance(0);
      held.runner.desire('shutdown');
      await held.clock.advance(0);
      expect(held.states.at(-1)).toBe('shutdown');
    });

    it('leaves the container alone when the daemon ends meanwhile', async () => {
      const { runner, clock, container } = run('running', undefined, undefined, untilAborted);
      await clock.advance(0);
      runner.desire('shutdown');
      await clock.advance(0);
      await runner.detach();
      expect(container.calls).not.toContain('shutdown');
    });
  });
});
