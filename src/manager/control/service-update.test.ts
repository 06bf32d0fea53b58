// Changes of a service: which versions they leave behind, what they take over, and the way back.
import { beforeEach, describe, expect, it } from 'vitest';
import {
  remove,
  specIndexOf,
  type Service,
  type ServiceSpec,
  type UpdateStatus,
} from '../../model/index.ts';
import { ControlDesk, onNetworks, refusal } from '../../../test/builders/control-desk.ts';
import { withImage } from '../../../test/builders/specs.ts';

let desk: ControlDesk;
let id: string;

beforeEach(async () => {
  desk = await ControlDesk.open();
  id = await desk.service({ replicas: 2 }, 'auth');
});

const service = (): Service => desk.get('service', id);
const image = ({ TaskTemplate }: ServiceSpec): string => TaskTemplate.ContainerSpec.Image;
const toImage = (Image: string) => (spec: ServiceSpec) => withImage(spec, Image);
const toReplicas = (Replicas: number) => (spec: ServiceSpec) => ({
  ...spec,
  Mode: { Replicated: { Replicas } },
});
const same = (spec: ServiceSpec): ServiceSpec => spec;
const inState = (state: UpdateStatus['state']): Promise<void> =>
  desk.change('service', id, { updateStatus: { state, startedAt: 1, message: '' } });
const auth = (): string | undefined =>
  desk.view.get('credential', service().revisionId)?.registryAuth;

describe('an update', () => {
  it('names the version that it changes; an older one is refused', async () => {
    const version = specIndexOf(service());
    await desk.updateService(id, toReplicas(3));
    expect(await refusal(desk.updateService(id, toReplicas(4), { version }))).toBe(
      'outOfSequence: update out of sequence',
    );
    expect(service().spec.Mode).toEqual({ Replicated: { Replicas: 3 } });
  });

  it('is not made stale by what managers write into the service', async () => {
    const version = specIndexOf(service());
    await inState('completed');
    expect(await desk.updateService(id, toReplicas(3), { version })).toBeDefined();
  });

  it('of the tasks makes a revision, and keeps the last one to go back to', async () => {
    const before = service();
    const after = await desk.updateService(id, toImage('hello:2'));
    expect(after.revisionId).not.toBe(before.revisionId);
    expect(image(desk.get('revision', after.revisionId).spec)).toBe('hello:2');
    expect(after).toMatchObject({
      specVersion: before.specVersion + 1,
      previousSpec: before.spec,
      previousRevisionId: before.revisionId,
      updateStatus: { state: 'updating', startedAt: desk.clock.now() },
    });
  });

  it('of how many tasks there are replaces none of them', async () => {
    const before = service();
    const after = await desk.updateService(id, toReplicas(5));
    expect(after.revisionId).toBe(before.revisionId);
    expect(after.updateStatus).toBeUndefined();
    expect(after.previousSpec).toEqual(before.spec);
  });

  it('without a change counts as one, and replaces nothing', async () => {
    const before = service();
    const after = await desk.updateService(id, same);
    expect(after.specVersion).toBe(before.specVersion + 1);
    expect(after.revisionId).toBe(before.revisionId);
  });

  it('that forces it replaces the tasks all the same', async () => {
    const before = service();
    const force = (spec: ServiceSpec): ServiceSpec => ({
      ...spec,
      TaskTemplate: { ...spec.TaskTemplate, ForceUpdate: 1 },
    });
    const after = await desk.updateService(id, force);
    expect(after.revisionId).not.toBe(before.revisionId);
  });

  it('back to what the service just was takes its revision again', async () => {
    const first = service().revisionId;
    await desk.updateService(id, toImage('hello:2'));
    const after = await desk.updateService(id, toImage('hello:1'));
    expect(after.revisionId).toBe(first);
    expect([...desk.view.revisionsOfService(id)]).toHaveLength(2);
  });

  it('fills in what a new service has filled in', async () => {
    const bare = ({ Name, TaskTemplate }: ServiceSpec) => ({ Name, TaskTemplate, Mode: {} });
    const { spec } = await desk.updateService(id, bare);
    expect(spec).toMatchObject({
      Labels: {},
      Mode: { Replicated: { Replicas: 1 } },
      EndpointSpec: { Mode: 'vip' },
    });
  });

  it('may name networks as people do', async () => {
    const network = await desk.network('back');
    const { spec } = await desk.updateService(id, (old) => ({
      ...old,
      ...onNetworks({ Target: 'back' }),
    }));
    expect(spec.TaskTemplate.Networks).toEqual([{ Target: network }]);
  });

  it.each([
    ['its name', (spec: ServiceSpec) => ({ ...spec, Name: 'other' }), 'renaming services'],
    ['its mode', (spec: ServiceSpec) => ({ ...spec, Mode: { Global: {} } }), 'mode change'],
  ])('can’t change %s', async (_what, change, text) => {
    const before = service();
    const told = await refusal(desk.updateService(id, change));
    expect(told).toContain('unimplemented: ');
    expect(told).toContain(text);
    expect(service()).toEqual(before);
  });

  it('of a service that is not there says so', async () => {
    const request = { id: 'nothing', version: 1, spec: service().spec };
    expect(await refusal(desk.control.handle('service.update', request))).toBe(
      'notFound: service nothing not found',
    );
  });
});

describe('an update of a service that an earlier release took as it was', () => {
  const preference = (text: string) => (spec: ServiceSpec) => ({
    ...spec,
    TaskTemplate: {
      ...spec.TaskTemplate,
      Placement: { Preferences: [{ Spread: { SpreadDescriptor: text } }] },
    },
  });

  beforeEach(async () => {
    await desk.change('service', id, { spec: preference('rack')(service().spec) });
  });

  it('may leave what is wrong there as it is', async () => {
    const after = await desk.updateService(id, toReplicas(3));
    expect(after.spec.Mode).toEqual({ Replicated: { Replicas: 3 } });
  });

  it('may not put something else that is wrong in its place', async () => {
    expect(await refusal(desk.updateService(id, preference('zone')))).toContain(
      'placement preference "zone" must be',
    );
  });

  it('may mend it', async () => {
    expect(await desk.updateService(id, preference('node.labels.rack'))).toBeDefined();
    expect(await refusal(desk.updateService(id, preference('rack')))).toContain('"rack" must be');
  });
});

describe('a paused update', () => {
  it('goes on with any update, also one without a change', async () => {
    await desk.updateService(id, toImage('hello:2'));
    await inState('paused');
    const { updateStatus } = await desk.updateService(id, same);
    expect(updateStatus).toMatchObject({ state: 'updating', startedAt: desk.clock.now() });
  });

  it('that was a rollback goes on as a rollback', async () => {
    await inState('rollback_paused');
    const { updateStatus } = await desk.updateService(id, toReplicas(3));
    expect(updateStatus).toMatchObject({ state: 'rollback_started' });
  });

  it.each(['completed', 'rollback_completed', 'updating'] as const)(
    'alone does: what is %s stays so',
    async (state) => {
      await inState(state);
      const { updateStatus } = await desk.updateService(id, toReplicas(3));
      expect(updateStatus?.state).toBe(state);
    },
  );

  it('still goes back to where it began when the service is scaled meanwhile', async () => {
    await desk.updateService(id, toImage('hello:2'));
    await inState('paused');
    await desk.updateService(id, toReplicas(7));
    const back = await desk.rollBack(id);
    expect(image(back.spec)).toBe('hello:1');
    expect(back.spec.Mode).toEqual({ Replicated: { Replicas: 7 } });
  });
});

describe('a rollback', () => {
  it('needs something to go back to', async () => {
    expect(await refusal(desk.rollBack(id))).toBe(
      'precondition: service web does not have a previous spec',
    );
  });

  it('takes spec and revision of before, for tasks that still run from them', async () => {
    const before = service();
    await desk.updateService(id, toImage('hello:2'));
    const back = await desk.rollBack(id);
    expect(back.spec).toEqual(before.spec);
    expect(back.revisionId).toBe(before.revisionId);
    expect(back.updateStatus).toMatchObject({
      state: 'rollback_started',
      startedAt: desk.clock.now(),
    });
    expect([...desk.view.revisionsOfService(id)]).toHaveLength(2);
  });

  it('done twice is undone, as in Docker', async () => {
    const after = await desk.updateService(id, toImage('hello:2'));
    await desk.rollBack(id);
    const again = await desk.rollBack(id);
    expect(again.spec).toEqual(after.spec);
    expect(again.revisionId).toBe(after.revisionId);
  });

  it('of the replicas alone is done at once', async () => {
    await desk.updateService(id, toReplicas(5));
    const back = await desk.rollBack(id);
    expect(back.spec.Mode).toEqual({ Replicated: { Replicas: 2 } });
    expect(back.updateStatus).toBeUndefined();
  });

  it('ignores the spec that comes with it', async () => {
    await desk.updateService(id, toImage('hello:2'));
    const back = await desk.updateService(id, toImage('hello:3'), { rollback: true });
    expect(image(back.spec)).toBe('hello:1');
  });

  it('makes the revision anew when it is gone', async () => {
    const first = service().revisionId;
    await desk.updateService(id, toImage('hello:2'));
    await desk.put(remove('revision', first));
    const back = await desk.rollBack(id);
    expect(back.revisionId).not.toBe(first);
    expect(image(desk.get('revision', back.revisionId).spec)).toBe('hello:1');
  });

  it('needs what it goes back to to be there', async () => {
    const network = await desk.network('back');
    await desk.updateService(id, (spec) => ({ ...spec, ...onNetworks({ Target: network }) }));
    await desk.updateService(id, (spec) => ({ ...spec, ...onNetworks() }));
    await desk.control.handle('network.remove', { id: network });
    expect(await refusal(desk.rollBack(id))).toBe(`notFound: network ${network} not found`);
    expect(service().spec.TaskTemplate.Networks).toEqual([]);
  });
});

describe('registry credentials', () => {
  it('are taken over by an update that brings none', async () => {
    await desk.updateService(id, toImage('hello:2'));
    expect(auth()).toBe('auth');
  });

  it('are those that an update brings, and the old tasks keep theirs', async () => {
    const { revisionId } = service();
    await desk.updateService(id, toImage('hello:2'), { registryAuth: 'new' });
    expect(auth()).toBe('new');
    expect(desk.get('credential', revisionId).registryAuth).toBe('auth');
  });

  it('are renewed by an update that makes no tasks: later ones need them', async () => {
    await desk.updateService(id, toReplicas(3), { registryAuth: 'new' });
    expect(auth()).toBe('new');
  });

  it('may come first with such an update', async () => {
    const open = await desk.service({ Name: 'open' });
    const { revisionId } = await desk.updateService(open, same, { registryAuth: 'new' });
    expect(desk.get('credential', revisionId).registryAuth).toBe('new');
  });

  it('are not written again where they are the same', async () => {
    const { version } = desk.get('credential', service().revisionId);
    await desk.updateService(id, toReplicas(3), { registryAuth: 'auth' });
    expect(desk.get('credential', service().revisionId).version).toBe(version);
  });

  it.each([
    ['spec', 'new'],
    ['previous-spec', 'auth'],
  ] as const)('are those of %s when the update says so', async (registryAuthFrom, kept) => {
    await desk.updateService(id, toImage('hello:2'), { registryAuth: 'new' });
    await desk.updateService(id, toImage('hello:3'), { registryAuthFrom });
    expect(auth()).toBe(kept);
  });

  it('are those of before after a rollback', async () => {
    await desk.updateService(id, toImage('hello:2'), { registryAuth: 'new' });
    await desk.rollBack(id);
    expect(auth()).toBe('auth');
  });
});
