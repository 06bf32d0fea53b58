import { describe, expect, it } from 'vitest';
import { memoryStore, newCluster, newNode } from '../../test/builders/memory-store.ts';
import { FEATURE_LEVEL, levelProblem, update } from '../model/index.ts';
import { FeatureLevelLoop } from './feature-level-loop.ts';

const DESCRIPTION = {
  hostname: 'm',
  platform: { architecture: 'x86_64', os: 'linux' },
  resources: { nanoCpus: 1, memoryBytes: 1 },
  engine: { version: '1', labels: {}, plugins: [] },
};

describe('the feature level', () => {
  async function aCluster() {
    const { store } = memoryStore();
    await store.propose([newCluster(), newNode('m1'), newNode('m2'), newNode('w')]);
    const loop = new FeatureLevelLoop();
    loop.reset(store.view);
    store.watch((changes) => changes.forEach((change) => loop.observe(change)));
    const describeAs = async (id: string, featureLevel: number | undefined): Promise<void> => {
      const node = store.view.get('node', id);
      if (node === undefined) throw new Error('no node');
      const description =
        featureLevel === undefined ? DESCRIPTION : { ...DESCRIPTION, featureLevel };
      const Role = id.startsWith('m') ? 'manager' : 'worker';
      await store.propose([update('node', { ...node, description, spec: { ...node.spec, Role } })]);
    };
    const turn = async (): Promise<number | undefined> => {
      for (const actions of loop.plan().transactions) await store.propose(actions);
      return store.view.cluster?.featureLevel;
    };
    return { describeAs, turn };
  }

  it('rises once the builds of all managers know it, whatever workers run', async () => {
    const { describeAs, turn } = await aCluster();
    await describeAs('m1', FEATURE_LEVEL);
    await describeAs('m2', undefined);
    expect(await turn()).toBeUndefined();
    await describeAs('m2', FEATURE_LEVEL);
    expect(await turn()).toBe(FEATURE_LEVEL);
  });

  it('never rises beyond what this build knows, and never falls', async () => {
    const { describeAs, turn } = await aCluster();
    await describeAs('m1', FEATURE_LEVEL + 1);
    await describeAs('m2', FEATURE_LEVEL + 1);
    expect(await turn()).toBe(FEATURE_LEVEL);
    await describeAs('m2', undefined);
    expect(await turn()).toBe(FEATURE_LEVEL);
  });

  it('keeps a build out that lacks it, naming both versions', () => {
    const versions = { cluster: 'tsswarm 2', node: 'tsswarm 1' };
    expect(levelProblem(1, 1, versions)).toBeUndefined();
    expect(levelProblem(0, 0, versions)).toBeUndefined();
    expect(levelProblem(2, 1, versions)).toMatch(/feature level 2 .*tsswarm 2.*tsswarm 1.*install/);
  });
});
