// The executor with a containerd that dies or hangs, or a disk that is full: every step can be taken
// again, containers go on, and nothing is left behind.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { chunks, loadBusybox, never, taskContext } from '../builders/executor.ts';
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
