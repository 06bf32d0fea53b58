// Faults that the simulation of size `hosts` finds.
import type { Mutant } from './mutant.ts';

/** See `Mutant`. */
export const hostsMutants: readonly Mutant[] = [];
