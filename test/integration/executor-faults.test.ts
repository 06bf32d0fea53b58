// The executor with a containerd that dies or hangs, or a disk that is full: every step can be taken
// again, containers go on, and nothing is left behind.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { messageOf } from '../../src/base/index.ts';
import type { TaskController } from '../../src/worker/runtime/index.ts';
import {
  chunks,
  executorBed,
  loadBusybox,
  never,
  taskContext,
  type ExecutorBed,
} from '../builders/executor.ts';
import {
  PATIENCE,
  faultBed,
  isRunning,
  type FaultBed,
  type Moment,
} from '../builders/executor-faults.ts';
import { imageArchive } from '../builders/image-archive.ts';

let faults: FaultBed;
/** The process of a container that runs through all that happens to containerd. */
let bystander: number;
const steady = taskContext({ Image: 'box:1', StopSignal: 'SIGKILL' });
/** All that there is while only that container runs. */
let rest: string[];

beforeAll(async () => {
  faults = await faultBed();
  await loadBusybox(faults.bed.executor, 'box:1', { cmd: ['sleep', '1000'] });
  const controller = faults.bed.executor.controller(steady);
  await controller.prepare(never());
  await controller.start(never());
  bystander = (await controller.observe()).pid ?? 0;
  rest = await faults.remains();
});

afterAll(async () => {
  await faults.close();
});

/** One test's failure is not to spoil the others. */
afterEach(async () => {
  const { executor } = faults.bed;
  for (const taskId of await faults.repeated(() => executor.listTasks())) {
    if (taskId !== steady.task.id) await faults.repeated(() => executor.removeTask(taskId));
  }
});

/** After a fault and all that was repeated: only the bystander is there, and it is as it was. */
async function onlyTheBystander(): Promise<void> {
  const { executor } = faults.bed;
  await expect.poll(() => faults.remains(), PATIENCE).toEqual(rest);
  expect(await executor.listTasks()).toEqual([steady.task.id]);
  expect(await executor.controller(steady).observe()).toMatchObject({
    state: 'running',
    pid: bystander,
  });
  expect(isRunning(bystander)).toBe(true);
}

/** A task's whole life; `hurt` is called before the step of that name. */
async function live(at: string, hurt: () => void): Promise<void> {
  const { executor } = faults.bed;
  const context = taskContext({ Image: 'box:1', StopSignal: 'SIGKILL' });
  const controller = executor.controller(context);
  const step = async (name: string, act: () => Promise<unknown>): Promise<void> => {
    if (name === at) hurt();
    await faults.repeated(act);
  };
  await step('prepare', () => controller.prepare(never()));
  await step('start', () => controller.start(never()));
  const { state, pid = 0 } = await faults.repeated(() => controller.observe());
  expect(state).toBe('running');
  expect(isRunning(pid)).toBe(true);
  await step('stop', () => controller.shutdown());
  expect(isRunning(pid)).toBe(false);
  expect(await faults.repeated(() => controller.observe())).toMatchObject({
    state: 'exited',
    exit: { exitCode: 137 },
  });
  await step('remove', () => controller.remove());
  expect(await faults.repeated(() => controller.observe())).toEqual({ state: 'absent' });
}

describe('a containerd that is killed', () => {
  const steps: [step: string, method: string][] = [
    ['prepare', 'Snapshots/Prepare'],
    ['prepare', 'Containers/Create'],
    ['start', 'Tasks/Create'],
    ['start', 'Tasks/Start'],
    ['stop', 'Tasks/Kill'],
    ['stop', 'Tasks/Delete'],
    ['remove', 'Containers/Delete'],
    ['remove', 'Snapshots/Remove'],
  ];
  const moments: Moment[] = ['before', 'after'];
  const points = steps.flatMap(([step, method]) =>
    moments.map((moment): [string, Moment, string] => [step, moment, method]),
  );

  it.each(points)('in %s, %s %s, costs a repetition', async (step, moment, method) => {
    const before = faults.containerd();
    let happened = (): boolean => false;
    await live(step, () => (happened = faults.killAt(method, moment)));
    expect(happened()).toBe(true);
    expect(faults.containerd()).not.toBe(before);
    await onlyTheBystander();
  });

  it.each([
    ['start', 'create'],
    ['start', 'start'],
    ['stop', 'kill'],
    ['stop', 'delete'],
  ])('in %s, while runc is at %s, costs a repetition', async (step, command) => {
    let killed: Promise<void> | undefined;
    await live(step, () => {
      const gate = faults.gate(command);
      killed = gate.reached.then(() => {
        faults.kill();
        gate.open();
      });
    });
    await killed;
    expect(killed).toBeDefined();
    await onlyTheBystander();
  });

  it.each(
    [
      'Leases/Create',
      'Content/Update',
      'Snapshots/Prepare',
      'Diff/Apply',
      'Snapshots/Commit',
      'Images/Create',
      'Leases/Delete',
    ].flatMap((method) => moments.map((moment): [Moment, string] => [moment, method])),
  )('while an image is unpacked, %s %s, costs a repetition', async (moment, method) => {
    const { images } = faults.bed.executor;
    const files = [{ path: '/file', content: `${moment} ${method}` }];
    const archive = await imageArchive({ names: ['fresh:1'], files });
    const happened = faults.killAt(method, moment);
    await faults.repeated(() => images.load(chunks(archive)));
    expect(happened()).toBe(true);
    const image = await faults.repeated(() => images.inspect('fresh:1'));
    await faults.repeated(() => images.unpack(image));
    await faults.repeated(() => images.remove('fresh:1'));
    await onlyTheBystander();
  });
});

describe('a containerd that hangs', () => {
  afterEach(() => {
    faults.signal('SIGCONT');
  });

  /** Stops containerd, takes a step, and returns when that waits for containerd. */
  async function held(
    method: string,
    act: () => Promise<unknown>,
  ): Promise<{ step: Promise<unknown> }> {
    const called = faults.watch(method);
    faults.signal('SIGSTOP');
    const step = act();
    step.catch(() => undefined);
    await expect.poll(called, PATIENCE).toBe(true);
    return { step };
  }

  function lifeOf(controller: TaskController): [method: string, act: () => Promise<unknown>][] {
    return [
      ['Images/Get', () => controller.prepare(never())],
      ['Tasks/Create', () => controller.start(never())],
      ['Tasks/Get', () => controller.shutdown()],
      ['Tasks/Get', () => controller.remove()],
    ];
  }

  it('holds steps up, which go on with it', async () => {
    const context = taskContext({ Image: 'box:1', StopSignal: 'SIGKILL' });
    const controller = faults.bed.executor.controller(context);
    for (const [method, act] of lifeOf(controller)) {
      const { step } = await held(method, act);
      faults.signal('SIGCONT');
      await step;
    }
    await onlyTheBystander();
  });

  it('and is killed in the end costs a repetition of each step', async () => {
    const context = taskContext({ Image: 'box:1', StopSignal: 'SIGKILL' });
    const controller = faults.bed.executor.controller(context);
    for (const [method, act] of lifeOf(controller)) {
      const { step } = await held(method, act);
      faults.kill();
      await expect(step).rejects.toMatchObject({ temporary: true });
      await faults.repeated(act);
    }
    await onlyTheBystander();
  });

  it('keeps nobody who gives a preparation up', async () => {
    const context = taskContext({ Image: 'box:1', StopSignal: 'SIGKILL' });
    const controller = faults.bed.executor.controller(context);
    const abort = new AbortController();
    const { step } = await held('Images/Get', () => controller.prepare(abort.signal));
    abort.abort();
    await expect(step).rejects.toThrow('preparation was given up');
    faults.signal('SIGCONT');
    await controller.remove();
    await onlyTheBystander();
  });

  it('is told of the end of a container, and tells it, when it goes on', async () => {
    const context = taskContext({ Image: 'box:1', StopSignal: 'SIGKILL' });
    const controller = faults.bed.executor.controller(context);
    await controller.prepare(never());
    await controller.start(never());
    const { pid = 0 } = await controller.observe();
    const { step } = await held('Tasks/Get', () => controller.wait(never()));
    process.kill(pid, 'SIGKILL');
    await expect.poll(() => isRunning(pid), PATIENCE).toBe(false);
    faults.signal('SIGCONT');
    expect(await step).toMatchObject({ exitCode: 137 });
    await controller.remove();
    await onlyTheBystander();
  });

  it('holds up a daemon that starts, which finds its containers when it goes on', async () => {
    const { step } = await held('Namespaces/Create', () => faults.bed.restart());
    faults.signal('SIGCONT');
    await step;
    await onlyTheBystander();
  });
});

describe('a full disk', () => {
  let mount: string;
  let bed: ExecutorBed;
  const filler = (): string => join(mount, 'filler');
  const makeRoom = (): void => rmSync(filler(), { force: true });

  /** Leaves this many bytes free. */
  function fill(free: number): void {
    const { bavail, bsize } = statfsSync(mount);
    writeFileSync(filler(), new Uint8Array(Math.max(0, bavail * bsize - free)));
  }

  beforeAll(async () => {
    mount = mkdtempSync('/tmp/tsswarm-executor-full-');
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', mount]);
    bed = await executorBed({ dataDirectory: mount, cgroupParent: '/tsswarm-faults-full' });
    await loadBusybox(bed.executor, 'box:1', { cmd: ['sleep', '1000'] });
  });

  afterEach(makeRoom);

  afterAll(async () => {
    await bed.close();
    execFileSync('umount', [mount]);
    rmSync(mount, { recursive: true });
  });

  it('fails a start by name wherever the room ends, and with room it succeeds', async () => {
    const refusals: string[] = [];
    for (let pages = 0, fits = false; !fits; pages += 1) {
      const context = taskContext({ Image: 'box:1', StopSignal: 'SIGKILL' });
      const controller = bed.executor.controller(context);
      const begin = async (): Promise<void> => {
        await controller.prepare(never());
        await controller.start(never());
      };
      fill(pages * 4096);
      const refusal = await begin().then(() => undefined, messageOf);
      makeRoom();
      if (refusal === undefined) fits = true;
      else {
        expect(refusal).toMatch(/no space left on device/);
        refusals.push(refusal);
        await begin();
      }
      expect((await controller.observe()).state).toBe('running');
      await controller.remove();
      expect(readdirSync(join(mount, 'tasks'))).toEqual([]);
    }
    expect(refusals.length).toBeGreaterThan(2);
  });

  it('keeps no container from being stopped, nor its end from being told', async () => {
    for (const end of ['stop', 'exit']) {
      const context = taskContext({ Image: 'box:1', StopSignal: 'SIGKILL' });
      const controller = bed.executor.controller(context);
      await controller.prepare(never());
      await controller.start(never());
      const { pid = 0 } = await controller.observe();
      fill(0);
      const ended = end === 'stop' ? controller.shutdown() : controller.wait(never());
      if (end === 'exit') process.kill(pid, 'SIGKILL');
      expect(await ended).toMatchObject({ exitCode: 137 });
      expect(await controller.observe()).toMatchObject({
        state: 'exited',
        exit: { exitCode: 137 },
      });
      makeRoom();
      await controller.remove();
      expect(await controller.observe()).toEqual({ state: 'absent' });
    }
  });

  it('does not keep a container whose end had no room from running again', async () => {
    const { userContainers } = bed.executor;
    const context = taskContext({ Image: 'box:1', StopSignal: 'SIGKILL' });
    const { id } = context.task;
    await userContainers.prepare(context);
    await userContainers.start(id);
    const first = await userContainers.observe(id);
    fill(0);
    await userContainers.stop(id, {});
    makeRoom();
    await userContainers.renew(id);
    await userContainers.prepare(context);
    await userContainers.start(id);
    const second = await userContainers.observe(id);
    expect(second).toMatchObject({ state: 'running' });
    expect(second.pid).not.toBe(first.pid);
    await userContainers.remove(id, true);
  });

  it('keeps no container from being removed', async () => {
    const context = taskContext({ Image: 'box:1', StopSignal: 'SIGKILL' });
    const controller = bed.executor.controller(context);
    await controller.prepare(never());
    await controller.start(never());
    fill(0);
    await controller.remove();
    expect(await controller.observe()).toEqual({ state: 'absent' });
    expect(readdirSync(join(mount, 'tasks'))).toEqual([]);
  });

  it('holds tasks with secrets up only while their place can’t be made', async () => {
    const secret = { SecretID: 's1', SecretName: 'hush' };
    const context = taskContext(
      { Image: 'box:1', StopSignal: 'SIGKILL', Secrets: [secret] },
      { payloads: [{ kind: 'secret', id: 's1', data: 'aHVzaA==' }] },
    );
    const controller = bed.executor.controller(context);
    const place = join(bed.directory, 'run/payloads');
    writeFileSync(place, '');
    await expect(controller.prepare(never())).rejects.toThrow(place);
    rmSync(place);
    await controller.prepare(never());
    await controller.start(never());
    await controller.remove();
    expect(readdirSync(place)).toEqual([]);
  });

  it('refuses an image by name, and with room takes it', async () => {
    const content = randomBytes(2 * 1024 * 1024);
    const archive = await imageArchive({ names: ['large:1'], files: [{ path: '/file', content }] });
    for (const free of [0, 1024 * 1024, 3 * 1024 * 1024]) {
      fill(free);
      await expect(bed.executor.images.load(chunks(archive))).rejects.toThrow(
        /no space left on device/,
      );
      makeRoom();
      expect(await bed.executor.images.resolve('large:1')).toBeUndefined();
    }
    await bed.executor.images.load(chunks(archive));
    await bed.executor.images.remove('large:1');
  });
});
