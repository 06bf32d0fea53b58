// Parameters and filters of Docker's that we don't carry out are refused by name; those that were taken
// without effect have one.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiServer } from '../../test/builders/api-server.ts';
import type { ImageSummary } from './backend/index.ts';

let api: ApiServer;

beforeAll(async () => {
  api = await ApiServer.start();
});

afterAll(() => api.stop());

const filters = (given: object): string => `filters=${encodeURIComponent(JSON.stringify(given))}`;

describe('refused by name', () => {
  it.each([
    ['GET', '/containers/json?size=1', 'parameter size'],
    ['GET', `/containers/json?${filters({ expose: ['80'] })}`, 'filter expose'],
    ['POST', '/containers/c/start?checkpoint=x', 'parameter checkpoint'],
    ['POST', '/containers/c/attach?stdin=1', 'parameter stdin'],
    ['DELETE', '/containers/c?link=1', 'parameter link'],
    ['POST', `/containers/prune?${filters({ until: ['1h'] })}`, 'filter until'],
    ['GET', '/images/json?manifests=1', 'parameter manifests'],
    ['GET', '/images/json?shared-size=1', 'parameter shared-size'],
    ['GET', '/images/img/json?platform=linux/s390x', 'platform linux/s390x'],
    ['POST', '/images/load?platform=linux/s390x', 'platform linux/s390x'],
    ['DELETE', '/images/img?platforms=["x"]', 'parameter platforms'],
    ['GET', `/volumes?${filters({ dangling: ['true'] })}`, 'filter dangling'],
    ['POST', '/swarm/update?version=1&rotateManagerUnlockKey=1', 'rotateManagerUnlockKey'],
  ])('%s %s', async (method, path, name) => {
    expect(await api.call(method, path)).toMatchObject({
      status: 501,
      body: { message: expect.stringContaining(name) },
    });
  });

  it.each([
    ['GET', `/nodes?${filters({ role: ['king'] })}`, "filter 'role=king'"],
    ['GET', `/nodes?${filters({ membership: ['x'] })}`, "filter 'membership=x'"],
    ['GET', `/services?${filters({ mode: ['x'] })}`, "filter 'mode=x'"],
    ['GET', `/images/json?${filters({ until: ['x'] })}`, '"until": x'],
    ['GET', '/networks/x?scope=here', 'invalid scope "here"'],
  ])('%s %s has a value that there is none of', async (method, path, name) => {
    expect(await api.call(method, path)).toMatchObject({
      status: 400,
      body: { message: expect.stringContaining(name) },
    });
  });

  it('with the zero of a client asks for nothing', async () => {
    expect(await api.call('GET', '/containers/json?size=0')).toMatchObject({ status: 200 });
  });
});

describe('carried out', () => {
  const names = (body: unknown): string[] => (body as { Name: string }[]).map(({ Name }) => Name);

  it('dangling networks are those that nobody has', async () => {
    const make = (Name: string): Promise<unknown> =>
      api.call('POST', '/networks/create', { body: { Name, Driver: 'overlay' } });
    await make('used');
    await make('unused');
    const TaskTemplate = { ContainerSpec: { Image: 'i' }, Networks: [{ Target: 'used' }] };
    await api.call('POST', '/services/create', { body: { Name: 'web', TaskTemplate } });
    await api.world.clock.advance(0);
    const dangling = await api.call('GET', `/networks?${filters({ dangling: ['true'] })}`);
    expect(names(dangling.body)).toEqual(['unused']);
    const others = await api.call('GET', `/networks?${filters({ dangling: ['false'] })}`);
    expect(names(others.body)).toContain('used');
  });

  it('the runtime of tasks, the scope of networks', async () => {
    const tasks = async (runtime: string): Promise<number> => {
      const { body } = await api.call('GET', `/tasks?${filters({ runtime: [runtime] })}`);
      return (body as unknown[]).length;
    };
    expect([await tasks('plugin'), await tasks('container')]).toEqual([0, 1]);
    expect(await api.call('GET', '/networks/used?scope=local')).toMatchObject({ status: 404 });
    expect(await api.call('GET', '/networks/used?scope=swarm')).toMatchObject({ status: 200 });
  });

  it('a volume without a name gets one, and goes by force when it is gone', async () => {
    const { body } = await api.call('POST', '/volumes/create', { body: {} });
    expect(body).toMatchObject({
      Name: expect.stringMatching(/^[0-9a-f]{64}$/),
      Labels: { 'com.docker.volume.anonymous': '' },
    });
    expect(await api.call('DELETE', '/volumes/none')).toMatchObject({ status: 404 });
    expect(await api.call('DELETE', '/volumes/none?force=1')).toMatchObject({ status: 204 });
  });

  it('filters of images', async () => {
    const image = (tag: string, createdAt: number): ImageSummary => ({
      id: `sha256:${createdAt}`,
      tags: [tag],
      digests: [],
      createdAt,
      size: 1,
      labels: {},
    });
    const images = [
      image('app:1', 1000),
      image('host:5000/team/app:2', 2000),
      image('other:latest', 3000),
    ];
    api.images.push(...images);
    const found = async (given: object): Promise<unknown> => {
      const { body } = await api.call('GET', `/images/json?${filters(given)}`);
      return (body as { RepoTags: string[] }[]).flatMap(({ RepoTags }) => RepoTags);
    };
    expect(await found({ before: ['other'] })).toEqual(['app:1', 'host:5000/team/app:2']);
    expect(await found({ since: ['app:1'] })).toEqual(['host:5000/team/app:2', 'other:latest']);
    expect(await found({ until: ['2'] })).toEqual(['app:1']);
    expect(await found({ reference: ['app'] })).toEqual(['app:1']);
    expect(await found({ reference: ['host:5000/*/app:?'] })).toEqual(['host:5000/team/app:2']);
    expect(await found({ reference: ['*'] })).toEqual(['app:1', 'other:latest']);
  });
});

describe('taken and given back as Docker does', () => {
  it('a constraint with a label in any case, a VNI, encryption in any spelling', async () => {
    const Placement = { Constraints: ['Node.Labels.zone!=b', 'NODE.ROLE==worker'] };
    const TaskTemplate = { ContainerSpec: { Image: 'i' }, Placement };
    await api.call('POST', '/services/create', { body: { Name: 'placed', TaskTemplate } });
    await api.world.clock.advance(0);
    const { body } = await api.call('GET', '/services/placed');
    expect(body).toMatchObject({
      Spec: { TaskTemplate: { Placement, ContainerSpec: { Isolation: 'default' } } },
    });
    const task = [...api.world.store.view.all('task')].find(({ nodeId, serviceId }) => {
      return serviceId === (body as { ID: string }).ID && nodeId === 'n1';
    });
    expect(task).toBeDefined();
    const Options = {
      'com.docker.network.driver.overlay.vxlanid_list': '4711',
      encrypted: 'yes',
    };
    const made = { Name: 'vni', Driver: 'overlay', Options };
    expect(await api.call('POST', '/networks/create', { body: made })).toMatchObject({
      status: 201,
    });
    await api.world.clock.advance(0);
    expect(await api.call('GET', '/networks/vni')).toMatchObject({ body: { Options } });
    expect(api.world.store.view.byName('network', 'vni')?.vni).toBe(4711);
    const again = { ...made, Name: 'again' };
    expect(await api.call('POST', '/networks/create', { body: again })).toMatchObject({
      status: 409,
      body: { message: 'VNI 4711 is that of network vni' },
    });
  });
});
