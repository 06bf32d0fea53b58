import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../base/index.ts';
import { createVolumeStore, type VolumeDirectories } from './volume-store.ts';

type Users = () => Promise<ReadonlyMap<string, readonly string[]>>;

function store(users: Record<string, string[]> | Users = {}) {
  const records = new Map<string, string>();
  const directories: VolumeDirectories = {
    list: async () => [...records.keys()],
    readRecord: async (name) => records.get(name),
    create: async (name, record) => void records.set(name, record),
    dataPath: (name) => `/v/${name}/_data`,
    usage: async () => 10,
    remove: async (name) => void records.delete(name),
  };
  const clock = { now: () => 5, monotonicMs: () => 5, after: () => ({ cancel: () => undefined }) };
  const volumes = createVolumeStore({
    directories,
    clock,
    logger: silentLogger,
    users: typeof users === 'function' ? users : async () => new Map(Object.entries(users)),
  });
  return { volumes, records };
}

describe('volumes', () => {
  it('are made once; who comes second gets the same', async () => {
    const { volumes } = store();
    const first = await volumes.create({ name: 'data', labels: { a: 'b' } });
    expect(first).toEqual({
      name: 'data',
      driver: 'local',
      mountpoint: '/v/data/_data',
      labels: { a: 'b' },
      options: {},
      createdAt: 5,
    });
    expect(await volumes.create({ name: 'data', labels: { other: '' } })).toEqual(first);
  });

  it('may stand for a directory of the host', async () => {
    const { volumes } = store();
    const options = { type: 'none', o: 'bind', device: '/mnt/disk' };
    expect((await volumes.create({ name: 'disk', options })).mountpoint).toBe('/mnt/disk');
    await expect(volumes.create({ name: 'disk', options: {} })).rejects.toMatchObject({
      code: 'conflict',
    });
    const nfs = { type: 'nfs', o: 'addr=192.0.2.1', device: ':/x' };
    await expect(volumes.create({ name: 'far', options: nfs })).rejects.toMatchObject({
      code: 'unimplemented',
    });
  });

  it.each(['', 'a', '../etc', 'a/b', '-ab', `a${'b'.repeat(300)}`])(
    'are not named %j',
    async (name) => {
      await expect(store().volumes.create({ name })).rejects.toThrow(
        'includes invalid characters for a local volume name',
      );
    },
  );

  it('know no driver but local', async () => {
    await expect(store().volumes.create({ name: 'ab', driver: 'ceph' })).rejects.toThrow(
      'plugin "ceph" not found',
    );
  });

  it('are not removed while they are used', async () => {
    const { volumes, records } = store({ used: ['c1'] });
    await volumes.create({ name: 'used' });
    await volumes.create({ name: 'free' });
    await expect(volumes.remove('used', { force: true })).rejects.toThrow(
      'remove used: volume is in use - [c1]',
    );
    await expect(volumes.remove('gone')).rejects.toThrow('get gone: no such volume');
    await volumes.remove('gone', { force: true });
    expect(await volumes.prune(() => true)).toEqual({ removed: ['free'], bytes: 10 });
    expect([...records.keys()]).toEqual(['used']);
  });

  it('with a damaged record keep their data and hide no others', async () => {
    const { volumes, records } = store();
    await volumes.create({ name: 'sound' });
    records.set('hurt', '{"options":{"device":7}}');
    await expect(volumes.inspect('hurt')).rejects.toMatchObject({ code: 'dataLoss' });
    await expect(volumes.create({ name: 'hurt' })).rejects.toThrow('volume hurt is damaged');
    expect((await volumes.list()).map(({ name }) => name)).toEqual(['sound']);
    expect(await volumes.prune(() => true)).toMatchObject({ removed: ['sound'] });
    await expect(volumes.remove('hurt')).rejects.toMatchObject({ code: 'dataLoss' });
    await volumes.remove('hurt', { force: true });
    expect([...records.keys()]).toEqual([]);
  });

  it('are not removed while it is not known who has them mounted', async () => {
    const { volumes, records } = store(() => Promise.reject(new Error('EIO')));
    await volumes.create({ name: 'data' });
    await expect(volumes.remove('data', { force: true })).rejects.toThrow('EIO');
    await expect(volumes.prune(() => true)).rejects.toThrow('EIO');
    expect([...records.keys()]).toEqual(['data']);
  });

  it.each(['..', '../x', 'a/../../x', '.', 'a/b', ''])('%j is none', async (name) => {
    const { volumes, records } = store();
    records.set(name, '{}');
    await expect(volumes.inspect(name)).rejects.toThrow('no such volume');
    await expect(volumes.remove(name)).rejects.toThrow('no such volume');
    await volumes.remove(name, { force: true });
    expect([...records.keys()]).toEqual([name]);
  });
});
