// All mutants, of all sizes.
import { clusterMutants } from './cluster.ts';
import { hostsMutants } from './hosts.ts';
import type { Mutant } from './mutant.ts';
import { raftMutants } from './raft.ts';

/** Every deliberate fault that the simulation has to find. */
export const mutants: readonly Mutant[] = [...raftMutants, ...hostsMutants, ...clusterMutants];
