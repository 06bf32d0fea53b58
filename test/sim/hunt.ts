// The hunt for one mutant: seeds are run until it is found, and at least as many as it takes to say
// how often it shows.
import type { SimulationBundle } from './bundle.ts';
import { runSeeds } from './seed-pool.ts';
import { SIZES, type Size } from './sizes.ts';

const PROCESSES = 2;

/** What came of it. */
export interface Hunt {
  /** Seeds run, and how many of them found the fault. */
  readonly seeds: number;
  readonly found: number;
  /** The lowest seed that did. */
  readonly firstSeed: number | undefined;
  /** Checker to number of seeds. */
  readonly checkers: ReadonlyMap<string, number>;
  readonly milliseconds: number;
}

/** Runs seeds of a bundle with a mutant in it; `atLeast` replaces the size's number of seeds. */
export async function hunt(bundle: SimulationBundle, size: Size, atLeast?: number): Promise<Hunt> {
  const { seedMsMax, mutantSeedsMax, mutantSeedsCounted } = SIZES[size];
  const counted = atLeast ?? mutantSeedsCounted;
  const checkers = new Map<string, number>();
  const failing: number[] = [];
  let seeds = 0;
  const startedAt = Date.now();
  await runSeeds({
    script: bundle.script,
    firstSeed: 1,
    seeds: mutantSeedsMax,
    processes: PROCESSES,
    seedMsMax,
    onOutcome: (outcome) => {
      seeds++;
      if (outcome.kind !== 'ok') {
        failing.push(outcome.seed);
        checkers.set(outcome.checker, (checkers.get(outcome.checker) ?? 0) + 1);
      }
      return seeds < counted || failing.length === 0;
    },
  });
  return {
    seeds,
    found: failing.length,
    firstSeed: failing.length === 0 ? undefined : Math.min(...failing),
    checkers,
    milliseconds: Date.now() - startedAt,
  };
}
