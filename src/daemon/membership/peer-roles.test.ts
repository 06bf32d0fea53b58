// Roles and revocation: from the store where there is one, else from the managers' last word.
import { describe, expect, it } from 'vitest';
import { memoryStore, newCluster, newNode } from '../../../test/builders/memory-store.ts';
import { remove, update, type ClusterInfo } from '../../model/index.ts';
import { PeerRoles } from './peer-roles.ts';

const peer = (nodeId: string, role: 'manager' | 'worker' = 'manager') => ({
  nodeId,
  role,
  clusterId: 'c',
});

const NEWS: ClusterInfo = {
  managers: ['10.0.0.1:2377'],
  managerIds: ['m1', 'm2'],
  rootCertificates: '',
  dataPathPort: 4789,
  heartbeatPeriodMs: 500,
  role: 'worker',
  blacklist: [],
};

describe('on a manager', () => {
  async function aManager() {
    const { store } = memoryStore();
    const ended: string[] = [];
    const roles = new PeerRoles(
      () => store.view,
      (nodeId) => ended.push(nodeId),
    );
    store.watch((changes) => roles.observe(changes));
    await store.propose([newCluster({ blacklist: { gone: 1 } }), newNode('m2')]);
    const node = store.view.get('node', 'm2');
    if (node === undefined) throw new Error('no node');
    await store.propose([update('node', { ...node, spec: { ...node.spec, Role: 'manager' } })]);
    return { store, roles, ended };
  }

  it('a demoted manager’s certificate is a worker’s at once, and what it has open ends', async () => {
    const { store, roles, ended } = await aManager();
    expect(roles.roleOf(peer('m2'))).toBe('manager');
    const node = store.view.get('node', 'm2');
    if (node === undefined) throw new Error('no node');
    await store.propose([update('node', { ...node, spec: { ...node.spec, Role: 'worker' } })]);
    expect(roles.roleOf(peer('m2'))).toBe('worker');
    expect(ended).toEqual(['m2']);
  });

  it('a promoted one is a manager with a manager’s certificate only', async () => {
    const { roles } = await aManager();
    expect(roles.roleOf(peer('m2', 'worker'))).toBe('worker');
  });

  it('a removed node is nobody, and one that is new here what its certificate says', async () => {
    const { store, roles, ended } = await aManager();
    expect(roles.roleOf(peer('gone'))).toBeUndefined();
    expect(roles.roleOf(peer('new', 'worker'))).toBe('worker');
    await store.propose([remove('node', 'm2')]);
    expect(ended).toEqual(['m2']);
  });
});

describe('on a worker', () => {
  it('who is a manager is what the managers said last', () => {
    const ended: string[] = [];
    const roles = new PeerRoles(
      () => undefined,
      (nodeId) => ended.push(nodeId),
    );
    expect(roles.roleOf(peer('m2'))).toBe('manager');
    roles.told(NEWS);
    expect(roles.roleOf(peer('m2'))).toBe('manager');
    roles.told({ ...NEWS, managerIds: ['m1'] });
    expect(roles.roleOf(peer('m2'))).toBe('worker');
    expect(ended).toEqual(['m2']);
    roles.told({ ...NEWS, blacklist: ['m2'] });
    expect(roles.roleOf(peer('m2'))).toBeUndefined();
  });

  it('managers of an earlier release, which do not say it, are believed', () => {
    const roles = new PeerRoles(
      () => undefined,
      () => {},
    );
    const { managerIds: _not, ...old } = NEWS;
    roles.told(old);
    expect(roles.roleOf(peer('m2'))).toBe('manager');
  });
});
