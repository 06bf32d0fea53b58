// The three sizes of the simulation, and how much of each a run of the mutants takes. The smallest
// size that can show a fault shows it in most seeds and in the least time.

/** How much of the program takes part. */
export type Size = 'raft' | 'hosts' | 'cluster';

/** Where a size's run is, and its bounds. */
export interface SizeEntry {
  /** File that exports the run, from the repository's root. */
  readonly module: string;
  /** The run: `(seed, { trace }) => SeedResult`, or a promise of one. */
  readonly run: string;
  /** A seed that takes longer than this hangs. */
  readonly seedMsMax: number;
  /** Seeds after which a mutant counts as not found. */
  readonly mutantSeedsMax: number;
  /** Seeds run for each mutant, found or not, to say in how many it shows. */
  readonly mutantSeedsCounted: number;
}

/** All sizes, smallest first. */
export const SIZES: Readonly<Record<Size, SizeEntry>> = {
  raft: {
    module: 'raft-ts/test/simulation/index.ts',
    run: 'runRaftSeed',
    seedMsMax: 60_000,
    mutantSeedsMax: 1000,
    mutantSeedsCounted: 200,
  },
  hosts: {
    module: 'test/sim/hosts/index.ts',
    run: 'runHostsSeed',
    seedMsMax: 60_000,
    mutantSeedsMax: 500,
    mutantSeedsCounted: 30,
  },
  cluster: {
    module: 'test/sim/cluster/index.ts',
    run: 'runClusterSeed',
    seedMsMax: 180_000,
    mutantSeedsMax: 200,
    mutantSeedsCounted: 12,
  },
};

/** Parses a size's name; undefined for any other word. */
export function parseSize(name: string): Size | undefined {
  return name === 'raft' || name === 'hosts' || name === 'cluster' ? name : undefined;
}
