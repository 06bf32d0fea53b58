// Faults that the simulation of size `cluster` finds.
import type { Mutant } from './mutant.ts';

/** See `Mutant`. */
export const clusterMutants: readonly Mutant[] = [];
