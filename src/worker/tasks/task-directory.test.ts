import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TaskDirectories, type ContainerPlan } from './task-directory.ts';

const PLAN: ContainerPlan = {
  containerId: 'c',
  imageId: 'sha256:1',
  image: 'x',
  name: 'n',
  labels: { a: 'b' },
  stopSignal: 15,
  gracePeriodMs: 10_000,
  volumes: ['data'],
  terminal: false,
  log: { maxSize: 1, maxFiles: 2 },
};

describe('the directory of a task', () => {
  let root = '';
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'tasks-'));
  });
  afterEach(() => rm(root, { recursive: true }));

  it('gives back what was written', async () => {
    const directory = new TaskDirectories(root).of('t1');
    await directory.make();
    expect(await directory.readPlan()).toBeUndefined();
    await directory.writePlan(PLAN);
    expect(await directory.readPlan()).toEqual(PLAN);
    const exit = { exitCode: 1, oomKilled: false, error: 'x', finishedAt: 5 };
    await directory.writeExit(exit);
    expect(await directory.readExit()).toEqual(exit);
  });

  it('takes no plan that it could not give back', async () => {
    const directory = new TaskDirectories(root).of('t1');
    await directory.make();
    const health = {
      intervalMs: 1,
      timeoutMs: 1,
      retries: 1,
      startPeriodMs: 0,
      startIntervalMs: 1,
    };
    for (const odd of [
      { name: 'x'.repeat(10_000) },
      { labels: { a: 'x'.repeat(2_000_000) } },
      { health: { ...health, args: ['\0'.repeat(3_000_000)] } },
    ]) {
      await expect(directory.writePlan({ ...PLAN, ...odd })).rejects.toMatchObject({
        code: 'invalid',
      });
    }
    expect(await directory.readPlan()).toBeUndefined();
  });

  it('says of a damaged plan that it is damaged, not that there is none', async () => {
    const directory = new TaskDirectories(root).of('t1');
    await directory.make();
    for (const content of [
      '{',
      '[]',
      '{"volumes":"none"}',
      JSON.stringify({ ...PLAN, volumes: [7] }),
    ]) {
      await writeFile(join(root, 't1/plan.json'), content);
      await expect(directory.readPlan()).rejects.toMatchObject({ code: 'dataLoss' });
    }
    // As a power cut leaves it.
    await writeFile(join(root, 't1/plan.json'), '\0\0\0');
    expect(await directory.readPlan()).toBeUndefined();
  });

  it('takes a damaged record of an end for an end', async () => {
    const directory = new TaskDirectories(root).of('t1');
    await directory.make();
    await writeFile(join(root, 't1/exit.json'), '{"exitCode":"0"}');
    await writeFile(join(root, 't1/started.json'), '7');
    await writeFile(join(root, 't1/health.json'), '{"status":"fine"}');
    expect(await directory.readExit()).toMatchObject({ exitCode: 255 });
    expect(await directory.startedAt()).toBe(0);
    expect(await directory.readHealth()).toBeUndefined();
  });

  it('is among those that exist, unless they can’t be listed', async () => {
    expect(await new TaskDirectories(join(root, 'none')).list()).toEqual([]);
    await writeFile(join(root, 'file'), '');
    await expect(new TaskDirectories(join(root, 'file')).list()).rejects.toThrow('ENOTDIR');
    await mkdir(join(root, 'some/t1'), { recursive: true });
    expect(await new TaskDirectories(join(root, 'some')).list()).toEqual(['t1']);
  });

  it.each(['..', '.', '../x', 'a/b', ''])('is not named %j', (id) => {
    expect(() => new TaskDirectories(root).of(id)).toThrow('is no task id');
  });
});
