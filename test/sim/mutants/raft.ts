// Faults that the simulation of size `raft` finds.
import type { Mutant } from './mutant.ts';

/** See `Mutant`. */
export const raftMutants: readonly Mutant[] = [];
