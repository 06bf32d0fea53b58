// Which addresses a node may say that it is at.
import { describe, expect, it } from 'vitest';
import { memoryStore, newNode } from '../../../test/builders/memory-store.ts';
import { update } from '../../model/index.ts';
import { addressProblem, type ClaimedAddresses } from './node-address.ts';

async function problem(claimed: Partial<ClaimedAddresses>, state: 'ready' | 'down' = 'ready') {
  const { store } = memoryStore();
  await store.propose([newNode('mine')]);
  await store.propose([
    newNode('other', { state, address: '10.0.0.2:2377', dataPathAddress: 'fd00::2' }),
  ]);
  const own = { nodeId: 'mine', address: '10.0.0.1:2377', dataPathAddress: '10.0.0.1' };
  return addressProblem(store.view, { ...own, from: '10.0.0.1:40000', ...claimed });
}

describe('the addresses of a node', () => {
  it('are what its connection comes from, or others that nobody has', async () => {
    expect(await problem({})).toBeUndefined();
    expect(await problem({ dataPathAddress: '192.168.7.1' })).toBeUndefined();
    expect(await problem({ dataPathAddress: '' })).toBeUndefined();
  });

  it('are never those of another node that is up', async () => {
    const taken = 'which is the address of node other';
    expect(await problem({ dataPathAddress: '10.0.0.2' })).toContain(taken);
    expect(await problem({ address: '10.0.0.2:2377' })).toContain(taken);
    expect(await problem({ dataPathAddress: 'FD00:0::2' })).toContain(taken);
    expect(await problem({ dataPathAddress: '::ffff:10.0.0.2' })).toContain(taken);
  });

  it('may be those of a node that is down: the machine has joined anew', async () => {
    expect(await problem({ dataPathAddress: '10.0.0.2' }, 'down')).toBeUndefined();
  });

  it('may be another’s where the connection shows that they are its own', async () => {
    const same = { dataPathAddress: '10.0.0.2', address: '10.0.0.2:2377' };
    expect(await problem({ ...same, from: '[::ffff:10.0.0.2]:40000' })).toBeUndefined();
  });

  it('are no names where the kernel needs an address', async () => {
    expect(await problem({ dataPathAddress: 'fd00::9 }\nadd table ip x\n' })).toContain(
      'is no IP address',
    );
  });

  it('of its own earlier registration are no obstacle', async () => {
    const { store } = memoryStore();
    await store.propose([newNode('mine', { address: '10.0.0.1:2377' })]);
    const node = store.view.get('node', 'mine');
    if (node === undefined) throw new Error('no node');
    await store.propose([update('node', node)]);
    const claimed = { nodeId: 'mine', address: '10.0.0.1:2377', dataPathAddress: '10.0.0.1' };
    expect(addressProblem(store.view, claimed)).toBeUndefined();
  });
});
