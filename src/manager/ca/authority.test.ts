// What the authority gives to a node, and to whom it gives nothing.
import { Prng, VirtualClock } from 'sim';
import { describe, expect, it } from 'vitest';
import { memoryStore, newCluster, newNode } from '../../../test/builders/memory-store.ts';
import type { Peer } from '../../base/index.ts';
import { FEATURE_LEVEL, update } from '../../model/index.ts';
import type { Store } from '../store/index.ts';
import { Authority, type JoinRequest } from './authority.ts';

const TOKENS = { worker: 'for a worker', manager: 'for a manager' };

/** A cluster with two managers, and its authority. */
async function aCluster(): Promise<{ store: Store; authority: Authority }> {
  const { store } = memoryStore();
  await store.propose([newCluster({ joinTokens: TOKENS, featureLevel: FEATURE_LEVEL })]);
  for (const [raftId, id] of ['m2', 'm1'].entries()) {
    await store.propose([newNode(id)]);
    const node = store.view.get('node', id);
    if (node === undefined) throw new Error('no node');
    const address = `${id}.example:2377`;
    const manager = { raftId: raftId + 1, address, raftAddress: address };
    await store.propose([update('node', { ...node, role: 'manager', manager })]);
  }
  const signer = {
    sign: () => Promise.resolve({ certificate: 'pem', expiresAt: 1 }),
    equal: (a: string, b: string) => a === b,
  };
  const authority = new Authority(store, signer, new Prng(1), new VirtualClock(), 'test');
  return { store, authority };
}

const request: JoinRequest = {
  csr: 'csr',
  token: TOKENS.worker,
  availability: 'active',
  from: '10.0.0.9',
  featureLevel: FEATURE_LEVEL,
};

describe('the certificate authority', () => {
  // The simulation of the cluster, seed 182: the one it joined through was demoted at once.
  it('tells a joiner where all managers are, not only the one it has asked', async () => {
    const { authority } = await aCluster();
    const issued = await authority.join(request);
    expect(issued.role).toBe('worker');
    expect(issued.managers).toEqual(['m1.example:2377', 'm2.example:2377']);
  });

  it('tells it to whom it renews a certificate, too', async () => {
    const { authority, store } = await aCluster();
    const { nodeId, clusterId } = await authority.join(request);
    const peer: Peer = { nodeId, clusterId, role: 'worker' };
    expect((await authority.renew('csr', peer)).managers).toHaveLength(2);
    expect(store.view.get('node', nodeId)?.certificateExpiresAt).toBe(1);
  });

  it('gives nothing to who has no token, and to a node that was removed', async () => {
    const { authority } = await aCluster();
    await expect(authority.join({ ...request, token: 'guessed' })).rejects.toThrow(/token/);
    const peer: Peer = { nodeId: 'gone', clusterId: 'c', role: 'manager' };
    await expect(authority.renew('csr', peer)).rejects.toThrow('node gone is not in the cluster');
  });

  it('gives nothing to a build that does not know the cluster’s feature level', async () => {
    const { authority } = await aCluster();
    const older = { ...request, featureLevel: 0, version: '0.1.0' };
    await expect(authority.join(older)).rejects.toThrow(/tsswarm test.*tsswarm 0\.1\.0/s);
  });
});
