// A few seeds of every size, the same seed twice, and one fault of every size found: what `npm run
// sim` and `npm run sim:mutants` do with many.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundleSimulation, type SimulationBundle } from './bundle.ts';
import { hunt } from './hunt.ts';
import { mutants } from './mutants/index.ts';
import { runSeeds } from './seed-pool.ts';
import type { SeedOutcome } from './seed-process.ts';
import { SIZES, type Size } from './sizes.ts';

const TIMEOUT_MS = 180_000;

/** Seeds run here, and a fault that shows in many of them. */
const SUBSETS: readonly { size: Size; seeds: number; mutant: string }[] = [
  { size: 'raft', seeds: 60, mutant: 'vote-twice-in-a-term' },
  { size: 'hosts', seeds: 6, mutant: 'acknowledge-before-fsync' },
  { size: 'cluster', seeds: 3, mutant: 'apply-twice' },
];

describe.each(SUBSETS)('the simulation of size $size', ({ size, seeds, mutant: name }) => {
  let bundle: SimulationBundle;

  beforeAll(async () => {
    bundle = await bundleSimulation(size);
  }, TIMEOUT_MS);

  afterAll(async () => {
    await bundle.remove();
  });

  async function run(firstSeed: number, count: number): Promise<SeedOutcome[]> {
    const outcomes: SeedOutcome[] = [];
    await runSeeds({
      script: bundle.script,
      firstSeed,
      seeds: count,
      processes: 2,
      seedMsMax: SIZES[size].seedMsMax,
      onOutcome: (outcome) => outcomes.push(outcome) > 0,
    });
    return outcomes;
  }

  it(
    `sees no promise broken in ${seeds} seeds, and replays one of them to the same trace`,
    async () => {
      const outcomes = await run(1, seeds);
      expect(outcomes.filter(({ kind }) => kind !== 'ok')).toEqual([]);
      expect(outcomes).toHaveLength(seeds);
      // In a process of its own, with nothing before it.
      const [again] = await run(seeds, 1);
      expect(again?.hash).toBe(outcomes.find(({ seed }) => seed === seeds)?.hash);
      expect(new Set(outcomes.map(({ hash }) => hash)).size).toBe(seeds);
    },
    TIMEOUT_MS,
  );

  it(
    `finds the fault ${name}`,
    async () => {
      const mutant = mutants.find((one) => one.name === name);
      expect(mutant?.size).toBe(size);
      const mutated = await bundleSimulation(size, mutant);
      try {
        const { found } = await hunt(mutated, size, 1);
        expect(found).toBeGreaterThan(0);
      } finally {
        await mutated.remove();
      }
    },
    TIMEOUT_MS,
  );
});
