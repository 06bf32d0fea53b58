// Lists of tasks by service and node: which tasks they have, and how many are looked at for them.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiServer } from '../../test/builders/api-server.ts';
import { ClusterQueries } from '../manager/index.ts';
import { aServiceSpec } from '../../test/builders/specs.ts';

let api: ApiServer;
/** Tasks that were read through the view, and nodes that were looked for. */
const read = { tasks: 0, objects: 0 };

beforeAll(async () => {
  api = await ApiServer.start(['n1', 'n2', 'n3']);
  const { view } = api.world.store;
  api.manager = {
    ...api.manager,
    queries: new ClusterQueries(
      new Proxy(view, {
        get: (target, name) => {
          if (name === 'all') {
            return (table: 'task' | 'node') => counted(target.all(table), table);
          }
          if (name === 'tasksOfNode')
            return (id: string) => counted(target.tasksOfNode(id), 'task');
          if (name === 'tasksOfService') {
            return (id: string) => counted(target.tasksOfService(id), 'task');
          }
          const value: unknown = Reflect.get(target, name, target);
          return typeof value === 'function' ? (value.bind(target) as unknown) : value;
        },
      }),
    ),
  };
  for (const [Name, replicas] of [
    ['web', 30],
    ['db', 3],
  ] as const) {
    await api.world.create(aServiceSpec({ Name, replicas }));
  }
  await api.world.clock.advance(100);
});

afterAll(() => api.stop());

function* counted<T>(objects: Iterable<T>, table: string): Generator<T> {
  for (const object of objects) {
    if (table === 'task') read.tasks++;
    else read.objects++;
    yield object;
  }
}

async function tasks(filters: Record<string, string[]>): Promise<{ NodeID: string }[]> {
  read.tasks = 0;
  read.objects = 0;
  const query = encodeURIComponent(JSON.stringify(filters));
  const { status, body } = await api.call('GET', `/tasks?filters=${query}`);
  expect(status).toBe(200);
  return body as { NodeID: string }[];
}

describe('a list of tasks', () => {
  it('has all of them without a filter', async () => {
    expect(await tasks({})).toHaveLength(33);
  });

  it('of a node has its own, and looks at no others', async () => {
    const own = await tasks({ node: ['n2'] });
    expect(own.map(({ NodeID }) => NodeID)).toEqual(Array(11).fill('n2'));
    expect(read.tasks).toBe(11);
  });

  it('of a node finds the node once, whatever it is called', async () => {
    await tasks({ node: ['n3'] });
    expect(read.objects).toBeLessThanOrEqual(3);
  });

  it('of several nodes has each task once', async () => {
    expect(await tasks({ node: ['n1', 'n2', 'n1'] })).toHaveLength(22);
  });

  it('of a service looks at no other service', async () => {
    expect(await tasks({ service: ['db'] })).toHaveLength(3);
    expect(read.tasks).toBe(3);
  });

  it('of a service on a node has those that are both', async () => {
    expect(await tasks({ service: ['db', 'db'], node: ['n1'] })).toHaveLength(1);
  });

  it.each([{ node: ['nobody'] }, { service: ['nobody'] }])('of %j is refused', async (filters) => {
    const query = encodeURIComponent(JSON.stringify(filters));
    expect((await api.call('GET', `/tasks?filters=${query}`)).status).toBe(404);
  });
});
