// A container's life over time: health checks, restarts of the daemon and of containerd, logs that
// rotate while they are read.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  executorBed,
  loadBusybox,
  logLines,
  never,
  taskContext,
  type ExecutorBed,
} from '../builders/executor.ts';

let bed: ExecutorBed;

beforeAll(async () => {
  bed = await executorBed();
  await loadBusybox(bed.executor, 'box:1', { cmd: ['sleep', '1000'] });
});

afterAll(async () => {
  await bed.close();
});

describe('health checks', () => {
  const interval = 100e6;

  it('hold the start back until they succeed', async () => {
    const context = taskContext({
      Image: 'box:1',
      Command: ['sh', '-c', 'sleep 0.5; touch /tmp/ready; exec sleep 100'],
      Healthcheck: { Test: ['CMD-SHELL', 'test -f /tmp/ready'], Interval: interval, Retries: 100 },
      StopSignal: 'SIGKILL',
    });
    const controller = bed.executor.controller(context);
    await controller.prepare(never());
    const starting = controller.start(never());
    await expect.poll(async () => (await controller.observe()).state).toBe('running');
    expect((await controller.observe()).healthy).toBe(false);
    await starting;
    expect((await controller.observe()).healthy).toBe(true);
    await controller.remove();
  });

  it('stop a container that became unhealthy, and say what the check said', async () => {
    const context = taskContext({
      Image: 'box:1',
      Command: ['sh', '-c', 'touch /tmp/ok; sleep 0.4; rm /tmp/ok; exec sleep 100'],
      Healthcheck: {
        Test: ['CMD-SHELL', 'test -f /tmp/ok || { echo lost it; exit 1; }'],
        Interval: interval,
        Retries: 2,
      },
      StopSignal: 'SIGKILL',
    });
    const controller = bed.executor.controller(context);
    await controller.prepare(never());
    await controller.start(never());
    const exit = await controller.wait(never());
    expect(exit.exitCode).toBe(137);
    expect(exit.error).toContain('unhealthy container: lost it');
    await controller.remove();
  });

  it('fail the start of a container that never becomes healthy, or whose check hangs', async () => {
    const context = taskContext({
      Image: 'box:1',
      Healthcheck: {
        Test: ['CMD', 'sleep', '100'],
        Interval: interval,
        Timeout: interval,
        Retries: 1,
      },
      StopSignal: 'SIGKILL',
    });
    const controller = bed.executor.controller(context);
    await controller.prepare(never());
    await expect(controller.start(never())).rejects.toThrow(
      'unhealthy container: Health check exceeded timeout (0.1s)',
    );
    expect((await controller.observe()).state).toBe('exited');
    await controller.remove();
  });
});

describe('a restart of the daemon', () => {
  it('touches no running container and hears of its end', async () => {
    const context = taskContext({
      Image: 'box:1',
      Command: ['sh', '-c', 'echo up; exec sleep 100'],
      StopSignal: 'SIGKILL',
    });
    const before = bed.executor.controller(context);
    await before.prepare(never());
    await before.start(never());
    const { pid } = await before.observe();
    await bed.restart();
    const after = bed.executor.controller(context);
    expect(await after.observe()).toMatchObject({ state: 'running', pid, healthy: true });
    await after.prepare(never());
    await after.start(never());
    expect((await after.observe()).pid).toBe(pid);
    const ended = after.wait(never());
    process.kill(pid ?? 0, 'SIGKILL');
    expect(await ended).toMatchObject({ exitCode: 137 });
    await after.remove();
  });

  it('finds the exit that nobody saw', async () => {
    const context = taskContext({
      Image: 'box:1',
      Command: ['sh', '-c', 'echo up; sleep 0.2; exit 5'],
    });
    const before = bed.executor.controller(context);
    await before.prepare(never());
    await before.start(never());
    const { pid } = await before.observe();
    bed.executor.close();
    await expect.poll(() => existsSync(`/proc/${pid}`)).toBe(false);
    await bed.restart();
    const after = bed.executor.controller(context);
    await expect.poll(async () => (await after.observe()).exit?.exitCode).toBe(5);
    expect(await after.wait(never())).toMatchObject({ exitCode: 5 });
    await after.remove();
  });

  it('goes on with a task that was killed between two steps', async () => {
    const context = taskContext({
      Image: 'box:1',
      Command: ['sleep', '100'],
      StopSignal: 'SIGKILL',
    });
    await bed.executor.controller(context).prepare(never());
    await bed.restart();
    const second = bed.executor.controller(context);
    expect((await second.observe()).state).toBe('created');
    await second.start(never());
    expect((await second.observe()).state).toBe('running');
    await bed.executor.removeTask(context.task.id);
    expect(await bed.executor.listTasks()).not.toContain(context.task.id);
  });
});

describe('the death of containerd', () => {
  it('leaves containers alone, and it is started again', async () => {
    const context = taskContext({ Image: 'box:1', StopSignal: 'SIGKILL' });
    const controller = bed.executor.controller(context);
    await controller.prepare(never());
    await controller.start(never());
    const { pid } = await controller.observe();
    const ended = controller.wait(never());
    const pidFile = join(bed.directory, 'run/containerd.pid');
    const [before] = readFileSync(pidFile, 'utf8').split(' ');
    process.kill(Number(before), 'SIGKILL');
    await expect
      .poll(() => readFileSync(pidFile, 'utf8').split(' ')[0], { timeout: 10_000 })
      .not.toBe(before);
    await expect
      .poll(() => controller.observe().catch(() => undefined), { timeout: 10_000 })
      .toMatchObject({ state: 'running', pid });
    process.kill(pid ?? 0, 'SIGKILL');
    expect(await ended).toMatchObject({ exitCode: 137 });
    await controller.remove();
  });
});

describe('logs', () => {
  it('keep streams and times apart and follow across rotation to the end', async () => {
    const context = taskContext(
      {
        Image: 'box:1',
        Command: ['sh', '-c', 'for i in $(seq 400); do echo line $i; done; echo end >&2'],
      },
      { logDriver: { Name: 'json-file', Options: { 'max-size': '10k', 'max-file': '5' } } },
    );
    const controller = bed.executor.controller(context);
    await controller.prepare(never());
    await controller.start(never());
    const lines: string[] = [];
    for await (const line of bed.executor.logs(context.task.id, { follow: true })) {
      lines.push(line.line);
    }
    await controller.wait(never());
    expect(lines.at(-1)).toBe('end');
    expect(lines.length).toBe(new Set(lines).size);
    const directory = join(bed.directory, 'data/tasks', context.task.id);
    const files = readdirSync(directory).filter((name) => name.startsWith('json.log'));
    expect(files.length).toBeGreaterThan(2);
    expect(files.length).toBeLessThanOrEqual(5);
    const kept = await logLines(bed.executor, context.task.id);
    expect(kept.at(-1)).toMatchObject({ stream: 'stderr', line: 'end', partial: false });
    const tail: string[] = [];
    for await (const line of bed.executor.logs(context.task.id, { tail: 2 })) tail.push(line.line);
    expect(tail).toEqual(['line 400', 'end']);
    await controller.remove();
  });
});
