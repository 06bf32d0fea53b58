// Objects are found by id, by name and by a prefix of the id at every route; what clients send next,
// with the version that they were shown, is taken.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ApiServer } from '../../test/builders/api-server.ts';
import { create, update } from '../model/index.ts';

let api: ApiServer;

beforeEach(async () => {
  api = await ApiServer.start(['aa1', 'aa2', 'bb1']);
  await rename('aa1', 'alpha');
  await rename('aa2', 'aa');
  await rename('bb1', 'bb');
});

afterEach(() => api.stop());

async function rename(id: string, hostname: string): Promise<void> {
  const node = api.world.store.view.get('node', id);
  if (node?.description === undefined) throw new Error(`no node ${id}`);
  const description = { ...node.description, hostname };
  await api.world.store.propose([update('node', { ...node, description })]);
}

const spec = (Name: string, more: object = {}): object => ({
  Name,
  TaskTemplate: { ContainerSpec: { Image: 'i' } },
  ...more,
});

async function service(body: object, headers: Record<string, string> = {}): Promise<string> {
  const answer = await api.call('POST', '/services/create', { body, headers });
  expect(answer).toMatchObject({ status: 201 });
  await api.world.clock.advance(0);
  return (answer.body as { ID: string }).ID;
}

async function idAt(path: string): Promise<unknown> {
  const { body } = await api.call('GET', path);
  return (body as { ID?: string; message?: string }).ID ?? (body as { message: string }).message;
}

describe('a node', () => {
  it('is found by id, host name and prefix, in this order', async () => {
    expect(await idAt('/nodes/alpha')).toBe('aa1');
    expect(await idAt('/nodes/aa')).toBe('aa2');
    expect(await idAt('/nodes/b')).toBe('bb1');
    expect(await idAt('/nodes/a')).toContain('node a is ambiguous (2 matches found)');
    expect(await idAt('/nodes/nope')).toBe('node nope not found');
  });

  it('of a name that two have is ambiguous', async () => {
    await rename('aa1', 'bb');
    expect(await api.call('GET', '/nodes/bb')).toMatchObject({
      status: 400,
      body: { message: 'node bb is ambiguous (2 matches found): use the id' },
    });
  });

  it('is updated, listed by and removed under its host name', async () => {
    const { body } = await api.call('GET', '/nodes/alpha');
    const { Version } = body as { Version: { Index: number } };
    const path = `/nodes/alpha/update?version=${Version.Index}`;
    const requested = { Role: 'worker', Availability: 'drain', Labels: { a: 'b' } };
    expect(await api.call('POST', path, { body: requested })).toMatchObject({ status: 200 });
    expect(api.world.store.view.get('node', 'aa1')?.spec.Labels).toEqual({ a: 'b' });
    const filters = encodeURIComponent(JSON.stringify({ node: ['alpha'] }));
    expect(await api.call('GET', `/tasks?filters=${filters}`)).toMatchObject({ status: 200 });
    const gone = await api.call('DELETE', '/nodes/alpha?force=1');
    expect(gone).toMatchObject({ status: 200 });
    expect(api.world.store.view.get('node', 'aa1')).toBeUndefined();
  });
});

describe('tasks, networks, secrets and configs', () => {
  it('are found by prefix and name', async () => {
    const id = await service(spec('web'));
    const [task] = [...api.world.store.view.tasksOfService(id)];
    if (task === undefined) throw new Error('no task');
    for (const reference of [task.id, task.id.slice(0, 8), `web.1.${task.id}`]) {
      expect(await idAt(`/tasks/${reference}`)).toBe(task.id);
    }
    expect(await idAt(`/tasks/other.1.${task.id}`)).toContain('not found');
    expect(await idAt(`/services/${id.slice(0, 6)}`)).toBe(id);
    for (const kind of ['secret', 'config']) {
      const body = { Name: 'payload', Data: 'YQ==' };
      const answer = await api.call('POST', `/${kind}s/create`, { body });
      const { ID } = answer.body as { ID: string };
      expect(await idAt(`/${kind}s/${ID.slice(0, 6)}`)).toBe(ID);
      expect(await idAt(`/${kind}s/payload`)).toBe(ID);
    }
  });

  it('on a prefix of a network’s id a service has the network', async () => {
    const made = await api.call('POST', '/networks/create', {
      body: { Name: 'net', Driver: 'overlay' },
    });
    const { Id } = made.body as { Id: string };
    const Networks = [{ Target: Id.slice(0, 10) }];
    const id = await service(spec('web', { Networks }));
    const { TaskTemplate } = api.world.store.view.get('service', id)?.spec ?? {};
    expect(TaskTemplate?.Networks).toEqual([{ Target: Id }]);
  });

  it('that are network attachments of users’ containers are not shown', async () => {
    await api.world.store.propose([
      create('task', {
        id: 'place',
        serviceId: 'place',
        revisionId: 'place',
        slot: 0,
        nodeId: 'aa1',
        desiredState: 'running',
        status: { state: 'new', timestamp: 0, message: '' },
        networks: [],
        attachment: { containerId: 'c' },
      }),
    ]);
    expect(await idAt('/tasks/place')).toBe('task place not found');
    expect(await idAt('/tasks/pla')).toBe('task pla not found');
  });
});

describe('a service', () => {
  it('without a name gets one', async () => {
    const names = new Set<string>();
    for (let i = 0; i < 5; i++) {
      const id = await service(spec(''));
      names.add(api.world.store.view.get('service', id)?.spec.Name ?? '');
    }
    expect(names.size).toBe(5);
    for (const name of names) expect(name).toMatch(/^[a-z]+_[a-z]+$/);
  });

  it('keeps credentials that come with an update of no task', async () => {
    const headers = { 'X-Registry-Auth': 'b2xk' };
    const id = await service(spec('web'), headers);
    const { view } = api.world.store;
    const before = view.get('service', id);
    const auth = (): string | undefined =>
      view.get('credential', view.get('service', id)?.revisionId ?? '')?.registryAuth;
    const change = async (more: object, given: Record<string, string> = {}): Promise<void> => {
      const { body } = await api.call('GET', `/services/${id}`);
      const { Version } = body as { Version: { Index: number } };
      const path = `/services/${id}/update?version=${Version.Index}`;
      const answer = await api.call('POST', path, { body: spec('web', more), headers: given });
      expect(answer).toMatchObject({ status: 200 });
      await api.world.clock.advance(0);
    };
    await change({ Labels: { a: '1' } }, { 'X-Registry-Auth': 'bmV3' });
    expect(auth()).toBe('bmV3');
    await change({ Labels: { a: '2' } });
    expect(auth()).toBe('bmV3');
    expect(view.get('service', id)?.revisionId).toBe(before?.revisionId);
  });

  it('of an earlier release can be changed, whatever was taken then', async () => {
    const id = await service(spec('old'));
    const stored = api.world.store.view.get('service', id);
    if (stored === undefined) throw new Error('no service');
    const { TaskTemplate } = stored.spec;
    const ContainerSpec = { ...TaskTemplate.ContainerSpec, OpenStdin: true };
    const old = { ...stored.spec, TaskTemplate: { ...TaskTemplate, ContainerSpec } };
    await api.world.store.propose([update('service', { ...stored, spec: old })]);
    const send = async (body: object): Promise<unknown> => {
      const answer = await api.call('GET', '/services/old');
      const { Version } = answer.body as { Version: { Index: number } };
      return api.call('POST', `/services/old/update?version=${Version.Index}`, { body });
    };
    const { body } = await api.call('GET', '/services/old');
    const { Spec } = body as { Spec: object };
    expect(await send({ ...Spec, Labels: { a: 'b' } })).toMatchObject({ status: 200 });
    expect(await send({ ...Spec, RollbackConfig: { Delay: -1 } })).toMatchObject({ status: 400 });
  });

  it('may publish a port and protocol once, whatever the mode', async () => {
    const Ports = [
      { TargetPort: 80, PublishedPort: 8105, PublishMode: 'host' },
      { TargetPort: 80, PublishedPort: 8105 },
    ];
    const body = spec('web', { EndpointSpec: { Ports } });
    expect(await api.call('POST', '/services/create', { body })).toMatchObject({
      status: 400,
      body: { message: expect.stringContaining('duplicate published ports provided: 8105/tcp') },
    });
  });
});
