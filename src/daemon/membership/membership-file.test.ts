import { SimDisk } from 'sim';
import { describe, expect, it } from 'vitest';
import {
  MembershipWriter,
  loadMembership,
  saveMembership,
  type Membership,
} from './membership-file.ts';

const PATH = '/membership.json';
const membership: Membership = {
  clusterId: 'c',
  nodeId: 'n',
  role: 'manager',
  certificate: 'PEM',
  key: 'PEM',
  rootCertificates: 'PEM',
  listen: { host: '0.0.0.0', port: 2377 },
  advertise: { host: '10.0.0.1', port: 2377 },
  dataPathAddress: '10.0.0.1',
  managers: ['10.0.0.1:2377'],
  raftId: 2 ** 47,
  raftStarted: true,
};

async function load(text: string): Promise<Membership | undefined> {
  const disk = new SimDisk();
  await disk.writeFileAtomic(PATH, new TextEncoder().encode(text));
  return loadMembership(disk, PATH);
}

describe('the membership of a node', () => {
  it('is read as it was written', async () => {
    const disk = new SimDisk();
    expect(await loadMembership(disk, PATH)).toBeUndefined();
    await saveMembership(disk, PATH, membership);
    expect(await loadMembership(disk, PATH)).toEqual(membership);
  });

  it.each([
    ['{', 'not JSON'],
    ['{"v":9}', 'format 9'],
    ['{}', 'v'],
    ['{"v":1,"membership":null}', 'membership'],
    [JSON.stringify({ v: 1, membership: { ...membership, role: 'king' } }), 'role'],
    [JSON.stringify({ v: 1, membership: { ...membership, managers: 'all' } }), 'managers'],
  ])('that is %s is an error that names the file', async (text, message) => {
    await expect(load(text)).rejects.toThrow(`${PATH} can't be read`);
    await expect(load(text)).rejects.toThrow(message);
    await expect(load(text)).rejects.toMatchObject({ code: 'dataLoss' });
  });
});

it('is not written again after the node has left', async () => {
  const disk = new SimDisk();
  const writer = new MembershipWriter(disk, PATH);
  void writer.save(membership);
  await writer.end();
  await disk.remove(PATH);
  await expect(writer.save(membership)).rejects.toThrow('has left its cluster');
  expect(await loadMembership(disk, PATH)).toBeUndefined();
});
