// A mutant is a deliberate fault: a change of one place in the code under test, made while the
// simulation is bundled. The code itself holds no trace of it. A simulation that does not find a
// mutant would not find the same mistake of ours either.
import type { Size } from '../sizes.ts';

/** One fault. */
export interface Mutant {
  /** What it does wrong, in kebab-case: `vote-twice`. */
  readonly name: string;
  /** The size of the simulation that has to find it. */
  readonly size: Size;
  /** The file it changes, from the repository's root. */
  readonly file: string;
  /** Text that occurs in the file exactly once. */
  readonly find: string;
  readonly replace: string;
  /** What it breaks, in one sentence. */
  readonly why: string;
  /** The checker that is expected to find it. */
  readonly checker?: string;
}

/** The file with the fault in it. Throws when the mutant no longer fits the file. */
export function mutate(source: string, mutant: Mutant): string {
  const first = source.indexOf(mutant.find);
  if (first < 0) {
    throw new Error(`mutant ${mutant.name} does not fit ${mutant.file}: its text is not there`);
  }
  if (source.indexOf(mutant.find, first + 1) >= 0) {
    throw new Error(`mutant ${mutant.name} does not fit ${mutant.file}: its text is there twice`);
  }
  return source.slice(0, first) + mutant.replace + source.slice(first + mutant.find.length);
}
